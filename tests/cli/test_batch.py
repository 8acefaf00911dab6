"""Batches on the command line: many requests from a file, killed and resumed, over real HTTP on the loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from client.helpers import released
from scripted_server import Play

from . import helpers
from .helpers import SCRIPT, SECRET, served

BUSY = Play(status=429, body={"detail": "slow down"})
NEVER = Play(delay=3600)
BM25 = ("--model", "local-bm25")


def run(*args: object) -> Result:
    return helpers.run("batch", *args)


def failed(*args: object, code: int = 1) -> str:
    return helpers.failed("batch", *args, code=code)


def start(*args: object) -> subprocess.Popen[bytes]:
    command = (*SCRIPT, "batch", *map(str, args))
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def lines_of(path: Path) -> list[dict[str, Any]]:
    raw = path.read_bytes()
    assert not raw or raw.endswith(b"\n")
    return [json.loads(line) for line in raw.splitlines()]


def by_id(path: Path) -> dict[Any, dict[str, Any]]:
    """Return the lines of an output, which has one for each id."""
    lines = lines_of(path)
    found = {line["id"]: line for line in lines}
    assert len(found) == len(lines)
    return found


def counts(result: Result) -> tuple[int, int, int]:
    """Return how many requests succeeded, failed, and ended in earlier runs."""
    found = re.search(r"^(\d+) succeeded, (\d+) failed, (\d+) of them earlier, \d+\.\d s$", result.stderr, re.MULTILINE)
    assert found is not None, result.stderr
    return int(found[1]), int(found[2]), int(found[3])


def request_line(number: int, **more: Any) -> dict[str, Any]:
    return {"query": f"query {number}", "documents": ["motor oil", "aloe vera cream"], **more}


def requests(path: Path, wires: Sequence[Any]) -> Path:
    text = "".join(f"{wire if isinstance(wire, str) else json.dumps(wire, ensure_ascii=False)}\n" for wire in wires)
    path.write_bytes(text.encode())
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Ten requests; the number in the query is the number of the line."""
    return requests(tmp_path / "in.jsonl", [request_line(number) for number in range(1, 11)])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


ALL = list(range(1, 11))


def over(server: Any, *more: object) -> tuple[object, ...]:
    return ("--provider", "xinference", "--base-url", server.url, "--retries", "0", *more)


def queries(server: Any, begin: int = 0) -> list[int]:
    return [int(call.json["query"].split()[1]) for call in server.calls[begin:]]


# --- what does not run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ("in.jsonl",),
        ("-", "out.jsonl"),
        ("no.jsonl", "out.jsonl"),
        (".", "out.jsonl"),
        ("in.jsonl", "-"),
        ("in.jsonl", "."),
        ("in.jsonl", "out.jsonl", "more"),
        ("in.jsonl", "out.jsonl", "--concurrency", "0"),
        ("in.jsonl", "out.jsonl", "--concurrency", "101"),
        ("in.jsonl", "out.jsonl", "--fallback", "locl"),
        ("in.jsonl", "out.jsonl", "--base-url", "http://127.0.0.1:9"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(
    source: Path, out: Path, args: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.parent)
    failed(*args, code=2)
    assert sorted(path.name for path in source.parent.iterdir()) == ["in.jsonl"]


def test_in_and_out_are_two_regular_files(source: Path, out: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    assert failed(source, source, code=2) == "IN and OUT are the same file."
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert failed(pipe, out, code=2).startswith("IN and OUT must be regular files")
    assert "seekable" in failed(source, pipe)
    assert source.read_bytes() == before


def test_no_file_changes_before_everything_is_checked(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOYAGE_API_KEY", raising=False)
    assert "voyage needs an API key" in failed(source, out, "--provider", "voyage")
    source.write_text('{"id": [1]}')
    assert failed(source, out) == "line 1 of IN: id: expected a string or an integer"
    assert not out.exists()


@pytest.mark.parametrize(
    ("wires", "line", "request_id"),
    [
        ([request_line(1, id="a"), request_line(2, id="a")], 2, "'a'"),
        ([request_line(1, id="a"), request_line(2, custom_id="a")], 2, "'a'"),
        ([request_line(1, id=2), request_line(2)], 2, "2"),
        (["nonsense", "", request_line(3, id=1)], 3, "1"),
    ],
)
def test_an_id_occurs_once(tmp_path: Path, out: Path, wires: Sequence[Any], line: int, request_id: str) -> None:
    message = failed(requests(tmp_path / "in.jsonl", wires), out)
    assert message == f"line {line} of IN: id: expected another id than {request_id}, which an earlier line has"
    assert not out.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"notes without an end",
        b"notes\n",
        b"\n",
        b"[]\n",
        b"7\n",
        b'{"id":1,"query":"a request without an end"}',
        b'{"id":1}\n',
        b'{"id":1,"sha256":"00","response":{},"error":{}}\n',
        b'{"id":1,"sha256":7,"error":{}}\n',
        b'{"id":true,"sha256":"00","error":{}}\n',
        b'{"id":1,"sha256":"00"\n{"id":',
    ],
)
def test_a_file_that_is_no_output_does_not_change(source: Path, out: Path, content: bytes) -> None:
    out.write_bytes(content)
    for more in ((), ("--retry-failed",)):
        assert failed(source, out, *more) == f"{out}: line 1 was not written by a batch; name another OUT"
        assert out.read_bytes() == content


@pytest.mark.parametrize("wires", [[request_line(2), request_line(1)], ["", request_line(1), request_line(3)]])
def test_a_request_that_succeeded_must_stay_the_same(tmp_path: Path, out: Path, wires: Sequence[Any]) -> None:
    assert run(requests(tmp_path / "in.jsonl", [request_line(1), request_line(2)]), out).exit_code == 0
    before = out.read_bytes()
    with served() as server:
        line = failed(requests(tmp_path / "in.jsonl", wires), out, *over(server))
        assert server.calls == []
    assert re.search(r": the request with the id [12] has changed in IN; name another OUT$", line)
    assert out.read_bytes() == before


# --- responses and errors --------------------------------------------------------------------------------------------


def test_each_request_becomes_a_line(tmp_path: Path, out: Path) -> None:
    wires = [request_line(1, id="a"), request_line(2, custom_id=-7, top_n=1), request_line(3, id=None), request_line(4)]
    with served() as server:
        result = run(requests(tmp_path / "in.jsonl", wires), out, *over(server, "--model", "m"))
        assert {call.json["model"] for call in server.calls} == {"m"}
    assert (result.exit_code, result.stdout, counts(result)) == (0, "", (4, 0, 0))
    lines = by_id(out)
    assert set(lines) == {"a", -7, 3, 4}
    assert {tuple(line) for line in lines.values()} == {("id", "sha256", "provider", "response")}
    assert lines["a"]["provider"] == "xinference"
    assert [len(lines[request_id]["response"]["results"]) for request_id in ("a", -7)] == [2, 1]
    best = lines[-7]["response"]["results"][0]
    assert best["document"] == {"text": wires[1]["documents"][best["index"]]}


def test_a_line_that_is_no_request_is_an_error_alone(tmp_path: Path, out: Path) -> None:
    wires = [
        "nonsense",
        "",
        "  ",
        {"query": "q", "id": 50},
        '["id"]',
        '{"id": 6',
        request_line(7),
        '{"query": "\\ud800"}',
    ]
    path = requests(tmp_path / "in.jsonl", wires)
    last = b"\xff\n" + json.dumps(request_line(10)).encode()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + last)
    result = run(path, out, *BM25)
    assert (result.exit_code, counts(result)) == (1, (2, 6, 0))
    lines = by_id(out)
    assert set(lines) == {1, 50, 5, 6, 7, 8, 9, 10}
    assert {request_id for request_id, line in lines.items() if "error" not in line} == {7, 10}
    assert lines[50]["error"] == {
        "type": "InvalidRequestError",
        "message": "documents: this field is required: a list of one or more strings or objects",
        "status": None,
        "code": None,
        "provider": None,
        "causes": [],
    }
    assert lines[5]["error"]["message"] == "the body: expected a JSON object, not a list"


def test_a_byte_order_mark_does_not_change_a_request(tmp_path: Path, out: Path) -> None:
    path = requests(tmp_path / "in.jsonl", [request_line(1)])
    assert run(path, out, *BM25).exit_code == 0
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip())
    assert counts(run(path, out, *BM25)) == (1, 0, 1)


def test_an_input_without_requests_succeeds(tmp_path: Path, out: Path) -> None:
    result = run(requests(tmp_path / "in.jsonl", ["", ""]), out)
    assert (result.exit_code, counts(result), out.read_bytes()) == (0, (0, 0, 0), b"")


def test_an_error_of_a_provider_is_written_in_full(source: Path, out: Path) -> None:
    with served([Play(status=401, body={"detail": "unknown key"})]) as server:
        result = run(source, out, *over(server, "--concurrency", "1"))
        assert len(server.calls) == 10
    assert (result.exit_code, counts(result)) == (1, (9, 1, 0))
    assert by_id(out)[1]["error"] == {
        "type": "AuthenticationError",
        "message": "unknown key",
        "status": 401,
        "code": None,
        "provider": "xinference",
        "causes": [],
    }


def test_the_error_of_a_chain_has_its_causes(tmp_path: Path, out: Path) -> None:
    path = requests(tmp_path / "in.jsonl", [request_line(1, instruction="Find")])
    options = ("--fallback", "local", "--must-keep", "instruction", "--base-model", "Qwen3-Reranker-4B")
    with served([BUSY]) as server:
        assert run(path, out, *over(server, *options)).exit_code == 1
    error = by_id(out)[1]["error"]
    assert error["type"] == "AllProvidersFailedError"
    assert [(cause["type"], cause["status"], cause["provider"]) for cause in error["causes"]] == [
        ("RateLimitError", 429, "xinference"),
        ("UnsupportedRequestError", None, "local"),
    ]


def test_a_line_has_losses_and_warnings(tmp_path: Path, out: Path) -> None:
    path = requests(tmp_path / "in.jsonl", [request_line(1, instruction="Find")])
    with served([BUSY]) as server:
        assert run(path, out, *over(server, "--fallback", "local:some/model")).exit_code == 0
    (line,) = lines_of(out)
    assert (line["provider"], line["response"]["model"]) == ("local", "local-use-multilingual")
    assert [(loss["field"], loss["action"]) for loss in line["losses"]] == [("instruction", "dropped")]
    assert "scores are of kind cosine" in line["warnings"][0]


def test_a_line_has_the_documents_without_a_score(tmp_path: Path, out: Path) -> None:
    path = requests(tmp_path / "in.jsonl", [request_line(1)])
    body = {"results": [{"index": 1, "relevance_score": 0.5}], "id": "1", "model": "m"}
    with served([Play(body=body)]) as server:
        assert run(path, out, *over(server)).exit_code == 0
    assert lines_of(out)[0]["missing"] == [0]


# --- a second run ----------------------------------------------------------------------------------------------------


def test_a_second_run_sends_nothing(source: Path, out: Path) -> None:
    with served() as server:
        assert run(source, out, *over(server)).exit_code == 0
        before = out.read_bytes()
        result = run(source, out, *over(server, "--retry-failed"))
        assert (result.exit_code, counts(result), len(server.calls)) == (0, (10, 0, 10), 10)
    assert out.read_bytes() == before


def test_an_input_may_grow(source: Path, out: Path) -> None:
    assert run(source, out, *BM25).exit_code == 0
    requests(source, [request_line(number) for number in range(1, 13)])
    with served() as server:
        assert run(source, out, *over(server)).exit_code == 0
        assert sorted(queries(server)) == [11, 12]
    assert sorted(by_id(out)) == list(range(1, 13))


def test_inputs_with_other_ids_may_share_an_output(tmp_path: Path, out: Path) -> None:
    for request_id in ("a", "b"):
        path = requests(
            tmp_path / f"{request_id}.jsonl", [request_line(1, id=request_id), "nonsense"][: 1 + (request_id == "a")]
        )
        result = run(path, out, *BM25)
        assert result.exit_code == (request_id == "a")
    assert set(by_id(out)) == {"a", 2, "b"}


@pytest.mark.parametrize("cut", [1, 5, 9, 40, -20, -2, -1])
def test_a_torn_last_line_is_cut(source: Path, out: Path, cut: int) -> None:
    assert run(source, out, *BM25, "--concurrency", "1").exit_code == 0
    *whole, last = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join([*whole, last[:cut]]))
    with served() as server:
        assert run(source, out, *over(server)).exit_code == 0
        assert queries(server) == ([] if cut == -1 else [10])  # a line that lacks its end alone is whole
    assert sorted(by_id(out)) == ALL
    assert out.read_bytes().startswith(b"".join(whole))


def test_a_failed_request_is_sent_again_with_an_option_alone(source: Path, out: Path) -> None:
    with served([BUSY] * 3) as server:
        assert run(source, out, *over(server, "--concurrency", "1")).exit_code == 1
        before = out.read_bytes()
        result = run(source, out, *over(server))
        assert (result.exit_code, counts(result), len(server.calls)) == (1, (7, 3, 10), 10)
        assert out.read_bytes() == before
        out.chmod(0o640)
        result = run(source, out, *over(server, "--retry-failed"))
        assert (result.exit_code, counts(result)) == (0, (10, 0, 7))
        assert sorted(queries(server, 10)) == [1, 2, 3]
    lines = by_id(out)
    assert list(lines)[:7] == [4, 5, 6, 7, 8, 9, 10]
    assert not any("error" in line for line in lines.values())
    assert out.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in out.parent.iterdir()) == ["in.jsonl", "out.jsonl", "out.jsonl.lock"]


def test_a_failed_request_may_change(tmp_path: Path, out: Path) -> None:
    path = requests(tmp_path / "in.jsonl", [{"id": "a", "query": "q"}, request_line(2)])
    assert run(path, out, *BM25).exit_code == 1
    requests(path, [request_line(1, id="a"), request_line(2)])
    assert counts(run(path, out, *BM25)) == (1, 1, 2)
    assert counts(run(path, out, *BM25, "--retry-failed")) == (2, 0, 1)


def test_a_request_that_fails_again_has_one_line(source: Path, out: Path) -> None:
    with served([BUSY] * 10) as server:
        assert run(source, out, *over(server)).exit_code == 1
    with served([Play(status=401, body={"detail": "no"})] * 10) as server:
        result = run(source, out, *over(server, "--retry-failed"))
    assert (result.exit_code, counts(result)) == (1, (0, 10, 0))
    lines = by_id(out)
    assert sorted(lines) == ALL
    assert {line["error"]["type"] for line in lines.values()} == {"AuthenticationError"}


# --- files -----------------------------------------------------------------------------------------------------------


def test_new_files_are_for_their_owner_alone(source: Path, out: Path) -> None:
    before = os.umask(0)
    try:
        assert run(source, out, *BM25).exit_code == 0
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (out, Path(f"{out}.lock"))] == [0o600, 0o600]


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.lock"])
@pytest.mark.parametrize("dangling", [True, False])
def test_no_symbolic_link_is_followed(source: Path, out: Path, name: str, dangling: bool) -> None:
    elsewhere = out.with_name("elsewhere")
    if not dangling:
        elsewhere.write_bytes(b"notes\n")
    out.with_name(name).symlink_to(elsewhere)
    assert failed(source, out, *BM25).startswith(str(out.with_name(name)))
    assert not elsewhere.exists() if dangling else elsewhere.read_bytes() == b"notes\n"


def test_one_run_at_a_time(source: Path, out: Path) -> None:
    with served([NEVER]) as server:
        with start(source, out, *over(server, "--concurrency", "1")) as process:
            server.wait_calls()
            assert failed(source, out, *BM25) == f"{out}: another run has locked it"
            server.release()
            process.communicate(timeout=60)
        assert (process.returncode, len(server.calls)) == (0, 10)
    assert sorted(by_id(out)) == ALL


def limited(kilobytes: int, *args: object) -> subprocess.CompletedProcess[bytes]:
    """Run a batch that may write files of so many kilobytes, as on a full disk."""
    command = f'ulimit -f {kilobytes}; exec "$@"'
    command_line = ("bash", "-c", command, "bash", *SCRIPT, "batch", *map(str, args))
    # Coverage could not write its data either, and says so on stderr.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(command_line, capture_output=True, check=False, timeout=60, env=environ)


def test_a_full_disk_is_one_sentence(source: Path, out: Path) -> None:
    ended = limited(1, source, out, *BM25)
    expected = f"Error: {out}: File too large; earlier lines are safe, run the same command again to resume\n"
    assert (ended.returncode, ended.stderr.decode()) == (1, expected)
    assert out.stat().st_size == 1024
    assert run(source, out, *BM25).exit_code == 0
    assert sorted(by_id(out)) == ALL


@pytest.mark.slow
def test_a_full_disk_while_failed_lines_are_dropped_loses_nothing(source: Path, out: Path) -> None:
    requests(source, ["nonsense", *(request_line(number) for number in range(2, 11))])
    assert run(source, out, *BM25).exit_code == 1
    before = out.read_bytes()
    assert limited(1, source, out, *BM25, "--retry-failed").returncode == 1
    assert out.read_bytes() == before
    assert sorted(path.name for path in out.parent.iterdir()) == ["in.jsonl", "out.jsonl", "out.jsonl.lock"]


def test_memory_does_not_grow_with_the_input(tmp_path: Path, out: Path) -> None:
    wire = {"query": "skin", "documents": ["x" * 200_000, "skin"], "model": "local-bm25"}
    assert run(requests(tmp_path / "first.jsonl", [{**wire, "id": "first"}]), out).exit_code == 0  # all is imported
    source = requests(tmp_path / "in.jsonl", [wire] * 200)
    tracemalloc.start()
    try:
        assert run(source, out, "--concurrency", "1").exit_code == 0
        assert run(source, out).exit_code == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000 < source.stat().st_size / 4


# --- kills -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_running_calls(source: Path, out: Path) -> None:
    with served([Play()] * 5 + [NEVER] * 3) as server:
        options = over(server, "--concurrency", "3")
        with start(source, out, *options) as process:
            server.wait_calls(8)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)
        message = "interrupted; run the same command again to resume"
        assert (process.returncode, stdout, stderr.decode().split("\n")[0]) == (1, b"", message)
        done = set(by_id(out))
        assert 2 <= len(done) <= 5
        assert run(source, out, *options).exit_code == 0
        assert sorted(queries(server, 8)) == sorted({*ALL} - done)
    assert sorted(by_id(out)) == ALL


# A process that kills itself with SIGKILL at its n-th call of a function of the operating system that changes a file. A
# write is torn: only its first half reaches the file.
KILLED = """
import os, signal, sys
from rerank_unify.cli import batch_output
left = int(sys.argv.pop(1))

class Torn:
    def __init__(self, file): self._file = file
    def __getattr__(self, name): return getattr(self._file, name)
    def __iter__(self): return iter(self._file)
    def __enter__(self): return self
    def __exit__(self, *args): self._file.close()
    def write(self, data):
        die(lambda: (self._file.write(data[: len(data) // 2]), self._file.flush()))
        return self._file.write(data)
    def writelines(self, lines):
        for line in lines: self.write(line)
    def flush(self):
        self._file.flush()
        die()
    def truncate(self, size):
        die()
        return self._file.truncate(size)

def die(before=lambda: None):
    global left
    left -= 1
    if left == 0:
        before()
        os.kill(os.getpid(), signal.SIGKILL)

open_file, replace = batch_output._open, batch_output.Path.replace
batch_output._open = lambda path: Torn(open_file(path))
def killed_replace(self, target):
    die()
    replace(self, target)
    die()
batch_output.Path.replace = killed_replace
from rerank_unify.cli import main
main()
"""
SIGKILLED = -signal.SIGKILL
POINTS = 50  # more than a run of four requests has


def killed_at(point: int, *args: object) -> int:
    """Run a batch that is killed at its n-th change of a file; return its exit code."""
    command = (sys.executable, "-c", KILLED, str(point), "batch", *map(str, args))
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode


@pytest.mark.parametrize("again", [(), ("--retry-failed",)], ids=["plain", "retry-failed"])
@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_after_a_kill_at_any_point_each_request_has_one_line(tmp_path: Path, again: Sequence[str], step: int) -> None:
    source = requests(tmp_path / "in.jsonl", [request_line(1), "nonsense", request_line(3), request_line(4)])
    before = tmp_path / "before.jsonl"
    if again:  # an output with a failed line, which is replaced
        assert run(source, before, *BM25).exit_code == 1
    kills = 0
    for point in range(1, POINTS, step):
        out = tmp_path / f"{point}.jsonl"
        if again:
            out.write_bytes(before.read_bytes())
        code = killed_at(point, source, out, *BM25, *again)
        kills += code == SIGKILLED
        result = run(source, out, *BM25)
        assert (result.exit_code, counts(result)[:2]) == (1, (3, 1)), point
        assert sorted(by_id(out)) == [1, 2, 3, 4], point
        if code != SIGKILLED:
            break
    else:
        pytest.fail("no run was long enough to end")
    assert kills >= 8 // step


def test_a_run_over_http_that_is_killed_resumes(source: Path, out: Path) -> None:
    with served([Play()] * 5 + [NEVER] * 3) as server:
        options = over(server, "--concurrency", "3")
        with start(source, out, *options) as process:
            server.wait_calls(8)
            process.kill()
            process.communicate(timeout=60)
        done = set(by_id(out))
        assert run(source, out, *options).exit_code == 0
        assert sorted(queries(server, 8)) == sorted({*ALL} - done)
    assert sorted(by_id(out)) == ALL


# --- the options of targets hold for each request --------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--timeout", "--deadline"])
def test_time_is_limited_for_each_request(tmp_path: Path, out: Path, option: str) -> None:
    source = requests(tmp_path / "in.jsonl", [request_line(number) for number in range(1, 4)])
    with served([Play(), NEVER]) as server:
        assert run(source, out, *over(server, option, "2", "--concurrency", "1")).exit_code == 1
    errors = {request_id: line["error"]["type"] for request_id, line in by_id(out).items() if "error" in line}
    assert errors == {2: "TimeoutError"}


def test_the_number_of_concurrent_requests_is_limited(source: Path, out: Path) -> None:
    with served([NEVER] * 10) as server:
        with released(server, after={server: 4}):
            assert run(source, out, *over(server, "--concurrency", "4")).exit_code == 0
        assert (server.peak, len(server.calls)) == (4, 10)


def test_a_key_from_the_environment_stays_at_home(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", SECRET)
    with served(name="voyage") as server:
        args = ("--provider", "voyage", "--base-url", server.url)
        assert run(source, out, *args).exit_code == 0
        assert not any(call.credentials for call in server.calls)
        server.calls.clear()
        assert run(source, out.with_name("other.jsonl"), *args, "--env-keys").exit_code == 0
        assert {call.headers["authorization"] for call in server.calls} == {f"Bearer {SECRET}"}


@pytest.mark.slow
def test_local_alone_needs_no_http(source: Path, out: Path) -> None:
    blocked = "import sys; sys.modules['httpx'] = None; from rerank_unify.cli import main; main()"
    command = (sys.executable, "-c", blocked, "batch", str(source), str(out))
    ended = subprocess.run((*command, *BM25), capture_output=True, check=False, timeout=60)
    assert (ended.returncode, sorted(by_id(out))) == (0, ALL)
    ended = subprocess.run((*command, "--provider", "xinference"), capture_output=True, check=False, timeout=60)
    expected = b"Error: the client needs httpx and anyio: pip install 'rerank-unify[http]'\n"
    assert (ended.returncode, ended.stderr) == (1, expected)
