"""Rerank the nodes of a LlamaIndex query engine. Install it with ``pip install 'rerank-unify[http,llama-index]'``."""

from __future__ import annotations

from typing import Any

from ..client import AsyncClient, Client
from ..errors import InvalidRequestError, MissingExtraError

try:
    from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
    from llama_index_instrumentation import get_dispatcher
except ImportError:
    raise MissingExtraError(
        "the LlamaIndex adapter needs llama-index-core: pip install 'rerank-unify[llama-index]'"
    ) from None

_DISPATCHER = get_dispatcher(__name__)


class RerankUnifyPostprocessor(BaseNodePostprocessor):
    """Keep the most relevant nodes, best first, with the score of the reranker. Sends LlamaIndex's rerank events.

    Attributes:
        client: ranks in synchronous engines, and in a thread in asynchronous ones without ``async_client``.
        async_client: ranks in asynchronous engines.
        top_n: how many nodes to return, 1 or more; None for all.
        model: the model of the first target; None for its default.

    Raises:
        RerankError: each call raises what the client raises; `InvalidRequestError` without a query.
    """

    client: Client
    async_client: AsyncClient | None = None
    top_n: int | None = None
    model: str | None = None

    @classmethod
    def class_name(cls) -> str:
        """Return the name that LlamaIndex shows."""
        return "RerankUnifyPostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if not nodes:
            return []
        fields = self._start(nodes, query_bundle)
        return _end(nodes, self.client.rerank(**fields))

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if self.async_client is None or not nodes:
            return await super()._apostprocess_nodes(nodes, query_bundle)
        fields = self._start(nodes, query_bundle)
        return _end(nodes, await self.async_client.rerank(**fields))

    def _start(self, nodes: list[NodeWithScore], query: QueryBundle | None) -> dict[str, Any]:
        if query is None:
            raise InvalidRequestError("query_bundle: is missing; expected the query", field="query_bundle")
        top_n = self.top_n or len(nodes)
        _DISPATCHER.event(ReRankStartEvent(query=query, nodes=nodes, top_n=top_n, model_name=self.model or "default"))
        texts = [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
        return {
            "query": query.query_str,
            "documents": texts,
            "top_n": self.top_n,
            "model": self.model,
            "return_documents": False,
        }


def _end(nodes: list[NodeWithScore], response: Any) -> list[NodeWithScore]:
    ranked = [NodeWithScore(node=nodes[result.index].node, score=result.relevance_score) for result in response]
    _DISPATCHER.event(ReRankEndEvent(nodes=ranked))
    return ranked
