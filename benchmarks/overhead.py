"""What does the client cost over its HTTP library, and beside others? ``python benchmarks/overhead.py [--quick]``.

100 documents of 200 characters go to a server on the loopback, a process of its own that gives one canned answer of
Jina's, at once. In turn, in one run: bare httpx, our client over httpx, over the aiohttp sender, and litellm and
liter-llm where they are installed (``benchmarks/peers.sh`` runs this with both), each of these beside ours in a process
of its own. Bars, on the clock:

- our client over httpx <= 1.10 x a bare ``post`` of the same bytes with the body read, one at a time and 50 at once
- the aiohttp sender gives >= 3 x the calls per second of the httpx one, 50 at once
- with it, >= 6 x the calls per second of litellm and no fewer than liter-llm, 50 at once

Exit code 1 on a FAIL. CPU time, which a busy machine disturbs less, stands beside without a bar.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import selectors
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from math import isclose
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any, Final, TypeAlias

import httpx
from pydantic_core import from_json, to_json
from timing import Bar, Times, installed, judge, machine, print_table, ratio, turns, versions

import rerank_unify as ru
from rerank_unify.transport import AiohttpSender

MODEL: Final = "jina-reranker-v2-base-multilingual"
KEY: Final = "jina_0123456789abcdef"
QUERY: Final = "which cream is for sensitive skin?"
WORDS: Final = ("skin", "cream", "aloe", "oil", "motor", "care", "vera", "organic", "gentle", "winter", "hand", "face")
AT_ONCE: Final = 50
HTTPX = "client over httpx <= 1.10 x bare httpx"
AIOHTTP = "aiohttp sender >= 3 x the calls per second of httpx, 50 at once"
LITELLM = "aiohttp sender >= 6 x the calls per second of litellm, 50 at once"
LITER = "aiohttp sender >= the calls per second of liter-llm, 50 at once"

Call: TypeAlias = Callable[[], Awaitable[object]]


# --- the server ------------------------------------------------------------------------------------------------------


def documents(count: int = 100, length: int = 200) -> list[str]:
    """Documents that differ."""
    random.seed(1)
    return [f"{at} {' '.join(random.choices(WORDS, k=length))}"[:length] for at in range(count)]  # noqa: S311


def answer(count: int = 100) -> bytes:
    """Jina's answer, without documents, in no order of theirs."""
    order = random.Random(2).sample(range(count), count)  # noqa: S311
    rows = [{"index": index, "relevance_score": 1 - at / (count + 1)} for at, index in enumerate(order)]
    body = to_json({"model": MODEL, "object": "list", "usage": {"total_tokens": 5000}, "results": rows})
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Connection:
    """Counts a request's bytes and answers after the last one."""

    def __init__(self, sock: socket.socket, whole: bytes) -> None:
        self._sock, self._whole, self._head, self._left = sock, whole, b"", 0

    def readable(self) -> bool:
        """Whether the client is still there."""
        try:
            data = self._sock.recv(1 << 18)
        except ConnectionError:
            data = b""
        if data:
            self._take(data)
        return bool(data)

    def _take(self, data: bytes) -> None:
        if self._left == 0:
            self._head += data
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            self._head, self._left, data = b"", length, body
        self._left -= len(data)
        if self._left == 0:
            self._sock.sendall(self._whole)  # a few KB: they fit into an empty buffer


def serve() -> None:
    """Answer until killed. One thread without a framework, so that what is measured is the client."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    whole = answer()
    with selectors.DefaultSelector() as ready:
        ready.register(listening, selectors.EVENT_READ)
        print(listening.getsockname()[1], flush=True)
        while True:
            for key, _ in ready.select():
                if key.data is None:
                    sock, _ = listening.accept()
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    ready.register(sock, selectors.EVENT_READ, _Connection(sock, whole))
                elif not key.data.readable():
                    ready.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]


@contextmanager
def server() -> Iterator[str]:
    """The server's URL, while it runs in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--serve"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


# --- the candidates --------------------------------------------------------------------------------------------------


async def bare_httpx(stack: AsyncExitStack, url: str, texts: list[str]) -> Call:
    """The floor: the same bytes and headers, and the body read."""
    http = (
        ru.provider("jina")
        .prepare(
            ru.RerankRequest(query=QUERY, documents=texts), model=MODEL, api_key=KEY, base_url=url, echo_documents=False
        )
        .http
    )
    client = await stack.enter_async_context(httpx.AsyncClient())
    headers = dict(http.headers)

    async def call() -> bytes:
        return (await client.post(http.url, content=http.content, headers=headers)).content

    return call


def _ours(client: ru.AsyncClient, texts: list[str]) -> Call:
    return partial(client.rerank, QUERY, texts)


async def over_httpx(stack: AsyncExitStack, url: str, texts: list[str]) -> Call:
    """Our client as it comes."""
    target = ru.Target("jina", MODEL, KEY, url)
    return _ours(await stack.enter_async_context(ru.AsyncClient(target)), texts)


async def over_aiohttp(stack: AsyncExitStack, url: str, texts: list[str]) -> Call:
    """Our client with the other sender."""
    import aiohttp

    session = await stack.enter_async_context(aiohttp.ClientSession())
    target = ru.Target("jina", MODEL, KEY, url)
    client = ru.AsyncClient(target, sender=AiohttpSender(session, connect=5.0))
    return _ours(await stack.enter_async_context(client), texts)


async def by_litellm(_stack: AsyncExitStack, url: str, texts: list[str]) -> Call:
    """Jina through litellm, which keeps a session of its own between calls."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import asks the network
    import litellm

    return partial(
        litellm.arerank, model=f"jina_ai/{MODEL}", query=QUERY, documents=texts, api_base=url, api_key=KEY,
        return_documents=False,
    )  # fmt: skip


async def by_liter_llm(_stack: AsyncExitStack, url: str, texts: list[str]) -> Call:
    """Through one client of liter-llm, which takes its request as a value of its own."""
    import liter_llm

    client = liter_llm.create_client(api_key=KEY, base_url=f"{url}/v1", model_hint="jina", max_retries=0)

    async def call() -> object:
        request = liter_llm.RerankRequest(model=MODEL, query=QUERY, documents=texts, return_documents=False)
        return await liter_llm.rerank(client, request)

    return call


def _pairs(ranked: Any) -> list[tuple[int, float]]:
    """Every result of any of them; litellm's are dictionaries."""
    rows = list(ranked) if isinstance(ranked, ru.RerankResponse) else ranked.results
    if isinstance(rows[0], dict):
        return [(row["index"], row["relevance_score"]) for row in rows]
    return [(row.index, row.relevance_score) for row in rows]


def _reading(call: Call) -> Call:
    async def read() -> object:
        return _pairs(await call())

    return read


PEERS: Final = {"litellm": by_litellm, "liter-llm": by_liter_llm}


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds, and calls of one candidate in each. Short turns share the machine's moods."""

    rounds: int
    calls: int


@dataclass
class Measured:
    """Seconds for one call by candidate, one figure for every round: on the clock, and of this process's CPU."""

    wall: Times
    cpu: Times


async def _many(call: Call, calls: int, max_concurrent: int) -> None:
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(worker() for _ in range(max_concurrent)))


async def in_turn(candidates: dict[str, Call], max_concurrent: int, effort: Effort) -> Measured:
    """Each candidate has one turn in every round, and each round begins with another one."""
    names = list(candidates)
    for call in candidates.values():
        await _many(
            call, max(effort.calls // 4, max_concurrent), max_concurrent
        )  # connections are opened, caches filled
    measured = Measured({name: [] for name in names}, {name: [] for name in names})
    for name in turns(names, effort.rounds):
        wall, cpu = perf_counter(), process_time()
        await _many(candidates[name], effort.calls, max_concurrent)
        measured.wall[name].append((perf_counter() - wall) / effort.calls)
        measured.cpu[name].append((process_time() - cpu) / effort.calls)
    return measured


def _spread(times: Times, name: str, to: str) -> str:
    low, _, high = quantiles([mine / other for mine, other in zip(times[name], times[to], strict=True)], n=4)
    return f"{low:.2f} to {high:.2f}"


def print_measured(title: str, measured: Measured, to: str) -> None:
    """A row for every candidate; ratios are to one of them, with their quartiles over the rounds."""
    head = ["", "us", "calls/s", "ratio", "quartiles", "CPU us", "ratio"]
    rows = []
    for name, wall in measured.wall.items():
        cpu = measured.cpu[name]
        once = median(wall)
        rows.append([
            name, f"{once * 1e6:,.0f}", f"{1 / once:,.0f}", f"{ratio(measured.wall, name, to):.2f}x",
            _spread(measured.wall, name, to), f"{median(cpu) * 1e6:,.0f}", f"{ratio(measured.cpu, name, to):.2f}x",
        ])  # fmt: skip
    print_table(title, head, rows)


def _at_most(rule: str, case: str, times: Times, name: str, to: str, bar: float) -> Bar:
    share = ratio(times, name, to)
    return Bar(rule, case, share / bar, f"{share:.2f} x")


def _faster(rule: str, times: Times, name: str, than: str, bar: float) -> Bar:
    share = ratio(times, than, name)
    return Bar(rule, f"{name} by {than}", bar / share, f"{share:.2f} x the calls per second")


async def measure(url: str, rounds: int) -> list[Bar]:
    """Everything, against one server."""
    few, many = Effort(rounds * 3, 25), Effort(rounds, AT_ONCE * 3)
    texts = documents()
    bars: list[Bar] = []
    async with AsyncExitStack() as stack:
        make = partial(_made, stack, url, texts)
        pair = {"bare httpx": await make(bare_httpx), "client, httpx": await make(over_httpx)}
        alone = await in_turn(pair, 1, few)
        print_measured("One at a time", alone, "bare httpx")
        bars.append(_at_most(HTTPX, "one at a time", alone.wall, "client, httpx", "bare httpx", 1.10))

        crowd = await in_turn({**pair, "client, aiohttp": await make(over_aiohttp)}, AT_ONCE, many)
        print_measured(f"{AT_ONCE} at once", crowd, "bare httpx")
        bars.append(_at_most(HTTPX, f"{AT_ONCE} at once", crowd.wall, "client, httpx", "bare httpx", 1.10))
        bars.append(_faster(AIOHTTP, crowd.wall, "client, aiohttp", "client, httpx", 3))
    # A turn of these is short, and processes are moved between processors: more of them tell more.
    return bars + beside_peers(url, Effort(rounds * 4, AT_ONCE * 3))


# --- beside others: each in a process of its own, as its users have it -----------------------------------------------

OURS: Final = "client, aiohttp"
CANDIDATES: Final[dict[str, Any]] = {OURS: over_aiohttp, **PEERS}


class Child:
    """A process that has one candidate and nothing else, and takes its turns when it is told."""

    def __init__(self, name: str, url: str, *, read: bool) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), "--candidate", name, "--url", url]
        self._process = subprocess.Popen(  # noqa: S603
            [*command, *(["--read"] if read else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.turn(AT_ONCE)  # imported, connected, and its answer checked

    def turn(self, calls: int) -> tuple[float, float]:
        """So many calls: seconds for one, on the clock and of its CPU."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()
        wall, cpu = map(float, self._process.stdout.readline().split())
        return wall, cpu

    def end(self) -> None:
        """End it."""
        self._process.communicate()


async def take_turns(name: str, url: str, *, read: bool) -> None:
    """What a child does: a turn for each line, until there are no more."""
    async with AsyncExitStack() as stack:
        call: Call = await CANDIDATES[name](stack, url, documents())
        await _check_alike(name, call)
        call = _reading(call) if read else call
        while line := await asyncio.to_thread(sys.stdin.readline):
            wall, cpu = perf_counter(), process_time()
            await _many(call, int(line), AT_ONCE)
            print((perf_counter() - wall) / int(line), (process_time() - cpu) / int(line), flush=True)


def beside_peers(url: str, effort: Effort) -> list[Bar]:
    """Each candidate has one turn in every round, and each round begins with another one."""
    peers = [name for name in PEERS if installed(name)]
    if not peers:
        return []
    children = {
        f"{name}, read" if read else name: Child(name, url, read=read)
        for read in (False, True)
        for name in (OURS, *peers)
    }
    names = list(children)
    measured = Measured({name: [] for name in names}, {name: [] for name in names})
    for name in turns(names, effort.rounds):
        wall, cpu = children[name].turn(effort.calls)
        measured.wall[name].append(wall)
        measured.cpu[name].append(cpu)
    for child in children.values():
        child.end()
    print_measured(f'Beside others, {AT_ONCE} at once; "read": and every result read', measured, OURS)
    rules = (("litellm", LITELLM, 6), ("liter-llm", LITER, 1))
    return [_faster(rule, measured.wall, OURS, name, bar) for name, rule, bar in rules if name in peers]


async def _made(stack: AsyncExitStack, url: str, texts: list[str], make: Any) -> Call:
    call: Call = await make(stack, url, texts)
    return call


async def _check_alike(name: str, call: Call) -> None:
    """All give the same answer."""
    rows = from_json(answer().partition(b"\r\n\r\n")[2])["results"]
    expected = [(row["index"], row["relevance_score"]) for row in rows]
    pairs = _pairs(await call())
    assert [index for index, _ in pairs] == [index for index, _ in expected], name
    assert all(
        isclose(score, expected_score) for (_, score), (_, expected_score) in zip(pairs, expected, strict=True)
    ), name


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    for name in ("--candidate", "--url"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--read", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
    if options.candidate:
        asyncio.run(take_turns(options.candidate, options.url, read=options.read))
        return 0
    rounds = 7 if options.quick else 25
    print(f"{machine()}; {rounds} rounds, {rounds * 4} beside others; {versions('httpx', 'aiohttp', *PEERS)}")
    with server() as url:
        return judge(asyncio.run(measure(url, rounds)))


if __name__ == "__main__":
    sys.exit(main())
