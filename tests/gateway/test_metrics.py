"""What is counted, and by which labels."""

from __future__ import annotations

import re

from scripted_server import Play, ScriptedServer, respond_as

import rerank_unify as ru
from rerank_unify.gateway.app import rerank_paths

from .helpers import BODY, client, routed, target


def counted(text: str, name: str) -> dict[str, float]:
    """A counter's values by its labels, without the zeros."""
    found = re.findall(rf"^{name}({{[^}}]*}})? (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found if float(value)}


def test_requests_attempts_and_losses_are_counted() -> None:
    with ScriptedServer([Play(status=503), Play()]) as server, ScriptedServer(respond=respond_as("voyage")) as other:
        config = routed(target(server), target(other, "voyage"))
        with client(config) as api:
            for path in ("/v1/rerank", "/v1/rerank", "/nowhere"):
                api.post(path, json=BODY)
            api.post("/cohere/v2/rerank", json={})
            metrics_text = api.get("/metrics")
    assert metrics_text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert counted(metrics_text.text, "rerank_requests_total") == {
        '{dialect="jina",status="200"}': 2,
        '{dialect="cohere",status="400"}': 1,
    }
    assert counted(metrics_text.text, "rerank_request_seconds_count") == {
        '{dialect="jina"}': 2,
        '{dialect="cohere"}': 1,
    }
    attempts = counted(metrics_text.text, "rerank_attempts_total")
    assert attempts['{outcome="ProviderOverloadedError",provider="jina"}'] == 1
    assert attempts['{outcome="ok",provider="voyage"}'] >= 1
    assert sum(attempts.values()) == len(server.calls) + len(other.calls) == 3
    assert counted(metrics_text.text, "rerank_attempt_seconds_count")['{provider="jina"}'] == len(server.calls)
    assert counted(metrics_text.text, "rerank_requests_under_way") == {}


def test_no_label_holds_what_a_client_makes_up() -> None:
    """However many names, options and paths: as many series as there are dialects, statuses and fields."""

    def lines_about(names: list[str]) -> str:
        for name in names:
            body = {**BODY, "model": name, "truncation": False, name: name, "provider_options": {name: {name: 1}}}
            for path in rerank_paths():
                api.post(path, json=body, headers={"x-request-id": name, "x-api-key": name})
            api.post(f"/{name}", json=body)
            api.get(f"/xinference/v1/models/{name}")
        return api.get("/metrics").text

    with client() as api:
        before = lines_about([f"made-up-{n}" for n in range(1)])
        after = lines_about([f"made-up-{n}" for n in range(1, 3)])
    assert "made-up" not in after
    assert after.count("\n") == before.count("\n")


def test_each_app_counts_for_itself() -> None:
    with client() as one, client() as other:
        one.post("/v1/rerank", json=BODY)
        assert counted(one.get("/metrics").text, "rerank_requests_total") != {}
        assert counted(other.get("/metrics").text, "rerank_requests_total") == {}
    assert set(rerank_paths().values()) == {name for name in ru.provider_names() if ru.provider(name).ranks}
