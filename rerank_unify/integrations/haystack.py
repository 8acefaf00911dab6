"""Rerank documents in a Haystack pipeline. Install it with ``pip install 'rerank-unify[http,haystack]'``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..client import AsyncClient, Client
from ..errors import MissingExtraError
from ..fallback import Target

try:
    from haystack import Document, component, default_to_dict
except ImportError:
    raise MissingExtraError("the Haystack adapter needs haystack-ai: pip install 'rerank-unify[haystack]'") from None


@component
class RerankUnifyRanker:
    """Keep the most relevant documents, best first, each with its score.

    A pipeline with this component can be saved if all targets are names. Keys come from the environment.
    """

    def __init__(
        self,
        targets: str | list[str | Target],
        top_k: int | None = None,
        deadline: float | None = None,
    ) -> None:
        """Set up the clients.

        Args:
            targets: names of providers or targets, tried in order.
            top_k: how many documents to return, 1 or more; None for all.
            deadline: seconds for a whole call; None for no deadline.
        """
        self.targets, self.top_k, self.deadline = targets, top_k, deadline
        self._client = Client(targets, deadline=deadline)
        self._async_client = AsyncClient(targets, deadline=deadline)

    def to_dict(self) -> dict[str, Any]:
        """Return what a saved pipeline holds.

        Raises:
            ValueError: a target is no name; it might hold a key.
        """
        if not all(isinstance(target, str) for target in self.targets):
            raise ValueError("targets: hold a Target; expected names alone in a pipeline that is saved")
        return default_to_dict(self, targets=self.targets, top_k=self.top_k, deadline=self.deadline)

    @component.output_types(documents=list[Document])
    def run(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, list[Document]]:
        """Rank documents; an empty list stays empty, without a call."""
        if not documents:
            return {"documents": []}
        return _ranked(documents, self._client.rerank(query, **self._fields(documents, top_k)))

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Rank documents in an asynchronous pipeline."""
        if not documents:
            return {"documents": []}
        return _ranked(documents, await self._async_client.rerank(query, **self._fields(documents, top_k)))

    def _fields(self, documents: list[Document], top_k: int | None) -> dict[str, Any]:
        texts = [document.content or "" for document in documents]
        return {"documents": texts, "top_n": self.top_k if top_k is None else top_k, "return_documents": False}


def _ranked(documents: list[Document], response: Any) -> dict[str, list[Document]]:
    ranked = [replace(documents[result.index], score=result.relevance_score) for result in response]
    return {"documents": ranked}
