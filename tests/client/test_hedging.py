"""Hedging: the next target starts beside a slow one. The first good response ends the other attempts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import anyio
import pytest
from scripted_server import PATIENCE, Play, ScriptedServer, respond_as, score

import rerank_unify as ru
from rerank_unify.declaration import HttpResponse

from .helpers import (
    ASYNC,
    MANY,
    NEVER,
    RANKED,
    Rerank,
    ask,
    causes,
    failure,
    indices,
    jina,
    opened,
    released,
    rerank_over,
    run,
    target,
    voyage,
)

SOON: Final[dict[str, Any]] = {"policy": ru.FallbackPolicy(hedge_after=0.02)}
AT_ONCE: Final[dict[str, Any]] = {"policy": ru.FallbackPolicy(hedge_after=0)}
LATER: Final[dict[str, Any]] = {"policy": ru.FallbackPolicy(hedge_after=600)}


def fates(response: ru.RerankResponse) -> list[tuple[str, str]]:
    """What became of each attempt, by provider."""
    return sorted((one.provider, fate(one)) for one in response.attempts)


def fate(one: Any) -> str:
    if one.cancelled:
        assert one.error is None
        return "cancelled"
    return "answered" if one.error is None else type(one.error).__name__


@pytest.fixture(params=ASYNC)
def rerank(request: pytest.FixtureRequest) -> Rerank:
    """Only the asynchronous client hedges."""
    return rerank_over(request.param)


def test_the_synchronous_client_refuses_to_hedge() -> None:
    with pytest.raises(ru.InvalidRequestError, match=r"^policy: hedge_after is for AsyncClient alone$") as caught:
        ru.Client("local", **SOON)
    assert caught.value.field == "policy"


# --- who wins --------------------------------------------------------------------------------------------------------


def test_the_second_overtakes_a_slow_first(rerank: Rerank) -> None:
    began = time.monotonic()
    with ScriptedServer([NEVER]) as first, ScriptedServer([NEVER], respond=respond_as("voyage")) as second:
        with released(second, after={first: 1}):
            response = rerank([jina(first), voyage(second)], settings=SOON)
        first.wait_left()
        assert (len(first.calls), len(second.calls), second.left) == (1, 1, 0)
    assert (indices(response), response.provider) == (RANKED, "voyage")
    assert fates(response) == [("jina", "cancelled"), ("voyage", "answered")]
    assert time.monotonic() - began < PATIENCE


def test_the_first_may_still_win(rerank: Rerank) -> None:
    with ScriptedServer([NEVER], respond=respond_as("jina")) as first, ScriptedServer([NEVER]) as second:
        with released(first, after={second: 1}):
            response = rerank([jina(first), voyage(second)], settings=SOON)
        second.wait_left()
    assert (indices(response), fates(response)) == (RANKED, [("jina", "answered"), ("voyage", "cancelled")])


def test_a_quick_first_has_no_company(rerank: Rerank) -> None:
    with ScriptedServer() as first, ScriptedServer() as second:
        response = rerank([jina(first), voyage(second)], settings=LATER)
        assert (fates(response), second.calls) == ([("jina", "answered")], [])


def test_three_targets(rerank: Rerank) -> None:
    slow, slower = ScriptedServer([NEVER]), ScriptedServer([NEVER])
    with slow, slower, ScriptedServer([NEVER], respond=respond_as("cohere")) as third:
        with released(third, after={slow: 1, slower: 1}):
            response = rerank([jina(slow), voyage(slower), target("cohere", third)], settings=SOON)
        slow.wait_left()
        slower.wait_left()
    assert fates(response) == [("cohere", "answered"), ("jina", "cancelled"), ("voyage", "cancelled")]
    assert indices(response) == RANKED


def test_a_provider_in_this_process_beside_a_slow_one(rerank: Rerank) -> None:
    local = ru.provider("local")
    with ScriptedServer([NEVER]) as first:

        def sends(http: ru.HttpRequest) -> HttpResponse:
            first.wait_calls()
            assert local.sender is not None
            return local.sender(http)

        response = rerank([jina(first), replace(local, sender=sends)], settings=SOON)
        first.wait_left()
    assert fates(response) == [("jina", "cancelled"), ("local", "answered")]
    assert response.results[0].index == 3


def test_all_parts_of_the_slow_one_are_given_up(rerank: Rerank) -> None:
    best = max(range(len(MANY)), key=lambda index: score(MANY[index]))
    with ScriptedServer([NEVER]) as first, ScriptedServer([NEVER], respond=respond_as("jina")) as second:
        with released(second, after={first: 3}):
            response = rerank([voyage(first), jina(second)], ask(documents=MANY, top_n=1), settings=SOON)
        first.wait_left(3)
        assert len(first.calls) == 3
    assert (indices(response), fates(response)) == ([best], [("jina", "answered"), ("voyage", "cancelled")])


def test_parts_may_overtake(rerank: Rerank) -> None:
    best = max(range(len(MANY)), key=lambda index: score(MANY[index]))
    with ScriptedServer([NEVER]) as first, ScriptedServer([NEVER] * 3, respond=respond_as("voyage")) as second:
        with released(second, after={first: 1}):
            response = rerank([jina(first), voyage(second)], ask(documents=MANY, top_n=1), settings=SOON)
        first.wait_left()
        assert len(second.calls) == 3
    assert (indices(response), fates(response)) == ([best], [("jina", "cancelled"), ("voyage", "answered")])


# --- who fails -------------------------------------------------------------------------------------------------------


def test_after_a_failure_the_next_is_started_at_once(rerank: Rerank) -> None:
    began = time.monotonic()
    with ScriptedServer([Play(status=500)]) as first, ScriptedServer(respond=respond_as("voyage")) as second:
        response = rerank([jina(first), voyage(second)], settings=LATER)
    assert fates(response) == [("jina", "ProviderServerError"), ("voyage", "answered")]
    assert time.monotonic() - began < PATIENCE


def test_a_failing_second_leaves_the_first_alone(rerank: Rerank) -> None:
    with (
        ScriptedServer([NEVER], respond=respond_as("jina")) as first,
        ScriptedServer([Play(status=500)]) as second,
    ):
        with released(first, after={second: 1}):
            response = rerank([jina(first), voyage(second)], settings=SOON)
        assert first.left == 0
    assert fates(response) in (
        [("jina", "answered"), ("voyage", "ProviderServerError")],
        [("jina", "answered"), ("voyage", "cancelled")],  # the failure was on its way when the first answered
    )


def test_all_fail_and_every_cause_is_reported(rerank: Rerank) -> None:
    with ScriptedServer([Play(delay=3600, status=500)]) as first, ScriptedServer([Play(status=429)]) as second:
        with released(first, after={second: 1}):
            error = failure(rerank, [jina(first), voyage(second)], settings=SOON)
        assert (len(first.calls), len(second.calls)) == (1, 1)
    assert sorted(causes(error), key=str) == [("jina", ru.ProviderServerError), ("voyage", ru.RateLimitError)]


def test_a_bad_request_ends_both(rerank: Rerank) -> None:
    with ScriptedServer([NEVER]) as first, ScriptedServer([Play(delay=3600, status=400)]) as second:
        with released(second, after={first: 1}):
            error = failure(rerank, [jina(first), voyage(second)], settings=SOON)
        first.wait_left()
    assert (type(error), error.provider) == (ru.BadRequestError, "voyage")


def test_the_deadline_ends_both(rerank: Rerank) -> None:
    with ScriptedServer([NEVER]) as first, ScriptedServer([NEVER]) as second:
        error = failure(rerank, [jina(first), voyage(second)], settings={**AT_ONCE, "deadline": 0.4})
        first.wait_disconnected()
        second.wait_disconnected()
    assert sorted(causes(error), key=str) == [("jina", ru.TimeoutError), ("voyage", ru.TimeoutError)]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_a_loser_says_instead_of_ending_changes_nothing(backend: str) -> None:
    async def sends(http: ru.HttpRequest, timeout: float) -> ru.HttpResponse:
        if "voyage" in http.url:
            return ru.HttpResponse(200, {}, b'{"data": [{"index": 0, "relevance_score": 0.5}]}')
        try:
            await anyio.sleep_forever()
        finally:
            raise ru.ConnectError("ended")  # in place of the cancellation

    health = ru.Health()
    targets = [ru.Target("jina", api_key="jina_1"), ru.Target("voyage", api_key="pa-1")]

    async def main() -> ru.RerankResponse:
        async with ru.AsyncClient(targets, sender=sends, health=health, **SOON) as client:
            return await client.rerank("skin", ["a"])

    assert fates(anyio.run(main, backend=backend)) == [("jina", "cancelled"), ("voyage", "answered")]
    assert health.error(targets[0], time.monotonic()) is None
    assert health.opened_at(targets[0], time.monotonic()) is None


# --- who leaves ------------------------------------------------------------------------------------------------------


def test_cancelling_from_outside_leaks_nothing(over: str) -> None:
    async def main() -> None:
        async with opened(over, [jina(first), voyage(second)], **SOON) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(client.rerank, ask())
                await anyio.to_thread.run_sync(first.wait_calls)
                await anyio.to_thread.run_sync(second.wait_calls)
                group.cancel_scope.cancel()
            await anyio.to_thread.run_sync(first.wait_left)
            await anyio.to_thread.run_sync(second.wait_left)
            if ASYNC[over] == "asyncio":
                assert asyncio.all_tasks() == {asyncio.current_task()}
            first.release()
            assert indices(await client.rerank(ask())) == RANKED  # the client is as good as before

    with ScriptedServer([NEVER], respond=respond_as("jina")) as first, ScriptedServer([NEVER]) as second:
        run(over, main)


def test_cancelling_is_no_failure_of_the_target(over: str) -> None:
    health = ru.Health()
    policy = ru.FallbackPolicy(hedge_after=0.02, breaker_failures=1)

    async def main() -> None:
        async with opened(over, [jina(first), voyage(second)], policy=policy, health=health) as client:
            with anyio.move_on_after(60) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(client.rerank, ask())
                    await anyio.to_thread.run_sync(second.wait_calls)
                    scope.cancel()

    with ScriptedServer([NEVER]) as first, ScriptedServer([NEVER]) as second:
        run(over, main)
        now = time.monotonic()
        assert [health.wait(one, now) for one in (jina(first), voyage(second))] == [0, 0]


# --- senders of the caller's own -------------------------------------------------------------------------------------


class OddError(Exception):
    """Nothing that this library knows."""


ODD: Final = OddError("as it was raised")


def raising(http: ru.HttpRequest, timeout: float) -> ru.HttpResponse:
    raise ODD


async def raising_async(http: ru.HttpRequest, timeout: float) -> ru.HttpResponse:
    await anyio.lowlevel.checkpoint()
    raise ODD


def by_client(settings: dict[str, Any], request: ru.RerankRequest) -> Any:
    with ru.Client(ODD_TARGETS, sender=raising, **settings) as client:
        return client.rerank(request)


def by_async_client(backend: str) -> Callable[[dict[str, Any], ru.RerankRequest], Any]:
    def call(settings: dict[str, Any], request: ru.RerankRequest) -> Any:
        async def main() -> Any:
            async with ru.AsyncClient(ODD_TARGETS, sender=raising_async, **settings) as client:
                return await client.rerank(request)

        return anyio.run(main, backend=backend)

    return call


ODD_TARGETS: Final = [ru.Target("voyage", api_key="pa-1"), ru.Target("jina", api_key="jina_1")]
RAISED: Final = {
    "sync": (by_client, ["a"]),
    "sync in parts": (by_client, MANY),
    "asyncio": (by_async_client("asyncio"), ["a"]),
    "trio": (by_async_client("trio"), ["a"]),
}


@pytest.mark.parametrize(("name", "settings"), [*((name, {}) for name in RAISED), ("asyncio", LATER), ("trio", LATER)])
def test_what_else_a_sender_raises_comes_as_it_is(name: str, settings: dict[str, Any]) -> None:
    call, documents = RAISED[name]
    ended: list[ru.AttemptEnded] = []
    with pytest.raises(OddError) as caught:
        call({**settings, "on_attempt_end": ended.append}, ask(documents=documents))
    assert caught.value is ODD
    assert [(one.error, one.cancelled) for one in ended] == [(ODD, False)]


@pytest.mark.parametrize("settings", [{}, LATER], ids=["in turn", "hedged"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_a_sender_raises_in_one_of_many_parts_comes_as_it_is(backend: str, settings: dict[str, Any]) -> None:
    async def sends(http: ru.HttpRequest, timeout: float) -> HttpResponse:
        raise ODD

    async def main() -> None:
        await ru.AsyncClient("voyage", api_key="pa-0123456789", sender=sends, **settings).rerank(ask(documents=MANY))

    with pytest.raises(OddError) as caught:
        anyio.run(main, backend=backend)
    assert caught.value is ODD
