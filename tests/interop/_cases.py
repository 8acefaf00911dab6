"""Requests and responses for the SDKs, and the comparison of an SDK's body with ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import rerank_unify as ru

QUERY: Final = "sanfte Pflege 护肤 🌿"
DOCUMENTS: Final = ("aloe vera cream", "motor oil", 'a "quoted"\n天然 soap 🌿')
SENTENCE: Final = "the provider's sentence, übersetzt"
ABSENT: Final = "<absent>"


def ask(**fields: Any) -> ru.RerankRequest:
    """Make a request, by default for the model ``m`` and without documents in the response."""
    plain: dict[str, Any] = {"query": QUERY, "documents": DOCUMENTS, "model": "m", "return_documents": False}
    return ru.RerankRequest(**(plain | fields))


class Other(NamedTuple):
    """A documented difference between the SDK's body and ours."""

    sdk: Any
    ours: Any
    why: str


@dataclass(frozen=True)
class Job:
    """One request, in the canonical format and as arguments of the SDK.

    Attributes:
        request: in the canonical format.
        arguments: the SDK's arguments, beside query, documents and model.
        but: all differences between the SDK's body and ours, by field.
        read: the request decoded from the SDK's body, if it is not `request`.
    """

    request: ru.RerankRequest
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    but: Mapping[str, Other] = field(default_factory=dict[str, Other])
    read: ru.RerankRequest | None = None


def assert_same_body(sent: Mapping[str, Any], ours: Mapping[str, Any], but: Mapping[str, Other]) -> None:
    """Assert that the SDK's body differs from ours in the listed fields, and in no other."""
    pairs = {name: (sent.get(name, ABSENT), ours.get(name, ABSENT)) for name in sent.keys() | ours.keys()}
    different = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    assert different == {name: (other.sdk, other.ours) for name, other in but.items()}


def response(*ranked: tuple[int, float], echo: bool = False, **more: Any) -> ru.RerankResponse:
    """Make a response with rows of index and score over `DOCUMENTS`."""
    results = [ru.Result(index, score, {"text": DOCUMENTS[index]} if echo else None) for index, score in ranked]
    return ru.RerankResponse(results, **more)


ALL = ((2, 0.9375), (0, 1 / 3), (1, 1e-7))
RESPONSES: Final[Mapping[str, ru.RerankResponse]] = {
    "all": response(*ALL, model="provider's-m", id="id-1", usage=ru.Usage(total_tokens=12, search_units=1)),
    "echoed": response(*ALL, echo=True, id="id-2", usage=ru.Usage(total_tokens=12), warnings=["slöw"]),
    "ties": response((1, 0.5), (0, 0.5), (2, 0.5), usage=ru.Usage(prompt_tokens=7, completion_tokens=3)),
    "cut": response((1, 1.0), usage=ru.Usage(total_tokens=0)),
    "negative": response((0, 3.5), (1, -11.25), usage=ru.Usage(total_tokens=1)),
    "empty": response(usage=ru.Usage(total_tokens=1)),
    "units alone": response(*ALL, usage=ru.Usage(search_units=0.5)),
    "no usage": response(*ALL, echo=True),
}


def ranking(response: ru.RerankResponse) -> list[tuple[int, float]]:
    """Indices and scores."""
    return [(result.index, result.relevance_score) for result in response]


class Failure(NamedTuple):
    """One of our errors, the name of the class that the SDK raises for it, and the status."""

    error: ru.RerankError
    error_class: str
    status: int
    relay: bool = False

    def __repr__(self) -> str:
        return f"{type(self.error).__name__}-{self.status}"


GROUP: Final = ru.AllProvidersFailedError("all", [ru.ConnectError("no"), ru.RateLimitError(SENTENCE, retry_after=0)])
