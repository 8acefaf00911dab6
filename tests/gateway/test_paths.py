"""Spellings of the paths: what clients with too much or too little in their base URL send."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

import rerank_unify as ru
from rerank_unify.gateway.app import canonical_path, create_app, rerank_paths

from .helpers import BODY, KEY, LOCKED, client

PATHS = rerank_paths()
MEANT = {
    "/rerank": "/v1/rerank",
    "/v1/rerank/": "/v1/rerank",
    "//v1/rerank": "/v1/rerank",
    "//v1//rerank//": "/v1/rerank",
    "/v1/v1/rerank": "/v1/rerank",
    "/v1/rerank/rerank": "/v1/rerank",
    "/v1/rerank/v1/rerank": "/v1/rerank",
    "/v1/v2/rerank": "/v2/rerank",
    "/v2/v1/rerank": "/v1/rerank",
    "/v2/rerank/v2/rerank": "/v2/rerank",
    "/jina/rerank": "/jina/v1/rerank",
    "/jina/v1/v1/rerank": "/jina/v1/rerank",
    "/cohere/rerank": "/cohere/v2/rerank",
    "/cohere//v2/rerank": "/cohere/v2/rerank",
    "/cohere/v1/v2/rerank": "/cohere/v2/rerank",
    "/cohere/v2/v1/rerank": "/cohere/v1/rerank",
    "/cohere/v2/rerank/v1/rerank": "/cohere/v1/rerank",
    "/cohere/rerank/v2/rerank": "/cohere/v2/rerank",
    "/voyage/rerank": "/voyage/v1/rerank",
    "/voyage/v1/v1/rerank": "/voyage/v1/rerank",
    "/voyage/v1/rerank/rerank": "/voyage/v1/rerank",
    "/xinference/rerank": "/xinference/v1/rerank",
    "/xinference/v1/v1/rerank": "/xinference/v1/rerank",
    "/xinference/v1/v1/models/m": "/xinference/v1/models/m",
    "/tei/v1/rerank": "/tei/rerank",
    "/tei/rerank/": "/tei/rerank",
    "/infinity/v1/rerank": "/infinity/rerank",
    "/v1/models/": "/v1/models",
    "//health": "/health",
}
UNKNOWN = (
    "/nowhere",
    "/cohere/nowhere",
    "/jina/v2/rerank",
    "/v3/rerank",
    "/a/v1/rerank",
    "/rerank/x",
    "/v1",
    "/reranker",
)


@pytest.mark.parametrize(("path", "meant"), MEANT.items())
def test_another_spelling_is_the_path_that_is_meant(path: str, meant: str) -> None:
    assert canonical_path(path, PATHS) == meant
    with client() as api:
        if meant in PATHS:
            provider = ru.provider(PATHS[meant])
            response = api.post(f"http://testserver{path}", json=provider.encode_request(ru.RerankRequest(**BODY)))
            assert [result.index for result in provider.decode(200, {}, response.content)] == [0, 1]
        else:
            response = api.get(f"http://testserver{path}")
            assert response.json() == api.get(meant).json()
        assert response.status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_served_is_meant(path: str) -> None:
    assert canonical_path(path, PATHS) == path


@pytest.mark.parametrize("path", UNKNOWN)
def test_other_paths_are_404_and_name_the_paths(path: str) -> None:
    with client() as api:
        response = api.post(path, json=BODY)
    assert response.status_code == 404
    near = {"/cohere/nowhere": "/cohere/v2/rerank or /cohere/v1/rerank", "/jina/v2/rerank": "/jina/v1/rerank"}
    expected = near.get(path, "/v1/rerank" if path == "/v1" else "/v1/rerank or /v2/rerank")
    assert f"no such path; send POST to {expected}; GET /docs lists all paths" in response.text


def test_another_spelling_needs_a_key_as_well() -> None:
    with client(LOCKED) as api:
        for path in ("/rerank", "//v1/rerank", "/cohere/v1/v2/rerank"):
            assert api.post(f"http://testserver{path}", json=BODY).status_code == 401
            assert api.post(f"http://testserver{path}", json=BODY, headers={"x-api-key": KEY}).status_code == 200
        assert api.get("/xinference/v1/models/").status_code == 401


def test_another_spelling_where_the_app_is_mounted() -> None:
    with TestClient(Starlette(routes=[Mount("/gw", create_app({}))])) as api:
        assert api.post("/gw/cohere/v1/v2/rerank", json=BODY).status_code == 200
        assert api.post("/gw/rerank/", json=BODY).status_code == 200


def test_models_are_listed_for_clients_of_xinference() -> None:
    with client({"models": {"fast": {"targets": [{"provider": "local"}]}}}) as api:
        listed = api.get("/xinference/v1/models").json()
        assert api.get("/xinference/v1/models/").json() == listed
    assert {row["id"] for row in listed["data"]} == {"fast"}
    assert listed["data"][0]["model_type"] == "rerank"
