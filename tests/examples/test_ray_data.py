"""The example for Ray Data, on a cluster of its own on the loopback: ``make ray``."""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from scripted_server import Play, ScriptedServer, respond_as, score

import rerank_unify as ru

if find_spec("ray") is None:
    pytest.skip("needs Ray: make ray", allow_module_level=True)
pa: Any = import_module("pyarrow")
pq: Any = import_module("pyarrow.parquet")

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "ray_data.py"
ACTORS: Final = 2
CONCURRENCY: Final = 32
ROWS: Final = 250  # in a block
PATIENCE: Final = 300.0  # seconds: the limit of every wait, longer than a busy machine needs

Id: TypeAlias = str | int
log = logging.getLogger(__name__)


class Cluster:
    """A Ray cluster of one node, which listens on 127.0.0.1 alone."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            address = f"127.0.0.1:{listening.getsockname()[1]}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environment |= {
            "RAY_USAGE_STATS_ENABLED": "0",
            # The nodes of a cluster have addresses that others reach, unless Ray is on a system without clusters.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",  # in the environment: Ray would make a token in the home folder
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }
        self.environment = {**environment, "RAY_ADDRESS": address}
        self._log = folder / "ray.log"
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=4"]
        command += ["--node-ip-address=127.0.0.1", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false"]
        command += [f"--temp-dir={folder}", f"--object-store-memory={200 << 20}"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def wait_started(self) -> None:
        """Wait until it accepts work."""

        def started() -> bool:
            assert self._process.poll() is None, self._log.read_text()
            return "Ray runtime started" in self._log.read_text()

        wait_until(started)

    def end(self) -> None:
        """End all of its processes."""
        self._process.terminate()
        self._process.wait(PATIENCE)

    def kill_actor(self) -> None:
        """Kill the process of one actor of the example."""
        os.kill(next(self._working(b"(Reranker)")), signal.SIGKILL)

    def wait_idle(self) -> None:
        """Wait until Ray has ended the processes of a killed driver."""
        wait_until(lambda: not any(self._working(b"(Reranker)", b"::Write")))

    def _working(self, *names: bytes) -> Iterator[int]:
        for folder in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                process = int(folder.name)
                title = (folder / "cmdline").read_bytes()
                if title.startswith(b"ray::") and any(name in title for name in names) and self._is_child(process):
                    yield process

    def _is_child(self, process: int) -> bool:
        while process > 1 and process != self._process.pid:
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        return process > 1


class Provider(ScriptedServer):
    """Jina's API: of 50 requests one is always a server's error, and one is always refused."""

    def __init__(self) -> None:
        super().__init__(respond=self._reply)
        self._good = respond_as("jina")

    def _reply(self, body: Any) -> Play:
        if status := failure(number_of(body)):
            return Play(status=status, body={"detail": "scripted"}, delay=0.05)
        good = self._good(body)
        assert not isinstance(good, Play)
        return Play(body=good, delay=0.05)

    @property
    def in_flight(self) -> int:
        return self._waiting

    def sent(self) -> Counter[int]:
        """Count the calls for each request."""
        return Counter(number_of(call.json) for call in self.calls)


def number_of(body: Any) -> int:
    return int(body["query"].removeprefix("query "))


def failure(number: int) -> int | None:
    """Return the status of the request's error, None where it succeeds."""
    return {0: 500, 1: 400}.get(number % 50)


def documents_of(number: int) -> list[str]:
    return [f"document {at} of {number}" for at in range(2 + number % 3)]


def request_of(number: int) -> dict[str, Any]:
    return {"query": f"query {number}", "documents": documents_of(number), **({"top_n": 2} if number % 2 else {})}


def expected(number: int) -> Any:
    """Return the class of the error, or index and score of each result."""
    if status := failure(number):
        return {500: "ProviderServerError", 400: "BadRequestError"}[status]
    scores = sorted(((index, score(text)) for index, text in enumerate(documents_of(number))), key=lambda one: -one[1])
    return scores[: request_of(number).get("top_n")]


def check(rows: Sequence[Mapping[str, Any]], numbers: Mapping[Id, int]) -> None:
    """Each id has one row, with its own results or its own error."""
    assert Counter(row["id"] for row in rows) == Counter(dict.fromkeys(numbers, 1))
    for row in rows:
        number = numbers[row["id"]]
        if failure(number):
            assert row["error"]["class"] == expected(number)
            assert "scripted" in row["error"]["message"]
            assert row.get("results") is None
        else:
            assert row.get("error") is None
            assert [(result["index"], result["relevance_score"]) for result in row["results"]] == expected(number)
            assert row["model"] == ru.provider("jina").default_model
            assert row["usage"]["total_tokens"] == sum(map(len, documents_of(number)))


def wait_until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # not pytest's folder: a socket's path is at most 107 bytes
    cluster = Cluster(folder)
    try:
        cluster.wait_started()
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(folder)


class Run:
    """A run of the example, in a process."""

    def __init__(self, cluster: Cluster, source: Path, out: Path, url: str, *options: str) -> None:
        command = [
            sys.executable,
            str(EXAMPLE),
            str(source),
            str(out),
            "--provider",
            "jina",
            "--base-url",
            url,
            "--retries",
            "1",
        ]
        command += ["--actors", str(ACTORS), "--concurrency", str(CONCURRENCY), "--rows", str(ROWS), *options]
        self._log = out.with_suffix(".log")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=cluster.environment)

    def log(self) -> str:
        return self._log.read_text()

    def succeed(self) -> None:
        assert self.process.wait(PATIENCE) == 0, self.log()


def test_a_killed_actor_loses_no_row_and_doubles_none(cluster: Cluster, tmp_path: Path) -> None:
    numbers: dict[Id, int] = {f"q-{number}": number for number in range(10_000)}
    lines = [json.dumps({"id": name, **request_of(number)}) for name, number in numbers.items()]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    began, kills = time.monotonic(), list[str]()
    with Provider() as provider:
        run = Run(cluster, tmp_path / "in.jsonl", tmp_path / "out", provider.url)
        provider.wait_calls(4000, PATIENCE)
        while not provider.left:  # again where the actor had just ended a block
            wait_until(lambda: provider.in_flight > CONCURRENCY // ACTORS or run.process.poll() is not None)  # all work
            cluster.kill_actor()
            kills.append(f"after {len(provider.calls)} requests and {time.monotonic() - began:.1f} s")
            with suppress(AssertionError):
                provider.wait_left(timeout=10)
        run.succeed()
        seconds, sent = time.monotonic() - began, provider.sent()
    rows = read_lines(tmp_path / "out")
    check(rows, numbers)
    assert CONCURRENCY // ACTORS < provider.peak <= CONCURRENCY
    again = sum(count - (2 if failure(number) == 500 else 1) for number, count in sent.items())
    # The block in work, and perhaps the one before, whose end Ray had not yet heard of; a fiftieth is tried twice.
    assert 0 < again <= len(kills) * 2 * (ROWS + ROWS // 50)
    errors = sum("error" in row for row in rows)
    log.info("%d rows, %d with an error, in %.1f s", len(rows), errors, seconds)
    log.info("actor killed %s, with %d requests in flight", ", ".join(kills), provider.left)
    log.info("%d requests, %d of them again, at most %d at a time", sum(sent.values()), again, provider.peak)


def test_the_same_command_resumes_where_the_driver_was_killed(cluster: Cluster, tmp_path: Path) -> None:
    numbers: dict[Id, int] = {number: number for number in range(3000)}
    table: list[dict[str, Any]] = []
    for number in range(3000):  # objects, of which those that fail have a further field: in Parquet all have it
        more = {"title": "t"} if failure(number) else {}
        documents = [{"text": text, **more} for text in documents_of(number)]
        table.append({"id": number, **request_of(number), "documents": documents, "note": "not of the request"})
    (tmp_path / "in").mkdir()
    for part in range(2):
        pq.write_table(pa.Table.from_pylist(table[part::2]), tmp_path / f"in/{part}.parquet")
    out = tmp_path / "out"
    with Provider() as provider:
        arguments = (cluster, tmp_path / "in", out, provider.url)
        first = Run(*arguments)
        wait_until(lambda: len(committed(out)) >= 4 or first.process.poll() is not None)
        first.process.kill()
        assert first.process.wait(PATIENCE) == -signal.SIGKILL, first.log()
        cluster.wait_idle()
        torn, *whole = committed(out)
        tear(torn, out / "rows")
        before, done = provider.sent(), [row["id"] for file in whole for row in pq.read_table(file).to_pylist()]
        assert 0 < len(done) < len(numbers)
        Run(*arguments).succeed()
        after = provider.sent()
        assert {number: after[number] for number in done} == {number: before[number] for number in done}
        calls = len(provider.calls)
        Run(*arguments).succeed()
        assert len(provider.calls) == calls
    check([row for file in (out / "rows").iterdir() for row in pq.read_table(file).to_pylist()], numbers)
    assert provider.peak <= CONCURRENCY
    log.info("driver killed: %d ids done, %d requests; %d at the end", len(done), sum(before.values()), calls)


def read_lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in (out / "rows").iterdir() for line in file.read_text().splitlines()]


def committed(out: Path) -> list[Path]:
    return sorted(file for file in (out / "done").glob("*.parquet") if ".pending" not in file.name)


def tear(file: Path, rows: Path) -> None:
    """Make of a block that is done one whose writer was killed in the middle."""
    (written,) = rows.glob(f"{file.stem}*")
    os.truncate(written, written.stat().st_size // 2)
    file.rename(file.with_suffix(".pending.parquet"))


def test_a_refused_key_ends_the_run_and_the_next_one_ranks(cluster: Cluster, tmp_path: Path) -> None:
    numbers: dict[Id, int] = {"a": 2, "b": 3}
    lines = [json.dumps({"id": name, **request_of(number)}) for name, number in numbers.items()]
    lines.append(
        json.dumps({"id": "c", "query": "query 4", "documents": ["2026-01-31", {"text": "2026-02-01", "n": None}]})
    )
    lines.append(json.dumps({"id": "d", "query": "query 5"}))
    (tmp_path / "in.jsonl").write_text("\n\n".join(lines))
    with ScriptedServer([Play(status=401)]) as refuses:
        refused = Run(cluster, tmp_path / "in.jsonl", tmp_path / "out", refuses.url)
        assert refused.process.wait(PATIENCE) == 1
    assert "AuthenticationError" in refused.log()
    assert not committed(tmp_path / "out")
    with Provider() as provider:
        Run(cluster, tmp_path / "in.jsonl", tmp_path / "out", provider.url).succeed()
        bodies = {number_of(call.json): call.json for call in provider.calls}
    rows = {row["id"]: row for row in read_lines(tmp_path / "out")}
    invalid, mixed = rows.pop("d"), rows.pop("c")
    check([*rows.values()], numbers)
    assert invalid["error"]["class"] == "InvalidRequestError"
    assert invalid["error"]["message"].startswith("documents: ")
    assert len(mixed["results"]) == 2
    assert bodies[4]["documents"][0] == "2026-01-31"


@pytest.mark.parametrize("second", ["a", None])
def test_ids_that_are_not_unique_are_refused_before_any_request(
    cluster: Cluster, tmp_path: Path, second: str | None
) -> None:
    lines = [json.dumps({"id": name, **request_of(2)}) for name in ("a", second)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    with Provider() as provider:
        refused = Run(cluster, tmp_path / "in.jsonl", tmp_path / "out", provider.url)
        assert refused.process.wait(PATIENCE) == 1
        assert not provider.calls
    assert refused.log().endswith("id: expected another string or integer in each row\n")
