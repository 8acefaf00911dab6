"""The app as a whole: its routes, mounted or served, and where they come from."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import httpx
import pytest
from scripted_server import Play, ScriptedServer, respond_as
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

import rerank_unify as ru
from rerank_unify.gateway.app import create_app, rerank_paths

from .helpers import BODY, KEY, LOCKED, client, routed, target

PATHS = rerank_paths()


def test_every_installed_dialect_has_its_path() -> None:
    assert set(PATHS.values()) == {name for name in ru.provider_names() if ru.provider(name).ranks}
    assert PATHS["/v1/rerank"] == PATHS["/jina/v1/rerank"] == "jina"
    assert PATHS["/cohere/v1/rerank"] == "cohere-v1"
    assert PATHS["/v2/rerank"] == PATHS["/cohere/v2/rerank"] == "cohere"
    served = {"/infinity/rerank", "/tei/rerank", "/vllm/rerank", "/siliconflow/v1/rerank"}  # of LiteLLM, LlamaIndex
    assert served <= set(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_responds_in_its_dialect(path: str) -> None:
    provider = ru.provider(PATHS[path])
    body = provider.encode_request(ru.RerankRequest(**BODY))
    with client() as api:
        response = api.post(path.replace("{model:path}", "a/b"), json=body)
    assert response.status_code == 200
    read = provider.decode(200, {}, response.content)
    assert [result.index for result in read] == [0, 1]
    assert response.headers["x-rerank-provider"] == "local"
    assert response.headers["x-rerank-attempts"] == "local=ok"
    assert len(response.headers["x-request-id"]) == 32


# --- an unknown provider --------------------------------------------------------------------------------


@pytest.mark.usefixtures("made_up")
def test_a_new_dialect_needs_no_line_of_the_gateway() -> None:
    with client() as api:
        response = api.post("/made-up/models/a/b/rank", json={"query": "skin", "texts": ["motor oil", "skin cream"]})
        failed = api.post("/made-up/models/a/b/rank", json={"query": "skin", "texts": []})
        aside = api.get("/made-up/info/x/y")
        described = api.get("/openapi.json").json()
        wrong = api.get("/made-up/models/a/rank")
    assert [row["index"] for row in response.json()] == [1, 0]
    assert failed.status_code == 400
    assert failed.json()["error"].startswith("texts: ")
    assert aside.json() == {"id": "x/y", "locked": False}
    operation = described["paths"]["/made-up/models/{model}/rank"]["post"]
    assert operation["parameters"][0]["name"] == "model"
    assert wrong.status_code == 405
    assert "GET is not allowed here" in wrong.json()["error"]


@pytest.mark.usefixtures("made_up")
def test_a_model_in_the_path_is_the_model() -> None:
    with ScriptedServer() as server, client(routed(target(server))) as api:
        body = {"query": "skin", "texts": ["motor oil", "skin cream"]}
        assert api.post("/made-up/models/m/rank", json=body).status_code == 200
        assert api.post("/made-up/models/other/rank", json=body).status_code == 404


@pytest.mark.usefixtures("made_up")
def test_a_new_provider_is_called() -> None:
    rows = [{"index": 1, "score": 0.5}, {"index": 0, "score": 0.25}]
    with ScriptedServer([Play(body=rows)]) as server:
        config = routed({"provider": "made-up", "base_url": server.url})
        with client(config) as api:
            response = api.post("/v2/rerank", json=BODY)
    assert [row["index"] for row in response.json()["results"]] == [1, 0]
    assert server.calls[0].json == {"query": BODY["query"], "texts": BODY["documents"]}


# --- beside reranking ------------------------------------------------------------------------------------------------


def test_what_is_there_besides() -> None:
    with client() as api:
        assert api.get("/health").json() == {"status": "ok"}
        assert api.get("/ready").json() == {"status": "ready", "offline": True}
        assert api.get("/v1/models").json()["data"] == [
            {"id": name, "object": "model", "owned_by": "local"} for name in ("local-bm25", "local-use-multilingual")
        ]
        page = api.get("/docs", headers={"host": "a-host"})
        assert "curl -s" in page.text
        assert "a-host" not in page.text
        assert all(f"POST {path}" in page.text for path in PATHS if "{" not in path)


def test_the_description_fits_what_is_served() -> None:
    with client() as api:
        described = api.get("/openapi.json").json()
        assert described["servers"] == [{"url": "/"}]
        for path, operations in described["paths"].items():
            if "post" not in operations:
                assert api.get(path).status_code == 200
                continue
            content = operations["post"]["requestBody"]["content"]["application/json"]
            assert api.post(path, json=content["example"]).status_code == 200, path
            assert set(content["schema"]["required"]) <= set(content["example"])
            failed = operations["post"]["responses"]["4XX"]["content"]["application/json"]
            assert api.post(path, json={}).json().keys() >= set(failed["schema"]["required"])


def test_keys_lock_what_tells_of_models() -> None:
    with client(LOCKED) as api:
        assert api.get("/health").status_code == api.get("/ready").status_code == 200
        assert api.get("/openapi.json").status_code == api.get("/docs").status_code == 200
        for path in ("/v1/models", "/metrics", "/xinference/v1/models/m"):
            assert api.get(path).status_code == 401
            assert api.get(path, headers={"authorization": f"Bearer {KEY}"}).status_code == 200
        assert api.get("/xinference/v1/cluster/auth").json() == {"auth": True}
        assert api.get("/v1/models").json() == {"detail": "no API key: send Authorization: Bearer KEY"}


@pytest.mark.parametrize(
    ("method", "path", "status", "field"),
    [
        ("GET", "/v1/rerank", 405, "detail"),
        ("PUT", "/v2/rerank", 405, "message"),
        ("GET", "/cohere/v1/rerank", 405, "message"),
        ("POST", "/v1/models", 405, "detail"),
        ("POST", "/nowhere", 404, "detail"),
        ("POST", "/cohere/nowhere", 404, "message"),
    ],
)
def test_what_leads_nowhere_is_reported_in_the_dialect_of_the_path(
    method: str, path: str, status: int, field: str
) -> None:
    with client() as api:
        response = api.request(method, path, content=b"{}", follow_redirects=False)
    assert response.status_code == status
    assert "GET /docs lists all paths" in response.json()[field]
    near = "/cohere/v2/rerank" if path.startswith("/cohere/n") else path if "rerank" in path else "/v1/rerank"
    assert near in response.json()[field]
    assert ("allow" in response.headers) == (status == 405)


# --- mounted ---------------------------------------------------------------------------------------------------------


def test_mounted_under_a_prefix() -> None:
    parent = Starlette(routes=[Mount("/rerank", create_app(LOCKED))])
    with TestClient(parent) as api:
        response = api.post("/rerank/cohere/v2/rerank", json=BODY, headers={"x-api-key": KEY})
        assert response.status_code == 200
        assert api.post("/rerank/cohere/v2/rerank", json=BODY).json().keys() == {"message"}
        assert api.get("/rerank/cohere/nowhere").json().keys() == {"message"}
        assert api.get("/rerank/openapi.json").json()["servers"] == [{"url": "/rerank"}]
        assert "$GATEWAY/rerank/v1/rerank" in api.get("/rerank/docs").text
        assert (
            api.get("/rerank/metrics", headers={"x-api-key": KEY}).text.count(
                '_total{dialect="cohere",status="200"} 1.0'
            )
            == 1
        )


async def _twice(app: Any) -> list[int]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as api:
        return [(await api.post("/gw/v1/rerank", json=BODY)).status_code for _ in range(2)]


def test_mounted_where_the_lifespan_is_the_parents() -> None:
    """The session is made with the first call, and closed by the recipe of the documents."""
    import anyio

    with ScriptedServer() as server:
        mounted = create_app(routed(target(server)))

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncGenerator[None]:
            async with mounted.router.lifespan_context(mounted):
                yield

        parent = Starlette(routes=[Mount("/gw", mounted)], lifespan=lifespan)

        async def main() -> None:
            upstream: Any = mounted.state.gateway.upstream
            assert vars(upstream)["_senders"] == {}
            async with parent.router.lifespan_context(parent):
                assert await _twice(parent) == [200, 200]
                (_, session) = next(iter(upstream._senders.values()))
                assert not session.closed
            assert session.closed

        anyio.run(main)
    assert len({call.connection for call in server.calls}) == 1


def test_mounted_where_no_lifespan_is_run() -> None:
    import anyio

    with ScriptedServer(respond=respond_as("voyage")) as server:
        mounted = create_app(routed(target(server, "voyage")))

        async def main() -> None:
            assert await _twice(Starlette(routes=[Mount("/gw", mounted)])) == [200, 200]
            await mounted.state.gateway.upstream.aclose()
            await mounted.state.gateway.upstream.aclose()  # twice is no mistake

        anyio.run(main)


# --- the package -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["starlette", "pydantic_settings"])
def test_without_the_extra_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("rerank_unify.gateway")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ru.MissingExtraError, match="rerank-unify\\[gateway\\]"):
        import_module("rerank_unify.gateway")


def test_names_of_models_with_slashes_reach_the_official_clients_aside() -> None:
    with client() as api:
        assert api.get("/xinference/v1/models/a/b").json()["id"] == "a/b"


def test_a_response_is_json_in_utf_8() -> None:
    with client() as api:
        response = api.post("/v1/rerank", json={"query": "天然", "documents": ["天然 🌿"], "return_documents": True})
    assert response.headers["content-type"] == "application/json"
    assert json.loads(response.content)["results"][0]["document"] == {"text": "天然 🌿"}
