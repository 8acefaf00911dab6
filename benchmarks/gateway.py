"""What does the gateway take, and what happens beyond that? ``python benchmarks/gateway.py [--requests N] [--quick]``.

`rerank-unify serve`, one worker, on the loopback, in front of `overhead.py`'s server, which gives one canned answer of
Jina's at once; 100 documents of 200 characters. Server, gateway and load are a process each; the load is raw bytes over
50 connections, each of which asks again as soon as it was answered. LiteLLM's proxy stands beside where
``benchmarks/litellm_proxy.sh`` has installed it: one rerank model behind the same server, one worker. All have their
turns in the same rounds. Every answer is read: the right rows, best first, and in the second part every request's own
documents. Bars:

- every answer is the right one
- p99 <= 5 x p50
- memory of all processes, after each round, < 130 MB; at the end (50,000 requests) <= 1.1 x that after the first 10,000
- >= 10 x the requests per second of LiteLLM's proxy
- the load straight at the server gives >= 3 x the gateway's requests per second, or the load is what was measured

Then a gateway that takes 50 requests at once, and 200 connections that never wait, in three dialects:

- every answer is the right one or 503 in the client's dialect with Retry-After; none is wrong, none lost
- no connection waits more than 2 s for its first answer
- a second after the load has dropped to 50 connections nothing is refused

Exit code 1 on a FAIL. It reads memory from /proc, as Linux has it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, process_time, sleep
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from overhead import AT_ONCE, MODEL, QUERY, answer, documents, server
from timing import Bar, judge, machine, print_table

ROUNDS: Final = 5
TAKEN: Final = 50  # by the gateway of the second part, of four times as many
ROOT: Final = Path(__file__).resolve().parents[1]
LITELLM: Final = ROOT / ".venv-litellm"
SERVE: Final = ("-m", "rerank_unify.cli", "serve")
RIGHT = "every answer is the right one"
TAIL = "p99 <= 5 x p50"
PEAK = "memory of all processes < 130 MB"
FLAT = "memory at the end <= 1.1 x that after the first fifth"
PROXY = "gateway >= 10 x the requests per second of LiteLLM's proxy"
LOAD = "the load straight at the server >= 3 x the gateway's requests per second"
CLEAN = "with 4 x the connections: every answer right, or 503 in the client's dialect"
FIRST = "with 4 x the connections: none waits more than 2 s for its first answer"
AGAIN = "the load back at what is taken: nothing is refused after 1 s"


# --- what is asked, and what is right --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dialect:
    """Where a dialect is spoken, and how its answers look."""

    path: str
    rows: str
    error: str
    echoes: bool


DIALECTS: Final = {
    "jina": Dialect("/v1/rerank", "results", "detail", echoes=True),
    "cohere": Dialect("/v2/rerank", "results", "message", echoes=False),
    "voyage": Dialect("/voyage/v1/rerank", "data", "detail", echoes=True),
}


class Ask:
    """One request's bytes. Its documents say which one it is, so that somebody else's answer would show."""

    def __init__(self, name: str, number: int, *, echo: bool) -> None:
        self._dialect = DIALECTS[name]
        texts = [f"{name} {number} {text}"[: len(text)] for text in documents()]
        body: dict[str, Any] = {"model": MODEL, "query": QUERY, "documents": texts}
        if self._dialect.echoes:
            body["return_documents"] = echo
        self.wire = _post(self._dialect.path, json.dumps(body).encode())
        rows = json.loads(answer().partition(b"\r\n\r\n")[2])["results"]
        self._expected = [(row["index"], row["relevance_score"]) for row in rows]
        self._texts = texts if echo and self._dialect.echoes else None
        self._known: set[bytes] = set()

    def verdict(self, head: bytes, body: bytes) -> str:
        """``right``, ``busy`` for a clean 503, or what is wrong."""
        status = head[9:12]
        if status == b"200" and body in self._known:
            return "right"
        try:
            if status == b"503":
                return self._busy(head, body)
            if status != b"200" or not self._right(json.loads(body)[self._dialect.rows]):
                return f"wrong: {status.decode()} {body[:300]!r}"
        except (ValueError, TypeError, LookupError) as error:
            return f"wrong: {error!r}: {body[:300]!r}"
        if len(self._known) < 8:  # an answer with a number of its own is read every time
            self._known.add(body)
        return "right"

    def _right(self, rows: Any) -> bool:
        if self._texts is not None and [_text(row["document"]) for row in rows] != [
            self._texts[row["index"]] for row in rows
        ]:
            return False
        return [row["index"] for row in rows] == [index for index, _ in self._expected] and all(
            isclose(row["relevance_score"], score) for row, (_, score) in zip(rows, self._expected, strict=True)
        )

    def _busy(self, head: bytes, body: bytes) -> str:
        parsed = json.loads(body)
        waits = re.search(rb"\r\nretry-after: *\d+\r\n", head + b"\r\n", re.IGNORECASE)
        kind = b"\r\ncontent-type: application/json" in head.lower()
        clean = (
            waits and kind and list(parsed) == [self._dialect.error] and isinstance(parsed[self._dialect.error], str)
        )
        return "busy" if clean else f"wrong: {head!r} {body[:300]!r}"


def _text(document: Any) -> Any:
    return document if isinstance(document, str) else document["text"]


def _post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


# --- the load, in a process of its own -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """So many requests over so many connections; then, for some seconds, over fewer of them."""

    url: str
    requests: int
    connections: int = AT_ONCE
    dialects: Sequence[str] = ("jina",)
    echo: bool = False
    then: int = 0
    seconds: float = 0.0


@dataclass
class Outcome:
    """What came of a job.

    Attributes:
        sent: requests.
        verdicts: answers by what they were; no more than a few wrong ones are told in full.
        rate: requests answered in a second.
        p50, p99: seconds, of right answers but each connection's first.
        first: seconds until the last connection had its first answer.
        busy: the part of the time in which the load's own process had work.
        refused: seconds from the drop to the last answer that was not right.
        after: right answers later than a second after the drop.
    """

    sent: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    rate: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    first: float = 0.0
    busy: float = 0.0
    refused: float = 0.0
    after: int = 0

    @property
    def bad(self) -> dict[str, int]:
        """What must not be."""
        return {what: count for what, count in self.verdicts.items() if what not in ("right", "busy")}

    @property
    def lost(self) -> int:
        """Requests without an answer."""
        return self.sent - sum(self.verdicts.values())


class _Load:
    def __init__(self, job: Job) -> None:
        self.job, self.outcome = job, Outcome()
        self._asks = [Ask(name, number, echo=job.echo) for number in range(8) for name in job.dialects]
        self._seconds: list[float] = []
        self._dropped: float | None = None
        self._new = job.connections
        self._started = perf_counter()

    def next(self, number: int) -> Ask | None:
        """What a connection asks; None when it has nothing more to do."""
        if self.outcome.sent >= self.job.requests and not self._new:
            now = perf_counter()
            self._dropped = self._dropped or now
            if number >= self.job.then or now - self._dropped > self.job.seconds:
                return None
        self.outcome.sent += 1
        return self._asks[self.outcome.sent % len(self._asks)]

    def first(self) -> None:
        """A connection has had its first answer."""
        self._new -= 1
        self.outcome.first = perf_counter() - self._started

    def landed(self, ask: Ask, began: float | None, head: bytes, body: bytes) -> None:
        """An answer is there. When it was asked for does not count where it is a connection's first."""
        now = perf_counter()
        verdict = ask.verdict(head, body)
        since = 0.0 if self._dropped is None else now - self._dropped
        if verdict == "right":
            if began is not None:
                self._seconds.append(now - began)
            self.outcome.after += since > 1
        else:
            self.outcome.refused = since
        self.outcome.verdicts[verdict if len(self.outcome.verdicts) < 8 else verdict[:5]] += 1

    async def run(self) -> Outcome:
        """All of it."""
        wall, cpu = perf_counter(), process_time()
        await asyncio.gather(*(self._connection(number) for number in range(self.job.connections)))
        taken = perf_counter() - wall
        outcome, ranked = self.outcome, sorted(self._seconds) or [0.0]
        outcome.rate, outcome.busy = sum(outcome.verdicts.values()) / taken, (process_time() - cpu) / taken
        outcome.p50, outcome.p99 = (ranked[int(len(ranked) * part)] for part in (0.5, 0.99))
        return outcome

    async def _connection(self, number: int) -> None:
        """Again where the server hangs up. A request under way is lost then, and shows as one without an answer."""
        loop, to = asyncio.get_running_loop(), urlsplit(self.job.url)
        ask = self.next(number)
        while ask is not None:
            _, connection = await loop.create_connection(
                lambda: _Connection(self, number), to.hostname or "", to.port or 80
            )
            connection.ask(ask)
            await connection.ended
            ask = self.next(number) if connection.current is not None else None


class _Connection(asyncio.Protocol):
    """One request after the other; no pipelining."""

    def __init__(self, load: _Load, number: int) -> None:
        self._load, self._number = load, number
        self._data, self._began, self._new = b"", 0.0, True
        self.current: Ask | None = None
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, ask: Ask | None) -> None:
        self.current = ask
        if ask is None:
            self._transport.close()
        else:
            self._began = perf_counter()
            self._transport.write(ask.wire)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end or self.current is None:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self._data = b""
            self._load.landed(self.current, None if self._new else self._began, head, body)
            if self._new:
                self._new = False
                self._load.first()
            self.ask(self._load.next(self._number))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.ended.set_result(None)


def load() -> None:
    """Do the jobs that come in, one for each line."""
    import uvloop

    for line in sys.stdin:
        outcome = uvloop.run(_Load(Job(**json.loads(line))).run())
        print(json.dumps(vars(outcome)), flush=True)


class Load:
    """The load's process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def __call__(self, job: Job) -> Outcome:
        """Do one job."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(vars(job)).encode() + b"\n")
        process.stdin.flush()
        parsed = json.loads(process.stdout.readline())
        return Outcome(**{**parsed, "verdicts": Counter(parsed["verdicts"])})


# --- processes -------------------------------------------------------------------------------------------------------


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process, which is gone on leaving."""
    process = subprocess.Popen(command, **options)  # noqa: S603
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Proxy:
    """Something that answers on its own port.

    Attributes:
        url: where.
        pid: of its first process.
    """

    url: str
    pid: int

    def _files(self, name: str) -> Iterator[str]:
        """A file in /proc of each of its processes."""
        pids = [self.pid]
        for pid in pids:
            yield Path(f"/proc/{pid}/{name}").read_text()
            pids += [
                int(child)
                for path in Path(f"/proc/{pid}/task").glob("*/children")
                for child in path.read_text().split()
            ]

    def memory(self) -> float:
        """Megabytes of all its processes; memory that they share counts once."""
        return sum(int(text.partition("Pss:")[2].split()[0]) for text in self._files("smaps_rollup")) * 1024 / 1e6

    def cpu(self) -> float:
        """Seconds of CPU time of all its processes so far."""
        fields = [text.rpartition(")")[2].split() for text in self._files("stat")]
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def proxy(command: Sequence[str], health: str, environ: Mapping[str, str]) -> Iterator[Proxy]:
    """Start it with a port of its own, and wait until it answers there."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with TemporaryDirectory() as folder, Path(folder, "log").open("w+b") as log, ExitStack() as stack:
        process = stack.enter_context(
            running([*command, "--port", str(port)], stdout=log, stderr=log, env={**os.environ, **environ})
        )
        ends = monotonic() + 120
        while not _responses(url + health):
            if process.poll() is not None or monotonic() > ends:
                raise SystemExit(f"{command[0]} did not start:\n{Path(log.name).read_text()[-3000:]}")
            sleep(0.05)
        yield Proxy(url, process.pid)


def _responses(url: str) -> bool:
    try:
        with urlopen(url, timeout=1) as answered:  # noqa: S310 - the loopback
            return bool(answered.status == 200)
    except (URLError, OSError):
        return False


@contextmanager
def gateway(upstream: str, further: str = "") -> Iterator[Proxy]:
    """Ours: one route, one worker."""
    with TemporaryDirectory() as folder:
        config = Path(folder, "gateway.toml")
        target = f'{{provider = "jina", base_url = "{upstream}", key_env = "UPSTREAM_KEY"}}'
        config.write_text(f'[models."{MODEL}"]\ntargets = [{target}]\n{further}')
        command = [sys.executable, *SERVE, "--config", str(config)]
        with proxy(command, "/ready", {"UPSTREAM_KEY": "k"}) as started:
            yield started


@contextmanager
def litellm(upstream: str) -> Iterator[Proxy]:
    """LiteLLM's: the same route, one worker, open to all as ours is, logging errors alone, asking no other host."""
    model = {"model": f"jina_ai/{MODEL}", "api_base": upstream, "api_key": "k"}
    settings = {"model_list": [{"model_name": MODEL, "litellm_params": model}]}
    environ = {
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
    }
    with TemporaryDirectory() as folder:
        config = Path(folder, "litellm.yaml")
        config.write_text(json.dumps(settings))  # JSON is YAML
        command = [
            str(LITELLM / "bin" / "litellm"),
            "--config",
            str(config),
            "--host",
            "127.0.0.1",
            "--num_workers",
            "1",
        ]
        with proxy(command, "/health/liveliness", environ) as started:
            yield started


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass
class Measured:
    """One candidate's rounds, and after each its memory; of a round the CPU time for one request."""

    proxy: Proxy | None
    outcomes: list[Outcome] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: float = 0.0

    def round(self, load: Load, job: Job) -> None:
        """One round more."""
        if self.proxy is None:
            self.outcomes.append(load(job))
            return
        before = self.proxy.cpu()
        self.outcomes.append(load(job))
        self.cpu.append((self.proxy.cpu() - before) / self.outcomes[-1].sent)
        self.memory.append(self.proxy.memory())
        self.peak = max(self.peak, self.memory[-1])

    def row(self, name: str) -> list[str]:
        """The table's row: medians over the rounds."""
        rates = [outcomes.rate for outcomes in self.outcomes]
        p50, p99 = (median(getattr(outcomes, part) for outcomes in self.outcomes) * 1e3 for part in ("p50", "p99"))
        costs = (
            [f"{median(self.cpu) * 1e3:.2f}", f"{self.memory[-1]:.0f}", f"{self.peak:.0f}"] if self.proxy else [""] * 3
        )
        return [
            name, f"{median(rates):,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}", f"{p50:,.1f}", f"{p99:,.1f}",
            *costs, f"{median(outcomes.busy for outcomes in self.outcomes):.0%}",
        ]  # fmt: skip


def _by(faster: Measured, slower: Measured) -> float:
    return median(one.rate / other.rate for one, other in zip(faster.outcomes, slower.outcomes, strict=True))


def _spotless(rule: str, case: str, outcomes: Sequence[Outcome]) -> Bar:
    """A bar that one bad answer breaks."""
    bad = sum((Counter(one.bad) for one in outcomes), Counter[str]())
    lost, sent = sum(one.lost for one in outcomes), sum(one.sent for one in outcomes)
    for what, count in bad.most_common(5):
        print(f"{count:,} x {what}")
    bad_count = bad.total() + lost
    return Bar(rule, case, 2.0 if bad_count else 0.0, f"{bad_count:,} of {sent:,} are not, {lost:,} of them lost")


def measure_rounds(load: Load, upstream: str, requests: int) -> list[Bar]:
    """The gateway, the server alone, and LiteLLM's proxy, in turn."""
    with ExitStack() as stack:
        ours = stack.enter_context(gateway(upstream))
        jobs = {"gateway": (Measured(ours), Job(ours.url, requests // ROUNDS))}
        jobs["the server itself"] = (Measured(None), Job(upstream, requests // ROUNDS // 2))
        if (LITELLM / ".done").exists():
            theirs = stack.enter_context(litellm(upstream))
            jobs["LiteLLM's proxy"] = (Measured(theirs), Job(theirs.url, 300))
        for turn in range(-1, ROUNDS):
            for measured, job in jobs.values():
                if turn < 0:
                    load(Job(job.url, 100))  # connections are opened, caches filled
                else:
                    measured.round(load, job)
    _print_rounds({name: measured for name, (measured, _) in jobs.items()}, requests)
    return _round_bars({name: measured for name, (measured, _) in jobs.items()})


def _print_rounds(all_of_them: Mapping[str, Measured], requests: int) -> None:
    head = ["", "requests/s", "of rounds", "p50 ms", "p99 ms", "CPU ms each", "MB", "peak MB", "load busy"]
    title = f"{AT_ONCE} connections, 100 documents, {requests:,} requests in {ROUNDS} rounds: medians"
    print_table(title, head, [measured.row(name) for name, measured in all_of_them.items()])
    print("\nMB after each round")
    for name, measured in all_of_them.items():
        if measured.memory:
            print(f"{name}: {', '.join(f'{each:.1f}' for each in measured.memory)}")


def _round_bars(measured: Mapping[str, Measured]) -> list[Bar]:
    ours, direct = measured["gateway"], measured["the server itself"]
    tail = median(outcomes.p99 / outcomes.p50 for outcomes in ours.outcomes)
    grown, times = ours.memory[-1] / ours.memory[0], _by(direct, ours)
    bars = [
        *(_spotless(RIGHT, name, one.outcomes) for name, one in measured.items()),
        Bar(TAIL, "gateway", tail / 5, f"{tail:.2f} x"),
        Bar(PEAK, "gateway", ours.peak / 130, f"{ours.peak:.1f} MB"),
        Bar(FLAT, "gateway", grown / 1.1, f"{ours.memory[0]:.1f} to {ours.memory[-1]:.1f} MB, {grown:.3f} x"),
        Bar(LOAD, "load", 3 / times, f"{times:.1f} x"),
    ]
    if "LiteLLM's proxy" in measured:
        times = _by(ours, measured["LiteLLM's proxy"])
        bars.append(Bar(PROXY, "gateway", 10 / times, f"{times:.1f} x"))
    return bars


def measure_overload(load: Load, upstream: str, requests: int) -> list[Bar]:
    """Four times the connections that are taken, then as many as are taken."""
    with gateway(upstream, f"[limits]\nconcurrency = {TAKEN}\n") as ours:
        job = Job(ours.url, requests, 4 * TAKEN, tuple(DIALECTS), echo=True, then=TAKEN, seconds=3)
        load(Job(ours.url, 100))
        outcome = load(job)
        memory = ours.memory()
    counts = [outcome.verdicts["right"], outcome.verdicts["busy"], sum(outcome.bad.values()), outcome.lost]
    head = ["", "right", "503", "wrong", "lost", "per s", "first, s", "last 503, s", "right after 1 s", "MB"]
    figures = [
        *(f"{count:,}" for count in counts),
        f"{outcome.rate:,.0f}",
        f"{outcome.first:.2f}",
        f"{outcome.refused:.2f}",
        f"{outcome.after:,}",
    ]
    title = f"{TAKEN} at once are taken: {4 * TAKEN} connections, then {TAKEN} for 3 s"
    print_table(title, head, [["gateway", *figures, f"{memory:.0f}"]])
    assert outcome.verdicts["right"], "nothing was answered"
    assert outcome.verdicts["busy"], "nothing was refused: there was no overload"
    recovered = (
        f"the last refusal came {outcome.refused:.2f} s after the drop, {outcome.after:,} right answers followed"
    )
    return [
        _spotless(CLEAN, "gateway", [outcome]),
        Bar(FIRST, "gateway", outcome.first / 2, f"the last one waited {outcome.first:.2f} s"),
        Bar(AGAIN, "gateway", outcome.refused if outcome.after else 2.0, recovered),
    ]


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000, metavar="N", help="through the gateway, in all rounds")
    parser.add_argument("--quick", action="store_true", help="10,000 requests")
    parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        load()
        return 0
    requests: int = 10_000 if options.quick else options.requests
    beside = "beside LiteLLM's proxy" if (LITELLM / ".done").exists() else "LiteLLM's proxy is not installed"
    print(f"{machine()}; {beside}")
    command = [sys.executable, str(Path(__file__).resolve()), "--load"]
    with server() as upstream, running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        loading = Load(process)
        return judge(
            [
                *measure_rounds(loading, upstream, requests),
                *measure_overload(loading, upstream, requests // 2),
            ]
        )


if __name__ == "__main__":
    sys.exit(main())
