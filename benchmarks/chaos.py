"""Is every answer right when most providers are not? ``python benchmarks/chaos.py [requests] [--seed N]``.

The asynchronous client, 100 requests at a time, against servers on real sockets in a process of their own: Jina and
Voyage, of which each fails half of the time in any way that `MISCHIEF` and `LIES` know, and Cohere, which is good.
A fifth of the requests each: over httpx without breakers and with the default ones, with one of four callers hostile,
over aiohttp, and hedged. A hostile caller sends bad options and long documents, for which every server, the good one
too, fails as real servers do. The other three callers lose nothing that Cohere could have answered. Bars:

- every outcome is the right answer or a typed error with its reason: none wrong, none lost, none without a cause
- no request takes longer than its deadline + 10 %, and no call begins later than that
- no socket and no task is left at the end
- memory at the end of each part <= 1.2 x that after its first third (from 4,000 requests), garbage and free blocks
  given back

The clock's bars allow beside the 10 % for the longest time that the event loop itself was late; it is told. Exit code 1
on a violation.
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
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from scripted_server import Play, Respond, ScriptedServer, respond_as, score  # pyright: ignore[reportMissingImports]
from timing import Bar, judge, machine, print_table

import rerank_unify as ru

AT_ONCE: Final = 100
DEADLINE: Final = 2.5
TIMEOUT: Final = 1.2  # of an attempt: two slow ones leave the third a tenth of a second
MAX_BYTES: Final = 1 << 18
PROVIDERS: Final = {"jina": "jina_0123456789", "voyage": "pa-0123456789", "cohere": "co-0123456789"}
HOSTILE: Final = "hostile"  # the first word of a hostile caller's queries
TYPED = "every outcome is the right answer or a typed error"
REASON = "an error has a reason: the caller's mistake, or time that ran out"
LATE = "no request takes longer than its deadline + 10 %"
BEGUN = "no call begins after its deadline + 10 %"
SOCKETS = "no socket is left"
TASKS = "no task is left"
MEMORY = "memory at the end <= 1.2 x that after the first third"


# --- what goes wrong -------------------------------------------------------------------------------------------------

SLOW: Final = (Play(delay=30), Play(how="drip", gap=0.2))
MISCHIEF: Final = (
    Play(status=401, body={"detail": "bad key"}),
    Play(status=402, body={"detail": "no credits"}),
    Play(status=403, how="html"),
    Play(status=404, body={"detail": "Not Found"}),
    Play(status=413, body={"detail": "too large"}),
    Play(status=429, headers={"retry-after": "0"}, body={"detail": "slow down"}),
    Play(status=500, body=b"oops"),
    Play(status=503, headers={"retry-after": "0"}, body={"detail": "loading"}),
    Play(status=524, how="html"),
    Play(body={"error": {"code": "rate_limit_exceeded", "message": "slow down"}}),
    Play(body=b""),
    Play(body=b"null"),
    Play(body=b"[" * 1000),
    Play(body={"detail": "not what you think"}),
    Play(body=b'{"results": [], "data": []}'),
    Play(how="html"),
    Play(how="garbage"),
    Play(how="close_before_answer"),
    Play(how="close_mid_body"),
    Play(how="reset"),
    Play(how="wrong_length", off=-1),
    Play(how="wrong_length", off=50),
    Play(how="endless"),
    Play(how="endless_chunked"),
    Play(how="redirect"),
    Play(headers={"content-encoding": "gzip"}),  # it is not
)
# What real servers answer to one bad request. Each must stay with that request.
PROVOKED: Final = (
    Play(status=400, headers={"retry-after": "120"}, body={"detail": "bad option"}),
    Play(status=413, headers={"retry-after": "120"}, body={"detail": "too large"}),
    Play(status=404, headers={"retry-after": "120"}, body={"detail": "no such model", "code": "model_not_found"}),
    Play(status=422, body={"detail": [{"loc": ["body", "documents"], "msg": "too many", "type": "too_long"}]}),
    Play(
        status=500, body={"error": {"message": "input (2805 tokens) is too large to process", "type": "server_error"}}
    ),
    Play(status=500, body={"detail": "got an unexpected keyword argument 'foo'"}),
    Play(status=500, body=b"vector::_M_default_append"),
    Play(how="reset"),
    Play(body=b""),
)
RARE: Final = (Play(status=422, body={"detail": "top_n"}), Play(how="gzip_bomb", inflated=2 << 20))

ResponseFormat: TypeAlias = list[Any]
LIES: Final[tuple[Callable[[ResponseFormat], Any], ...]] = (
    lambda rows: rows[1:],  # the best one is missing
    lambda rows: rows[:-1],
    lambda rows: [*rows, rows[0]],
    lambda _rows: [],
    lambda rows: [None, *rows],
    lambda rows: {"rows": rows},
    lambda _rows: "results",
    lambda rows: [{**rows[0], "index": 10**6}, *rows[1:]],
    lambda rows: [{**rows[0], "index": -1}, *rows[1:]],
    lambda rows: [{**rows[0], "index": "0"}, *rows[1:]],
    lambda rows: [{**rows[0], "index": True}, *rows[1:]],
    lambda rows: [{**rows[0], "index": 0.5}, *rows[1:]],
    lambda rows: [{**rows[0], "relevance_score": float("nan")}, *rows[1:]],
    lambda rows: [{**rows[0], "relevance_score": float("inf")}, *rows[1:]],
    lambda rows: [{**rows[0], "relevance_score": "high"}, *rows[1:]],
    lambda rows: [{**rows[0], "relevance_score": None}, *rows[1:]],
    lambda rows: [{"relevance_score": rows[0]["relevance_score"]}, *rows[1:]],
    lambda rows: rows[::-1],  # true, but not sorted
)


def mischief(seed: int, count: int, elsewhere: str) -> list[Play]:
    """A script that goes wrong in 36 of 100 cases; `liar` brings it to half."""
    chance = random.Random(seed)  # noqa: S311
    kinds = [(30, MISCHIEF), (4, SLOW), (2, RARE), (64, (Play(),))]
    drawn = chance.choices([plays for _, plays in kinds], [weight for weight, _ in kinds], k=count)
    plays = map(chance.choice, drawn)
    return [replace(play, location=elsewhere) if play.how == "redirect" else play for play in plays]


def liar(name: str, seed: int) -> Respond:
    """A provider of whose answers 22 of 100 are not what they should be."""
    good = respond_as(name)
    chance = random.Random(seed)  # noqa: S311

    def answer(body: Any) -> Any:
        good_body = good(body)
        if isinstance(good_body, Play) or chance.random() > 0.22:
            return good_body
        key = "data" if "data" in good_body else "results"
        return {**good_body, key: chance.choice(LIES)(good_body[key])}

    return answer


def provoked(answer: Respond, seed: int) -> Respond:
    """A provider that fails for the requests of a hostile caller, and answers all others."""
    chance = random.Random(seed)  # noqa: S311
    return lambda body: chance.choice(PROVOKED) if str(body["query"]).startswith(HOSTILE) else answer(body)


# --- the servers, in a process of their own --------------------------------------------------------------------------


def serve(seed: int, plays: int) -> None:
    """Tell the URLs, play until a line comes in, then tell when each call arrived, by its query."""
    with ExitStack() as stack:
        cohere = stack.enter_context(ScriptedServer(respond=provoked(respond_as("cohere"), seed)))
        servers = {"cohere": cohere}
        for name in ("jina", "voyage"):
            script = mischief(seed + len(name), plays, cohere.url)
            servers[name] = stack.enter_context(ScriptedServer(script, respond=provoked(liar(name, seed), seed)))
        print(json.dumps({name: server.url for name, server in servers.items()}), flush=True)
        sys.stdin.readline()
        arrived = [(call.json["query"], call.at) for server in servers.values() for call in server.calls]
        print(json.dumps(arrived), flush=True)


@dataclass
class Servers:
    """The servers' process.

    Attributes:
        urls: by provider.
    """

    process: subprocess.Popen[str]
    urls: dict[str, str]

    def arrived(self) -> list[tuple[str, float]]:
        """Ends the servers: every call's query, and when it came."""
        output, _ = self.process.communicate("end\n", timeout=60)
        return [(query, at) for query, at in json.loads(output)]

    def targets(self) -> list[ru.Target]:
        """Two bad ones, and a good one."""
        return [
            ru.Target(name, api_key=key, base_url=self.urls[name], timeout=TIMEOUT) for name, key in PROVIDERS.items()
        ]


@contextmanager
def servers(seed: int, plays: int) -> Iterator[Servers]:
    """Start them; on leaving they are gone."""
    command = [sys.executable, str(Path(__file__).resolve()), str(plays), "--seed", str(seed), "--serve"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        yield Servers(process, json.loads(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()


# --- what is asked, and what is right --------------------------------------------------------------------------------

WORDS: Final = ("skin", "cream", "motor oil", "aloe vera", "天然有机", "🌿", "für Haut", "")


def query_of(number: int, *, hostile: bool) -> str:
    """The query, which says which request it is, and of whom."""
    return f"{HOSTILE if hostile else 'query'} {number}"


def ask(chance: random.Random, number: int, *, hostile: bool) -> ru.RerankRequest:
    """Up to 30 documents, some alike, some empty; a hostile caller's are long, with an option that no server knows."""
    if hostile:
        options = {name: {"foo": [number]} for name in PROVIDERS}
        texts = [f"document {number} " * 2_000]
        return ru.RerankRequest(query=query_of(number, hostile=True), documents=texts, provider_options=options)
    count = chance.choice((1, 2, 5, 10, 30))
    texts = [" ".join(chance.choices(WORDS, k=chance.randrange(4))).strip() for _ in range(count)]
    texts[chance.randrange(count)] = f"document {number}"  # not all are empty: Voyage refuses such a list
    top_n = chance.choice((None, None, 1, 3, count + 1))
    return ru.RerankRequest(query=query_of(number, hostile=False), documents=texts, top_n=top_n)


def wrong(request: ru.RerankRequest, response: ru.RerankResponse) -> str | None:
    """What is wrong with an answer; None where it is right."""
    texts = [str(text) for text in request.documents]
    withheld = {index for loss in response.losses if loss.action == "withheld" for index in loss.indices}
    if any(texts[index] for index in withheld):
        return "a text was withheld that is not empty"
    order = sorted(set(range(len(texts))) - withheld, key=lambda index: (-score(texts[index]), index))
    expected = order[: request.top_n]
    got = [result.index for result in response]
    if any((row.text, row.relevance_score) != (texts[row.index], score(texts[row.index])) for row in response):
        return "a row has another's document or score"
    if sorted(set(got), key=order.index) != sorted(got, key=order.index) or len(got) > len(expected):
        return "rows twice, or too many"
    if [score(texts[index]) for index in got] != sorted((score(texts[index]) for index in got), reverse=True):
        return "not sorted"
    if len(got) < len(expected):  # the provider left some out, and the response has to say so
        return None if any("rows are missing" in warning for warning in response.warnings) else "rows lack, untold"
    same = [score(texts[index]) for index in got] == [score(texts[index]) for index in expected]
    return None if same else "not the best rows"


def has_reason(error: ru.RerankError, seconds: float) -> bool:
    """Whether an error may come: the third provider is good, so that only the caller's mistake or time explains it."""
    causes: tuple[ru.RerankError, ...] = getattr(error, "causes", (error,))
    too_slow = any(isinstance(cause, ru.TimeoutError) and cause.provider == "cohere" for cause in causes)
    return isinstance(error, ru.BadRequestError) or too_slow or seconds >= DEADLINE * 0.9


# --- one part of the run ---------------------------------------------------------------------------------------------


@dataclass
class Part:
    """What came of one part of the run.

    Attributes:
        outcomes: how often each came: "right", an error's class, or "WRONG".
        attempts: how often each error was met on the way.
        faults: wrong answers and exceptions of other kinds.
        unexplained: errors without a reason.
        longest: seconds of the slowest request.
        lag: seconds by which the event loop was late at most.
        ends: each request's deadline by its query, on the monotonic clock.
        memory: megabytes after the first third, and at the end.
        sockets, tasks: how many were left.
    """

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    longest: float = 0.0
    lag: float = 0.0
    ends: dict[str, float] = field(default_factory=dict)
    memory: tuple[float, float] = (0.0, 0.0)
    sockets: int = 0
    tasks: int = 0
    seconds: float = 0.0

    def take(self, request: ru.RerankRequest, outcome: object, seconds: float) -> None:
        """Judge and count one outcome."""
        self.longest = max(self.longest, seconds)
        if isinstance(outcome, ru.RerankResponse):
            fault = wrong(request, outcome)
            self.outcomes["WRONG" if fault else "right"] += 1
            self.attempts.update(type(one.error).__name__ for one in outcome.attempts if one.error is not None)
            if fault:
                self.faults.append(f"{fault}: {request!r} {outcome!r} {outcome.attempts}")
        elif isinstance(outcome, ru.RerankError):
            self.outcomes[type(outcome).__name__] += 1
            self.attempts.update(type(cause).__name__ for cause in getattr(outcome, "causes", [outcome]))
            if not str(request.query).startswith(HOSTILE) and not has_reason(outcome, seconds):
                self.unexplained.append(f"after {seconds:.2f} s: {outcome!r} {getattr(outcome, 'causes', '')}")
        else:
            self.outcomes["UNTYPED"] += 1
            self.faults.append(f"{outcome!r}")


def sockets() -> int:
    """How many this process has open."""
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the folder's own
            count += str(entry.readlink()).startswith("socket:")
    return count


def memory() -> float:
    """Megabytes that this process has in memory, after it gave back what it can: what grows now is a leak."""
    gc.collect()
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


async def _watch_lag(part: Part) -> None:
    """The loop's own lateness: what no client can make up for."""
    while True:
        before = monotonic()
        await asyncio.sleep(0.02)
        part.lag = max(part.lag, monotonic() - before - 0.02)


async def _outcome(client: ru.AsyncClient, request: ru.RerankRequest) -> object:
    try:
        return await client.rerank(request)
    except Exception as error:  # noqa: BLE001  # whatever comes is the outcome
        return error


async def run_part(part: Part, client: ru.AsyncClient, numbers: range, seed: int, *, hostile: bool) -> None:
    """Ask everything, so many at once. Where one caller is hostile, every fourth worker is."""
    left = iter(numbers)
    chance = random.Random(seed)  # noqa: S311
    third = numbers.start + len(numbers) // 3

    async def worker(at: int) -> None:
        bad = hostile and at % 4 == 0
        for number in left:
            request = ask(chance, number, hostile=bad)
            if number == third:
                part.memory = (memory(), 0)
            began = monotonic()
            part.ends[query_of(number, hostile=bad)] = began + DEADLINE
            outcome = await _outcome(client, request)
            part.take(request, outcome, monotonic() - began)

    watch = asyncio.create_task(_watch_lag(part))
    began = monotonic()
    await asyncio.gather(*(worker(at) for at in range(min(AT_ONCE, len(numbers)))))
    part.seconds = monotonic() - began
    watch.cancel()
    part.memory = (part.memory[0], memory())


# --- the parts -------------------------------------------------------------------------------------------------------

PARTS: Final[dict[str, dict[str, Any]]] = {
    "httpx, no breaker": {"policy": ru.FallbackPolicy(breaker_failures=10**9)},
    "httpx, defaults": {},
    "one of four hostile": {"hostile": True},
    "aiohttp, no breaker": {"policy": ru.FallbackPolicy(breaker_failures=10**9), "aiohttp": True},
    "httpx, hedged": {"policy": ru.FallbackPolicy(breaker_failures=10**9, hedge_after=0.4)},
}


@asynccontextmanager
async def _client(targets: list[ru.Target], *, aiohttp: bool = False, **settings: Any) -> AsyncIterator[ru.AsyncClient]:
    settings |= {"deadline": DEADLINE, "max_response_bytes": MAX_BYTES}
    if not aiohttp:
        async with ru.AsyncClient(targets, **settings) as client:
            yield client
        return
    from aiohttp import ClientSession, DummyCookieJar

    from rerank_unify.transport import AiohttpSender

    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        sender = AiohttpSender(session, connect=5.0, max_bytes=MAX_BYTES)
        async with ru.AsyncClient(targets, sender=sender, **settings) as client:
            yield client


async def _part(
    part: Part, targets: list[ru.Target], numbers: range, seed: int, *, hostile: bool = False, **settings: Any
) -> Part:
    before = sockets()
    async with _client(targets, **settings) as client:
        await run_part(part, client, numbers, seed, hostile=hostile)
    for _ in range(50):  # transports close with the loop's next turns
        await asyncio.sleep(0.02)
        part.sockets, part.tasks = sockets() - before, len(asyncio.all_tasks()) - 1
        if part.sockets <= 0 and part.tasks == 0:
            break
    return part


def run(requests: int, seed: int) -> tuple[list[Part], list[tuple[str, float]]]:
    """All parts one after the other, and every call that arrived."""
    parts: list[Part] = []
    share = requests // len(PARTS)
    with servers(seed, requests * 2) as running:
        for at, (name, settings) in enumerate(PARTS.items()):
            last = requests if at == len(PARTS) - 1 else (at + 1) * share
            try:
                job = _part(Part(name), running.targets(), range(at * share, last), seed + at, **settings)
                parts.append(asyncio.run(job))
            except ru.InvalidRequestError as error:
                print(f"skipped: {name} ({error})")
        return parts, running.arrived()


# --- the verdict -----------------------------------------------------------------------------------------------------


def _bars(part: Part, total: int, late: float) -> list[Bar]:
    """The bars of one part; a count is within its bar at 0."""
    allowed = DEADLINE * 1.1 + part.lag
    figures = f"{sum(part.outcomes.values()):,} outcomes of {len(part.ends):,}, {len(part.faults)} wrong or untyped"
    lost = len(part.ends) - sum(part.outcomes.values())
    bars = [
        Bar(TYPED, part.name, 2.0 if part.faults or lost else 0.0, figures),
        Bar(REASON, part.name, 2.0 if part.unexplained else 0.0, f"{len(part.unexplained)} without one"),
        Bar(LATE, part.name, part.longest / allowed, f"{part.longest:.2f} s, {part.lag:.2f} s of lag allowed"),
        Bar(BEGUN, part.name, (DEADLINE + late) / allowed, f"the latest {late:+.2f} s from the deadline"),
        Bar(SOCKETS, part.name, 2.0 if part.sockets > 0 else 0.0, f"{part.sockets} left"),
        Bar(TASKS, part.name, 2.0 if part.tasks else 0.0, f"{part.tasks} left"),
    ]
    if total >= 4_000:
        warm, end = part.memory
        bars.append(Bar(MEMORY, part.name, end / warm / 1.2, f"{warm:.0f} MB, then {end:.0f} MB"))
    return bars


def _print_parts(parts: list[Part], latest: dict[str, float]) -> None:
    head = [
        "part",
        "asked",
        "right",
        "errors",
        "wrong",
        "requests/s",
        "slowest s",
        "last call",
        "lag s",
        "MB",
        "MB end",
    ]
    rows = []
    for part in parts:
        right = part.outcomes["right"]
        bad = part.outcomes["WRONG"] + part.outcomes["UNTYPED"]
        rows.append([
            part.name, f"{len(part.ends):,}", f"{right:,}", f"{sum(part.outcomes.values()) - right - bad:,}", f"{bad}",
            f"{len(part.ends) / part.seconds:,.0f}", f"{part.longest:.2f}", f"{latest[part.name]:+.2f}",
            f"{part.lag:.2f}", *(f"{size:.0f}" for size in part.memory),
        ])  # fmt: skip
    print_table(
        f"{AT_ONCE} at once, deadline {DEADLINE:g} s; the last call's begin is told from the deadline", head, rows
    )


def _print_counts(parts: list[Part]) -> None:
    for what in ("outcomes", "attempts"):
        names = sorted({name for part in parts for name in getattr(part, what)})
        rows = [[name, *(f"{getattr(part, what)[name]:,}" for part in parts)] for name in names]
        title = {"outcomes": "Outcomes", "attempts": "Errors met on the way"}[what]
        print_table(title, ["", *(part.name for part in parts)], rows)


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
    print(f"{machine()}; {options.requests:,} requests, seed {options.seed}")
    parts, arrived = run(options.requests, options.seed)
    ends = {query: (part.name, end) for part in parts for query, end in part.ends.items()}
    latest = {part.name: -DEADLINE for part in parts}
    for query, at in arrived:
        name, end = ends[query]
        latest[name] = max(latest[name], at - end)
    print(f"{len(arrived):,} calls")
    _print_parts(parts, latest)
    _print_counts(parts)
    for part in parts:
        for fault in [*part.faults, *part.unexplained][:5]:
            print(f"\n{part.name}: {fault}")
    return judge([bar for part in parts for bar in _bars(part, options.requests, latest[part.name])])


if __name__ == "__main__":
    sys.exit(main())
