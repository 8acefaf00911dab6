"""The playground's files, and the description of calls that it shows. `test_playground_browser.py` uses the page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Play, ScriptedServer
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

import rerank_unify as ru
from rerank_unify.gateway import create_app
from rerank_unify.gateway import playground as package

from .helpers import BODY, KEY, LOCKED, PROVIDER_KEY, client, routed, target

FOLDER = Path(package.__file__).parent
FILES = {
    "/": "text/html",
    "/playground/playground.js": "text/javascript",
    "/playground/playground.css": "text/css",
    "/playground/icon.svg": "image/svg+xml",
}
# A policy without 'unsafe-inline' and without another host.
POLICY = {
    "default-src": "'none'",
    **dict.fromkeys(("script-src", "style-src", "img-src", "connect-src"), "'self'"),
    **dict.fromkeys(("frame-ancestors", "base-uri", "form-action"), "'none'"),
}
SECRETS = {
    "bedrock": "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG",
    "bedrock-cohere": "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG:a-session-token",
    "volcengine": "AKLTexample:c2VjcmV0LWtleQ",
    "qianfan-v1": "an-api-key-of-baidu:a-secret-key-of-baidu",
    "watsonx": "an-api-key-of-ibm-0123456789",
}


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("config", [{}, LOCKED], ids=["open", "locked"])
def test_each_file_is_served_with_a_strict_policy(path: str, config: Any) -> None:
    with client(config) as api:
        response = api.get(path, headers={"host": "a-host.example"})
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == FILES[path]
    rules = (rule.strip().partition(" ") for rule in response.headers["content-security-policy"].split(";"))
    assert {name: value for name, _, value in rules} == POLICY
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "a-host" not in response.text


def test_each_file_of_the_package_is_served() -> None:
    served = {"index.html" if path == "/" else path.rpartition("/")[2] for path in FILES}
    assert served == {path.name for path in FOLDER.iterdir() if path.suffix not in ("", ".py")}


def test_the_page_loads_nothing_from_elsewhere_and_has_no_inline_code() -> None:
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    loaded = re.findall(r'(?:href|src)="([^"]*)"', page)
    with TestClient(Starlette(routes=[Mount("/gw", create_app({}))])) as api:
        assert loaded
        for path in loaded:
            assert not path.startswith("/")
            assert api.get(f"/gw/{path}").status_code == 200
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)", page)


def test_texts_are_never_read_as_markup() -> None:
    script = (FOLDER / "playground.js").read_text(encoding="utf-8")
    for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "srcdoc", "eval("):
        assert name not in script


def test_the_page_can_be_switched_off() -> None:
    with client({"playground": False}) as api:
        for path in FILES:
            response = api.get(path)
            assert response.status_code == 404
            assert "GET /docs lists all paths" in response.json()["detail"]
        assert api.get("/docs").status_code == 200


def test_the_list_of_paths_repeats_no_host() -> None:
    with client() as api:
        response = api.get("/docs", headers={"host": "a-host.example"})
        assert "a-host" not in response.text
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "POST /v1/explain" in response.text


# --- /v1/explain -----------------------------------------------------------------------------------------------------


def explained(api: TestClient, **fields: Any) -> list[dict[str, Any]]:
    response = api.post("/v1/explain", json={**BODY, **fields})
    assert response.status_code == 200, response.text
    described: list[dict[str, Any]] = response.json()["targets"]
    return described


@pytest.mark.parametrize("name", ["jina", "cohere", "voyage", "xinference", "tei", "dashscope-native", "azure"])
def test_it_describes_the_call_that_a_rerank_request_makes(name: str) -> None:
    fields: dict[str, Any] = {**BODY, "instruction": "prefer creams"}
    with ScriptedServer([Play(status=500)]) as server, client(routed(target(server, name, model="a-model"))) as api:
        (described,) = explained(api, **fields)
        assert server.calls == []
        api.post("/v1/rerank", json=fields)
        (call,) = server.calls
    assert (described["method"], described["body"], described["calls"]) == (call.method, call.json, 1)
    assert described["url"] in (f"…{call.path}", "…")
    assert (described["provider"], described["model"]) == (name, "a-model")
    losses = ru.provider(name).losses(ru.RerankRequest(**fields), "a-model")
    assert [(loss["field"], loss["reason"]) for loss in described["losses"]] == [
        (loss.field, loss.reason) for loss in losses
    ]
    assert described["headers"].keys() <= call.headers.keys()
    for header, value in described["headers"].items():
        assert value in (call.headers[header], "…")
        assert (value == "…") == (PROVIDER_KEY in call.headers[header])


@pytest.mark.parametrize("name", SECRETS)
def test_signatures_and_tokens_are_masked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", SECRETS[name])
    url = {"base_url": "https://ml.example.com"} if ru.provider(name).endpoint.needs_base_url else {}
    options = dict.fromkeys(ru.provider(name).required_options[:1], "a-project-of-the-operator")
    with client(routed({"provider": name, "key_env": "UPSTREAM_KEY", "options": options, **url})) as api:
        (described,) = explained(api)
    assert {option: described["body"][option] for option in options} == dict.fromkeys(options, "…")
    text = json.dumps(described)
    assert all(part not in text for part in SECRETS[name].split(":"))
    auth = ru.provider(name).auth
    assert described["headers"].get(auth.header) == (None if getattr(auth, "query", "") else "…")
    assert described["body"]


def test_the_machine_and_the_headers_of_the_operator_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", "team-secret-1")
    monkeypatch.setenv("AZURE_AI_API_BASE", "https://our-resource.example.com")
    monkeypatch.setenv("AZURE_AI_API_KEY", PROVIDER_KEY)
    targets = [
        {"provider": "jina", "url": "https://proxy-1.internal/rank?tier=2&sub-key=abc", "headers": {"x-plain": "blue"}},
        {"provider": "cohere", "base_url": "http://10.9.8.7:9000/deep/prefix", "headers": {"x-team": {"env": "TEAM"}}},
    ]
    with client(routed(*targets)) as api:
        described = [*explained(api), *explained(api, model="azure/a-model")]
    assert [one["url"] for one in described] == ["…", "…/v2/rerank", "…/providers/cohere/v2/rerank"]
    assert (described[0]["headers"]["x-plain"], described[1]["headers"]["x-team"]) == ("…", "…")
    text = json.dumps(described)
    for secret in ("proxy-1", "tier", "abc", "blue", "10.9.8.7", "prefix", "team-secret", "our-resource", PROVIDER_KEY):
        assert secret not in text


def test_a_public_url_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", PROVIDER_KEY)
    with client() as api:
        (described,) = explained(api, model="voyage/rerank-2.5")
    assert described["url"] == "https://api.voyageai.com/v1/rerank"
    assert described["headers"]["authorization"] == "…"


def test_it_needs_the_key_of_the_gateway_and_no_key_of_a_provider() -> None:
    with client({**routed({"provider": "jina", "relay": True}), **LOCKED}) as api:
        refused = api.post("/v1/explain", json=BODY)
        assert (refused.status_code, refused.json()) == (401, {"detail": "no API key: send Authorization: Bearer KEY"})
        response = api.post("/v1/explain", json=BODY, headers={"authorization": f"Bearer {KEY}"})
        assert response.json()["targets"][0]["headers"]["authorization"] == "…"
        assert KEY not in response.text
        own_key = {"x-api-key": KEY, "authorization": "Bearer jina_a-key-of-the-client"}
        assert "a-key-of-the-client" not in api.post("/v1/explain", json=BODY, headers=own_key).text


def test_each_target_of_a_chain_is_described_in_its_order() -> None:
    with ScriptedServer() as server:
        first, second = target(server, "voyage", weight=1), target(server, "jina", weight=2)
        config = routed(first, second)
        config["upstream"]["order"] = "weight"
        with client(config) as api:
            assert [one["provider"] for one in explained(api)] == ["jina", "voyage"]
        assert server.calls == []


def test_a_target_that_cannot_express_the_request_has_an_error_beside_the_others() -> None:
    image = {"image": "https://example.com/1.png"}
    with ScriptedServer() as server:
        multimodal = target(server, "jina", model="jina-reranker-m0")
        with client(routed(target(server, "voyage"), multimodal)) as api:
            refused, good = explained(api, documents=[image])
        assert refused.keys() == {"provider", "model", "error"}
        assert "documents[0]" in refused["error"]
        assert good["body"]["documents"] == [image]
        with client(routed(target(server, "voyage"))) as api:
            alone = api.post("/v1/explain", json={**BODY, "documents": [image]})
            ranked = api.post("/v1/rerank", json={**BODY, "documents": [image]})
        assert (alone.status_code, alone.json()) == (ranked.status_code, ranked.json())
        assert alone.status_code == 400
        assert server.calls == []


def test_of_a_request_that_is_split_the_first_call_is_described() -> None:
    with ScriptedServer(
        respond=lambda body: [{"index": at, "score": 0.5} for at in range(len(body["texts"]))]
    ) as server:
        with client(routed(target(server, "tei"))) as api:
            body = {**BODY, "documents": [f"document {number}" for number in range(70)]}
            (described,) = explained(api, **body)
            assert described["calls"] == 3
            assert api.post("/v1/rerank", json=body).status_code == 200
        assert described["body"] in [call.json for call in server.calls]
        assert len(server.calls) == 3


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"{", {}),
        (b'{"query": "q"}', {}),
        (b'{"model": "unknown", "query": "q", "documents": ["d"]}', {}),
        (b'{"model": "m", "query": "q", "documents": ["d", "d", "d"]}', {}),
        (b" " * 1000, {}),
        (b"{}", {"content-type": "text/plain"}),
    ],
)
def test_what_the_rerank_route_refuses_is_refused_in_the_same_words(content: bytes, headers: dict[str, str]) -> None:
    with ScriptedServer() as server:
        limits = {"limits": {"documents": 2, "body_bytes": 500}, "unknown_model": "reject"}
        with client(routed(target(server), **limits)) as api:
            named = {"content-type": "application/json", **headers}
            explained, ranked = (
                api.post(f"/v1/{path}", content=content, headers=named) for path in ("explain", "rerank")
            )
        assert (explained.status_code, explained.json()) == (ranked.status_code, ranked.json())
        assert explained.status_code >= 400


def test_it_is_not_counted_as_a_rerank_request() -> None:
    with client() as api:
        explained(api)
        assert 'rerank_requests_total{dialect="jina"' not in api.get("/metrics").text
        api.post("/v1/rerank", json=BODY)
        assert 'rerank_requests_total{dialect="jina",status="200"} 1.0' in api.get("/metrics").text
