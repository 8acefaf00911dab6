"""The gateway's cache: off by default, apart for each gateway key, counted."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_server import ScriptedServer

import rerank_unify as ru
from rerank_unify.gateway.app import create_app
from rerank_unify.gateway.auth import hash_of

from .helpers import BODY, client, routed, target

MODEL = "jina-reranker-v2-base-multilingual"
KEYS = {"keys": {name: hash_of(name) for name in ("a", "b")}}


def cached(api: Any, key: str = "a") -> int:
    response = api.post("/v1/rerank", json=BODY, headers={"authorization": f"Bearer {key}"})
    assert response.status_code == 200, response.text
    return int(response.headers.get("x-rerank-cached", 0))


def test_off_by_default() -> None:
    with ScriptedServer() as server, client(routed(target(server, model=MODEL))) as api:
        assert [cached(api), cached(api)] == [0, 0]


@pytest.mark.parametrize("shared", [False, True])
def test_keys_share_scores_only_where_the_settings_say_so(shared: bool) -> None:
    cache = {"store": "memory", "shared_between_keys": shared}
    with ScriptedServer() as server, client(routed(target(server, model=MODEL), cache=cache, **KEYS)) as api:
        assert [cached(api), cached(api), cached(api, "b")] == [0, 2, 2 if shared else 0]
        assert len(server.calls) == (1 if shared else 2)
        metrics = api.get("/metrics", headers={"authorization": "Bearer a"}).text
    hits, misses = (4.0, 2.0) if shared else (2.0, 4.0)
    assert f'rerank_cache_documents_total{{outcome="hit"}} {hits}' in metrics
    assert f'rerank_cache_documents_total{{outcome="miss"}} {misses}' in metrics


def test_redis_needs_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    with pytest.raises(ru.InvalidRequestError, match="redis needs its URL in REDIS_URL, which is not set"):
        create_app({"cache": {"store": "redis"}})
    monkeypatch.setenv("REDIS_URL", "http://:secret@h")
    with pytest.raises(ru.InvalidRequestError, match="REDIS_URL: url: expected") as caught:
        create_app({"cache": {"store": "redis"}})
    assert "secret" not in str(caught.value)
