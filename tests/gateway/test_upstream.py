"""Providers that fail: typed, in the client's dialect, by the deadline, and the next request is fine."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import pytest
from client.helpers import released
from scripted_server import Play, ScriptedServer, no_server_listens, respond_as

import rerank_unify as ru
from rerank_unify._json import compile_path, dig

from .helpers import BODY, NEVER, Wire, client, plain_paths, routed, serving, target

PATHS = plain_paths()


def error_message(path: str, response: Any) -> str:
    sentence = dig(response.json(), compile_path(ru.provider(PATHS[path]).dialect.errors.message))
    assert isinstance(sentence, str)
    return sentence


@pytest.mark.parametrize(
    ("play", "status", "kind"),
    [
        (Play(how="close_mid_body"), 502, "TransportError"),
        (Play(how="close_before_answer"), 502, "TransportError"),
        (Play(how="reset"), 502, "TransportError"),
        (Play(how="garbage"), 502, "TransportError"),
        (Play(how="wrong_length", off=9), 502, "TransportError"),
        (Play(how="html"), 502, "InvalidResponseError"),
        (Play(how="redirect", location="http://127.0.0.1:1/"), 502, None),
        (Play(body=b""), 502, "InvalidResponseError"),
        (Play(body={"results": [{"index": 7, "relevance_score": 0.5}]}), 502, "InvalidResponseError"),
        (Play(how="gzip_bomb"), 502, "TransportError"),
        (Play(status=500), 500, "ProviderServerError"),
        (Play(status=418), 400, "BadRequestError"),
        (Play(status=599), 502, "ProviderServerError"),
    ],
    ids=lambda value: value.how if isinstance(value, Play) else None,
)
def test_what_a_provider_does_wrong_is_reported_and_the_next_request_is_fine(
    play: Play, status: int, kind: str | None
) -> None:
    plays = [one for _ in PATHS for one in (play, Play())]
    with ScriptedServer(plays) as server:
        config = routed(target(server))
        config["upstream"] |= {"max_response_bytes": 100_000}
        with client(config) as api:
            for path in PATHS:
                failed = api.post(path, json=BODY)
                assert failed.status_code == status
                assert error_message(path, failed)
                if kind is not None:
                    assert failed.headers["x-rerank-attempts"] == f"jina={kind}"
                assert api.post(path, json=BODY).status_code == 200


def test_a_provider_that_was_killed_in_mid_response_and_started_again() -> None:
    with ExitStack() as first:
        server = first.enter_context(ScriptedServer([NEVER]))
        with serving(routed(target(server))) as port, Wire(port) as wire:
            body = json.dumps(BODY).encode()
            wire.head(content_length=str(len(body)))
            wire.socket.sendall(body)
            server.wait_calls(1)
            first.close()
            lost = wire.response()
            assert lost.status == 502
            assert lost.json["detail"].startswith("the connection was lost")
            gone = wire.rerank()
            assert gone.status == 502
            assert gone.json["detail"].startswith("no connection")
            # At the same port listens another server: a gateway with `local`, which speaks Jina's dialect too.
            with serving(port=int(server.url.rpartition(":")[2])):
                assert wire.rerank().status == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_slow_provider_is_504_by_the_deadline(path: str) -> None:
    with ScriptedServer([NEVER]) as server:
        for limits in ({"timeout": 0.1}, {"deadline": 0.1}):
            config = {**routed(target(server)), "upstream": {"retries": 0, **limits}}
            with client(config) as api:
                response = api.post(path, json=BODY)
            assert response.status_code == 504
            assert error_message(path, response).startswith("no response within 0.")
        server.wait_disconnected()


def test_a_targets_timeout_counts() -> None:
    with ScriptedServer([NEVER]) as slow, ScriptedServer(respond=respond_as("voyage")) as other, ExitStack() as stack:
        api = stack.enter_context(client(routed(target(slow, timeout=0.1), target(other, "voyage"))))
        response = api.post("/v1/rerank", json=BODY)
    assert response.headers["x-rerank-attempts"] == "jina=TimeoutError,voyage=ok"


def test_the_slower_one_of_a_hedge_is_called_off() -> None:
    with ScriptedServer([NEVER]) as slow, ScriptedServer([NEVER], respond=respond_as("voyage")) as other:
        config = routed(target(slow), target(other, "voyage"))
        config["upstream"] = {"hedge_after": 0.05}
        with client(config) as api:
            with released(other, after={slow: 1}):
                response = api.post("/v1/rerank", json=BODY)
            slow.wait_left(1)
    assert response.headers["x-rerank-provider"] == "voyage"
    assert "jina=cancelled" in response.headers["x-rerank-attempts"]


def test_every_cause_is_in_a_header_where_every_target_failed() -> None:
    with ScriptedServer([Play(status=429, headers={"retry-after": "3600"})]) as limited:
        gone = target(limited, "voyage", base_url=no_server_listens())
        with client(routed(gone, target(limited))) as api:
            response = api.post("/v2/rerank", json=BODY)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "3600"
    assert response.headers["x-rerank-attempts"] == "voyage=ConnectError,jina=RateLimitError"
    assert "x-rerank-provider" not in response.headers


def test_what_a_provider_cannot_express_is_the_clients_to_know() -> None:
    with ScriptedServer(respond=respond_as("cohere")) as server, client(routed(target(server, "cohere"))) as api:
        body = {**BODY, "documents": [{"image": "https://host/a.png"}]}
        response = api.post("/v1/rerank", json=body)
    assert response.status_code == 400
    assert response.json()["detail"].startswith("documents[0]")
    assert server.calls == []


def test_large_requests_go_out_in_parts() -> None:
    with ScriptedServer(respond=respond_as("voyage")) as server, client(routed(target(server, "voyage"))) as api:
        response = api.post("/v1/rerank", json={**BODY, "documents": [f"d{n}" for n in range(2500)], "top_n": 5})
    assert response.status_code == 200
    assert len(response.json()["results"]) == 5
    assert len(server.calls) == 3
