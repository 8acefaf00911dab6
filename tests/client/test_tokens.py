"""Signatures, and tokens in place of keys: the clients exchange, remember and replace them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import anyio
import pytest

import rerank_unify as ru

KEY = "ibm-key-0123456789"
RANKED = {"results": [{"index": 1, "score": 2.0}, {"index": 0, "score": 1.0}], "model_id": "m"}
Rank: TypeAlias = Callable[[int], list[Any]]


class Cloud:
    """Stands in for IBM's token service and for watsonx; records what it receives."""

    def __init__(self, *, expires_in: float = 3600, refused: int = 0) -> None:
        self.expires_in, self.refused = expires_in, refused
        self.tokens: list[str] = []
        self.calls: list[str] = []

    def __call__(self, http: ru.HttpRequest, timeout: float) -> ru.HttpResponse:
        assert 0 < timeout <= 60
        if "/identity/token" in http.url:
            assert KEY.encode() in http.content
            self.tokens.append(f"eyJ{len(self.tokens) + 1}.abcdefgh.0123456789")
            body: dict[str, Any] = {"access_token": self.tokens[-1], "expires_in": self.expires_in}
            return ru.HttpResponse(200, {}, json.dumps(body).encode())
        assert KEY not in repr((http.headers, http.content, http.url))
        self.calls.append(http.headers["authorization"])
        if len(self.calls) <= self.refused:
            return ru.HttpResponse(401, {}, json.dumps({"errors": [{"message": f"no {self.tokens[-1]}"}]}).encode())
        return ru.HttpResponse(200, {}, json.dumps(RANKED).encode())


def rank(kind: str, cloud: Cloud, count: int) -> list[Any]:
    """Rerank some times with one client; return the indices or the error of each."""
    settings: dict[str, Any] = {"api_key": KEY, "url": "https://us-south.ml.cloud.ibm.com/ml/v1/text/rerank?version=1"}
    request = ru.RerankRequest(query="q", documents=["a", "b"], provider_options={"watsonx": {"project_id": "p"}})
    if kind == "sync":
        with ru.Client("watsonx", sender=cloud, **settings) as client:
            return [outcome(done) for done in client.rerank_many([request] * count, concurrency=1)]

    async def send(http: ru.HttpRequest, timeout: float) -> ru.HttpResponse:
        return cloud(http, timeout)

    async def main() -> list[Any]:
        async with ru.AsyncClient("watsonx", sender=send, **settings) as client:
            return [outcome(done) async for done in client.rerank_many([request] * count, concurrency=1)]

    return anyio.run(main)


def outcome(done: ru.Completed) -> Any:
    return done.error or [result.index for result in done.unwrap()]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_token_serves_many_calls(kind: str) -> None:
    cloud = Cloud()
    assert rank(kind, cloud, 3) == [[1, 0]] * 3
    assert cloud.calls == [f"Bearer {cloud.tokens[0]}"] * 3


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_token_is_replaced_before_it_ends(kind: str) -> None:
    cloud = Cloud(expires_in=59)
    assert rank(kind, cloud, 2) == [[1, 0]] * 2
    assert cloud.calls == [f"Bearer {token}" for token in cloud.tokens]
    assert len(cloud.tokens) == 2


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_refused_token_is_dropped_and_not_shown(kind: str) -> None:
    cloud = Cloud(refused=1)
    error, ranked = rank(kind, cloud, 2)
    assert isinstance(error, ru.AuthenticationError)
    assert cloud.tokens[0] not in f"{error} {error!r}"
    assert ranked == [1, 0]
    assert len(cloud.tokens) == 2


@pytest.mark.parametrize("status", [400, 500])
def test_a_key_that_cannot_be_exchanged_is_a_typed_error(status: int) -> None:
    def refuse(http: ru.HttpRequest, timeout: float) -> ru.HttpResponse:
        return ru.HttpResponse(
            status, {}, b'{"errorCode": "BXNIM0415E", "errorMessage": "Provided API key could not be found"}'
        )

    policy = ru.FallbackPolicy(retries=0)
    with (
        ru.Client(
            "watsonx", api_key=KEY, sender=refuse, policy=policy, base_url="https://us-south.ml.cloud.ibm.com"
        ) as c,
        pytest.raises((ru.AuthenticationError, ru.ProviderServerError)) as caught,
    ):
        c.rerank("q", ["a"], provider_options={"watsonx": {"project_id": "p"}})
    assert (caught.value.code, caught.value.provider) == ("BXNIM0415E", "watsonx")
    assert KEY not in f"{caught.value!r}"
