"""Rerank the documents of a LangChain retriever. Install it with ``pip install 'rerank-unify[http,langchain]'``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..client import AsyncClient, Client
from ..errors import MissingExtraError

try:
    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document
    from pydantic import ConfigDict
except ImportError:
    raise MissingExtraError(
        "the LangChain adapter needs langchain-core: pip install 'rerank-unify[langchain]'"
    ) from None


class RerankUnifyCompressor(BaseDocumentCompressor):
    """Keep the most relevant documents, best first, with their score in ``metadata["relevance_score"]``.

    Attributes:
        client: ranks in synchronous chains, and in a thread in asynchronous ones without ``async_client``.
        async_client: ranks in asynchronous chains.
        top_n: how many documents to return, 1 or more; None for all.
        model: the model of the first target; None for its default.

    Raises:
        RerankError: each call raises what the client raises.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    client: Client
    async_client: AsyncClient | None = None
    top_n: int | None = None
    model: str | None = None

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,  # noqa: ARG002 - the base class's; the client has hooks
    ) -> Sequence[Document]:
        """Rank documents; an empty list stays empty, without a call."""
        if not documents:
            return []
        return _ranked(documents, self.client.rerank(query, **self._fields(documents)))

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Rank documents with the asynchronous client, if there is one."""
        if self.async_client is None or not documents:
            return await super().acompress_documents(documents, query, callbacks)
        return _ranked(documents, await self.async_client.rerank(query, **self._fields(documents)))

    def _fields(self, documents: Sequence[Document]) -> dict[str, Any]:
        texts = [document.page_content for document in documents]
        return {"documents": texts, "top_n": self.top_n, "model": self.model, "return_documents": False}


def _ranked(documents: Sequence[Document], response: Any) -> list[Document]:
    """Copy documents in ranked order: the retriever may hold the originals in a cache."""
    return [
        documents[result.index].model_copy(
            update={"metadata": {**documents[result.index].metadata, "relevance_score": result.relevance_score}}
        )
        for result in response
    ]
