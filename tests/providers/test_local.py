"""The provider in this process: lexical, deterministic, and honest about it."""

import json
import subprocess
import sys
from typing import Any

import pytest

import rerank_unify as ru
from rerank_unify.providers import local
from rerank_unify.testing import load_request

LOCAL = ru.provider("local")


def rerank(query: Any, documents: Any, **fields: Any) -> ru.RerankResponse:
    call = LOCAL.prepare(ru.RerankRequest(query=query, documents=documents, **fields))
    assert LOCAL.sender is not None
    return call.decode(*LOCAL.sender(call.http))


def test_words_in_common_rank_first() -> None:
    response = rerank("organic skincare", ["motor oil", "Organic SKINCARE cream", "organic milk"])
    assert [result.index for result in response] == [1, 2, 0]
    assert response.results[2].relevance_score == 0
    assert (response.model, response.score_kind, response.provider) == ("local-bm25", "unit", "local")
    assert response.usage == ru.Usage()


@pytest.mark.parametrize(
    ("query", "documents", "first"),
    [
        ("护肤产品", ["新的化妆趋势", "天然有机护肤产品", "汽车"], 1),
        ("スキンケア", ["新しいメイク", "有機スキンケア製品"], 1),
        ("ผิว", ["รถยนต์", "ดูแลผิว"], 1),
        ("empfindliche HAUT", ["Motoröl", "für empfindliche Haut"], 1),
        ("ﬁne ﬀ", ["coarse", "fine ff"], 1),
        ("肤", ["x", "肤"], 1),
        ("STRASSE", ["weg", "Straße"], 1),
    ],
)
def test_any_script(query: str, documents: list[str], first: int) -> None:
    response = rerank(query, documents)
    assert response.results[0].index == first
    assert response.results[0].relevance_score > 0


def test_tokens() -> None:
    assert local.tokens("Don't_stop, 护肤品x 9km!") == ["don", "t", "stop", "护肤", "肤品", "x", "9km"]
    assert local.tokens("…🌿 ") == []


@pytest.mark.parametrize(
    ("query", "documents"),
    [("?!", ["a", "b"]), ("a", ["", "?"]), ("nothing in common", ["xyz", "uvw"]), ("a", [{}, {"text": ""}])],
)
def test_nothing_in_common_is_zero_in_the_given_order(query: str, documents: list[Any]) -> None:
    response = rerank(query, documents)
    assert [(result.index, result.relevance_score) for result in response] == [(0, 0.0), (1, 0.0)]


def test_scores_lie_within_the_unit_interval_and_repeat() -> None:
    documents = ["a b c d", "a", "a a a a a a a a", "b c", "z"] * 200
    first = rerank("a b c", documents)
    assert first == rerank("a b c", documents)
    assert all(0 <= result.relevance_score <= 1 for result in first)
    assert first.results[0].relevance_score > first.results[-1].relevance_score
    assert len(first) == 1000


def test_structured_documents_and_rank_fields() -> None:
    documents = [{"title": "oil", "body": "skincare"}, {"title": "skincare", "body": "oil"}]
    response = rerank("skincare", documents, rank_fields=["title"])
    assert [result.index for result in response] == [1, 0]
    assert response.results[0].document == documents[1]
    assert rerank({"text": "skincare"}, documents).results[0].relevance_score > 0


def test_top_n_and_documents() -> None:
    response = rerank("a", ["b", "a"], top_n=1, return_documents=False)
    assert [(result.index, result.document) for result in response] == [(1, None)]


def test_images_are_refused() -> None:
    with pytest.raises(ru.UnsupportedRequestError, match="local's local-bm25 is not known to take images"):
        rerank("q", [{"image": "https://x/1.png"}])


def test_the_sender_answers_mistakes_as_a_server_would() -> None:
    def send(body: bytes) -> tuple[int, Any]:
        status, _, answer = local.send(ru.HttpRequest("POST", "inproc://local/v1/rerank", {}, body))
        return status, json.loads(answer)

    assert send(b"{") == (400, {"detail": send(b"{")[1]["detail"]})
    assert send(b'{"query":"q","documents":[],"top_n":1}')[0] == 400
    status, body = send(b'{"query":"q","documents":[{"image":"u"}]}')
    assert (status, body["detail"].split(":")[0]) == (400, "documents[0]")
    assert send(b'{"query":"q","documents":[{"a":1}],"rank_fields":["b"]}')[0] == 400


def test_the_demo_request() -> None:
    request = ru.provider("jina").decode_request(load_request("skincare-multilingual"))
    response = rerank(request.query, request.documents)
    assert response.results[0].index == 0
    assert len(response) == 10


def test_without_bm25s_one_sentence_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['bm25s'] = None\n"
        "import rerank_unify as ru\n"
        "p = ru.provider('local'); call = p.prepare(ru.RerankRequest(query='q', documents=['a']))\n"
        "try: p.sender(call.http)\n"
        "except ru.MissingExtraError as error: print(error)"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'rerank-unify[local]'" in completed.stdout
