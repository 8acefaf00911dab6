"""The clients against a real server that plays by script: sync over httpx, async over httpx and aiohttp."""

from __future__ import annotations

import inspect
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from pydantic import SecretStr

import rerank_unify as ru
from rerank_unify.transport import AiohttpSender, AsyncHttpxSender, HttpxSender

from .server import Play, ScriptedServer, score, vendor

KEY = "jina_0123456789abcdef"
DOCUMENTS = ["aloe vera cream", "motor oil", "天然有机护肤产品 🌿", "cream for skin"]
RANKED = sorted(range(4), key=lambda index: -score(DOCUMENTS[index]))

Rerank = Callable[..., ru.RerankResponse]


def by_httpx(targets: Any, request: Any, settings: dict[str, Any], options: dict[str, Any]) -> ru.RerankResponse:
    with ru.Client(targets, **settings) as client:
        return client.rerank(request, **options)


def by_async_httpx(targets: Any, request: Any, settings: dict[str, Any], options: dict[str, Any]) -> ru.RerankResponse:
    async def main() -> ru.RerankResponse:
        async with ru.AsyncClient(targets, **settings) as client:
            return await client.rerank(request, **options)

    return anyio.run(main)


def by_trio(targets: Any, request: Any, settings: dict[str, Any], options: dict[str, Any]) -> ru.RerankResponse:
    async def main() -> ru.RerankResponse:
        async with ru.AsyncClient(targets, **settings) as client:
            return await client.rerank(request, **options)

    return anyio.run(main, backend="trio")


def by_aiohttp(targets: Any, request: Any, settings: dict[str, Any], options: dict[str, Any]) -> ru.RerankResponse:
    import aiohttp

    async def main() -> ru.RerankResponse:
        connect, most = settings.get("connect_timeout", 5), settings.get("max_response_bytes", 2**26)
        async with aiohttp.ClientSession() as session:
            sender = AiohttpSender(session, connect=connect, most=most)
            async with ru.AsyncClient(targets, sender=sender, **settings) as client:
                return await client.rerank(request, **options)

    return anyio.run(main)


@pytest.fixture(params=[by_httpx, by_async_httpx, by_trio, by_aiohttp], ids=["httpx", "async", "trio", "aiohttp"])
def rerank(request: pytest.FixtureRequest) -> Rerank:
    call = request.param

    def run(
        targets: Any, asked: ru.RerankRequest | None = None, *, settings: Any = None, **options: Any
    ) -> ru.RerankResponse:
        response: ru.RerankResponse = call(targets, asked or ask(), settings or {}, options)
        return response

    return run


def ask(**fields: Any) -> ru.RerankRequest:
    given: dict[str, Any] = {"query": "skin", "documents": DOCUMENTS, **fields}
    return ru.RerankRequest(**given)


def jina(server: ScriptedServer, **more: Any) -> ru.Target:
    return ru.Target("jina", api_key=KEY, base_url=server.url, **more)


def voyage(server: ScriptedServer, **more: Any) -> ru.Target:
    return ru.Target("voyage", api_key="pa-0123456789", base_url=server.url, **more)


def indices(response: ru.RerankResponse) -> list[int]:
    return [result.index for result in response]


# --- a good answer ---------------------------------------------------------------------------------------------------


def test_it_ranks(rerank: Rerank) -> None:
    with ScriptedServer() as server:
        response = rerank(jina(server), ask(top_n=3))
    assert indices(response) == RANKED[:3]
    assert [result.text for result in response] == [DOCUMENTS[index] for index in RANKED[:3]]
    assert [(one.provider, one.error) for one in response.attempts] == [("jina", None)]
    (seen,) = server.calls
    assert (seen.method, seen.path) == ("POST", "/v1/rerank")
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert (seen.json["top_n"], seen.json["return_documents"]) == (3, False)


def test_a_query_and_documents_will_do() -> None:
    with ScriptedServer() as server, ru.Client("jina", api_key=KEY, base_url=server.url, model="m") as client:
        assert indices(client.rerank("skin", DOCUMENTS, top_n=1)) == RANKED[:1]
        assert indices(client.rerank({"text": "skin"}, DOCUMENTS)) == RANKED
        assert server.calls[0].json["model"] == "m"
        assert indices(client.rerank(ask(), top_n=2)) == RANKED[:2]
        with pytest.raises(ru.InvalidRequestError, match="documents: the request has its own"):
            client.rerank(ask(), ["a"])
        with pytest.raises(ru.InvalidRequestError, match="documents: this field is required"):
            client.rerank("skin")


def test_an_answer_under_any_2xx_counts(rerank: Rerank) -> None:
    with ScriptedServer([Play(status=201)], answer=vendor("jina")) as server:
        assert indices(rerank(jina(server))) == RANKED


def test_local_needs_no_network(rerank: Rerank) -> None:
    assert rerank("local").results[0].index == 3


# --- the policy, over the wire ---------------------------------------------------------------------------------------

FAILURES = {
    "401": (Play(status=401, body={"detail": "bad key"}), ru.AuthenticationError),
    "402": (Play(status=402, body={"detail": "pay"}), ru.QuotaExceededError),
    "403": (Play(status=403, how="html"), ru.PermissionDeniedError),
    "404": (Play(status=404, body={"detail": "Not Found"}), ru.WrongEndpointError),
    "404 model": (Play(status=404, body={"detail": "x", "code": "model_not_found"}), ru.ModelNotFoundError),
    "413": (Play(status=413, body={"detail": "large"}), ru.RequestTooLargeError),
    "429": (Play(status=429, body={"detail": "slow"}), ru.RateLimitError),
    "500": (Play(status=500, body=b"oops"), ru.ProviderServerError),
    "503": (Play(status=503, body={"detail": "loading"}), ru.ProviderOverloadedError),
    "524": (Play(status=524, how="html"), ru.ProviderServerError),
    "error under 200": (Play(body={"error": {"code": "rate_limit_exceeded", "message": "x"}}), ru.RateLimitError),
    "nonsense": (Play(body={"results": [{"index": 9, "relevance_score": 1}]}), ru.InvalidResponseError),
    "no rows": (Play(body={"results": []}), ru.InvalidResponseError),
    "html": (Play(how="html"), ru.InvalidResponseError),
    "empty": (Play(body=b""), ru.InvalidResponseError),
    "garbage": (Play(how="garbage"), ru.TransportError),
    "reset": (Play(how="reset"), ru.TransportError),
    "closed": (Play(how="close_before_answer"), ru.TransportError),
    "closed in mid-body": (Play(how="close_mid_body"), ru.TransportError),
    "wrong length": (Play(how="wrong_length", off=50), ru.TransportError),
    "endless": (Play(how="endless"), ru.TransportError),
    "endless chunks": (Play(how="endless_chunked"), ru.TransportError),
    "gzip bomb": (Play(how="gzip_bomb", inflated=2**23), ru.TransportError),
    "too slow": (Play(delay=60), ru.TimeoutError),
    "dripping": (Play(how="drip", gap=0.1), ru.TimeoutError),
}


@pytest.mark.parametrize("name", FAILURES)
def test_any_failure_moves_on_at_once(rerank: Rerank, name: str) -> None:
    play, kind = FAILURES[name]
    slow = name in ("too slow", "dripping")
    settings: dict[str, Any] = {"max_response_bytes": 2**20, "timeout": 0.4 if slow else 10}
    with ScriptedServer([play]) as broken, ScriptedServer(answer=vendor("voyage")) as good:
        response = rerank([jina(broken), voyage(good)], settings=settings)
        assert indices(response) == RANKED
        assert (len(broken.calls), len(good.calls)) == (1, 1)
    failed, answered = response.attempts
    assert isinstance(failed.error, kind)
    assert isinstance(failed.error, ru.RerankError)
    assert (failed.provider, failed.error.provider, answered.provider, answered.error) == (
        "jina",
        "jina",
        "voyage",
        None,
    )
    assert good.calls[0].json["top_k"] if "top_k" in good.calls[0].json else good.calls[0].json["model"] == "rerank-2.5"


def test_a_single_targets_error_is_its_own(rerank: Rerank) -> None:
    with ScriptedServer([Play(status=401, body={"detail": "bad key"})]) as server:
        with pytest.raises(ru.AuthenticationError, match=r"jina: AuthenticationError \(HTTP 401\): bad key"):
            rerank(jina(server))
        assert len(server.calls) == 1


def test_the_callers_mistake_stops(rerank: Rerank) -> None:
    with ScriptedServer([Play(status=422, body={"detail": "top_n"})]) as first, ScriptedServer() as second:
        with pytest.raises(ru.BadRequestError, match="top_n"):
            rerank([jina(first), voyage(second)])
        assert (len(first.calls), second.calls) == (1, [])


def test_all_failed_tells_every_cause(rerank: Rerank) -> None:
    with (
        ScriptedServer([Play(status=500, body=b"a")]) as first,
        ScriptedServer([Play(status=429)]) as second,
        pytest.raises(ru.AllProvidersFailedError) as caught,
    ):
        rerank([jina(first), voyage(second)])
    assert [type(cause) for cause in caught.value.causes] == [ru.ProviderServerError, ru.RateLimitError]


def test_a_retryable_error_is_tried_again(rerank: Rerank) -> None:
    script = [Play(status=503, headers={"retry-after": "0"}), Play(status=500, headers={"retry-after": "0"})]
    with ScriptedServer(script, answer=vendor("jina")) as server:
        response = rerank(jina(server))
    assert indices(response) == RANKED
    assert [type(one.error) for one in response.attempts] == [
        ru.ProviderOverloadedError,
        ru.ProviderServerError,
        type(None),
    ]


def test_a_vendor_that_said_retry_after_is_skipped(rerank: Rerank) -> None:
    health = ru.Health()
    limited = Play(status=429, headers={"retry-after": "30"}, body={"detail": "slow"})
    with ScriptedServer([limited]) as first, ScriptedServer(answer=vendor("voyage")) as second:
        for _ in range(2):
            assert indices(rerank([jina(first), voyage(second)], settings={"health": health})) == RANKED
        assert (len(first.calls), len(second.calls)) == (1, 2)
        assert 29 < health.wait(jina(first), time.monotonic()) <= 30


def test_one_deadline_over_everything(rerank: Rerank) -> None:
    began = time.monotonic()
    with ScriptedServer([Play(delay=60)]) as first, ScriptedServer([Play(delay=60)]) as second:
        with pytest.raises(ru.AllProvidersFailedError) as caught:
            rerank([jina(first, timeout=0.2), voyage(second)], settings={"deadline": 0.5})
        assert all(isinstance(cause, ru.TimeoutError) for cause in caught.value.causes)
        assert all(seen.at < began + 0.55 for seen in (*first.calls, *second.calls))


def test_what_must_be_kept(rerank: Rerank) -> None:
    with ScriptedServer() as first, ScriptedServer(answer=vendor("voyage")) as second:
        response = rerank([jina(first), voyage(second)], ask(instruction="i"), must_keep={"instruction"})
        assert (response.provider, first.calls) == ("voyage", [])
        with pytest.raises(ru.UnsupportedRequestError, match="instruction: would be dropped"):
            rerank(jina(first), ask(instruction="i"), must_keep="all")


def test_a_change_of_kind_is_told(rerank: Rerank) -> None:
    with ScriptedServer([Play(status=500)]) as broken, ScriptedServer() as good:
        response = rerank([voyage(broken), jina(good, model="jina-reranker-v3")])
    assert response.score_kind == "cosine"
    assert "scores are of kind cosine, not probability as the first target's" in response.warnings


def test_redirects_are_not_followed(rerank: Rerank) -> None:
    with ScriptedServer() as thief, ScriptedServer([Play(status=302, how="redirect", location=thief.url)]) as server:
        with pytest.raises(ru.WrongEndpointError):
            rerank(jina(server))
        assert thief.calls == []


# --- splitting -------------------------------------------------------------------------------------------------------


def test_more_documents_than_it_takes(rerank: Rerank) -> None:
    documents = [f"document {n}" for n in range(2500)]
    with ScriptedServer(answer=vendor("voyage")) as server:
        response = rerank(voyage(server), ask(documents=documents, top_n=5))
        assert sorted(len(seen.json["documents"]) for seen in server.calls) == [500, 1000, 1000]
    assert indices(response) == sorted(range(2500), key=lambda index: -score(documents[index]))[:5]


def test_one_failing_part_fails_the_whole(rerank: Rerank) -> None:
    documents = [f"document {n}" for n in range(2500)]
    script = [Play(), Play(status=500), Play()]
    with ScriptedServer(script, answer=vendor("voyage")) as first, ScriptedServer() as second:
        response = rerank([voyage(first), jina(second)], ask(documents=documents, top_n=1))
        assert (response.provider, len(second.calls)) == ("jina", 1)


# --- connections, limits, life time ----------------------------------------------------------------------------------


def nobody_listens() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_nobody_there(rerank: Rerank) -> None:
    target = ru.Target("xinference", base_url=nobody_listens())
    policy = ru.FallbackPolicy(retries=0)
    with pytest.raises(ru.ConnectError, match="xinference: ConnectError: no connection") as caught:
        rerank(target, settings={"policy": policy})
    assert caught.value.__cause__ is not None


def test_a_client_of_your_own_stays_yours() -> None:
    with ScriptedServer() as server, httpx.Client(headers={"x-mine": "1"}, follow_redirects=True) as mine:
        with ru.Client(jina(server), http_client=mine) as client:
            client.rerank(ask())
        assert not mine.is_closed
        assert server.calls[0].headers["x-mine"] == "1"


def test_a_closed_client_says_so() -> None:
    client = ru.Client("jina", api_key=KEY)
    client.close()
    with pytest.raises(ru.InvalidRequestError, match="the client is closed"):
        client.rerank(ask())

    async def closed() -> None:
        client = ru.AsyncClient("jina", api_key=KEY)
        await client.aclose()
        with pytest.raises(ru.InvalidRequestError, match="the client is closed"):
            await client.rerank(ask())

    anyio.run(closed)


def test_an_async_client_needs_no_with() -> None:
    async def main() -> ru.RerankResponse:
        client = ru.AsyncClient(jina(server))
        response = await client.rerank(ask())
        await client.aclose()
        return response

    with ScriptedServer() as server:
        assert indices(anyio.run(main)) == RANKED


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelling_closes_the_connection(backend: str) -> None:
    async def main() -> None:
        async with ru.AsyncClient(jina(server)) as client, anyio.create_task_group() as group:
            group.start_soon(client.rerank, ask())
            await anyio.to_thread.run_sync(server.wait_calls)
            group.cancel_scope.cancel()

    with ScriptedServer([Play(delay=60)]) as server:
        anyio.run(main, backend=backend)
        server.wait_left()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_many_at_once(backend: str) -> None:
    count = 200
    found: list[int] = []

    async def one(client: ru.AsyncClient, at: int) -> None:
        response = await client.rerank("skin", [f"{at}", f"{at + 1}"], top_n=1)
        best = max((at, at + 1), key=lambda number: score(str(number)))
        found.append(int(response.results[0].text == str(best)))

    async def main() -> None:
        async with ru.AsyncClient(jina(server)) as client, anyio.create_task_group() as group:
            for at in range(count):
                group.start_soon(one, client, at)

    with ScriptedServer() as server:
        anyio.run(main, backend=backend)
    assert found == [1] * count


def test_threads_share_a_client() -> None:
    wrong: list[Any] = []

    def work(client: ru.Client) -> None:
        wrong.extend(r for _ in range(10) if indices(r := client.rerank(ask())) != RANKED)

    with ScriptedServer() as server, ru.Client(jina(server)) as client:
        threads = [threading.Thread(target=work, args=(client,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (wrong, len(server.calls)) == ([], 80)


# --- bad input, before any call --------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [ru.Client, ru.AsyncClient])
@pytest.mark.parametrize(
    ("targets", "settings", "sentence"),
    [
        ([], {}, "targets: expected one or more"),
        ("klingon", {}, "no provider is called 'klingon'"),
        (["jina", "voyge"], {}, "did you mean 'voyage'|needs an API key"),
        ("jina", {"api_key": "a\nb"}, "api_key: has a line break"),
        ("jina", {"api_key": KEY, "base_url": "h:80"}, "base_url: expected http"),
        ("jina", {"api_key": KEY, "base_url": "http://u:hunter2@h"}, "base_url: credentials do not belong"),
        (["local"], {"api_key": KEY}, "api_key: belongs to each Target"),
        (["local"], {"model": "m"}, "model: belongs to each Target"),
        ("local", {"timeout": 0}, "timeout: expected a number of seconds above 0"),
        ("local", {"deadline": float("inf")}, "deadline: expected a number of seconds above 0"),
        (ru.Target("jina", base_url="http://elsewhere"), {}, "jina needs an API key"),
    ],
)
def test_bad_settings(client: Any, targets: Any, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ru.RequestError, match=sentence) as caught:
        client(targets, **settings)
    assert "hunter2" not in str(caught.value)


def test_keys_of_the_environment_go_to_the_vendors_own_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", KEY)
    kept = SecretStr(KEY)
    assert ru.Client("jina").settings.targets[0].api_key == kept
    assert ru.Client("jina", base_url="https://api.jina.ai/v1").settings.targets[0].api_key == kept
    with pytest.raises(ru.MissingApiKeyError):
        ru.Client("jina", base_url="http://elsewhere")
    assert ru.Client("jina", base_url="http://elsewhere", env_keys=True).settings.targets[0].api_key == kept


def test_a_key_is_nowhere_to_be_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer([Play(status=401, body={"detail": f"bad key {KEY}"})]) as server:
        client = ru.Client(jina(server))
        with pytest.raises(ru.AuthenticationError) as caught:
            client.rerank(ask())
        client.close()
    assert KEY not in f"{caught.value!r} {caught.value} {client!r} {client.settings!r} {caplog.text}"


def test_sync_and_async_have_the_same_signatures() -> None:
    for name in ("__init__", "rerank"):
        sync, asynchronous = (inspect.signature(getattr(kind, name)) for kind in (ru.Client, ru.AsyncClient))
        assert list(sync.parameters) == list(asynchronous.parameters)
    for name in ("__init__", "__call__"):
        sync, asynchronous = (inspect.signature(getattr(kind, name)) for kind in (HttpxSender, AsyncHttpxSender))
        assert list(sync.parameters) == list(asynchronous.parameters)


def test_without_httpx_one_sentence_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['httpx'] = None\nimport rerank_unify as ru\n"
        "try: ru.Client('local')\nexcept ru.MissingExtraError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'rerank-unify[http]'" in told.stdout
