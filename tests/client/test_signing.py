"""Where the client calls, and what it signs there, over httpx's mock transport."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import rerank_unify as ru

DOCUMENTS = ["a", "b"]
KEY = "an-api-key-0123456789"


def client(handler: Callable[[httpx.Request], httpx.Response], *targets: Any, **more: Any) -> ru.Client:
    return ru.Client(*targets, http_client=httpx.Client(transport=httpx.MockTransport(handler)), **more)


def test_after_a_key_that_cannot_be_exchanged_the_next_target_is_called() -> None:

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "iam.cloud.ibm.com":
            return httpx.Response(400, json={"errorCode": "BXNIM0415E", "errorMessage": f"{KEY} could not be found"})
        return httpx.Response(200, json={"results": [{"index": 0, "relevance_score": 0.9}]})

    watsonx = ru.Target("watsonx", api_key=KEY, options={"project_id": "p"})
    with client(handler, [watsonx, ru.Target("jina", api_key="jina_0123456789")]) as chain:
        response = chain.rerank("q", DOCUMENTS, top_n=1)
    first, second = response.attempts
    assert isinstance(first.error, ru.AuthenticationError)
    assert (first.error.code, first.error.provider) == ("BXNIM0415E", "watsonx")
    assert KEY not in f"{first!r}{first.error}"
    assert second.error is None


def test_each_call_is_signed() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"results": [{"index": 1, "relevanceScore": 0.9}]})

    with client(handler, "bedrock", api_key="AKIDEXAMPLE:hidden-secret") as bedrock:
        bedrock.rerank("q", DOCUMENTS, top_n=1)
    (request,) = seen
    assert re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/us-west-2/bedrock/aws4_request, "
        r"SignedHeaders=content-type;host;x-amz-date, Signature=[0-9a-f]{64}",
        request.headers["authorization"],
    )
    assert re.fullmatch(r"\d{8}T\d{6}Z", request.headers["x-amz-date"])
    assert "hidden-secret" not in f"{request.url}{request.headers}{request.content!r}"


def test_a_part_of_the_url_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "a1")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "cf-0123456789")
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        assert request.headers["authorization"] == "Bearer cf-0123456789"
        return httpx.Response(200, json={"success": True, "result": {"response": [{"id": 1, "score": 0.9}]}})

    with client(handler, "cloudflare") as cloudflare:
        cloudflare.rerank("q", DOCUMENTS, top_n=1)
    assert seen == ["/client/v4/accounts/a1/ai/run/@cf/baai/bge-reranker-base"]


@pytest.mark.parametrize("name", ["deepinfra", "nvidia", "sie", "elastic"])
def test_each_model_is_called_at_its_own_url(name: str) -> None:
    """The cache of addresses once gave the first model's URL to every other."""
    provider = ru.provider(name)
    models = ["nvidia/llama-nemotron-rerank-1b-v2", "nv-rerank-qa-mistral-4b:1"]
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        sent = provider.decode_request(json.loads(request.content))
        scored = ru.RerankResponse([ru.Result(at, -float(at)) for at in range(len(sent.documents))])
        return httpx.Response(200, json=provider.encode_response(scored))

    with client(handler, name, api_key="k") as calls:
        for model in models:
            calls.rerank("q", DOCUMENTS, model=model)
    request = ru.RerankRequest(query="q", documents=DOCUMENTS)
    assert seen == [provider.prepare(request, model=model, api_key="k").http.url for model in models]
    assert len(set(seen)) == 2
