"""Lifetimes of clients and connections: closing, cancelling, forking, another event loop, many threads."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import anyio
import httpx
import pytest
from scripted_server import PATIENCE, Play, ScriptedServer, respond_as

import rerank_unify as ru

from .helpers import ASYNC, MANY, NEVER, RANKED, Rerank, ask, failure, indices, jina, opened, run, voyage

CLOSED: Final = "the client is closed"


# --- the synchronous client ------------------------------------------------------------------------------------------


def test_closing_lets_running_calls_end() -> None:
    with ScriptedServer([NEVER]) as server, ThreadPoolExecutor(1) as pool:
        client = ru.Client(jina(server))
        running = pool.submit(client.rerank, ask())
        server.wait_calls()
        client.close()
        assert str(failure(client.rerank, ask())) == CLOSED
        server.release()
        assert indices(running.result(PATIENCE)) == RANKED
        server.wait_disconnected()  # the last call closes the connections
        assert len(server.calls) == 1


def test_closing_closes_unused_connections() -> None:
    with ScriptedServer() as server:
        client = ru.Client(jina(server))
        client.rerank(ask())
        client.close()
        server.wait_disconnected()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child makes one call and ends
def test_a_forked_process_has_connections_of_its_own() -> None:
    with ScriptedServer() as server, ru.Client(jina(server)) as client:
        client.rerank(ask())
        child = os.fork()
        if child == 0:
            ranked = False
            try:
                ranked = indices(client.rerank(ask())) == RANKED
                client.close()
            finally:
                os._exit(0 if ranked else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert indices(client.rerank(ask())) == RANKED
        first, of_child, last = [call.connection for call in server.calls]
    assert first == last != of_child


def test_many_threads_share_a_client() -> None:
    documents = [f"document {n}" for n in range(20)]

    def best(n: int) -> int:
        return client.rerank("skin", documents[n:]).results[0].index

    with ScriptedServer() as server, ru.Client(jina(server)) as client:
        with ThreadPoolExecutor(16) as pool:
            together = list(pool.map(best, range(16)))
        assert together == [best(n) for n in range(16)]


# --- the asynchronous client -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [ru.FallbackPolicy(), ru.FallbackPolicy(hedge_after=0)], ids=["in turn", "hedged"])
@pytest.mark.parametrize("documents", [["a", "b"], MANY], ids=["one call", "parts"])
def test_closing_ends_running_calls(over: str, policy: ru.FallbackPolicy, documents: list[str]) -> None:
    errors: list[str] = []

    async def main() -> None:
        async with opened(over, [voyage(first), jina(second)], policy=policy) as client:

            async def rerank() -> None:
                with pytest.raises(ru.InvalidRequestError) as caught:
                    await client.rerank(ask(documents=documents))
                errors.append(str(caught.value))

            async with anyio.create_task_group() as group:
                group.start_soon(rerank)
                await anyio.to_thread.run_sync(first.wait_calls)
                await client.aclose()
            await anyio.to_thread.run_sync(first.wait_left)
            if ASYNC[over] == "asyncio":
                assert asyncio.all_tasks() == {asyncio.current_task()}

    with ScriptedServer([NEVER]) as first, ScriptedServer([NEVER]) as second:
        run(over, main)
    assert errors == [CLOSED]


def test_closing_ends_a_wait(over: str) -> None:
    def an_hour(_error: ru.RerankError, _tries: int) -> float:
        return 3600.0

    async def main() -> None:
        policy = ru.FallbackPolicy(retries=1, backoff=an_hour, max_wait=7200.0)
        async with opened(over, jina(server), policy=policy) as client, anyio.create_task_group() as group:
            group.start_soon(expect_closed, client)
            await anyio.to_thread.run_sync(server.wait_calls)
            await client.aclose()

    async def expect_closed(client: ru.AsyncClient) -> None:
        with pytest.raises(ru.InvalidRequestError, match=CLOSED):
            await client.rerank(ask())

    with ScriptedServer([Play(status=503)]) as server:
        run(over, main)


def test_a_deadline_of_the_caller_is_no_closed_client(over: str) -> None:
    async def main() -> None:
        async with opened(over, jina(server)) as client:
            with pytest.raises(TimeoutError):
                with anyio.fail_after(0.2):
                    await client.rerank(ask())
            server.release()
            assert indices(await client.rerank(ask())) == RANKED

    with ScriptedServer([NEVER], respond=respond_as("jina")) as server:
        run(over, main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.filterwarnings("ignore:unclosed", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_client_works_in_a_second_event_loop(backend: str) -> None:
    with ScriptedServer() as server:
        client = ru.AsyncClient(jina(server))

        async def twice() -> list[int]:
            await client.rerank(ask())
            return indices(await client.rerank(ask()))

        async def last() -> None:
            await twice()
            await client.aclose()

        assert anyio.run(twice, backend=backend) == RANKED
        anyio.run(last, backend=backend)
        first, second = ({call.connection for call in server.calls[at : at + 2]} for at in (0, 2))
        assert len(first) == len(second) == 1
        assert first != second
    gc.collect()  # the connections of the first loop, which nothing could close


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_parts_share_the_time_of_their_attempt(kind: str) -> None:
    """A later part gets the seconds that are left, not the whole timeout again."""
    seconds: list[float] = []
    clock = threading.Event()

    def respond(http: ru.HttpRequest, timeout: float) -> ru.HttpResponse:
        seconds.append(timeout)
        clock.wait(0.01)  # some time must pass
        rows = [{"index": index, "relevance_score": 0.5} for index in range(http.content.count(b"document "))]
        return ru.HttpResponse(200, {}, json.dumps({"data": rows}).encode())

    async def respond_async(http: ru.HttpRequest, timeout: float) -> ru.HttpResponse:
        return respond(http, timeout)

    settings: dict[str, Any] = {"api_key": "pa-1", "timeout": 60, "concurrency": 1}
    if kind == "sync":
        with ru.Client("voyage", sender=respond, **settings) as client:
            client.rerank(ask(documents=MANY))
    else:

        async def main() -> None:
            async with ru.AsyncClient("voyage", sender=respond_async, **settings) as client:
                await client.rerank(ask(documents=MANY))

        anyio.run(main)
    assert 60 >= seconds[0] > seconds[1] > seconds[2] > 0


def test_local_ends_at_the_timeout_of_an_asynchronous_client() -> None:
    started, ended = threading.Event(), threading.Event()

    def slow(http: ru.HttpRequest) -> ru.HttpResponse:
        started.set()
        ended.wait(PATIENCE)
        return ru.HttpResponse(200, {}, b"{}")

    provider = replace(ru.provider("local"), sender=slow)

    async def main() -> None:
        async with ru.AsyncClient(provider, timeout=0.2, policy=ru.FallbackPolicy(retries=0)) as client:
            with pytest.raises(ru.TimeoutError, match=r"no response within 0\.2 seconds"):
                await client.rerank(ask())

    try:
        anyio.run(main)
        assert started.is_set()
    finally:
        ended.set()


def test_two_rankings_at_once_in_an_event_loop() -> None:
    """More would starve the event loop that starts them."""
    lock, running, counts = threading.Lock(), [0], list[int]()
    rank = ru.provider("local").sender
    assert rank is not None

    def counted(http: ru.HttpRequest) -> ru.HttpResponse:
        with lock:
            running[0] += 1
            counts.append(running[0])
        response = rank(http)
        with lock:
            running[0] -= 1
        return response

    async def main() -> None:
        provider = replace(ru.provider("local"), sender=counted)
        async with ru.AsyncClient(provider) as client, anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(client.rerank, ask())

    anyio.run(main)
    assert (len(counts), running) == (12, [0])
    assert max(counts) <= 2


# --- bodies ----------------------------------------------------------------------------------------------------------


CODINGS: Final = {
    "gzip, gzip": "content-encoding: expected at most one of gzip, deflate, not 'gzip, gzip'",
    "br": "content-encoding: expected at most one of gzip, deflate, not 'br'",
    "GZip": "the body is not compressed as its content-encoding says",
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # on trio, of a generator inside httpx
def test_a_body_that_cannot_be_decompressed_is_an_invalid_response(rerank: Rerank, coding: str) -> None:
    play = Play(headers={"content-encoding": coding})
    with ScriptedServer([play]) as server:
        error = failure(rerank, jina(server), settings={"policy": ru.FallbackPolicy()})
        assert len(server.calls) == 1
        assert server.calls[0].headers["accept-encoding"] == "gzip, deflate"
    assert type(error) is ru.InvalidResponseError
    assert error.message in {CODINGS[coding], CODINGS["GZip"]}  # aiohttp itself refuses a coding before it is read


def test_no_cookie_is_sent_back() -> None:
    play = Play(headers={"set-cookie": "session=1; Path=/"})
    with ScriptedServer([play, Play()]) as server, ru.Client(jina(server)) as client:
        client.rerank(ask())
        client.rerank(ask())
        assert "cookie" not in server.calls[1].headers


@pytest.mark.parametrize("how", ["reset", "garbage", "close_mid_body"])
def test_an_error_keeps_nothing_of_the_http_library(rerank: Rerank, how: Any) -> None:
    """The library's exceptions hold the request with its key."""
    with ScriptedServer([Play(how=how)]) as server:
        error = failure(rerank, jina(server), settings={"policy": ru.FallbackPolicy(retries=0)})
    assert error.__context__ is None
    assert type(error.__cause__) is RuntimeError  # it names the library's class
    assert error.__cause__.__traceback__ is None


@pytest.mark.parametrize("url", ["http://[abc", "http://", "nothing", "http://h:port"])
def test_a_wrong_url_is_one_sentence_that_does_not_repeat_it(url: str) -> None:
    for client in (ru.Client, ru.AsyncClient):
        with pytest.raises(ru.InvalidRequestError) as caught:
            client("jina", api_key="jina_1", base_url=url)
        assert caught.value.field == "base_url"
        assert url.removeprefix("http://") not in str(caught.value) or not url.removeprefix("http://")


def test_your_transport_is_as_good_as_a_client() -> None:
    rows = [{"index": 0, "relevance_score": 1}]
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"data": rows}))
    with ru.Client("voyage", api_key="pa-1", http_client=transport) as client:
        assert indices(client.rerank("skin", ["a"])) == [0]
