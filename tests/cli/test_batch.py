"""Batches on the command line: many requests from a file, killed and resumed, over real HTTP on the loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from client.helpers import released
from scripted_server import Play, ScriptedServer, respond_as

from rerank_unify.cli.app import app

SCRIPT = (sys.executable, "-m", "rerank_unify.cli")
BUSY = Play(status=429, body={"detail": "slow down"})
NEVER = Play(delay=3600)


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["batch", *map(str, args)])


def failed(*args: object, code: int = 1) -> str:
    """The last line on stderr of a batch that does not run."""
    result = run(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    return result.stderr.splitlines()[-1]


def start(*args: object, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    command = (*SCRIPT, "batch", *map(str, args))
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **(env or {})})


def lines_of(path: Path) -> list[dict[str, Any]]:
    raw = path.read_bytes()
    assert not raw or raw.endswith(b"\n")
    return [json.loads(line) for line in raw.splitlines()]


def by_index(path: Path) -> dict[int, dict[str, Any]]:
    """The lines of an output that has one for each index."""
    lines = lines_of(path)
    found = {line["index"]: line for line in lines}
    assert len(found) == len(lines)
    return found


def request_line(number: int, **more: Any) -> dict[str, Any]:
    return {"query": f"query {number}", "documents": ["motor oil", "aloe vera cream"], **more}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Ten requests."""
    return requests(tmp_path / "in.jsonl", [request_line(number) for number in range(10)])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def requests(path: Path, wires: Sequence[Any]) -> Path:
    text = "".join(f"{wire if isinstance(wire, str) else json.dumps(wire, ensure_ascii=False)}\n" for wire in wires)
    path.write_bytes(text.encode())
    return path


def over(server: Any, *more: object) -> tuple[object, ...]:
    return ("--provider", "xinference", "--base-url", server.url, "--retries", "0", *more)


def served(script: Sequence[Any] = ()) -> Any:
    return ScriptedServer(script, respond=respond_as("xinference"))


def queries(server: Any, begin: int = 0) -> list[int]:
    return [int(call.json["query"].split()[1]) for call in server.calls[begin:]]


# --- what does not run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ("in.jsonl",),
        ("-", "out.jsonl"),
        ("in.jsonl", "-"),
        ("in.jsonl", "out.jsonl", "more"),
        ("in.jsonl", "out.jsonl", "--overwrite", "--retry-failed"),
        ("in.jsonl", "out.jsonl", "--concurrency", "0"),
        ("in.jsonl", "out.jsonl", "--concurrency", "101"),
        ("in.jsonl", "out.jsonl", "--timeout", "0"),
        ("in.jsonl", "out.jsonl", "--deadline", "nan"),
        ("in.jsonl", "out.jsonl", "--hedge-after", "soon"),
        ("in.jsonl", "out.jsonl", "--retries", "-1"),
        ("in.jsonl", "out.jsonl", "--must-keep", "instructions"),
        ("in.jsonl", "out.jsonl", "--split", "never"),
        ("in.jsonl", "out.jsonl", "--fallback", "local,"),
        ("in.jsonl", "out.jsonl", "--fallback", ":model"),
        ("in.jsonl", "out.jsonl", "--fallback", "local:"),
        ("in.jsonl", "out.jsonl", "--base-url", "http://127.0.0.1:9"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(
    source: Path, out: Path, args: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.parent)
    assert failed(*args, code=2).startswith("Error: ")
    assert not out.exists()


def test_in_and_out_are_two_files(source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    link = tmp_path / "link.jsonl"
    link.symlink_to(source)
    for other in (source, link):
        assert failed(source, other, "--overwrite", code=2) == "Error: IN and OUT are the same file."
    assert source.read_bytes() == before


def test_nothing_is_touched_before_all_is_checked(
    source: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VOYAGE_API_KEY", raising=False)
    out.write_bytes(b"mine\n")
    assert "voyage needs an API key" in failed(source, out, "--provider", "voyage", "--overwrite")
    assert "no provider is called 'locl'; did you mean 'local'?" in failed(source, out, "--fallback", "locl")
    assert failed(tmp_path / "no", out, "--overwrite") == f"error: {tmp_path / 'no'}: No such file or directory"
    assert failed(tmp_path, out, "--overwrite") == f"error: {tmp_path}: Is a directory"
    assert out.read_bytes() == b"mine\n"


def test_files_alone_will_do(source: Path, out: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert failed(pipe, out).startswith(f"error: {pipe}: expected a regular file, because a resumed run")
    assert failed(source, pipe) == f"error: {pipe}: expected a regular file"
    assert failed(source, tmp_path) == f"error: {tmp_path}: Is a directory"
    nowhere = tmp_path / "no" / "out.jsonl"
    assert failed(source, nowhere) == f"error: {nowhere}: No such file or directory"


@pytest.mark.parametrize(
    "content",
    [
        b"notes without an end",
        b"notes\n",
        b"\n",
        b"[]\n",
        b"7\n",
        b'{"index":0}\n',
        b'{"index":"0","sha":"00","response":{}}\n',
        b'{"index":0,"sha":"xyz","response":{}}\n',
        b'{"index":0,"sha":"00","response":{},"error":{}}\n',
        b'{"index":0,"sha":7,"error":{}}\n',
        b'{"index":true,"sha":"00","error":{}}\n',
        b'{"index":0,"sha":"00"\n{"index":',
    ],
)
def test_a_file_that_is_no_output_is_left_alone(source: Path, out: Path, content: bytes) -> None:
    out.write_bytes(content)
    line = failed(source, out)
    assert line.startswith(f"error: {out}: line 1 was not written by a batch; use --overwrite")
    assert out.read_bytes() == content.removesuffix(b'{"index":')
    assert run(source, out, "--overwrite").exit_code == 0
    assert len(by_index(out)) == 10


@pytest.mark.parametrize("wires", [[request_line(1), request_line(0)], [request_line(0)], ["", request_line(1)]])
def test_an_output_of_another_input_is_left_alone(tmp_path: Path, out: Path, wires: Sequence[Any]) -> None:
    assert run(requests(tmp_path / "in.jsonl", [request_line(0), request_line(1)]), out, "--ordered").exit_code == 0
    before = out.read_bytes()
    with served() as server:
        line = failed(requests(tmp_path / "in.jsonl", wires), out, *over(server))
        assert server.calls == []
    assert f"belongs to another request than {tmp_path / 'in.jsonl'} has on line" in line
    assert "--overwrite" in line
    assert out.read_bytes() == before


def test_an_index_below_zero_is_no_line(source: Path, out: Path) -> None:
    out.write_bytes(b'{"index":-1,"sha":"00","error":{}}\n')
    assert "belongs to another request than" in failed(source, out)


# --- answers and failures --------------------------------------------------------------------------------------------


def test_each_line_becomes_a_line(tmp_path: Path, out: Path) -> None:
    wires = [
        request_line(0, id="a"),
        request_line(1, custom_id=7, top_n=1),
        request_line(2, id=None, custom_id={"x": [1]}),
        request_line(3),
    ]
    with served() as server:
        result = run(requests(tmp_path / "in.jsonl", wires), out, *over(server, "--model", "m"))
        assert {call.json["model"] for call in server.calls} == {"m"}
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("4 succeeded, 0 failed, ")
    lines = by_index(out)
    assert [lines[index].get("id") for index in range(4)] == ["a", 7, {"x": [1]}, None]
    assert list(lines[0]) == ["index", "id", "sha", "provider", "response"]
    assert list(lines[3]) == ["index", "sha", "provider", "response"]
    assert lines[3]["provider"] == "xinference"
    assert [len(lines[index]["response"]["results"]) for index in (0, 1)] == [2, 1]
    best = lines[1]["response"]["results"][0]
    assert best["document"] == {"text": wires[1]["documents"][best["index"]]}


def test_lines_that_are_no_requests_fail_alone(tmp_path: Path, out: Path) -> None:
    wires = [
        "nonsense",
        "",
        "  ",
        {"query": "q", "id": 5},
        '["id"]',
        '{"id": 6',
        request_line(6),
        '{"query": "\\ud800"}',
    ]
    path = requests(tmp_path / "in.jsonl", wires)
    path.write_bytes(
        b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\xff\n" + json.dumps(request_line(9)).encode()
    )
    result = run(path, out)
    assert result.exit_code == 1
    assert result.stderr.startswith("2 succeeded, 6 failed, ")
    lines = by_index(out)
    assert sorted(lines) == [0, 3, 4, 5, 6, 7, 8, 9]
    assert sorted(index for index in lines if "error" not in lines[index]) == [6, 9]
    assert lines[3]["id"] == 5
    assert lines[3]["error"] == {
        "type": "InvalidRequestError",
        "message": "documents: this field is required: a list of one or more strings or objects",
        "status": None,
        "code": None,
        "provider": None,
        "causes": [],
    }
    assert lines[4]["error"]["message"] == "the body: expected a JSON object, not a list"


def test_a_mark_before_utf8_changes_nothing(tmp_path: Path, out: Path) -> None:
    path = requests(tmp_path / "in.jsonl", [request_line(0)])
    assert run(path, out).exit_code == 0
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip())
    result = run(path, out)
    assert (result.exit_code, result.stderr[:35]) == (0, "1 succeeded (1 in earlier runs), 0 ")


def test_an_input_without_requests_is_done(tmp_path: Path, out: Path) -> None:
    result = run(requests(tmp_path / "in.jsonl", ["", ""]), out)
    assert (result.exit_code, result.stderr[:22]) == (0, "0 succeeded, 0 failed,")
    assert out.read_bytes() == b""


def test_a_failure_is_reported_in_full(source: Path, out: Path) -> None:
    refused = Play(status=401, body={"detail": "who are you"})
    with served([refused]) as server:
        result = run(source, out, *over(server, "--concurrency", "1"))
        assert len(server.calls) == 10
    assert result.exit_code == 1
    assert result.stderr.startswith("9 succeeded, 1 failed, ")
    error = by_index(out)[0]["error"]
    assert error == {
        "type": "AuthenticationError",
        "message": "who are you",
        "status": 401,
        "code": None,
        "provider": "xinference",
        "causes": [],
    }


def test_a_failed_chain_names_its_causes(tmp_path: Path, out: Path) -> None:
    path = requests(tmp_path / "in.jsonl", [request_line(0, instruction="Find")])
    with served([BUSY]) as server:
        result = run(
            path,
            out,
            *over(server, "--fallback", "local", "--must-keep", "instruction", "--base-model", "Qwen3-Reranker-4B"),
        )
    assert result.exit_code == 1
    error = by_index(out)[0]["error"]
    assert error["type"] == "AllProvidersFailedError"
    assert [(cause["type"], cause["status"], cause["provider"]) for cause in error["causes"]] == [
        ("RateLimitError", 429, "xinference"),
        ("UnsupportedRequestError", None, "local"),
    ]


def test_the_next_provider_responds(tmp_path: Path, out: Path) -> None:
    path = requests(tmp_path / "in.jsonl", [request_line(0, instruction="Find")])
    with served([BUSY]) as server:
        assert run(path, out, *over(server, "--fallback", "local:some/model")).exit_code == 0
    (line,) = lines_of(out)
    assert (line["provider"], line["response"]["model"]) == ("local", "local-use-multilingual")
    assert [(loss["field"], loss["action"]) for loss in line["losses"]] == [("instruction", "dropped")]
    assert "scores are of kind cosine" in line["warnings"][0]


def test_documents_without_a_score_are_named(tmp_path: Path, out: Path) -> None:
    path = requests(tmp_path / "in.jsonl", [request_line(0)])
    answer = {"results": [{"index": 1, "relevance_score": 0.5}], "id": "1", "model": "m"}
    with served([Play(body=answer)]) as server:
        assert run(path, out, *over(server)).exit_code == 0
    assert lines_of(out)[0]["missing"] == [0]


# --- going on --------------------------------------------------------------------------------------------------------


def test_a_second_run_sends_nothing(source: Path, out: Path) -> None:
    with served() as server:
        assert run(source, out, *over(server)).exit_code == 0
        before = out.read_bytes()
        result = run(source, out, *over(server, "--retry-failed"))
        assert (result.exit_code, len(server.calls)) == (0, 10)
    assert result.stderr.startswith("10 succeeded (10 in earlier runs), 0 failed, ")
    assert out.read_bytes() == before


def test_an_input_may_grow(source: Path, out: Path) -> None:
    assert run(source, out).exit_code == 0
    requests(source, [request_line(number) for number in range(12)])
    with served() as server:
        assert run(source, out, *over(server)).exit_code == 0
        assert sorted(queries(server)) == [10, 11]
    assert sorted(by_index(out)) == list(range(12))


@pytest.mark.parametrize("cut", [1, 5, 9, 40, -20, -2, -1])
def test_a_torn_line_is_done_again(source: Path, out: Path, cut: int) -> None:
    assert run(source, out, "--ordered").exit_code == 0
    *whole, last = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join([*whole, last[:cut]]))
    with served() as server:
        result = run(source, out, *over(server))
        assert queries(server) == ([] if cut == -1 else [9])  # a line that lacks its end alone is whole
    assert result.exit_code == 0
    assert sorted(by_index(out)) == list(range(10))
    assert out.read_bytes().startswith(b"".join(whole))


def test_a_long_torn_line_is_found(tmp_path: Path, out: Path) -> None:
    path = requests(tmp_path / "in.jsonl", [request_line(0), {"query": "q", "documents": ["x" * 300_000]}])
    assert run(path, out, "--ordered", "--model", "local-bm25").exit_code == 0
    whole = out.read_bytes()
    for torn in (whole[:-10], whole[:200_000], b'{"index":' + b"x" * 200_000):
        out.write_bytes(torn)
        assert run(path, out, "--ordered", "--model", "local-bm25").exit_code == 0
        assert out.read_bytes() == whole


def test_failed_ones_stay_unless_requested(source: Path, out: Path) -> None:
    with served([BUSY] * 3) as server:
        assert run(source, out, *over(server, "--concurrency", "1")).exit_code == 1
        before = out.read_bytes()
        result = run(source, out, *over(server))
        assert (result.exit_code, len(server.calls)) == (1, 10)
        assert result.stderr.startswith("7 succeeded (7 in earlier runs), 3 failed, ")
        assert out.read_bytes() == before
        result = run(source, out, *over(server, "--retry-failed"))
        assert sorted(queries(server, 10)) == [0, 1, 2]
    assert (result.exit_code, result.stderr[:45]) == (0, "10 succeeded (7 in earlier runs), 0 failed, 0")
    lines = by_index(out)
    assert not any("error" in line for line in lines.values())
    assert list(lines)[:7] == [3, 4, 5, 6, 7, 8, 9]
    assert not list(out.parent.glob(".*"))


def test_a_request_that_fails_again_has_one_line(source: Path, out: Path) -> None:
    with served([BUSY] * 10) as server:
        assert run(source, out, *over(server)).exit_code == 1
    with served([Play(status=401, body={"detail": "no"})] * 10) as server:
        result = run(source, out, *over(server, "--retry-failed", "--ordered"))
    assert (result.exit_code, result.stderr[:22]) == (1, "0 succeeded, 10 failed")
    lines = lines_of(out)
    assert [line["index"] for line in lines] == list(range(10))
    assert {line["error"]["type"] for line in lines} == {"AuthenticationError"}


def test_in_the_order_of_the_input(source: Path, out: Path) -> None:
    with served([NEVER, NEVER]) as server:
        with released(server, after={server: 5}):
            assert run(source, out, *over(server, "--concurrency", "3")).exit_code == 0
        assert [line["index"] for line in lines_of(out)] != list(range(10))
        out.chmod(0o640)
        assert run(source, out, *over(server, "--ordered")).exit_code == 0
        assert len(server.calls) == 10
    assert [line["index"] for line in lines_of(out)] == list(range(10))
    assert out.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(source: Path, tmp_path: Path, out: Path) -> None:
    real = tmp_path / "real.jsonl"
    out.symlink_to(real)
    with served([BUSY]) as server:
        assert run(source, out, *over(server)).exit_code == 1
        assert run(source, out, *over(server, "--retry-failed")).exit_code == 0
    assert out.is_symlink()
    assert len(by_index(real)) == 10


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
@pytest.mark.parametrize("concurrency", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_run_that_is_killed_goes_on(
    source: Path, out: Path, sign: signal.Signals, code: int, concurrency: int
) -> None:
    with served([Play()] * 5 + [NEVER] * concurrency) as server:
        options = over(server, "--concurrency", concurrency)
        with start(source, out, *options) as process:
            server.wait_calls(5 + concurrency)
            process.send_signal(sign)
            output, stderr = process.communicate(timeout=60)
        assert (process.returncode, output) == (code, b"")
        assert stderr.strip() == (
            b"interrupted; run the same command again to resume" if sign == signal.SIGINT else b""
        )
        done = set(by_index(out))
        assert 5 - concurrency <= len(done) <= 5
        result = run(source, out, *options)
        assert result.exit_code == 0
        assert sorted(queries(server, 5 + concurrency)) == sorted({*range(10)} - done)
    assert sorted(by_index(out)) == list(range(10))


@pytest.mark.slow
def test_ctrl_c_leaves_one_line_for_each(source: Path, out: Path) -> None:
    with served([BUSY] * 10 + [Play()] * 5 + [NEVER]) as server:
        options = over(server, "--concurrency", "1")
        assert run(source, out, *options).exit_code == 1
        with start(source, out, *options, "--retry-failed") as process:
            server.wait_calls(16)
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60)[0] == b""
        assert process.returncode == 130
        lines = by_index(out)
        assert sorted(lines) == list(range(10))
        again = sum("error" in line for line in lines.values())
        assert run(source, out, *options, "--retry-failed").exit_code == 0
        assert len(server.calls) == 16 + again
    assert not any("error" in line for line in by_index(out).values())


@pytest.mark.slow
def test_a_kill_before_the_tidying_loses_nothing(source: Path, out: Path) -> None:
    with served([BUSY] * 10 + [Play()] * 5 + [NEVER]) as server:
        options = over(server, "--concurrency", "1")
        assert run(source, out, *options).exit_code == 1
        before = out.read_bytes()
        with start(source, out, *options, "--retry-failed") as process:
            server.wait_calls(16)
            process.kill()
        assert out.read_bytes().startswith(before)
        assert len(lines_of(out)) >= 14
        result = run(source, out, *options)
        assert result.exit_code == 1
        assert len(server.calls) == 16
    assert sorted(by_index(out)) == list(range(10))


def test_one_run_at_a_time(source: Path, out: Path) -> None:
    with served([NEVER]) as server:
        with start(source, out, *over(server, "--concurrency", "1")) as process:
            server.wait_calls()
            assert failed(source, out, "--overwrite") == f"error: {out}: another run has locked it"
            server.release()
            process.communicate(timeout=60)
        assert (process.returncode, len(server.calls)) == (0, 10)
    assert len(by_index(out)) == 10


def test_where_the_system_has_no_locks_a_file_is_one(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    beside = out.with_name("out.jsonl.lock")
    beside.touch()
    expected = f"error: {out}: another run has locked it; if that run was killed, remove {beside}"
    assert failed(source, out) == expected
    beside.unlink()
    assert run(source, out).exit_code == 0
    assert (len(by_index(out)), beside.exists()) == (10, False)


def limited(kilobytes: int, source: Path, out: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    """A run that may write files of so many kilobytes: what a full disk is like."""
    command = f'ulimit -f {kilobytes}; exec "$@"'
    args = ("bash", "-c", command, "bash", *SCRIPT, "batch", str(source), str(out), *options)
    return subprocess.run(args, capture_output=True, check=False, timeout=60)


def test_a_full_disk_is_one_sentence(source: Path, out: Path) -> None:
    ended = limited(1, source, out)
    expected = f"error: {out}: File too large; earlier lines are safe, run the same command again to resume\n"
    assert (ended.returncode, ended.stderr.decode()) == (1, expected)
    assert out.stat().st_size == 1024
    assert run(source, out).exit_code == 0
    assert len(by_index(out)) == 10


@pytest.mark.slow
def test_a_full_disk_while_tidying_loses_nothing(source: Path, out: Path) -> None:
    assert run(source, out).exit_code == 0
    out.write_bytes(b"".join(reversed(out.read_bytes().splitlines(keepends=True))))
    before = out.read_bytes()
    assert len(before) > 1024
    ended = limited(1, source, out, "--ordered")
    assert ended.returncode == 1
    assert b"File too large; earlier lines are safe" in ended.stderr
    assert out.read_bytes() == before
    assert not list(out.parent.glob(".*"))


@pytest.mark.slow
def test_an_input_that_changes_meanwhile_is_reported(tmp_path: Path, out: Path) -> None:
    wires = [{"query": f"query {number}", "documents": ["x" * 500_000]} for number in range(4)]  # not read ahead
    source = requests(tmp_path / "in.jsonl", wires)
    with served([Play(), NEVER]) as server, start(source, out, *over(server, "--concurrency", "1")) as process:
        server.wait_calls(2)
        with source.open("r+b") as file:
            file.write(source.read_bytes().replace(b"query 3", b"query 4"))
        server.release()
        stderr = process.communicate(timeout=60)[1]
    assert (process.returncode, stderr.decode()) == (1, f"error: {source}: the file changed during the run\n")
    assert sorted(by_index(out)) == [0, 1, 2]


def test_memory_does_not_grow_with_the_input(tmp_path: Path, out: Path) -> None:
    wire = {"query": "skin", "documents": ["x" * 200_000, "skin"], "model": "local-bm25"}
    assert run(requests(tmp_path / "in.jsonl", [wire]), out).exit_code == 0  # everything is imported
    source = requests(tmp_path / "in.jsonl", [wire] * 100)
    tracemalloc.start()
    try:
        assert run(source, out, "--overwrite", "--concurrency", "1").exit_code == 0
        assert run(source, out).exit_code == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000 < source.stat().st_size / 4


@pytest.mark.slow
def test_local_alone_needs_no_http(source: Path, out: Path) -> None:
    blocked = (
        "import sys; sys.modules.update(dict.fromkeys(('httpx', 'anyio'))); from rerank_unify.cli import main; main()"
    )
    ended = subprocess.run(
        (sys.executable, "-c", blocked, "batch", str(source), str(out)), capture_output=True, check=False, timeout=60
    )
    assert (ended.returncode, len(by_index(out))) == (0, 10)
    command = (sys.executable, "-c", blocked, "batch", str(source), str(out), "--provider", "xinference")
    ended = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (
        1,
        b"error: the client needs httpx and anyio: pip install 'rerank-unify[http]'\n",
    )


# --- the target options hold for each request ------------------------------------------------------------------------


@pytest.mark.slow
def test_time_is_limited_for_each_request(tmp_path: Path, out: Path) -> None:
    source = requests(tmp_path / "in.jsonl", [request_line(number) for number in range(3)])
    for option in ("--timeout", "--deadline"):
        with served([Play(), NEVER]) as server:
            result = run(source, out, *over(server, option, "2", "--concurrency", "1", "--overwrite"))
        assert result.exit_code == 1
        lines = by_index(out)
        assert lines[1]["error"]["type"] == "TimeoutError"
        assert [index for index in lines if "error" in lines[index]] == [1]


def test_a_slow_provider_is_overtaken(source: Path, out: Path) -> None:
    with served([NEVER] * 20) as server:
        options = over(server, "--fallback", "local", "--hedge-after", "0.05")
        assert run(source, out, *options).exit_code == 0
        server.wait_disconnected()
    assert {line["provider"] for line in lines_of(out)} == {"local"}


def test_so_many_are_under_way_and_no_more(source: Path, out: Path) -> None:
    with served([NEVER] * 10) as server:
        with released(server, after={server: 4}):
            assert run(source, out, *over(server, "--concurrency", "4")).exit_code == 0
        assert (server.peak, len(server.calls)) == (4, 10)


def test_a_key_from_the_environment_stays_at_home(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    with ScriptedServer(respond=respond_as("voyage")) as server:
        args = (source, out, "--provider", "voyage", "--base-url", server.url)
        assert run(*args).exit_code == 0
        assert not any(call.credentials for call in server.calls)
        server.calls.clear()
        assert run(*args, "--overwrite", "--env-keys").exit_code == 0
        assert {call.headers["authorization"] for call in server.calls} == {"Bearer pa-0123456789"}
