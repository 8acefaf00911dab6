"""A large request is decoded, encoded and sent beside the first event loop: other requests do not wait for it."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

import pytest
from scripted_server import PATIENCE, Play, ScriptedServer

import rerank_unify as ru
from rerank_unify import registry
from rerank_unify.declaration import EncodeContext
from rerank_unify.gateway.app import create_app
from rerank_unify.gateway.rerank_route import LARGE

from . import declared
from .helpers import BODY, NEVER, Wire, routed, serving, target

DOCUMENTS = ["motor oil", "skin cream " * (LARGE // 10)]
LARGE_BODY = json.dumps({**BODY, "documents": DOCUMENTS}).encode()


@dataclass
class Slow:
    """A provider with an encoder that runs until the test ends it."""

    begun: Event = field(default_factory=Event)
    ended: Event = field(default_factory=Event)

    def encode(self, context: EncodeContext) -> None:
        if len(context.body["texts"][-1]) >= LARGE:
            self.begun.set()
            assert self.ended.wait(PATIENCE)


@pytest.fixture
def slow() -> Generator[Slow]:
    made = Slow()
    request = replace(declared.made_up.dialect.request, postprocess=made.encode)
    dialect = replace(declared.made_up.dialect, request=request)
    ru.register(replace(declared.made_up, name="slow", dialect=dialect))
    yield made
    made.ended.set()
    registry.unregister("slow")


def send(wire: Wire, body: bytes = LARGE_BODY) -> None:
    wire.head(content_length=str(len(body)))
    wire.socket.sendall(body)


def test_health_and_small_requests_do_not_wait_for_a_large_one(slow: Slow) -> None:
    rows = [{"index": 1, "score": 0.5}, {"index": 0, "score": 0.25}]
    with ScriptedServer([Play(body=rows), Play(body=rows)]) as server:
        config = routed({"provider": "slow", "base_url": server.url})
        with serving(config) as port, Wire(port) as large, Wire(port) as other:
            send(large)
            assert slow.begun.wait(PATIENCE)
            other.head("/health", "GET")
            assert other.response().json == {"status": "ok"}
            assert other.rerank().status == 200
            assert not slow.ended.is_set()
            slow.ended.set()
            response = large.response()
    assert response.status == 200
    assert [row["index"] for row in response.json["results"]] == [1, 0]
    assert len(server.calls) == 2


def test_the_deadline_counts_while_a_large_request_is_encoded(slow: Slow) -> None:
    with ScriptedServer() as server:
        config = {**routed({"provider": "slow", "base_url": server.url}), "upstream": {"deadline": 0.2}}
        with serving(config) as port, Wire(port) as large:
            send(large)
            response = large.response()
            assert not slow.ended.is_set()
            slow.ended.set()
    assert response.status == 504
    assert response.json == {"detail": "no response within 0.2 seconds"}


def test_a_client_that_leaves_ends_the_call_of_a_large_request() -> None:
    with ScriptedServer([NEVER]) as server:
        app = create_app(routed(target(server)))
        with serving(app=app) as port:
            with Wire(port) as large:
                send(large)
                server.wait_calls(1)
            server.wait_left(1)


@pytest.mark.parametrize("play", [Play(), Play(status=503), Play(how="garbage")], ids=["good", "busy", "garbage"])
def test_a_large_request_gets_the_response_of_a_small_one(play: Play) -> None:
    responses: list[Any] = []
    for size in (0, LARGE):
        with ScriptedServer([play] * 2) as server, serving(routed(target(server))) as port, Wire(port) as wire:
            send(wire, json.dumps(BODY).encode().ljust(size))
            response = wire.response()
        headers = {name: value for name, value in response.headers.items() if name.startswith("x-rerank-")}
        rows = [(row["index"], row["relevance_score"]) for row in response.json.get("results", [])]
        responses.append((response.status, headers, rows, response.json.get("detail"), len(server.calls)))
    assert responses[0] == responses[1]
