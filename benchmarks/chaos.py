"""Check that every response is right where most providers are not.

``python benchmarks/chaos.py [requests] [--seed N]``; exit code 1 on a FAIL. The clients send 100 requests at a time to
servers on real sockets in a process of their own: Jina and Voyage, each of which fails half of the time in one of the
ways of `MISCHIEF`, `LIES` and `WRONG_VALUES`, and Cohere, which is always right: only lack of time explains an error.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeAlias

import harness
from aiohttp import ClientSession
from harness import Bar, none_of

import rerank_unify as ru
from rerank_unify.transport import AiohttpSender

sys.path.insert(0, str(harness.HERE.parent / "tests"))

from scripted_server import Play, Respond, ScriptedServer, respond_as, score  # pyright: ignore[reportMissingImports]

AT_ONCE: Final = 100
DEADLINE: Final = 2.5  # seconds of a request
TIMEOUT: Final = 1.2  # seconds of an attempt: after two slow ones a tenth of a second is left for the third
MAX_BYTES: Final = 1 << 18
KEYS: Final = {"jina": "jina_0123456789", "voyage": "pa-0123456789", "cohere": "co-0123456789"}
TYPED: Final = "every request ends in the right response or a typed error, none is lost"
REASON: Final = "an error has a reason: time ran out"
SOME: Final = "at least a tenth of the requests ends in the right response, or the machine is too busy for this run"
LEFT: Final = "no socket and no task is left open"
MEMORY: Final = "memory at the end <= 1.2 x that after the first third (from 4,000 requests)"


# --- what goes wrong -------------------------------------------------------------------------------------------------

SLOW: Final = (Play(delay=30), Play(how="drip", gap=0.2))
RARE: Final = (Play(how="gzip_bomb", inflated=2 << 20),)
MISCHIEF: Final = (
    *(Play(status=status, body={"detail": "refused"}) for status in (401, 402, 404, 413)),
    *(Play(status=status, headers={"retry-after": "0"}, body={"detail": "slow down"}) for status in (429, 503)),
    *(Play(status=status, how="html") for status in (200, 403, 524)),
    *(Play(how=how) for how in ("garbage", "close_before_answer", "close_mid_body", "reset", "redirect")),
    *(Play(how=how) for how in ("endless", "endless_chunked")),
    *(Play(how="wrong_length", off=off) for off in (-1, 50)),
    *(Play(body=body) for body in (b"", b"null", b"[" * 1000, b'{"results": [], "data": []}')),
    *(
        Play(body=body)
        for body in ({"detail": "unexpected"}, {"error": {"code": "rate_limit_exceeded", "message": "no"}})
    ),
    Play(status=500, body=b"oops"),
    Play(headers={"content-encoding": "gzip"}),  # it is not
)

Rows: TypeAlias = list[Any]
LIES: Final[tuple[Callable[[Rows], Any], ...]] = (
    lambda rows: rows[1:],  # the best is missing
    lambda rows: rows[:-1],
    lambda rows: rows[::-1],  # true, but not sorted
    lambda rows: [*rows, rows[0]],
    lambda rows: [None, *rows],
    lambda rows: [{"relevance_score": rows[0]["relevance_score"]}, *rows[1:]],
    lambda rows: {"rows": rows},
    lambda _rows: [],
    lambda _rows: "results",
)
WRONG_VALUES: Final[tuple[dict[str, Any], ...]] = (
    *({"index": index} for index in (10**6, -1, "0", True, 0.5)),
    *({"relevance_score": score} for score in (float("nan"), float("inf"), "high", None)),
)


def lie(rows: Rows, chance: random.Random) -> Any:
    """Return the rows of a response with one of the faults."""
    change = chance.choice((*LIES, *WRONG_VALUES))
    return change(rows) if callable(change) else [{**rows[0], **change}, *rows[1:]]


def mischief(seed: int, count: int, elsewhere: str) -> list[Play]:
    """Return a script that goes wrong in 36 of 100 cases; `lying` brings it to half."""
    chance = random.Random(seed)  # noqa: S311 - the same run for the same seed
    kinds = chance.choices((MISCHIEF, SLOW, RARE, (Play(),)), (30, 4, 2, 64), k=count)
    plays = map(chance.choice, kinds)
    return [replace(play, location=elsewhere) if play.how == "redirect" else play for play in plays]


def lying(name: str, seed: int) -> Respond:
    """Return a provider of whose responses 22 of 100 are wrong."""
    good = respond_as(name)
    chance = random.Random(seed)  # noqa: S311

    def respond(body: Any) -> Any:
        good_body: Any = good(body)
        if isinstance(good_body, Play) or chance.random() > 0.22:
            return good_body
        key = "data" if "data" in good_body else "results"
        return {**good_body, key: lie(good_body[key], chance)}

    return respond


def serve(seed: int, plays: int) -> None:
    """Run the three providers, print their URLs, and end with the line that comes in."""
    with ExitStack() as stack:
        good = stack.enter_context(ScriptedServer(respond=respond_as("cohere")))
        urls = {"cohere": good.url}
        for name in ("jina", "voyage"):
            script = mischief(seed + len(name), plays, good.url)
            urls[name] = stack.enter_context(ScriptedServer(script, respond=lying(name, seed))).url
        print(json.dumps(urls), flush=True)
        sys.stdin.readline()


@contextmanager
def providers(seed: int, plays: int) -> Iterator[list[ru.Target]]:
    """Run the providers in a process of their own: two that fail, and one that does not."""
    command = [sys.executable, str(harness.HERE / "chaos.py"), str(plays), "--seed", str(seed), "--serve"]
    with harness.running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        urls = json.loads(process.stdout.readline())
        yield [ru.Target(name, api_key=key, base_url=urls[name], timeout=TIMEOUT) for name, key in KEYS.items()]


# --- requests, and what is right -------------------------------------------------------------------------------------

WORDS: Final = ("skin", "cream", "motor oil", "aloe vera", "天然有机", "🌿", "für Haut", "")


def make_request(chance: random.Random, number: int) -> ru.RerankRequest:
    """Return a request with up to 30 documents, some alike, some empty."""
    count = chance.choice((1, 2, 5, 10, 30))
    texts = [" ".join(chance.choices(WORDS, k=chance.randrange(4))).strip() for _ in range(count)]
    texts[chance.randrange(count)] = f"document {number}"  # not all are empty: Voyage refuses such a list
    top_n = chance.choice((None, None, 1, 3, count + 1))
    return ru.RerankRequest(query=f"query {number}", documents=texts, top_n=top_n)


def wrong(request: ru.RerankRequest, response: ru.RerankResponse) -> str | None:
    """Return what is wrong with a response; None where it is right."""
    texts = [str(text) for text in request.documents]
    withheld = {index for loss in response.losses if loss.action == "withheld" for index in loss.indices}
    if any(texts[index] for index in withheld):
        return "a text was withheld that is not empty"
    if any((row.text, row.relevance_score) != (texts[row.index], score(texts[row.index])) for row in response):
        return "a row has another's document or score"
    right = sorted(set(range(len(texts))) - withheld, key=lambda index: (-score(texts[index]), index))[: request.top_n]
    indices = [result.index for result in response]
    scores, right_scores = ([score(texts[index]) for index in each] for each in (indices, right))
    if len(set(indices)) < len(indices) or len(indices) > len(right):
        return "rows twice, or too many"
    if scores != sorted(scores, reverse=True):
        return "not sorted"
    if len(indices) < len(right):  # the provider left some out, and the response has to say so
        return None if any("rows are missing" in warning for warning in response.warnings) else "no warning of few rows"
    return None if scores == right_scores else "not the best rows"


def has_reason(error: ru.RerankError, seconds: float) -> bool:
    """Whether an error is justified: the third provider is always right, so that only lack of time explains it."""
    causes: tuple[ru.RerankError, ...] = getattr(error, "causes", (error,))
    too_slow = any(isinstance(cause, ru.TimeoutError) and cause.provider == "cohere" for cause in causes)
    return too_slow or seconds >= DEADLINE * 0.9


# --- one part of the run ---------------------------------------------------------------------------------------------


@dataclass
class Part:
    """The outcome of one part of the run.

    Attributes:
        outcomes: how often each came: "right", an error's class, or "WRONG".
        faults: wrong responses and exceptions of other kinds.
        unexplained: errors without a reason.
        longest: seconds of the slowest request.
        memory: megabytes after the first third, and at the end.
        left: how many sockets and tasks were left open.
    """

    name: str
    requests: int
    outcomes: Counter[str] = field(default_factory=Counter[str])
    faults: list[str] = field(default_factory=list[str])
    unexplained: list[str] = field(default_factory=list[str])
    longest: float = 0.0
    memory: tuple[float, float] = (0.0, 0.0)
    left: int = 0
    seconds: float = 0.0

    def take(self, request: ru.RerankRequest, outcome: object, seconds: float) -> None:
        """Judge and count one outcome."""
        self.longest = max(self.longest, seconds)
        fault = wrong(request, outcome) if isinstance(outcome, ru.RerankResponse) else None
        if isinstance(outcome, ru.RerankError):
            self.outcomes[type(outcome).__name__] += 1
            if not has_reason(outcome, seconds):
                self.unexplained.append(f"after {seconds:.2f} s: {outcome!r} {getattr(outcome, 'causes', '')}")
        elif fault or not isinstance(outcome, ru.RerankResponse):
            self.outcomes["WRONG"] += 1
            self.faults.append(f"{fault}: {request!r} {outcome!r}")
        else:
            self.outcomes["right"] += 1


Rerank: TypeAlias = Callable[[ru.RerankRequest], Awaitable[ru.RerankResponse]]
NO_BREAKER: Final = ru.FallbackPolicy(breaker_failures=10**9)
PARTS: Final[dict[str, tuple[str, ru.FallbackPolicy]]] = {
    "AsyncClient": ("httpx", ru.FallbackPolicy()),
    "AsyncClient, no breaker": ("httpx", NO_BREAKER),
    "AsyncClient, hedged": ("httpx", ru.FallbackPolicy(breaker_failures=10**9, hedge_after=0.4)),
    "over aiohttp, no breaker": ("aiohttp", NO_BREAKER),
    "Client, no breaker": ("threads", NO_BREAKER),
}


@asynccontextmanager
async def opened(kind: str, targets: list[ru.Target], policy: ru.FallbackPolicy) -> AsyncIterator[Rerank]:
    """Open a client and give its `rerank`; that of the synchronous one runs in threads."""
    settings: dict[str, Any] = {"policy": policy, "deadline": DEADLINE, "max_response_bytes": MAX_BYTES}
    if kind == "threads":
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE))
        with ru.Client(targets, **settings) as client:
            yield lambda request: asyncio.to_thread(client.rerank, request)
    elif kind == "aiohttp":
        async with (
            ClientSession() as session,
            ru.AsyncClient(targets, sender=AiohttpSender(session, max_bytes=MAX_BYTES), **settings) as aclient,
        ):
            yield aclient.rerank
    else:
        async with ru.AsyncClient(targets, **settings) as aclient:
            yield aclient.rerank


async def run_part(part: Part, kind: str, targets: list[ru.Target], policy: ru.FallbackPolicy, seed: int) -> None:
    """Send all requests of a part, then count what is left open."""
    before, start = sockets(), monotonic()
    async with opened(kind, targets, policy) as rerank:
        await _send_all(part, rerank, seed)
    part.seconds = monotonic() - start
    part.memory = (part.memory[0], memory())
    for _ in range(50):  # connections close in later turns of the loop
        await asyncio.sleep(0.02)
        part.left = max(sockets() - before, 0) + len(asyncio.all_tasks()) - 1
        if not part.left:
            return


async def _send_all(part: Part, rerank: Rerank, seed: int) -> None:
    numbers, chance = iter(range(part.requests)), random.Random(seed)  # noqa: S311

    async def worker() -> None:
        for number in numbers:
            request, start = make_request(chance, number), monotonic()
            if number == part.requests // 3:
                part.memory = (memory(), 0)
            outcome: object
            try:
                outcome = await rerank(request)
            except Exception as error:  # noqa: BLE001 - every exception is an outcome
                outcome = error
            part.take(request, outcome, monotonic() - start)

    await asyncio.gather(*(worker() for _ in range(min(AT_ONCE, part.requests))))


def sockets() -> int:
    """Return how many sockets this process has open."""
    return sum(entry.is_socket() for entry in Path("/proc/self/fd").iterdir())


def memory() -> float:
    """Return megabytes of this process, after it gave back what it can: what grows now is a leak."""
    gc.collect()
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


# --- the verdict -----------------------------------------------------------------------------------------------------


def bars_of(part: Part, total: int) -> list[Bar]:
    """Return the bars of one part."""
    ended = part.outcomes.total()
    figures = f"{ended:,} of {part.requests:,} ended, {len(part.faults)} wrong or untyped"
    bars = [
        none_of(TYPED, part.name, len(part.faults) + part.requests - ended, figures),
        none_of(REASON, part.name, len(part.unexplained), f"{len(part.unexplained)} without a reason"),
        Bar(SOME, part.name, 0.1 * part.requests / max(part.outcomes["right"], 1), f"{part.outcomes['right']:,} right"),
        none_of(LEFT, part.name, part.left, f"{part.left} left"),
    ]
    if total >= 4_000:
        warm, end = part.memory
        bars.append(Bar(MEMORY, part.name, end / warm / 1.2, f"{warm:.0f} MB, then {end:.0f} MB"))
    return bars


def print_parts(parts: list[Part]) -> None:
    """Print the outcomes of all parts."""
    errors = sorted({name for part in parts for name in part.outcomes} - {"right", "WRONG"})
    head = ["part", "requests", "right", "WRONG", *errors, "requests/s", "slowest s", "MB", "MB end"]
    rows: list[list[str]] = []
    for part in parts:
        counts = [part.requests, *(part.outcomes[name] for name in ("right", "WRONG", *errors))]
        figures = f"{part.requests / part.seconds:,.0f}", f"{part.longest:.2f}"
        rows.append([part.name, *(f"{n:,}" for n in counts), *figures, *(f"{size:.0f}" for size in part.memory)])
    harness.print_table(f"{AT_ONCE} requests at once, deadline {DEADLINE:g} s", head, rows)
    for part in parts:
        for fault in [*part.faults, *part.unexplained][:5]:
            print(f"\n{part.name}: {fault}")


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("requests", nargs="?", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.seed, options.requests)
        return 0
    print(f"{harness.machine('httpx', 'aiohttp')}; {options.requests:,} requests, seed {options.seed}")
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(-8, 2)  # M_ARENA_MAX: with free memory for each thread, a leak would not show
    parts: list[Part] = []
    with providers(options.seed, options.requests * 2) as targets:
        for name, (kind, policy) in PARTS.items():
            part = Part(name, options.requests // len(PARTS))
            asyncio.run(run_part(part, kind, targets, policy, options.seed + len(parts)))
            parts.append(part)
    print_parts(parts)
    return harness.judge([bar for part in parts for bar in bars_of(part, options.requests)])


if __name__ == "__main__":
    sys.exit(main())
