"""The parts that the benchmarks share: timing in turn, bars, tables, processes, and a provider that responds at once.

This module imports the standard library alone, so that it works in the peers' environment too. As a script it is the
provider: ``python benchmarks/harness.py`` prints its port and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from math import ceil, isclose
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any, Final, TypeAlias

Times: TypeAlias = dict[str, list[float]]
"""Seconds of one call by candidate, one figure for each round."""
Measure: TypeAlias = Callable[[], float]
"""Measures a candidate once: the seconds of one call."""
AsyncCall: TypeAlias = Callable[[], Awaitable[object]]

HERE: Final = Path(__file__).resolve().parent
MODEL: Final = "jina-reranker-v2-base-multilingual"
KEY: Final = "jina_0123456789abcdef"
QUERY: Final = "which cream is for sensitive skin?"
AT_ONCE: Final = 50


# --- timing ----------------------------------------------------------------------------------------------------------


def timed(work: Callable[[], object], sample: float) -> Measure:
    """Measure a function without I/O: so many calls in a row that one measurement takes at least ``sample`` seconds.

    Its seconds are of the processor, which other processes disturb less. The garbage collector stays on, as it is for
    the users of the library.
    """
    work()  # fills caches
    loops = max(1, ceil(sample / max(seconds_of(work, 3, process_time), 1e-7)))
    return lambda: seconds_of(work, loops, process_time)


def seconds_of(work: Callable[[], object], calls: int, clock: Callable[[], float] = perf_counter) -> float:
    """Return the seconds of one call, the mean of so many."""
    turns = range(calls)
    start = clock()
    for _ in turns:
        work()
    return (clock() - start) / calls


def seconds_at_once(loop: asyncio.AbstractEventLoop, call: AsyncCall, calls: int, at_once: int) -> float:
    """Return the seconds for one call where so many run at the same time: all seconds divided by all calls."""

    async def run() -> None:
        left = iter(range(calls))

        async def worker() -> None:
            for _ in left:
                await call()

        await asyncio.gather(*(worker() for _ in range(at_once)))

    start = perf_counter()
    loop.run_until_complete(run())
    return (perf_counter() - start) / calls


def in_turn(measures: Mapping[str, Measure], rounds: int) -> Times:
    """Measure every candidate once in each round, so that a busy machine is busy for all of them.

    Each round begins with the next candidate.
    """
    names = list(measures)
    times: Times = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            times[name].append(measures[name]())
    return times


def ratio(times: Times, name: str, to: str = "floor", *, factor: float = 1.0, plus: float = 0.0) -> float:
    """Return the median, over the rounds, of a candidate's time ÷ (``factor`` × another's time + ``plus`` seconds)."""
    return median(time / (factor * other + plus) for time, other in zip(times[name], times[to], strict=True))


def micros(times: Times, name: str) -> float:
    """Return a candidate's median time for one call, in microseconds."""
    return median(times[name]) * 1e6


# --- figures ---------------------------------------------------------------------------------------------------------


def machine(*packages: str) -> str:
    """Describe where the figures come from: Python, processors, system, and the versions of packages."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    names = ("rerank-unify", "pydantic", "pydantic_core", "orjson", *packages)
    return f"{python}, {os.cpu_count()} CPUs, {platform.platform()}, {', '.join(map(_with_version, names))}"


def _with_version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} not installed"


@dataclass(frozen=True)
class Bar:
    """One measurement and its limit.

    Attributes:
        rule: the limit, as a sentence.
        case: what was measured.
        share: the measurement ÷ the limit; 1.0 is the limit.
        figures: the figures behind it.
    """

    rule: str
    case: str
    share: float
    figures: str

    @property
    def passed(self) -> bool:
        """Whether the measurement is within its limit."""
        return self.share <= 1.0

    def __str__(self) -> str:
        by = f"{abs(1 - self.share):.0%} {'below' if self.passed else 'ABOVE'} the bar"
        return f"{self.case}: {self.figures}, {by}"


def none_of(rule: str, case: str, count: int, figures: str) -> Bar:
    """Return a bar that a single case breaks."""
    return Bar(rule, case, 2.0 if count else 0.0, figures)


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a plain table: the first column to the left, figures to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    print(f"\n{title}\n")
    for row in (head, ["-" * width for width in widths], *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells[1:]]))
    sys.stdout.flush()


def print_times(title: str, times: Times, to: str) -> None:
    """Print a row for each candidate: its time, calls per second, and the ratio to one of them with its quartiles."""
    rows: list[list[str]] = []
    for name, taken in times.items():
        low, _, high = quantiles([time / other for time, other in zip(taken, times[to], strict=True)], n=4)
        figures = f"{micros(times, name):,.0f}", f"{1 / median(taken):,.0f}", f"{ratio(times, name, to):.2f}x"
        rows.append([name, *figures, f"{low:.2f} to {high:.2f}"])
    print_table(title, ["", "us", "calls/s", "ratio", "quartiles"], rows)


def judge(bars: Sequence[Bar]) -> int:
    """Print every rule with its verdict and its narrowest case, or each case that fails, and return the exit code."""
    print("\nBars\n")
    for rule in dict.fromkeys(bar.rule for bar in bars):
        same_rule = [bar for bar in bars if bar.rule == rule]
        failed = [bar for bar in same_rule if not bar.passed]
        print(f"{'FAIL' if failed else 'pass'}  {rule}  ({len(same_rule) - len(failed)} of {len(same_rule)} cases)")
        for bar in failed or [max(same_rule, key=lambda bar: bar.share)]:
            print(f"      {'' if failed else 'narrowest: '}{bar}")
    return 0 if all(bar.passed for bar in bars) else 1


# --- processes -------------------------------------------------------------------------------------------------------


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a process. It is gone at the end."""
    process = subprocess.Popen(command, text=True, **options)  # noqa: S603 - our own commands
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def child(*command: str) -> Iterator[Callable[[int], float]]:
    """Run a process with one candidate and nothing else, and give what makes it measure so many calls.

    The process calls `take_turns`.
    """
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def seconds(calls: int) -> float:
            print(calls, file=stdin, flush=True)
            return float(stdout.readline())

        yield seconds


def take_turns(seconds: Callable[[int], float]) -> None:
    """Measure in a child: read a number of calls from each line, and print the seconds of one."""
    for line in sys.stdin:
        print(seconds(int(line)), flush=True)


# --- a provider that responds at once --------------------------------------------------------------------------------


def documents(count: int = 100, length: int = 200) -> list[str]:
    """Return documents that differ, of so many characters each."""
    words = ("skin", "cream", "aloe", "oil", "motor", "care", "vera", "organic", "gentle", "winter", "hand", "face")
    chance = random.Random(1)  # noqa: S311 - the same data in every run
    return [f"{number} {' '.join(chance.choices(words, k=length))}"[:length] for number in range(count)]


@cache
def ranking(count: int = 100) -> list[tuple[int, float]]:
    """Return index and score of each document, the best first."""
    order = random.Random(2).sample(range(count), count)  # noqa: S311 - the same data in every run
    return [(index, 1 - place / (count + 1)) for place, index in enumerate(order)]


def check_ranking(name: str, rows: Iterable[tuple[int, float]]) -> None:
    """Refuse to measure a candidate that does not return the provider's ranking."""
    pairs = list(rows)
    assert [index for index, _ in pairs] == [index for index, _ in ranking()], name
    assert all(isclose(score, right) for (_, score), (_, right) in zip(pairs, ranking(), strict=True)), name


def content_length(head: bytes) -> int:
    """Return the value of the header of that name."""
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


class _Responding(asyncio.Protocol):
    """Sends the same response of Jina's, without documents, as soon as a request is complete."""

    def __init__(self) -> None:
        rows = [{"index": index, "relevance_score": score} for index, score in ranking()]
        body = {"model": MODEL, "object": "list", "usage": {"total_tokens": 5000}, "results": rows}
        content = json.dumps(body, separators=(",", ":")).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        self._response, self._data = head.encode() + content, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if end and len(body) >= content_length(head):
            self._data = b""
            self._transport.write(self._response)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Responding, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def upstream() -> Iterator[str]:
    """Run the provider in a process of its own, and give its base URL."""
    with running([sys.executable, str(HERE / "harness.py")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


if __name__ == "__main__":
    asyncio.run(_serve())
