"""Every file of examples/ does what it shows."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import rerank_unify as ru
from rerank_unify.testing import assert_provider_contract

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / name))


@pytest.mark.parametrize("name", ["convert_in_a_test.py", "router_with_own_http.py"])
def test_tests_inside_an_example_pass(name: str) -> None:
    tests = [value for key, value in load(name).items() if key.startswith("test_")]
    assert tests
    for test in tests:
        test()


def test_the_provider_of_30_lines_keeps_the_contract() -> None:
    source = (EXAMPLES / "provider_in_30_lines.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 30
    assert [line for line in source.splitlines() if "import " in line] == ["import rerank_unify.declaration as d"]
    provider: ru.Provider = load("provider_in_30_lines.py")["provider"]
    assert_provider_contract(provider, max_examples=5)
    error = provider.decode_error(503, {}, b'{"error": {"message": "later", "code": "busy"}}')
    assert (type(error), error.message) == (ru.ProviderOverloadedError, "later")


# FastAPI passes an alias that pydantic reports as unused where a model is built on first use, as RerankRequest is.
@pytest.mark.filterwarnings("ignore:The 'alias' attribute")
def test_the_fastapi_app_validates_ranks_and_describes() -> None:
    with TestClient(load("fastapi_app.py")["app"]) as client:
        body = {"query": "fresh fruit", "documents": ["a car", "an apple"], "model": "local-bm25", "top_n": 1}
        good = client.post("/v1/rerank", json={**body, "query": "apple"})
        assert good.status_code == 200
        assert good.json()["results"][0] == {
            "index": 1,
            "relevance_score": good.json()["results"][0]["relevance_score"],
            "document": {"text": "an apple"},
        }
        assert "warnings" not in good.json()
        bad = client.post("/v1/rerank", json={**body, "top_n": "1"})
        assert (bad.status_code, "top_n" in bad.text) == (422, True)
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
    for name in ("RerankRequest", "JinaResponse", "JinaResult", "JinaUsage"):
        assert all(field["description"] for field in schemas[name]["properties"].values()), name
