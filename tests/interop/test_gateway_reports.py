"""Failures from public reports: through the gateway each official SDK gets the ranking of the next target."""

from __future__ import annotations

import pytest
from reports import FAILURES

from ._gateway import DOCUMENTS, ScriptedServer, Served, every_client, rank, respond_as

KEY = "key-0123456789"


@every_client
@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.usefixtures("bare")
def test_the_next_target_ranks(client: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", KEY)
    failure = FAILURES[name]
    with ScriptedServer([failure.play]) as first, ScriptedServer(respond=respond_as("jina")) as second:
        targets = [
            {"provider": failure.provider, "model": "m", "base_url": first.url, "key_env": "UPSTREAM_KEY"},
            {"provider": "jina", "base_url": second.url, "key_env": "UPSTREAM_KEY"},
        ]
        with Served({"models": {"m": {"targets": targets}}}) as served:
            ranked = rank(client, served.url)
        assert (len(first.calls), len(second.calls)) == (1, 1)
    scores = [score for _, score in ranked.ranking]
    assert scores == sorted(scores, reverse=True)
    assert sorted(index for index, _ in ranked.ranking) == list(range(len(DOCUMENTS)))
