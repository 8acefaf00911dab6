"""Signatures and tokens in both clients, over httpx's mock transport."""

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
ROWS = {"results": [{"index": 1, "score": 2.5}, {"index": 0, "score": -1.0}]}


class Ibm:
    """Counts the requests to IAM and to watsonx, and answers them.

    Attributes:
        lifetime: seconds that a token lasts.
        refuse: how many calls get 401.
    """

    def __init__(self, lifetime: float = 3600, refuse: int = 0) -> None:
        self.lifetime, self.refuse = lifetime, refuse
        self.exchanges, self.calls = 0, 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "iam.cloud.ibm.com":
            assert f"apikey={KEY}" in request.content.decode()
            self.exchanges += 1
            return httpx.Response(200, json={"access_token": f"eyJ.{self.exchanges}", "expires_in": self.lifetime})
        assert request.headers["authorization"] == f"Bearer eyJ.{self.exchanges}"
        assert KEY not in f"{request.url}{request.headers}{request.content!r}"
        self.calls += 1
        if self.calls <= self.refuse:
            return httpx.Response(
                401, json={"errors": [{"code": "authentication_token_expired", "message": "expired"}]}
            )
        return httpx.Response(200, json=ROWS)


def client(handler: Callable[[httpx.Request], httpx.Response], *targets: Any, **more: Any) -> ru.Client:
    return ru.Client(*targets, http_client=httpx.Client(transport=httpx.MockTransport(handler)), **more)


@pytest.mark.parametrize(("lifetime", "exchanges"), [(3600, 1), (30, 3)])
def test_a_key_is_exchanged_once_for_each_life_of_a_token(lifetime: float, exchanges: int) -> None:
    ibm = Ibm(lifetime)
    with client(ibm, "watsonx", api_key=KEY) as watsonx:
        for _ in range(3):
            assert watsonx.rerank("q", DOCUMENTS)[0].index == 1
        assert KEY not in repr(watsonx.settings)
        assert "eyJ" not in repr(watsonx.settings)
    assert (ibm.exchanges, ibm.calls) == (exchanges, 3)


def test_a_token_that_is_refused_is_exchanged_anew() -> None:
    ibm = Ibm(refuse=1)
    with client(ibm, "watsonx", api_key=KEY) as watsonx:
        with pytest.raises(ru.AuthenticationError):
            watsonx.rerank("q", DOCUMENTS)
        assert watsonx.rerank("q", DOCUMENTS)[0].index == 1
    assert (ibm.exchanges, ibm.calls) == (2, 2)


@pytest.mark.anyio
async def test_the_async_client_exchanges_too() -> None:
    ibm = Ibm()
    transport = httpx.MockTransport(ibm)
    async with ru.AsyncClient("watsonx", api_key=KEY, http_client=httpx.AsyncClient(transport=transport)) as watsonx:
        for _ in range(2):
            assert (await watsonx.rerank("q", DOCUMENTS))[0].index == 1
    assert (ibm.exchanges, ibm.calls) == (1, 2)


def test_a_key_that_cannot_be_exchanged_is_an_attempt_that_failed() -> None:
    """The next target of the chain is tried, and nothing repeats the key."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "iam.cloud.ibm.com":
            return httpx.Response(400, json={"errorCode": "BXNIM0415E", "errorMessage": f"{KEY} could not be found"})
        return httpx.Response(200, json={"results": [{"index": 0, "relevance_score": 0.9}]})

    with client(handler, [ru.Target("watsonx", api_key=KEY), ru.Target("jina", api_key="jina_0123456789")]) as chain:
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
