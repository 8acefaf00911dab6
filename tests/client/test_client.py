"""The clients against a real server that plays by script: sync over httpx, async over httpx and aiohttp."""

from __future__ import annotations

import inspect
import logging
import subprocess
import sys
import threading
from typing import Any

import anyio
import httpx
import pytest
from pydantic import SecretStr
from scripted_server import Play, ScriptedServer, no_server_listens, respond_as, score

import rerank_unify as ru
from rerank_unify.transport import AsyncHttpxSender, HttpxSender

from .helpers import DOCUMENTS, KEY, RANKED, Rerank, ask, failure, indices, jina, voyage

# --- a good response -------------------------------------------------------------------------------------------------


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
        with pytest.raises(ru.InvalidRequestError, match="documents: expected none beside a whole request"):
            client.rerank(ask(), ["a"])
        with pytest.raises(ru.InvalidRequestError, match="documents: this field is required"):
            client.rerank("skin")


def test_a_response_under_any_2xx_counts(rerank: Rerank) -> None:
    with ScriptedServer([Play(status=201)], respond=respond_as("jina")) as server:
        assert indices(rerank(jina(server))) == RANKED


def test_local_needs_no_network(rerank: Rerank) -> None:
    assert rerank("local").results[0].index == 3


# --- redirects -------------------------------------------------------------------------------------------------------


def test_redirects_are_not_followed(rerank: Rerank) -> None:
    with ScriptedServer() as thief, ScriptedServer([Play(status=302, how="redirect", location=thief.url)]) as server:
        with pytest.raises(ru.WrongEndpointError):
            rerank(jina(server))
        assert thief.calls == []


# --- splitting -------------------------------------------------------------------------------------------------------


def test_more_documents_than_it_takes(rerank: Rerank) -> None:
    documents = [f"document {n}" for n in range(2500)]
    with ScriptedServer(respond=respond_as("voyage")) as server:
        response = rerank(voyage(server), ask(documents=documents, top_n=5))
        assert sorted(len(seen.json["documents"]) for seen in server.calls) == [500, 1000, 1000]
    assert indices(response) == sorted(range(2500), key=lambda index: -score(documents[index]))[:5]


def test_one_failing_part_fails_the_whole(rerank: Rerank) -> None:
    documents = [f"document {n}" for n in range(2500)]
    script = [Play(), Play(status=500), Play()]
    with ScriptedServer(script, respond=respond_as("voyage")) as first, ScriptedServer() as second:
        response = rerank([voyage(first), jina(second)], ask(documents=documents, top_n=1))
        assert (response.provider, len(second.calls)) == ("jina", 1)


# --- connections, limits, life time ----------------------------------------------------------------------------------


def test_no_server_there(rerank: Rerank) -> None:
    target = ru.Target("xinference", base_url=no_server_listens())
    policy = ru.FallbackPolicy(retries=0)
    with pytest.raises(ru.ConnectError, match="xinference: ConnectError: no connection"):
        rerank(target, settings={"policy": policy})


def test_a_client_of_yours_stays_yours() -> None:
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

    with ScriptedServer([Play(delay=3600)]) as server:
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
        (["local"], {"api_key": KEY}, "api_key: expected in each Target"),
        (["local"], {"model": "m"}, "model: expected in each Target"),
        ("local", {"timeout": 0}, "timeout: expected a number of seconds above 0"),
        ("local", {"deadline": float("inf")}, "deadline: expected a number of seconds above 0"),
        (ru.Target("jina", base_url="http://h", url="http://h/rerank"), {}, "url: it is the whole URL"),
        (ru.Target("jina", url="h:80"), {}, "url: expected http"),
        (ru.Target("jina", api_key=KEY, auth_header="a b"), {}, "auth_header: a name has a character"),
        ({"provider": "jina"}, {}, "no provider is called 'provider'"),
        ([5], {}, "targets: expected names, providers or targets, not a value of type int"),
        (5, {}, "targets: expected names, providers or targets, not a value of type int"),
    ],
)
def test_bad_settings(client: Any, targets: Any, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ru.RequestError, match=sentence) as caught:
        client(targets, **settings)
    assert "hunter2" not in str(caught.value)


def test_keys_of_the_environment_go_to_the_providers_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", KEY)
    secret = SecretStr(KEY)
    assert ru.Client("jina").settings.targets[0].api_key == secret
    assert ru.Client("jina", base_url="https://api.jina.ai/v1").settings.targets[0].api_key == secret
    assert ru.Client("jina", base_url="http://elsewhere").settings.targets[0].api_key is None
    assert ru.Client(ru.Target("jina", url="http://elsewhere/rerank")).settings.targets[0].api_key is None
    assert ru.Client("jina", base_url="http://elsewhere", env_keys=True).settings.targets[0].api_key == secret


def test_a_key_is_nowhere_to_be_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer([Play(status=401, body={"detail": f"bad key {KEY}"})]) as server:
        client = ru.Client(jina(server))
        with pytest.raises(ru.AuthenticationError) as caught:
            client.rerank(ask())
        client.close()
    assert KEY not in f"{caught.value!r} {caught.value} {client!r} {client.settings!r} {caplog.text}"


def test_sync_and_async_have_the_same_signatures() -> None:
    for name in ("__init__", "rerank", "rerank_fields", "rerank_many"):
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
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'rerank-unify[http]'" in completed.stdout


def test_a_chain_tells_that_the_requests_model_was_not_sent(rerank: Rerank) -> None:
    with ScriptedServer() as server, ScriptedServer() as other:
        alone = rerank(jina(server), ask(model="m"))
        chained = rerank([jina(server), voyage(other)], ask(model="m"))
        named = rerank([jina(server, model="m"), voyage(other)], ask(model="m"))
    assert [seen.json["model"] for seen in server.calls] == ["m", chained.model, "m"]
    assert (alone.warnings, named.warnings) == ((), ())
    assert chained.warnings == ("model: m was not sent, as each target of a chain names its model",)


def test_an_error_tells_what_was_tried(rerank: Rerank) -> None:
    with ScriptedServer([Play(status=500)]) as first, ScriptedServer([Play(status=429)]) as second:
        for targets, providers in ([jina(first)], ["jina"]), ([jina(first), voyage(second)], ["jina", "voyage"]):
            error = failure(rerank, targets, settings={"policy": ru.FallbackPolicy(retries=0)})
            assert [one.provider for one in error.attempts] == providers
            assert all(one.error is not None for one in error.attempts)


def test_each_request_raises_an_error(rerank: Rerank) -> None:
    settings = {"policy": ru.FallbackPolicy(retries=0, breaker_failures=1), "health": ru.Health()}
    with ScriptedServer([Play(status=500)]) as server:
        errors = [failure(rerank, jina(server), settings=settings) for _ in range(3)]
        assert len(server.calls) == 3
    assert [type(error) for error in errors] == [ru.ProviderServerError] * 3
    assert len({id(error) for error in errors}) == 3


def test_a_proxy_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ScriptedServer() as proxy:
        for exception, called in (("", 1), ("api.nobody.example", 1), ("127.0.0.1", 0)):
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", exception)
            target = ru.Target("jina", api_key=KEY, base_url=no_server_listens(), timeout=60)
            before = len(proxy.calls)
            with ru.Client(target, policy=ru.FallbackPolicy(retries=0)) as client:
                if called:
                    assert indices(client.rerank(ask())) == RANKED
                else:
                    assert type(failure(client.rerank, ask())) is ru.ConnectError
            assert len(proxy.calls) - before == called
