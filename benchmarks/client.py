"""Measure what a call of the clients costs, beside bare httpx and beside other libraries.

``python benchmarks/client.py [--quick]``; exit code 1 on a FAIL. 100 documents of 200 characters go to a provider on
the loopback, a process of its own that responds at once. All candidates of a table are measured in turn. The floor is
a ``post`` of the same bytes by a client of httpx with a pool of the same size. LiteLLM and liter-llm stand beside where
``make peers`` has installed them; each candidate of that table is a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import Final

import harness
import httpx
import peers
from aiohttp import ClientSession
from harness import AT_ONCE, MODEL, QUERY, Bar

import rerank_unify as ru
from rerank_unify.transport import AiohttpSender

ASYNC: Final = "AsyncClient <= 1.15 x bare httpx.AsyncClient with the same pool"
SYNC: Final = "Client <= 1.3 x bare httpx.Client"
AIOHTTP: Final = f"AsyncClient over aiohttp >= 3 x the calls per second over httpx, {AT_ONCE} at once"
LITELLM: Final = f"AsyncClient over aiohttp >= 6 x the calls per second of LiteLLM, {AT_ONCE} at once"
OVER_AIOHTTP: Final = "AsyncClient over aiohttp"
LIMITS: Final = httpx.Limits(max_connections=100, max_keepalive_connections=100)
DOCUMENTS: Final = harness.documents()


def _target(url: str) -> ru.Target:
    return ru.Target("jina", MODEL, harness.KEY, url)


def _http(url: str) -> ru.HttpRequest:
    """Return the request that our client sends."""
    request = ru.RerankRequest(query=QUERY, documents=DOCUMENTS)
    return (
        ru.provider("jina").prepare(request, model=MODEL, api_key=harness.KEY, base_url=url, echo_documents=False).http
    )


def _checked(name: str, response: ru.RerankResponse) -> None:
    harness.check_ranking(name, [(result.index, result.relevance_score) for result in response])


# --- the candidates --------------------------------------------------------------------------------------------------


def sync_candidates(stack: ExitStack, url: str) -> dict[str, Callable[[], object]]:
    """Return a call of bare httpx, and of our client with its own connections and with a given client of httpx."""
    http = _http(url)
    bare, given = (stack.enter_context(httpx.Client(limits=LIMITS)) for _ in range(2))
    clients = {
        "Client": stack.enter_context(ru.Client(_target(url))),
        "Client, http_client=": stack.enter_context(ru.Client(_target(url), http_client=given)),
    }
    for name, client in clients.items():
        _checked(name, client.rerank(QUERY, DOCUMENTS))
    headers = dict(http.headers)
    return {
        "httpx.Client": lambda: bare.post(http.url, content=http.content, headers=headers).content,
        **{name: partial(client.rerank, QUERY, DOCUMENTS) for name, client in clients.items()},
    }


async def async_candidates(stack: AsyncExitStack, url: str) -> dict[str, harness.AsyncCall]:
    """Return the same for the asynchronous clients, and our client over aiohttp."""
    http = _http(url)
    bare, given = [await stack.enter_async_context(httpx.AsyncClient(limits=LIMITS)) for _ in range(2)]
    headers = dict(http.headers)

    async def post() -> bytes:
        return (await bare.post(http.url, content=http.content, headers=headers)).content

    clients = {
        "AsyncClient": await stack.enter_async_context(ru.AsyncClient(_target(url))),
        "AsyncClient, http_client=": await stack.enter_async_context(ru.AsyncClient(_target(url), http_client=given)),
        OVER_AIOHTTP: await over_aiohttp(stack, url),
    }
    for name, client in clients.items():
        _checked(name, await client.rerank(QUERY, DOCUMENTS))
    return {
        "httpx.AsyncClient": post,
        **{name: partial(client.rerank, QUERY, DOCUMENTS) for name, client in clients.items()},
    }


async def over_aiohttp(stack: AsyncExitStack, url: str) -> ru.AsyncClient:
    """Return our client over a session of aiohttp."""
    session = await stack.enter_async_context(ClientSession())
    return await stack.enter_async_context(ru.AsyncClient(_target(url), sender=AiohttpSender(session)))


# --- measuring -------------------------------------------------------------------------------------------------------


def measure_sync(url: str, rounds: int) -> list[Bar]:
    """Measure `Client`, one call at a time."""
    with ExitStack() as stack:
        candidates = sync_candidates(stack, url)
        measures = {name: partial(harness.seconds_of, call, 25) for name, call in candidates.items()}
        times = harness.in_turn(measures, rounds * 3)
    harness.print_times("Client, one call at a time", times, "httpx.Client")
    return [_at_most(SYNC, times, name, "httpx.Client", 1.3) for name in list(candidates)[1:]]


def measure_async(url: str, rounds: int) -> list[Bar]:
    """Measure `AsyncClient`, one call at a time and 50 at once."""
    loop = asyncio.new_event_loop()
    stack = AsyncExitStack()
    candidates = loop.run_until_complete(async_candidates(stack, url))
    bars: list[Bar] = []
    for at_once, calls, turns in ((1, 25, rounds * 3), (AT_ONCE, AT_ONCE * 3, rounds)):
        for call in candidates.values():
            harness.seconds_at_once(loop, call, at_once * 2, at_once)  # opens connections
        measures = {
            name: partial(harness.seconds_at_once, loop, call, calls, at_once) for name, call in candidates.items()
        }
        times = harness.in_turn(measures, turns)
        harness.print_times(f"AsyncClient, {at_once} at once", times, "httpx.AsyncClient")
        bars += [
            _at_most(ASYNC, times, name, "httpx.AsyncClient", 1.15, f", {at_once} at once")
            for name in ("AsyncClient", "AsyncClient, http_client=")
        ]
    bars.append(_faster(AIOHTTP, times, OVER_AIOHTTP, "AsyncClient", 3))
    loop.run_until_complete(stack.aclose())
    loop.close()
    return bars


def measure_peers(url: str, rounds: int) -> list[Bar]:
    """Measure `AsyncClient` over aiohttp beside LiteLLM and liter-llm."""
    if not peers.installed():
        return []
    calls = AT_ONCE * 3
    with ExitStack() as stack:
        commands: dict[str, tuple[str, ...]] = {
            OVER_AIOHTTP: (sys.executable, str(harness.HERE / "client.py"), "--child", url)
        }
        commands |= {name: peers.command(name, url) for name in ("litellm", "liter-llm")}
        children = {name: stack.enter_context(harness.child(*command)) for name, command in commands.items()}
        for measure in children.values():
            measure(calls)  # opens connections
        measures = {name: partial(measure, calls) for name, measure in children.items()}
        times = harness.in_turn(measures, rounds * 4)
    harness.print_times(f"A process each, {AT_ONCE} at once", times, OVER_AIOHTTP)
    return [_faster(LITELLM, times, OVER_AIOHTTP, "litellm", 6)]


def _at_most(rule: str, times: harness.Times, name: str, to: str, limit: float, case: str = "") -> Bar:
    share = harness.ratio(times, name, to)
    return Bar(rule, name + case, share / limit, f"{share:.2f} x")


def _faster(rule: str, times: harness.Times, name: str, than: str, limit: float) -> Bar:
    share = harness.ratio(times, than, name)
    return Bar(rule, f"{name} by {than}", limit / share, f"{share:.2f} x the calls per second")


def be_child(url: str) -> None:
    """Measure `AsyncClient` over aiohttp as a child."""
    loop = asyncio.new_event_loop()
    client = loop.run_until_complete(over_aiohttp(AsyncExitStack(), url))
    _checked(OVER_AIOHTTP, loop.run_until_complete(client.rerank(QUERY, DOCUMENTS)))
    call = partial(client.rerank, QUERY, DOCUMENTS)
    harness.take_turns(lambda calls: harness.seconds_at_once(loop, call, calls, AT_ONCE))


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="7 rounds in place of 25")
    parser.add_argument("--child", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        be_child(options.child)
        return 0
    rounds = 7 if options.quick else 25
    print(f"{harness.machine('httpx', 'aiohttp')}; {rounds} rounds; {peers.versions()}")
    with harness.upstream() as url:
        return harness.judge([*measure_sync(url, rounds), *measure_async(url, rounds), *measure_peers(url, rounds)])


if __name__ == "__main__":
    sys.exit(main())
