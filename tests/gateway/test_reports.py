"""Public reports, through the Python client and through the gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from reports import FAILURES, Failure
from scripted_server import Play, ScriptedServer, respond_as, score

import rerank_unify as ru

from .helpers import BODY, client, routed, target

PNG = "data:image/png;base64," + "iVBORw0KGgo" * 20
TEXTS: list[str] = [*BODY["documents"], "shampoo"]
RANKED = sorted(range(3), key=lambda index: -score(TEXTS[index]))


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAILURES)
def test_python_gets_the_class_and_then_the_next_target(name: str) -> None:
    failure = FAILURES[name]
    with ScriptedServer([failure.play] * 2) as first, ScriptedServer(respond=respond_as("voyage")) as second:
        failing = ru.Target(failure.provider, "m", api_key="k-0123456789", base_url=first.url)
        once = ru.FallbackPolicy(retries=0)
        with ru.Client(failing, policy=once) as alone, pytest.raises(ru.RerankError) as caught:
            alone.rerank("skin", TEXTS)
        with ru.Client([failing, ru.Target("voyage", api_key="pa-0123", base_url=second.url)]) as chain:
            response = chain.rerank("skin", TEXTS)
        assert (len(first.calls), len(second.calls)) == (2, 1)
    assert type(caught.value).__name__ == failure.error
    assert failure.words in str(caught.value)
    assert caught.value.code not in ("None", "null")
    assert "key=k" not in str(caught.value)
    assert [type(one.error).__name__ for one in response.attempts] == [failure.error, "NoneType"]
    assert [result.index for result in response] == RANKED


@pytest.mark.parametrize("name", FAILURES)
def test_the_gateway_calls_the_next_target(name: str) -> None:
    failure = FAILURES[name]
    with ScriptedServer([failure.play]) as first, ScriptedServer(respond=respond_as("voyage")) as second:
        config = routed(target(first, failure.provider, model="m"), target(second, "voyage"))
        with client(config) as api:
            response = api.post("/v1/rerank", json={**BODY, "documents": TEXTS})
        assert (len(first.calls), len(second.calls)) == (1, 1)
    assert [row["index"] for row in response.json()["results"]] == RANKED
    assert response.headers["x-rerank-attempts"] == f"{failure.provider}={failure.error},voyage=ok"


@pytest.mark.parametrize("name", ["an undeclared code under 200", "vLLM, too many tokens", "vLLM, an unknown model"])
def test_errors_about_the_request_open_no_breaker(name: str) -> None:
    failure: Failure = FAILURES[name]
    with ScriptedServer([failure.play] * 9) as first, ScriptedServer(respond=respond_as("voyage")) as second:
        with client(routed(target(first, failure.provider, model="m"), target(second, "voyage"))) as api:
            for _ in range(9):
                assert api.post("/v1/rerank", json=BODY).status_code == 200
        assert len(first.calls) == 9


# --- requests --------------------------------------------------------------------------------------------------------


def through_python(provider: str, server: ScriptedServer, request: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the response in Jina's format, with the losses and warnings as the gateway's headers have them."""
    one = ru.Target(provider, api_key="k-0123456789", base_url=server.url)
    with ru.Client(one) as client:
        response = client.rerank(ru.provider("jina").decode_request(request).replace(model=None))
    losses = ",".join(dict.fromkeys(f"{loss.field}={loss.action}" for loss in response.losses))
    return response.to_dict(), {"losses": losses, "warnings": "; ".join(response.warnings)}


def through_the_gateway(provider: str, server: ScriptedServer, request: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    with client(routed(target(server, provider))) as api:
        response = api.post("/v1/rerank", content=request, headers={"content-type": "application/json"})
    assert response.status_code == 200, response.text
    headers = {name: response.headers.get(f"x-rerank-{name}", "") for name in ("losses", "warnings")}
    return response.json(), headers


Through = Callable[[str, ScriptedServer, bytes], tuple[dict[str, Any], dict[str, str]]]
both_ways = pytest.mark.parametrize("through", [through_python, through_the_gateway])


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "query": "skin", "documents": TEXTS, **fields}).encode()


PARTS = [{"type": "text", "text": TEXTS[0]}, {"type": "image_url", "image_url": {"url": PNG}}]


@both_ways
def test_content_parts_of_a_text_are_that_text(through: Through) -> None:
    with ScriptedServer(respond=respond_as("voyage")) as server:
        response, about = through("voyage", server, body(documents=[{"content": PARTS[:1]}, *TEXTS[1:]]))
        assert server.calls[0].json["documents"] == TEXTS
    assert [row["index"] for row in response["results"]] == RANKED
    assert about["losses"] == ""


def test_an_image_is_refused_for_a_text_model_and_never_sent_as_text() -> None:
    request = body(documents=[*TEXTS, {"content": PARTS}])
    with ScriptedServer(respond=respond_as("voyage")) as server:
        with pytest.raises(ru.UnsupportedRequestError) as caught:
            through_python("voyage", server, request)
        with client(routed(target(server, "voyage"))) as api:
            response = api.post("/v1/rerank", content=request, headers={"content-type": "application/json"})
        assert server.calls == []
    assert (caught.value.index, response.status_code) == (3, 400)
    assert "documents[3]" in response.json()["detail"]


@both_ways
def test_a_field_that_the_provider_does_not_get_is_a_loss(through: Through) -> None:
    with ScriptedServer(respond=respond_as("voyage")) as server:
        _, about = through("voyage", server, body(max_tokens_per_doc=100))
    assert about["losses"] == "max_tokens_per_doc=dropped"


@both_ways
def test_of_equal_scores_the_lower_index_is_first(through: Through) -> None:
    rows = [{"index": index, "relevance_score": 0.5, "document": None} for index in (2, 1, 0)]
    with ScriptedServer([Play(body={"id": "1", "results": rows, "meta": None})]) as server:
        response, _ = through("xinference", server, body())
    assert [row["index"] for row in response["results"]] == [0, 1, 2]


@both_ways
def test_a_score_out_of_range_is_a_warning(through: Through) -> None:
    rows = [{"index": index, "relevance_score": 5.0 - index} for index in range(3)]
    with ScriptedServer([Play(body={"results": rows, "usage": {"total_tokens": 9}})]) as server:
        response, about = through("jina", server, body())
    assert [row["relevance_score"] for row in response["results"]] == [5.0, 4.0, 3.0]
    assert "outside" in about["warnings"]


@both_ways
def test_usage_is_read_in_either_familys_place_and_not_made_of_characters(through: Through) -> None:
    rows = [{"index": index, "relevance_score": 0.5 - index / 10} for index in range(3)]
    usage = {"prompt_tokens": 7, "total_tokens": 9}
    tokens = {"meta": {"tokens": {"input_tokens": 7, "output_tokens": 0}, "billed_units": {"search_units": 1}}}
    with ScriptedServer([Play(body={"results": rows, "usage": usage})]) as server:
        at_the_top, _ = through("cohere", server, body())
    with ScriptedServer([Play(body={"results": rows, **tokens})]) as server:
        in_meta, _ = through("jina", server, body())
    with ScriptedServer([Play(body={"object": "rerank", "results": rows, "usage": usage})]) as server:
        of_characters, about = through("infinity", server, body())
    assert at_the_top["usage"] == usage
    assert in_meta["usage"] == {"total_tokens": 7, "prompt_tokens": 7, "completion_tokens": 0, "search_units": 1}
    assert of_characters["usage"] == {}
    assert "usage" in about["warnings"]


@both_ways
def test_a_byte_order_mark_is_skipped_on_both_sides(through: Through) -> None:
    rows = [{"index": index, "relevance_score": 0.5 - index / 10} for index in range(3)]
    sent = b"\xef\xbb\xbf" + json.dumps({"results": rows, "usage": {"total_tokens": 9}}).encode()
    with ScriptedServer([Play(body=sent)]) as server:
        response, _ = through("jina", server, b"\xef\xbb\xbf" + body())
    assert len(response["results"]) == 3


@pytest.mark.parametrize(
    ("request_body", "sentence"),
    [
        (b'{"model": "m", "query": "q", "documents": ["a", "\\ud83d"]}', "documents[1]"),
        (b'{"model": "m", "query": "q", "docs": ["a"]}', "the request has docs instead"),
        (body(top_n=0), "top_n: expected an integer of 1 or more"),
    ],
)
def test_a_wrong_request_is_one_sentence(request_body: bytes, sentence: str) -> None:
    with ScriptedServer() as server, client(routed(target(server))) as api:
        response = api.post("/v1/rerank", content=request_body, headers={"content-type": "application/json"})
        assert server.calls == []
    with pytest.raises(ru.InvalidRequestError) as caught:
        ru.provider("jina").decode_request(request_body)
    assert response.status_code == 400
    assert sentence in caught.value.message
    assert caught.value.message in response.json()["detail"]
