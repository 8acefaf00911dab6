"""How much is under way at once, in all and for each key."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from scripted_server import Play, ScriptedServer

import rerank_unify as ru
from rerank_unify._json import compile_path, dig
from rerank_unify.gateway.app import create_app
from rerank_unify.gateway.auth import hash_of

from .helpers import BODY, Wire, plain_paths, rerank, routed, serving, target

PATHS = plain_paths()
KEYS = {"keys": {name: hash_of(f"ru-{name}") for name in ("ann", "bob")}}


@contextmanager
def busy(limits: dict[str, int], **settings: Any) -> Generator[tuple[int, Wire, ScriptedServer], None, None]:
    """A gateway with one request under way, Ann's where there are keys: its port, the connection, and the provider."""
    with ScriptedServer([Play(delay=3600)]) as upstream:
        config = routed(target(upstream), limits=limits, **settings)
        with serving(config) as port, Wire(port) as wire:
            body = json.dumps(BODY).encode()
            wire.head(content_length=str(len(body)), x_api_key="ru-ann")
            wire.socket.sendall(body)
            upstream.wait_calls(1)
            yield port, wire, upstream
            upstream.release()
            assert wire.response().status == 200


@pytest.mark.parametrize("path", PATHS)
def test_beyond_the_limit_a_client_learns_when_to_come_again(path: str) -> None:
    with busy({"concurrency": 1}) as (port, _, upstream):
        refused = rerank(port, path=path)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        message = dig(refused.json, compile_path(ru.provider(PATHS[path]).dialect.errors.message))
        assert message == "the gateway is busy"
        assert len(upstream.calls) == 1
    assert upstream.calls


def test_a_place_is_free_again_when_its_request_has_ended() -> None:
    with busy({"concurrency": 1}) as (port, wire, upstream):
        assert rerank(port).status == 503
        upstream.release()
        assert wire.response().status == 200
        assert rerank(port).status == 200
        assert rerank(port, b"{").status == 400
        body = json.dumps(BODY).encode()
        wire.head(content_length=str(len(body)))
        wire.socket.sendall(body)  # for the end of `busy`


def test_one_key_leaves_room_for_another() -> None:
    with busy({"concurrency_per_key": 1}, **KEYS) as (port, _, upstream):
        refused = rerank(port, x_api_key="ru-ann")
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert refused.json == {"detail": "more than 1 concurrent requests with this key"}
        upstream.release()
        assert rerank(port, x_api_key="ru-bob").status == 200


def test_without_keys_all_clients_are_one() -> None:
    with busy({"concurrency_per_key": 1}) as (port, _, upstream):
        refused = rerank(port, path="/v2/rerank")
        assert refused.status == 429
        assert refused.json == {"message": "more than 1 concurrent requests without a key"}
        upstream.release()


def test_a_client_that_is_not_let_in_takes_no_place() -> None:
    gateway = create_app({**KEYS, "limits": {"concurrency": 1}}).state.gateway
    with gateway.limiter.enter(authenticated("ann")), pytest.raises(ru.ProviderOverloadedError):
        gateway.limiter.enter(authenticated("bob")).__enter__()
    with gateway.limiter.enter(authenticated("bob")):
        pass


def authenticated(name: str) -> Any:
    from rerank_unify.gateway.auth import AuthenticatedClient

    return AuthenticatedClient(name, None)
