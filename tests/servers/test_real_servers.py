"""The contract and the error classes against real servers. The scores of the tiny model mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

import rerank_unify as ru

from .conftest import Route

QUERY = "Organic skincare products for sensitive skin"
TEXTS = (
    "Organic skincare for sensitive skin with aloe vera and chamomile.",
    "Bio-Hautpflege für empfindliche Haut: 天然有机 🌿",
    "New makeup trends focus on bold colors and innovative techniques.",
    "Gentle cleanser, fragrance free, certified organic.",
    'a "quoted"\nline',
    "",
)
TOLERANCE = 1e-4  # vLLM and llama.cpp change the last digits of a score between identical calls

Cell = Callable[[str], None]


def request(texts: tuple[str, ...] = TEXTS, **options: Any) -> ru.RerankRequest:
    return ru.RerankRequest(query=QUERY, documents=list(texts), **options)


def scores(response: ru.RerankResponse, texts: tuple[str, ...] = TEXTS) -> dict[str, float]:
    """Return the score of each text, and check what holds for every response."""
    rows = [(-result.relevance_score, result.index) for result in response.results]
    assert rows == sorted(rows)
    assert len({index for _, index in rows}) == len(rows)
    assert not response.missing
    assert response.reranked
    return {texts[result.index]: result.relevance_score for result in response.results}


def test_ranks(route: Route, cell: Cell) -> None:
    """A document has the same score wherever it stands: so each index names the right document."""
    forwards = scores(route.call(request(), "ranks"))
    backwards = scores(route.call(request(TEXTS[::-1]), "ranks reversed"), TEXTS[::-1])
    assert forwards.keys() == set(TEXTS)
    assert forwards == pytest.approx(backwards, abs=TOLERANCE)
    assert max(forwards.values()) - min(forwards.values()) > 100 * TOLERANCE
    cell("ok")


def test_documents_on_request(route: Route, cell: Cell) -> None:
    for asks in (True, False):
        response = route.call(request(return_documents=asks), f"documents {asks}", echo_documents=asks)
        assert [result.text for result in response.results] == [
            TEXTS[result.index] if asks else None for result in response.results
        ]
    cell("ok")


def test_top_n(route: Route, cell: Cell) -> None:
    all_scores = [result.relevance_score for result in route.call(request(), "top_n none").results]
    for top_n, length in ((2, 2), (99, len(TEXTS))):
        response = route.call(request(top_n=top_n), f"top_n {top_n}")
        scores(response)
        assert [result.relevance_score for result in response.results] == pytest.approx(
            all_scores[:length], abs=TOLERANCE
        )
    cell("ok")


def test_usage(route: Route, cell: Cell) -> None:
    """Tokens, or None where the server does not count tokens; `compatible` cannot know that Infinity counts letters."""
    response = route.call(request(), "usage")
    tokens = response.usage.total_tokens
    if route.column == "infinity":
        assert tokens is None
        assert any("characters" in warning for warning in response.warnings)
    elif route.column == "xinference by compatible":
        assert tokens is None  # only with its own option `return_len`
    else:
        assert tokens is not None
        assert tokens > len(TEXTS)
    cell("none" if tokens is None else f"{tokens} tokens")


def test_score_kind(route: Route, cell: Cell) -> None:
    """The kind that is declared, if any, is the kind that came."""
    response = route.call(request(), "kind")
    assert response.score_kind in {None, "unknown", "probability", "logit"}
    if response.score_kind == "probability":
        assert all(0 <= result.relevance_score <= 1 for result in response.results)
    assert not any("range" in warning for warning in response.warnings)
    cell(str(response.score_kind))


def test_client(route: Route, cell: Cell) -> None:
    """`Client` gives the ranking that the server gives to one call."""
    with ru.Client(route.target) as client:
        response = client.rerank(QUERY, list(TEXTS))
    assert scores(response) == pytest.approx(scores(route.call(request(), "client")), abs=TOLERANCE)
    cell("ok")


@dataclass(frozen=True)
class Wrong:
    """A call that some servers refuse: the error by the table's column, else by server. Other servers rank."""

    refused: Mapping[str, type[ru.RerankError]]
    documents: tuple[str, ...] = TEXTS
    model: str = "tiny"
    key: str | None = None
    path: str | None = None


def everywhere(kind: type[ru.RerankError]) -> Mapping[str, type[ru.RerankError]]:
    return dict.fromkeys(("infinity", "llamacpp", "vllm", "xinference"), kind)


WRONG: Mapping[str, Wrong] = {
    # Infinity and Xinference cut what is longer than the model's 512 tokens.
    "document of 3,000 tokens": Wrong(
        {"llamacpp": ru.RequestTooLargeError, "vllm": ru.RequestTooLargeError}, ("b " * 3_000, "short")
    ),
    "document of 130,000 characters": Wrong(
        dict.fromkeys(("infinity", "llamacpp", "vllm"), ru.RequestTooLargeError), ("b " * 65_000, "short")
    ),
    "2,049 documents": Wrong(
        # Its own provider declares the limit, and sends nothing.
        {"infinity": ru.UnsupportedRequestError, "infinity by compatible": ru.RequestTooLargeError},
        tuple(f"text {number}" for number in range(2_049)),
    ),
    # Infinity and llama.cpp serve one model under every name.
    "unknown model": Wrong({"vllm": ru.ModelNotFoundError, "xinference": ru.ModelNotFoundError}, model="no-such-model"),
    "wrong key": Wrong(everywhere(ru.AuthenticationError), key="sk-9876543210-of-nothing"),
    "wrong path": Wrong(everywhere(ru.WrongEndpointError), path="/wrong/rerank"),
}


@pytest.mark.parametrize("case", WRONG)
def test_error(route: Route, cell: Cell, case: str) -> None:
    wrong = WRONG[case]
    given = request(wrong.documents)
    url = wrong.path and route.server.url + wrong.path
    expected = wrong.refused.get(route.column, wrong.refused.get(route.server.name))
    if expected is None:
        response = route.call(given, case, model=wrong.model, key=wrong.key, url=url)
        assert len(scores(response, wrong.documents)) == len(wrong.documents)
        cell("ranks")
        return
    with pytest.raises(ru.RerankError) as raised:
        route.call(given, case, model=wrong.model, key=wrong.key, url=url)
    cell(type(raised.value).__name__)
    assert type(raised.value) is expected
    if wrong.key:
        assert wrong.key not in str(raised.value)


def test_2049_documents_to_a_client(route: Route, cell: Cell) -> None:
    """The client splits by the limit that a provider declares; `compatible` declares none, but the error names it."""
    texts = tuple(f"text {number}" for number in range(2_049))
    with ru.Client(route.target) as client:
        if route.column == "infinity by compatible":
            with pytest.raises(ru.RequestTooLargeError) as raised:
                client.rerank(QUERY, list(texts))
            assert raised.value.document_limit == 2_048
            cell("RequestTooLargeError, limit 2048")
            with ru.Client(replace(route.target, limits=ru.Limits(documents=2_048))) as splitting:
                assert len(scores(splitting.rerank(QUERY, list(texts)), texts)) == len(texts)
            return
        assert len(scores(client.rerank(QUERY, list(texts)), texts)) == len(texts)
    cell("ranks")
