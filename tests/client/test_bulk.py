"""Many requests: as they come or in order, failures as values, never more under way or read than there is room for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Any, Final

import anyio
import pytest
from scripted_server import Play, ScriptedServer, score

import rerank_unify as ru

from .helpers import ASYNC, KEY, TRANSPORTS, jina, opened, released, run

FAILING: Final = "no"  # a query that the server refuses
# How many tasks share one client. httpx looks through all of them whenever one ends, so that many take long.
AT_ONCE: Final = {"async": 120, "trio": 120, "aiohttp": 300}

# httpx leaves the generator of a body unfinished where sending it is cancelled, which trio warns of.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <async_generator object ByteStream:pytest.PytestUnraisableExceptionWarning"
)


def asks(count: int) -> list[ru.RerankRequest]:
    return [ru.RerankRequest(query="q", documents=[f"{n}", f"{n + 1}"], top_n=1) for n in range(count)]


def right(done: ru.Completed) -> bool:
    """Whether the response belongs to its request."""
    documents = [document for document in done.request.documents if isinstance(document, str)]
    return done.unwrap().results[0].text == max(documents, key=score)


def endless(read: list[int]) -> Iterator[ru.RerankRequest]:
    for request in asks(10**4):
        read.append(1)
        yield request
    raise AssertionError("nobody reads so many ahead")


def refusing(body: Any) -> Play:
    """Answers well, but for one query."""
    if body["query"] == FAILING:
        return Play(status=400, body={"detail": "no"})
    rows = [{"index": at, "relevance_score": score(text)} for at, text in enumerate(body["documents"])]
    return Play(body={"results": rows})


def first_is_slow(body: Any) -> Play:
    """Sends good responses, but a late one to the first of `asks`."""
    return replace(refusing(body), delay=3600 * (body["documents"] == ["0", "1"]))


class ClientCall:
    """`rerank_many` over one transport, of which so many results are taken; None for all."""

    def __init__(self, over: str) -> None:
        self.over = over

    def __call__(
        self, server: ScriptedServer, requests: Any, taken: int | None = None, /, **options: Any
    ) -> list[ru.Completed]:
        if self.over in ASYNC:
            return run(self.over, lambda: self._async(server, requests, taken, options))
        found: list[ru.Completed] = []
        with ru.Client(jina(server)) as client, closing(client.rerank_many(requests, **options)) as results:
            for done in results:
                found.append(done)
                if len(found) == taken:
                    break
        return found

    async def _async(
        self, server: ScriptedServer, requests: Any, taken: int | None, options: dict[str, Any]
    ) -> list[ru.Completed]:
        found: list[ru.Completed] = []
        async with opened(self.over, jina(server)) as client, aclosing(client.rerank_many(requests, **options)) as many:
            async for done in many:
                found.append(done)
                if len(found) == taken:
                    break
        if ASYNC[self.over] == "asyncio":
            assert asyncio.all_tasks() == {asyncio.current_task()}
        return found


@pytest.fixture(params=TRANSPORTS)
def call(request: pytest.FixtureRequest) -> ClientCall:
    return ClientCall(request.param)


# --- what comes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 3, 50])
@pytest.mark.parametrize("ordered", [False, True])
def test_each_request_gets_its_response(call: ClientCall, concurrency: int, *, ordered: bool) -> None:
    with ScriptedServer() as server:
        found = call(server, asks(20), concurrency=concurrency, ordered=ordered)
        assert len(server.calls) == 20
        assert server.peak <= concurrency
    assert all(map(right, found))
    numbers = [done.index for done in found]
    assert (numbers if ordered else sorted(numbers)) == [*range(20)]


def test_nothing_of_nothing(call: ClientCall) -> None:
    with ScriptedServer() as server:
        assert (call(server, []), call(server, iter([])), server.calls) == ([], [], [])


@pytest.mark.parametrize("ordered", [False, True])
def test_the_slow_one_comes_last_or_in_its_turn(call: ClientCall, *, ordered: bool) -> None:
    reported: list[ru.Progress] = []
    with ScriptedServer(respond=first_is_slow) as server:

        def progress(now: ru.Progress) -> None:
            reported.append(now)
            if now.done == 5:
                server.release()

        found = call(server, asks(6), concurrency=2, ordered=ordered, progress=progress)
    numbers = [done.index for done in found]
    assert numbers[-1] == (5 if ordered else 0)
    assert sorted(numbers) == [*range(6)]
    assert numbers == sorted(numbers) or not ordered
    assert [now.done for now in reported] == [1, 2, 3, 4, 5, 6]


def test_failures_are_values(call: ClientCall) -> None:
    requests = [*asks(3), ru.RerankRequest(query=FAILING, documents=["a"]), *asks(1)]
    with ScriptedServer(respond=refusing) as server:
        found = call(server, requests, ordered=True)
    assert [type(done.error) for done in found] == [*[type(None)] * 3, ru.BadRequestError, type(None)]
    assert [done.request for done in found] == requests
    assert found[3].response is None
    with pytest.raises(ru.BadRequestError) as caught:
        found[3].unwrap()
    assert caught.value is found[3].error


@pytest.mark.parametrize("wrong", [None, "q", {"query": "q", "documents": ["d"]}, ("q", ["d"])])
def test_what_is_no_request_is_such_a_value_too(call: ClientCall, wrong: Any) -> None:
    with ScriptedServer() as server:
        found = call(server, [*asks(1), wrong, *asks(1)], ordered=True)
        assert len(server.calls) == 2
    assert [type(done.error) for done in found] == [type(None), ru.InvalidRequestError, type(None)]
    assert str(found[1].error) == f"requests: expected RerankRequest, not {type(wrong).__name__}"


def test_must_keep_holds_for_each(call: ClientCall) -> None:
    requests = [request.replace(instruction="i") for request in asks(2)]
    with ScriptedServer() as server:
        found = call(server, requests, must_keep=iter(["instruction"]))
        assert server.calls == []
    assert [type(done.error) for done in found] == [ru.UnsupportedRequestError] * 2


def test_it_may_come_from_an_asynchronous_iterable(over: str) -> None:
    async def source() -> AsyncIterator[ru.RerankRequest]:
        for request in asks(5):
            await anyio.lowlevel.checkpoint()
            yield request

    with ScriptedServer() as server:
        found = ClientCall(over)(server, source(), ordered=True)
    assert [done.index for done in found] == [*range(5)]
    assert all(map(right, found))


# --- progress --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "total"), [(list, 3), (tuple, 3), (iter, None)])
def test_progress_is_reported(call: ClientCall, kind: Any, total: int | None) -> None:
    reported: list[ru.Progress] = []
    requests = [*asks(2), ru.RerankRequest(query=FAILING, documents=["a"])]
    with ScriptedServer(respond=refusing) as server:
        call(server, kind(requests), concurrency=1, progress=reported.append)
    assert reported == [ru.Progress(1, 0, total), ru.Progress(2, 0, total), ru.Progress(3, 1, total)]


def test_progress_is_reported_in_the_callers_thread(call: ClientCall) -> None:
    reported: set[int] = set()

    def progress(now: ru.Progress) -> None:
        reported.add(threading.get_ident())

    with ScriptedServer() as server:
        call(server, asks(5), progress=progress)
    assert reported == {threading.get_ident()}


# --- how much is read and under way ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("taken", [1, 7])
def test_of_an_endless_source_little_is_read_ahead(call: ClientCall, taken: int, *, ordered: bool) -> None:
    read: list[int] = []
    with ScriptedServer() as server:
        found = call(server, endless(read), taken, concurrency=3, ordered=ordered)
        assert len(server.calls) <= len(read)
        assert server.peak <= 3
    assert len(found) == taken
    assert len(read) <= taken + 4 * 3


def test_in_order_a_slow_first_holds_the_reading_up(call: ClientCall) -> None:
    read: list[int] = []
    with ScriptedServer(respond=first_is_slow) as server:

        def progress(now: ru.Progress) -> None:
            if now.done == 11:  # as many as there is room for beside the first
                server.release()

        found = call(server, endless(read), 1, concurrency=3, ordered=True, progress=progress)
    assert [done.index for done in found] == [0]
    assert len(read) <= 2 * 4 * 3


@pytest.mark.parametrize("concurrency", [1, 4])
def test_so_many_are_under_way_and_no_more(call: ClientCall, concurrency: int) -> None:
    with ScriptedServer([Play(delay=3600)] * concurrency, respond=refusing) as server:
        with released(server, after={server: concurrency}):
            found = call(server, asks(5 * concurrency), concurrency=concurrency)
        assert (server.peak, len(found)) == (concurrency, 5 * concurrency)


# --- how it ends -----------------------------------------------------------------------------------------------------


def test_stopping_early_cancels_what_is_under_way(over: str) -> None:
    with ScriptedServer([Play(), *[Play(delay=3600)] * 100]) as server:
        (done,) = ClientCall(over)(server, asks(100), 1, concurrency=4)
        assert right(done)
        server.wait_left(len(server.calls) - 1)


def test_stopping_early_waits_for_what_is_under_way() -> None:
    with ScriptedServer() as server:
        (done,) = ClientCall("httpx")(server, asks(100), 1, concurrency=4)
        assert (server.left, right(done)) == (0, True)
        assert len(server.calls) <= 8
    assert not [one for one in threading.enumerate() if one.name.startswith("rerank-unify")]


class OddError(Exception):
    """Nothing that this library knows."""


def breaking(after: int) -> Iterator[ru.RerankRequest]:
    yield from asks(after)
    raise OddError("in the source")


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("after", [0, 5])
def test_what_the_source_raises_comes_as_it_is(call: ClientCall, after: int, *, ordered: bool) -> None:
    with ScriptedServer() as server, pytest.raises(OddError, match="in the source"):
        call(server, breaking(after), concurrency=2, ordered=ordered)


def test_what_an_asynchronous_source_raises_comes_as_it_is(over: str) -> None:
    async def source() -> AsyncIterator[ru.RerankRequest]:
        for request in breaking(3):
            yield request

    with ScriptedServer() as server, pytest.raises(OddError, match="in the source"):
        ClientCall(over)(server, source())


def test_what_progress_raises_comes_as_it_is(call: ClientCall) -> None:
    def progress(now: ru.Progress) -> None:
        raise OddError("in progress")

    with ScriptedServer() as server, pytest.raises(OddError, match="in progress"):
        call(server, asks(20), concurrency=2, progress=progress)


def test_what_the_consumer_raises_comes_as_it_is(over: str) -> None:
    async def main() -> None:
        async with opened(over, jina(server)) as client, aclosing(client.rerank_many(asks(20), concurrency=3)) as many:
            async for _ in many:
                raise OddError("in the loop")

    with ScriptedServer([Play(), *[Play(delay=3600)] * 20]) as server:
        with pytest.raises(OddError, match="in the loop"):
            run(over, main)
        server.wait_left(len(server.calls) - 1)


def test_what_a_sender_raises_comes_as_it_is() -> None:
    def sends(http: ru.HttpRequest, timeout: float) -> ru.HttpResponse:
        raise OddError("in the sender")

    with ru.Client("jina", api_key=KEY, sender=sends) as client, pytest.raises(OddError, match="in the sender"):
        list(client.rerank_many(asks(3)))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_an_asynchronous_sender_raises_comes_as_it_is(backend: str) -> None:
    async def sends(http: ru.HttpRequest, timeout: float) -> ru.HttpResponse:
        raise OddError("in the sender")

    async def main() -> None:
        client = ru.AsyncClient("jina", api_key=KEY, sender=sends)
        assert [done async for done in client.rerank_many(asks(3))] == []

    with pytest.raises(OddError, match="in the sender"):
        anyio.run(main, backend=backend)


def test_requests_read_before_the_source_broke_are_completed() -> None:
    found: list[ru.Completed] = []
    with ScriptedServer() as server, ru.Client(jina(server)) as client:
        with pytest.raises(OddError, match="in the source"):
            found.extend(client.rerank_many(breaking(5)))  # extends as far as it comes
        assert len(server.calls) == 5
    assert sorted(done.index for done in found) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("concurrency", [0, -1, 1.0, True, "8", None])
def test_concurrency_is_checked_before_anything(concurrency: Any) -> None:
    read: list[int] = []
    for kind in (ru.Client, ru.AsyncClient):
        with pytest.raises(ru.InvalidRequestError, match="concurrency: expected an integer, 1 or more"):
            kind("jina", api_key=KEY).rerank_many(endless(read), concurrency=concurrency)
    assert read == []


# --- many tasks at once ----------------------------------------------------------------------------------------------


def test_many_tasks_share_a_client(over: str) -> None:
    found: list[bool] = []

    async def one(client: ru.AsyncClient, request: ru.RerankRequest) -> None:
        found.append(right(ru.Completed(0, request, await client.rerank(request))))

    async def main() -> None:
        async with opened(over, jina(server)) as client, anyio.create_task_group() as group:
            for request in asks(AT_ONCE[over]):
                group.start_soon(one, client, request)

    with ScriptedServer() as server:
        run(over, main)
        assert len(server.calls) == AT_ONCE[over]
    assert found == [True] * AT_ONCE[over]


def test_many_tasks_are_cancelled_in_mid_flight(over: str) -> None:
    async def main() -> None:
        async with opened(over, jina(server)) as client:
            async with anyio.create_task_group() as group:
                for request in asks(AT_ONCE[over]):
                    group.start_soon(client.rerank, request)
                await anyio.to_thread.run_sync(server.wait_calls, 100)
                group.cancel_scope.cancel()
            await anyio.to_thread.run_sync(server.wait_left, 100)
            server.release()
            request = asks(1)[0]
            assert right(ru.Completed(0, request, await client.rerank(request)))

    with ScriptedServer([Play(delay=3600)] * AT_ONCE[over]) as server:
        run(over, main)


def test_all_of_many_are_cancelled_from_outside(over: str) -> None:
    async def consume(client: ru.AsyncClient) -> None:
        async with aclosing(client.rerank_many(asks(100), concurrency=10)) as many:
            async for _ in many:
                raise AssertionError("nothing is answered")

    async def main() -> None:
        async with opened(over, jina(server)) as client, anyio.create_task_group() as group:
            group.start_soon(consume, client)
            await anyio.to_thread.run_sync(server.wait_calls, 10)
            group.cancel_scope.cancel()

    with ScriptedServer([Play(delay=3600)]) as server:
        run(over, main)
        server.wait_left(10)
        assert len(server.calls) == 10
