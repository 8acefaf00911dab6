"""Measure the gateway: requests per second beside LiteLLM's proxy, latency, memory.

``python benchmarks/gateway.py [--requests N] [--quick]``; exit code 1 on a FAIL. `rerank-unify serve` with one worker,
on the loopback, in front of a provider that responds at once; 100 documents of 200 characters. Provider, gateway and
load are a process each. The load is raw bytes over 50 connections, each of which sends its next request as soon as it
has its response; every response is checked. LiteLLM's proxy stands beside where ``make peers`` has
installed it: the same provider, one worker. All are measured in turn. Memory comes from Linux's /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep
from typing import Final
from urllib.parse import urlsplit

import harness
import httpx
import peers
import uvloop
from harness import AT_ONCE, MODEL, QUERY, Bar

ROUNDS: Final = 5
GATEWAY: Final = "gateway"
PROVIDER: Final = "the provider itself"
LITELLM: Final = "LiteLLM's proxy"
RIGHT: Final = "every response is right"
TAIL: Final = "p99 <= 3 x p50"
PEAK: Final = "memory of all processes <= 130 MB, what they share counted once"
FLAT: Final = "memory at the end <= 1.1 x that after the first fifth"
FASTER: Final = "gateway >= 15 x the requests per second of LiteLLM's proxy"
LOAD: Final = "load straight at the provider >= 3 x the gateway's requests per second: the load is not what is measured"


# --- the load --------------------------------------------------------------------------------------------------------


class Load:
    """Sends so many requests over 50 connections.

    Attributes:
        rate: responses in a second.
        seconds: of each response, in ascending order.
        outcomes: how often each came: "right", "lost", or a description of a wrong response.
    """

    def __init__(self, url: str, requests: int) -> None:
        body = json.dumps({"model": MODEL, "query": QUERY, "documents": harness.documents(), "return_documents": False})
        fields = f"host: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        self._request = f"POST /v1/rerank HTTP/1.1\r\n{fields}\r\n\r\n{body}".encode()
        self._address = urlsplit(url)
        self._left = iter(range(requests))
        self.seconds: list[float] = []
        self.outcomes: Counter[str] = Counter()
        self._known_right = b""

    async def run(self) -> None:
        """Send everything."""
        start = perf_counter()
        await asyncio.gather(*(self._connection() for _ in range(AT_ONCE)))
        self.rate = len(self.seconds) / (perf_counter() - start)
        self.seconds.sort()

    def quantile(self, part: float) -> float:
        """Return the seconds that so large a part of the responses did not exceed."""
        return self.seconds[int(len(self.seconds) * part)]

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        for _ in self._left:
            start = perf_counter()
            writer.write(self._request)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(harness.content_length(head))
            except (OSError, asyncio.IncompleteReadError):
                self.outcomes["lost"] += 1
                break
            self.seconds.append(perf_counter() - start)
            self.outcomes[self._outcome(head, body)] += 1
        writer.close()

    def _outcome(self, head: bytes, body: bytes) -> str:
        if body == self._known_right and head.startswith(b"HTTP/1.1 200 "):
            return "right"
        try:
            assert head.startswith(b"HTTP/1.1 200 ")
            rows = json.loads(body)["results"]
            harness.check_ranking("load", [(row["index"], row["relevance_score"]) for row in rows])
        except (AssertionError, ValueError, LookupError, TypeError):
            return f"wrong: {head[:12]!r} {body[:300]!r}"
        self._known_right = body
        return "right"


# --- servers ---------------------------------------------------------------------------------------------------------


def memory(pid: int) -> tuple[float, float]:
    """Return megabytes of a process and its descendants: with shared memory counted once, and in each of them."""
    pids = [pid]
    for each in pids:
        for path in Path(f"/proc/{each}/task").glob("*/children"):
            pids += map(int, path.read_text().split())
    files = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in pids]
    pss, rss = (sum(int(text.partition(f"\n{name}:")[2].split()[0]) for text in files) for name in ("Pss", "Rss"))
    return pss * 1024 / 1e6, rss * 1024 / 1e6


@dataclass
class Server:
    """A server that is measured, and its rounds; memory after each round.

    Attributes:
        pid: of its first process; None for the provider itself, whose memory does not matter.
        requests: in one round.
    """

    url: str
    pid: int | None
    requests: int
    rounds: list[Load] = field(default_factory=list[Load])
    memory: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    def measure(self) -> None:
        """Measure one more round."""
        load = Load(self.url, self.requests)
        uvloop.run(load.run())
        self.rounds.append(load)
        if self.pid is not None:
            self.memory.append(memory(self.pid))

    def row(self) -> list[str]:
        """Return the figures for the table: medians of the rounds."""
        rates = [one.rate for one in self.rounds]
        p50, p99 = (median(one.quantile(part) for one in self.rounds) for part in (0.5, 0.99))
        sizes = [f"{max(sizes):.0f}" for sizes in zip(*self.memory, strict=True)] or ["", ""]
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        return [f"{median(rates):,.0f}", spread, f"{p50 * 1e3:,.1f}", f"{p99 * 1e3:,.1f}", *sizes]


@contextmanager
def started(command: Sequence[str], health: str, environment: Mapping[str, str], requests: int) -> Iterator[Server]:
    """Run a server on a free port, and wait until it responds there."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with TemporaryDirectory() as folder, Path(folder, "log").open("w+") as log, ExitStack() as stack:
        options = {"stdout": log, "stderr": log, "env": {**os.environ, **environment}}
        process = stack.enter_context(harness.running([*command, "--port", str(port)], **options))
        ends = monotonic() + 120
        while not _is_up(url + health):
            if process.poll() is not None or monotonic() > ends:
                raise SystemExit(f"{command[0]} did not start:\n{Path(log.name).read_text()[-3000:]}")
            sleep(0.05)
        yield Server(url, process.pid, requests)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def servers(provider: str, requests: int) -> Iterator[dict[str, Server]]:
    """Run the gateway, and LiteLLM's proxy where it is installed; one route and one worker each."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        target = f'{{provider = "jina", base_url = "{provider}", key_env = "UPSTREAM_KEY"}}'
        settings = Path(folder, "gateway.toml")
        settings.write_text(f'[models."{MODEL}"]\ntargets = [{target}]\n')
        serve = [sys.executable, "-m", "rerank_unify.cli", "serve", "--config", str(settings)]
        found = {
            GATEWAY: stack.enter_context(started(serve, "/ready", {"UPSTREAM_KEY": "k"}, requests // ROUNDS)),
            PROVIDER: Server(provider, None, requests // ROUNDS // 2),
        }
        if peers.installed():
            command, environment = peers.litellm_proxy(provider, folder)
            found[LITELLM] = stack.enter_context(started(command, "/health/liveliness", environment, 300))
        yield found


# --- measuring -------------------------------------------------------------------------------------------------------


def measure(provider: str, requests: int) -> list[Bar]:
    """Measure all servers in turn."""
    with servers(provider, requests) as found:
        for server in found.values():
            uvloop.run(Load(server.url, 100).run())  # fills caches
        for _ in range(ROUNDS):
            for server in found.values():
                server.measure()
    head = ["", "requests/s", "of rounds", "p50 ms", "p99 ms", "MB, shared once", "MB, shared in each"]
    title = f"{AT_ONCE} connections, 100 documents, {requests:,} requests in {ROUNDS} rounds: medians, peaks of memory"
    harness.print_table(title, head, [[name, *server.row()] for name, server in found.items()])
    print(f"\nMB of the gateway after each round: {', '.join(f'{shared:.1f}' for shared, _ in found[GATEWAY].memory)}")
    return [*(_right(name, server) for name, server in found.items()), *_bars(found)]


def _right(name: str, server: Server) -> Bar:
    outcomes = sum((one.outcomes for one in server.rounds), Counter[str]())
    total, right = outcomes.total(), outcomes.pop("right", 0)
    for description, count in outcomes.most_common(5):
        print(f"{name}: {count:,} x {description}")
    return harness.none_of(RIGHT, name, total - right, f"{right:,} of {total:,}")


def _bars(found: Mapping[str, Server]) -> list[Bar]:
    gateway = found[GATEWAY]
    tail = median(one.quantile(0.99) / one.quantile(0.5) for one in gateway.rounds)
    (first, _), (last, _), (peak, peak_in_each) = gateway.memory[0], gateway.memory[-1], max(gateway.memory)
    bars = [
        Bar(TAIL, GATEWAY, tail / 3, f"{tail:.2f} x"),
        Bar(PEAK, GATEWAY, peak / 130, f"{peak:.1f} MB, {peak_in_each:.1f} MB with shared memory in each"),
        Bar(FLAT, GATEWAY, last / first / 1.1, f"{first:.1f} to {last:.1f} MB, {last / first:.3f} x"),
        _faster(LOAD, found[PROVIDER], gateway, 3),
    ]
    return [*bars, _faster(FASTER, gateway, found[LITELLM], 15)] if LITELLM in found else bars


def _faster(rule: str, server: Server, than: Server, limit: float) -> Bar:
    share = median(one.rate / other.rate for one, other in zip(server.rounds, than.rounds, strict=True))
    return Bar(rule, GATEWAY, limit / share, f"{share:.1f} x")


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000, metavar="N", help="through the gateway, in all rounds")
    parser.add_argument("--quick", action="store_true", help="10,000 requests")
    options = parser.parse_args()
    print(f"{harness.machine('granian', 'uvloop', 'aiohttp')}; {peers.versions()}")
    with harness.upstream() as provider:
        return harness.judge(measure(provider, 10_000 if options.quick else options.requests))


if __name__ == "__main__":
    sys.exit(main())
