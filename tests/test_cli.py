"""The command line, as a person or a script meets it: output, errors, exit codes, terminals and pipes."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import IO, Any

import click
import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len
from rich.console import Console

import rerank_unify as ru
from rerank_unify.canonical import ScoreKind
from rerank_unify.cli import tables, text
from rerank_unify.cli.app import app
from rerank_unify.cli.options import with_target_options
from rerank_unify.cli.targets import TargetOptions

from .scripted.server import Play, ScriptedServer  # type: ignore[import-not-found]  # mypy reads tests/ flat
from .scripted.server import respond_as as answers_of

QUERY = "organic skincare for sensitive skin"
DOCUMENTS = [
    "motor oil",
    "organic cream for sensitive skin",
    "针对敏感肌专门设计的天然有机护肤产品",
    "skin",
]
REQUEST: dict[str, Any] = {"query": QUERY, "documents": DOCUMENTS, "top_n": 2}
HIDDEN = "pa-a-key-that-nobody-may-see"
SCRIPT = (sys.executable, "-m", "rerank_unify.cli")


def run(*args: str, stdin: Any = None) -> Result:
    return CliRunner().invoke(app, args, input=stdin)


def ok(*args: str, stdin: Any = None) -> Any:
    """What a command that succeeds without a word on stderr writes, as JSON."""
    result = run(*args, stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes.count(b"\n") == 1
    return json.loads(result.stdout_bytes)


def failed(*args: str, stdin: Any = None, code: int = 1) -> str:
    """The one line on stderr of a command that fails."""
    result = run(*args, stdin=stdin)
    assert (result.exit_code, result.stdout) == (code, "")
    (line,) = result.stderr.splitlines()
    return line


def write(path: Path, value: Any) -> str:
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode())
    return str(path)


@pytest.fixture
def request_file(tmp_path: Path) -> str:
    return write(tmp_path / "request.json", REQUEST)


# --- terminals -------------------------------------------------------------------------------------------------------


def plain(output: bytes) -> str:
    """What stands on the screen, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", output.decode()).replace("\r\n", "\n")


class Terminal:
    """A pseudo-terminal: whatever is written to its one end is collected from the other."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        self.output = b""
        self.decoder = Thread(target=self._collect)
        self.decoder.start()

    def _collect(self) -> None:
        try:
            while some := os.read(self.ours, 65536):
                self.output += some
        except OSError:  # how Linux says that the other end is closed
            pass

    def finish(self) -> str:
        self.decoder.join()
        os.close(self.ours)
        return plain(self.output)


ON_TERMINAL = {"TERM": "xterm", "COLUMNS": "100"}


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that runs a command in this process on a terminal of 100 columns."""
    for name, value in ON_TERMINAL.items():
        monkeypatch.setenv(name, value)

    def on_terminal(*args: str) -> str:
        terminal = Terminal()
        stdout = os.fdopen(terminal.theirs, "w", encoding="utf-8")
        with stdout, redirect_stdout(stdout), pytest.raises(SystemExit) as ended:
            app.main(list(args), prog_name="rerank-unify")
        assert ended.value.code == 0
        return terminal.finish()

    return on_terminal


# --- processes -------------------------------------------------------------------------------------------------------


def process(
    *args: str, env: Mapping[str, str] | None = None, stdout: int | IO[bytes] = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, **(env or {})}
    return subprocess.run((*SCRIPT, *args), env=env, stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=False)


def process_on_terminal(*args: str, env: Mapping[str, str] | None = None) -> str:
    terminal = Terminal()
    ended = process(*args, env={**ON_TERMINAL, **(env or {})}, stdout=terminal.theirs)
    os.close(terminal.theirs)
    assert (ended.returncode, ended.stderr) == (0, b"")
    return terminal.finish()


# --- rerank ----------------------------------------------------------------------------------------------------------


def test_rerank_gives_the_canonical_response_to_a_file(request_file: str) -> None:
    answer = ok("rerank", request_file)
    assert answer["model"] == "local-bm25"
    assert [row["index"] for row in answer["results"]] == [1, 3]
    assert answer["results"][0]["document"] == {"text": DOCUMENTS[1]}


def test_rerank_writes_the_bytes_of_to_json(request_file: str) -> None:
    local = ru.provider("local")
    call = local.prepare(ru.RerankRequest(**REQUEST))
    assert local.sender is not None
    expected = call.decode(*local.sender(call.http)).to_json()
    assert run("rerank", request_file).stdout_bytes == expected + b"\n"
    assert run("rerank", "--json", "-", stdin=json.dumps(REQUEST)).stdout_bytes == expected + b"\n"


def test_rerank_takes_a_request_from_options() -> None:
    answer = ok("rerank", "--query", "护肤", "--document", "oil", "--document", DOCUMENTS[2], "--top-n", "1")
    assert [row["document"]["text"] for row in answer["results"]] == [DOCUMENTS[2]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--top-n", "1"), [1]),
        (("--query", "motor"), [0, 1]),
        (("--document", "skin", "--document", "sensitive skin cream"), [1, 0]),
    ],
)
def test_options_count_before_the_file(request_file: str, options: Sequence[str], expected: list[int]) -> None:
    assert [row["index"] for row in ok("rerank", request_file, *options)["results"]] == expected


def test_a_mark_before_utf8_does_no_harm() -> None:
    wire = json.dumps(REQUEST).encode()
    assert ok("rerank", "-", stdin=b"\xef\xbb\xbf" + wire) == ok("rerank", "-", stdin=wire)


def test_an_option_counts_before_the_alias_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "request.json", {"query": QUERY, "documents": DOCUMENTS, "top_k": 3})
    assert len(ok("rerank", path, "--top-n", "1")["results"]) == 1


def test_an_option_completes_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "documents.json", {"documents": DOCUMENTS})
    assert len(ok("rerank", path, "--query", QUERY)["results"]) == 4
    assert failed("rerank", path, "--top-n", "1").startswith("error: query: this field is required")


def test_documents_of_a_text_file_are_its_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "documents.txt", "\ufeffskin\r\n\r\n护肤 a\rb\u2028c\nsensitive skin\n".encode())
    answer = ok("rerank", "--query", "skin", "--document", "first", "--documents", path)
    by_index = sorted((row["index"], row["document"]["text"]) for row in answer["results"])
    assert by_index == [(0, "first"), (1, "skin"), (2, ""), (3, "护肤 a\rb\u2028c"), (4, "sensitive skin")]


def test_documents_of_a_jsonl_file_are_strings_or_objects(tmp_path: Path) -> None:
    path = write(tmp_path / "documents.JSONL", '"skin"\n{"text": "护肤", "id": 7}'.encode())
    result = run("rerank", "--query", "护肤", "--documents", path)
    assert [row["document"] for row in json.loads(result.stdout)["results"]] == [
        {"text": "护肤", "id": 7},
        {"text": "skin"},
    ]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("d.jsonl", b'"a"\n\n"b"', "d.jsonl: line 2: not JSON in UTF-8 ("),
        ("d.jsonl", b'"a"\n"\xff"', "d.jsonl: line 2: not JSON in UTF-8 ("),
        ("d.jsonl", b'"a"\n7\n', "documents[1]: expected "),
        ("d.txt", b"a\nb\xff\n", "d.txt: line 2: not text in UTF-8 (byte 2)"),
        ("d.txt", b"", "documents: "),
    ],
)
def test_documents_that_cannot_be_read_are_reported_by_line(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    path = write(tmp_path / name, content)
    if content:
        assert expected in failed("rerank", "--query", "q", "--documents", path)
    else:
        assert run("rerank", "--query", "q", "--documents", path).exit_code == 2


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--query", "q"),
        ("--document", "d"),
        ("--query", "q", "--documents", "d.csv"),
        ("--top-n", "many"),
        ("a.json", "b.json"),
        ("a.json", "--json", "--table"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(args: Sequence[str]) -> None:
    result = run("rerank", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")
    assert "Error: " in result.stderr


# --- rerank over HTTP ------------------------------------------------------------------------------------------------

BUSY = Play(status=429, body={"detail": "slow down"})
TEXTS = ("--query", "skin", "--document", "motor oil", "--document", "skin cream")


def served(script: Sequence[Any] = (), name: str = "xinference") -> Any:
    return ScriptedServer(script, respond=answers_of(name))


def over(server: Any, *more: str) -> tuple[str, ...]:
    return ("rerank", *TEXTS, "--provider", "xinference", "--base-url", server.url, *more)


def test_a_provider_without_a_key_is_not_called(request_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOYAGE_API_KEY", raising=False)
    line = failed("rerank", request_file, "--provider", "voyage")
    assert line.endswith("voyage needs an API key: pass api_key= or set VOYAGE_API_KEY")
    assert line == failed("rerank", request_file, "--provider", "local", "--fallback", "voyage")


def test_a_key_goes_to_another_host_on_request_alone(request_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", HIDDEN)
    with served(name="voyage") as server:
        args = ("rerank", request_file, "--provider", "voyage", "--base-url", server.url)
        assert len(ok(*args)["results"]) == len(ok(*args, "--env-keys")["results"]) == 2
        unlocked, seen = server.calls
    assert "authorization" not in unlocked.headers
    assert (seen.path, seen.headers["authorization"]) == ("/v1/rerank", f"Bearer {HIDDEN}")
    assert (seen.json["model"], seen.json["top_k"]) == ("rerank-2.5", 2)


def test_a_provider_answers(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {**REQUEST, "model": "own"})
    with served() as server:
        for more, model in ((), "own"), (("--model", "my-uid"), "my-uid"):
            args = ("rerank", path, "--provider", "xinference", "--base-url", server.url, *more)
            answer = ok(*args)
            assert [row["document"]["text"] for row in answer["results"]] == [
                DOCUMENTS[row["index"]] for row in answer["results"]
            ]
            assert server.calls[-1].json["model"] == model


def test_an_error_over_http_is_one_line(request_file: str) -> None:
    with served([Play(status=401, body={"detail": "who are you"})]) as server:
        line = failed("rerank", request_file, "--provider", "xinference", "--base-url", server.url)
    assert line == "error: xinference: AuthenticationError (HTTP 401): who are you"


def test_a_base_url_is_for_http_alone(request_file: str) -> None:
    result = run("rerank", request_file, "--base-url", "http://127.0.0.1:9")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--base-url is for providers over HTTP; local ranks in this process." in result.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--timeout", "0"),
        ("--timeout", "soon"),
        ("--deadline", "-1"),
        ("--deadline", "inf"),
        ("--hedge-after", "nan"),
        ("--retries", "-1"),
        ("--retries", "1.5"),
        ("--split", "never"),
        ("--must-keep", "instructions"),
        ("--fallback", ""),
        ("--fallback", "local,,voyage"),
        ("--fallback", "local:"),
        ("--fallback", ":m"),
    ],
)
def test_a_wrong_option_is_exit_code_2(option: str, value: str) -> None:
    result = run("rerank", *TEXTS, option, value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert option in result.stderr


def test_an_unknown_fallback_is_reported() -> None:
    assert (
        failed("rerank", *TEXTS, "--fallback", "locl") == "error: no provider is called 'locl'; did you mean 'local'?"
    )


@pytest.mark.parametrize(
    ("given", "targets"),
    [
        ((), []),
        (("xinference:a/b:c",), [("xinference", "a/b:c")]),
        (("xinference:one, local", "jina:two"), [("xinference", "one"), ("local", None), ("jina", "two")]),
        (("xinference:a\\,b,local",), [("xinference", "a,b"), ("local", None)]),
    ],
)
def test_fallbacks_have_their_models(given: Sequence[str], targets: Any) -> None:
    options = [part for value in given for part in ("--fallback", value)]
    assert [(target.name, target.model) for target in parsed(*options).chain] == targets


def parsed(*options: str) -> TargetOptions:
    """What the options say."""
    found: list[TargetOptions] = []

    @click.command()
    @with_target_options
    def take(target_options: TargetOptions) -> None:
        found.append(target_options)

    assert CliRunner().invoke(take, options).exit_code == 0
    return found[0]


def test_the_next_provider_answers() -> None:
    with served([BUSY]) as server:
        args = over(server, "--model", "mine", "--fallback", "local")
        result = run(*args, "--show-attempts")
        assert [call.json["model"] for call in server.calls] == ["mine"]
    assert result.exit_code == 0
    assert json.loads(result.stdout)["model"] == "local-bm25"
    assert result.stdout_bytes.count(b"\n") == 1
    first, second, third = result.stderr.splitlines()
    assert first.startswith("warning: scores are of kind unit")
    assert re.fullmatch(r"attempt: xinference, mine, \d\.\d{3} s: RateLimitError \(HTTP 429\): slow down", second)
    assert re.fullmatch(r"attempt: local, local-bm25, \d\.\d{3} s: answered", third)
    assert "attempt:" not in run(*args).stderr


def test_attempts_stand_below_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with served([Play(status=529, body={"detail": "[red]busy[/red] \x1b[31m"})]) as server:
        result = run(*over(server, "--fallback", "local:m", "--show-attempts", "--table"))
    assert (result.exit_code, result.stderr) == (0, "")
    *_, empty, head, _, first, last = [line.rstrip() for line in result.stdout.splitlines()]
    assert empty == ""
    assert head.split() == ["provider", "model", "seconds", "outcome"]
    assert re.match(r"xinference  bge-reranker-base +\d\.\d{3}  ProviderOverloadedError \(HTTP 529\):", first)
    assert first.endswith(": [red]busy[/red]")
    assert re.match(r"local +m +\d\.\d{3}  answered$", last)


def test_a_chain_that_fails_shows_what_was_tried(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {**REQUEST, "instruction": "Find"})
    args = (
        "--provider",
        "xinference",
        "--base-model",
        "Qwen3-Reranker-4B",
        "--fallback",
        "local",
        "--must-keep",
        "all",
    )
    with served([BUSY]) as server:
        result = run("rerank", path, *args, "--base-url", server.url, "--show-attempts")
    assert (result.exit_code, result.stdout) == (1, "")
    first, second, error = result.stderr.splitlines()
    assert first.endswith(" s: RateLimitError (HTTP 429): slow down")
    assert second.startswith("attempt: local, –, –: not called: UnsupportedRequestError: instruction: would be dropped")
    assert error == "error: every target failed (xinference: RateLimitError, local: UnsupportedRequestError)"


def test_a_provider_that_is_passed_over_is_shown_in_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {**REQUEST, "max_tokens_per_doc": 7})
    keeping = ("--must-keep", "max_tokens_per_doc", "--show-attempts")
    with served() as server:
        args = ("--base-url", server.url, "--provider", "xinference", "--model", "m", "--fallback", "local")
        result = run("rerank", path, *args, "--retries", "0", *keeping)
        assert server.calls == []
    first, second, *_ = [line for line in result.stderr.splitlines() if line.startswith("attempt:")]
    assert first.startswith("attempt: xinference, –, –: not called: UnsupportedRequestError: max_tokens_per_doc: ")
    assert second.startswith("attempt: local, ")
    line = run("rerank", path, "--must-keep", "max_tokens_per_doc").stderr
    assert line.startswith("error: local: UnsupportedRequestError: max_tokens_per_doc: would be ")


def test_a_provider_may_be_passed_over_on_the_way_to_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", HIDDEN)
    with served([BUSY]) as server:
        chain = ("--document", "", "--fallback", "voyage,local", "--must-keep", "documents", "--show-attempts")
        result = run(*over(server, *chain))
    assert result.exit_code == 0
    first, second, third = [line for line in result.stderr.splitlines() if line.startswith("attempt:")]
    assert first.startswith("attempt: xinference, bge-reranker-base, ")
    assert second.startswith("attempt: voyage, –, –: not called: UnsupportedRequestError: documents: would be withheld")
    assert third.startswith("attempt: local, local-bm25, ")


def test_retries_are_counted() -> None:
    again = Play(status=429, headers={"retry-after": "0"}, body={"detail": "slow down"})
    with served([again] * 9) as server:
        for retries, calls in (("0", 1), ("1", 3)):
            result = run(*over(server, "--retries", retries, "--show-attempts"))
            assert result.exit_code == 1
            assert len(server.calls) == calls
            assert result.stderr.count("attempt: xinference, bge-reranker-base, ") == int(retries) + 1
            assert result.stderr.splitlines()[-1].startswith("error: xinference: RateLimitError (HTTP 429)")


@pytest.mark.parametrize("option", ["--timeout", "--deadline"])
def test_time_is_limited(option: str) -> None:
    with served([Play(delay=3600)]) as server:
        line = failed(*over(server, option, "0.2", "--retries", "0"))
        server.wait_left()
    assert re.search(r"TimeoutError: no answer within 0\.\d+ seconds$", line)


def test_a_slow_provider_is_overtaken() -> None:
    with served([Play(delay=3600)]) as server:
        result = run(*over(server, "--fallback", "local", "--hedge-after", "0.1", "--show-attempts"))
        server.wait_left()
    assert result.exit_code == 0
    attempts = sorted(line for line in result.stderr.splitlines() if line.startswith("attempt:"))
    assert re.fullmatch(r"attempt: local, local-bm25, \d\.\d{3} s: answered", attempts[0])
    assert re.fullmatch(r"attempt: xinference, bge-reranker-base, \d\.\d{3} s: cancelled", attempts[1])


def test_listwise_models_are_split_on_request_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", "jina_0123456789")
    documents = [f"{number} " + "word " * 30_000 for number in range(6)]
    path = write(tmp_path / "r.json", {"query": "q", "documents": documents})
    with served(name="jina") as server:
        model = ("--provider", "jina", "--model", "jina-reranker-v3")
        args = ("rerank", path, *model, "--env-keys", "--base-url", server.url)
        assert "UnsupportedRequestError" in failed(*args)
        assert server.calls == []
        result = run(*args, "--split", "always")
        assert len(server.calls) > 1
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["results"]) == 6


@pytest.mark.parametrize("more", [(), ("--hedge-after", "60", "--fallback", "local")])
def test_ctrl_c_while_waiting(more: Sequence[str]) -> None:
    with served([Play(delay=3600)]) as server:
        command = (*SCRIPT, *over(server, *more))
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
            server.wait_calls(timeout=60)
            waiting.send_signal(signal.SIGINT)
            output, complaint = waiting.communicate(timeout=30)
    assert (waiting.returncode, output, complaint.strip()) == (130, b"", b"")


NO_HTTP = "import sys; sys.modules.update(dict.fromkeys(('httpx', 'anyio'))); from rerank_unify.cli import main; main()"


def test_local_alone_needs_no_http() -> None:
    for args, code in ((), 0), (("--fallback", "local:m", "--must-keep", "all"), 0), (("--provider", "xinference"), 1):
        ended = subprocess.run(
            [sys.executable, "-c", NO_HTTP, "rerank", *TEXTS, *args], capture_output=True, check=False, timeout=60
        )
        assert ended.returncode == code
        if code:
            assert ended.stderr == b"error: the client needs httpx and anyio: pip install 'rerank-unify[http]'\n"


def test_the_client_is_imported_when_it_is_needed() -> None:
    code = (
        "import sys\nfrom rerank_unify.cli.app import app\n"
        "print([name for name in ('rerank_unify.client', 'httpx', 'anyio', 'rich.progress') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"


# --- a batch on a terminal -------------------------------------------------------------------------------------------


def test_a_batch_shows_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ON_TERMINAL.items():
        monkeypatch.setenv(name, value)
    source = write(tmp_path / "in.jsonl", b'{"query": "q", "documents": ["d"]}\n\nnonsense\n' * 20)
    terminal = Terminal()
    stderr = os.fdopen(terminal.theirs, "w", encoding="utf-8")
    with stderr, redirect_stderr(stderr), pytest.raises(SystemExit) as ended:
        app.main(["batch", source, str(tmp_path / "out.jsonl")], prog_name="rerank-unify")
    assert ended.value.code == 1
    screen = terminal.finish()
    assert re.search(r"━ 40/40 20 failed \d:\d\d:\d\d", screen)
    assert re.search(r"h20 answered, 20 failed, \d+\.\d s$", screen.rstrip())


# --- errors ----------------------------------------------------------------------------------------------------------

CONVERT = ("convert", "request", "--from", "jina", "--to", "voyage")


@pytest.mark.parametrize(
    ("args", "stdin", "expected"),
    [
        (("rerank", "no-such.json"), None, "error: no-such.json: No such file or directory"),
        (("rerank", "/"), None, "error: /: Is a directory"),
        (("rerank", "-"), b"{", "error: the body: not JSON in UTF-8 ("),
        (("rerank", "-", "--top-n", "2"), b"{", "error: the body: not JSON in UTF-8 ("),
        (("rerank", "-"), b'{"query": "\xff"}', "error: the body: not JSON in UTF-8 ("),
        (("rerank", "-", "--query", "q"), b"[]", "error: the body: expected a JSON object, not a list"),
        (("rerank", "-"), b'{"query": "q", "documents": []}', "error: documents: expected "),
        (("rerank", "-", "--top-n", "0"), b'{"query": "q", "documents": ["d"]}', "error: top_n: expected "),
        (("rerank", "-", "--provider", "locl"), None, "error: no provider is called 'locl'; did you mean 'local'?"),
        (("explain", "-", "--provider", "Voyage"), None, "error: no provider is called 'Voyage'; did you mean"),
        (CONVERT, b"", "error: the body: not JSON in UTF-8 ("),
        (("explain", "-", "--provider", "voyage", "--base-url", "x"), b'{"query":"q","documents":["d"]}', "base_url"),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(args: Sequence[str], stdin: bytes | None, expected: str) -> None:
    line = failed(*args, stdin=stdin)
    assert line.startswith("error: ")
    assert expected in line


class Failing(io.BytesIO):
    """Standard input that fails when it is read."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def read(self, size: int | None = -1, /) -> bytes:
        if size != 0:  # which is how click asks whether it is binary
            raise self.error
        return b""


def test_ctrl_c_is_exit_code_130() -> None:
    result = run("rerank", "-", stdin=Failing(KeyboardInterrupt()))
    assert (result.exit_code, result.output.strip()) == (130, "")


def test_a_bug_is_one_line_too() -> None:
    line = failed("rerank", "-", stdin=Failing(RuntimeError("first\nsecond\x1b[31m")))
    assert line == "error: unexpected RuntimeError: first second[31m"


# --- convert ---------------------------------------------------------------------------------------------------------


def test_a_request_is_converted_with_its_losses_on_stderr(request_file: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / "hints.json", {**REQUEST, "documents": ["", {"title": "t", "body": "b"}], "truncation": True}
    )
    result = run("convert", "request", "--from", "jina", "--to", "cohere", path, "--model", "rerank-v4.0-pro")
    assert result.exit_code == 0
    body = json.loads(result.stdout)
    assert (body["model"], body["top_n"], len(body["documents"])) == ("rerank-v4.0-pro", 1, 1)
    converted = "of an object only what is ranked is sent, as one text; results carry your own object"
    assert result.stderr.splitlines() == [
        f"loss: documents converted: {converted} (document 1); the ranking is as asked",
        "loss: documents withheld: cohere refuses empty texts (document 0)",
        "loss: truncation dropped: Cohere always cuts long documents; the ranking is as asked",
    ]


SPOKEN = ["jina", "cohere", "cohere-v1", "voyage", "xinference", "local", "vllm", "tei", "nim", "dashscope-native"]


@pytest.mark.parametrize("source", SPOKEN)
@pytest.mark.parametrize("target", [name for name in SPOKEN if ru.provider(name).default_model])
def test_a_request_is_converted_between_any_two(source: str, target: str) -> None:
    request = ru.RerankRequest(**REQUEST, model="m", return_documents=False)
    body = ru.provider(source).encode_request(request)
    expected = ru.provider(target).encode_request(ru.provider(source).decode_request(body))
    assert ok("convert", "request", "--from", source, "--to", target, stdin=json.dumps(body)) == expected


def test_like_names_the_model_behind_a_name() -> None:
    body = json.dumps({**REQUEST, "model": "my-uid", "instruction": "Find cosmetics"})
    args = ("convert", "request", "--from", "jina", "--to", "xinference")
    assert "instruction dropped" in run(*args, stdin=body).stderr
    assert "Find cosmetics" in ok(*args, "--base-model", "Qwen3-Reranker-4B", stdin=body)["kwargs"]


VOYAGE_ANSWER = {
    "object": "list",
    "data": [{"index": 1, "relevance_score": 0.9}, {"index": 3, "relevance_score": 0.5}],
    "model": "rerank-2.5",
    "usage": {"total_tokens": 21},
}
TO_JINA = ("convert", "response", "--from", "voyage", "--to", "jina")


def test_a_response_is_converted_with_the_request(request_file: str, tmp_path: Path) -> None:
    path = write(tmp_path / "answer.json", VOYAGE_ANSWER)
    answer = ok(*TO_JINA, path, "--request", request_file)
    assert [row["index"] for row in answer["results"]] == [1, 3]
    assert answer["results"][1]["document"] == {"text": "skin"}
    assert answer["usage"]["total_tokens"] == 21


def test_a_response_without_its_request_says_what_was_not_checked() -> None:
    result = run(*TO_JINA, stdin=json.dumps(VOYAGE_ANSWER))
    assert result.exit_code == 0
    assert "document" not in json.loads(result.stdout)["results"][0]
    assert result.stderr.startswith("warning: ")
    assert len(result.stderr.splitlines()) == 1


def test_the_request_is_in_the_clients_dialect_unless_requested(tmp_path: Path) -> None:
    request_file = write(tmp_path / "asked.json", {"query": QUERY, "documents": DOCUMENTS, "top_k": 2, "model": "m"})
    args = ("convert", "response", "--from", "voyage", "--to", "cohere", "--request", request_file)
    cohere = run(*args, stdin=json.dumps(VOYAGE_ANSWER))
    assert "warning: 2 of 4 rows are missing" in cohere.stderr  # `top_k` means nothing to Cohere
    assert "missing: no score for documents 0, 2" in cohere.stderr
    voyage = run(*args, "--request-from", "voyage", stdin=json.dumps(VOYAGE_ANSWER))
    assert (voyage.exit_code, voyage.stderr) == (0, "")


def test_a_response_that_is_none_is_an_error(request_file: str) -> None:
    out_of_range = {"data": [{"index": 9, "relevance_score": 0.9}]}
    line = failed(*TO_JINA, "--request", request_file, stdin=json.dumps(out_of_range))
    assert line.startswith("error: voyage: InvalidResponseError")
    assert "data[0].index" in line
    assert failed(*TO_JINA, stdin=b'{"detail": "no\\nsuch \\u001b[31mthing"}').endswith("no such thing")


def test_an_error_is_converted_when_its_status_says_so() -> None:
    result = run(*TO_JINA, "--status", "429", stdin=b'{"detail": "slow down"}')
    assert (result.exit_code, result.stderr) == (0, "status: 429\n")
    assert json.loads(result.stdout) == {"detail": "slow down"}
    hidden = run(*TO_JINA, "--status", "401", stdin=b'{"detail": "Provided API key is invalid."}')
    assert (hidden.exit_code, hidden.stderr) == (0, "status: 502\n")
    assert json.loads(hidden.stdout)["code"] == "upstream_credentials"


def test_an_error_does_not_repeat_the_documents(request_file: str) -> None:
    body = json.dumps({"detail": f"cannot read {DOCUMENTS[1]}"})
    result = run(*TO_JINA, "--status", "400", "--request", request_file, stdin=body)
    assert result.exit_code == 0
    assert DOCUMENTS[1] not in result.output


@pytest.mark.parametrize("args", [("--status", "99"), ("--request", "-"), ("--from", "jina", "a", "b")])
def test_convert_response_refuses_a_wrong_command_line(args: Sequence[str]) -> None:
    assert run(*TO_JINA, *args, stdin=b"{}").exit_code == 2


# --- providers -------------------------------------------------------------------------------------------------------


def test_providers_are_the_registrys() -> None:
    listed = ok("providers")
    assert [about["name"] for about in listed] == ru.provider_names()
    by_name = {about["name"]: about for about in listed}
    voyage = by_name["voyage"]
    assert voyage["endpoints"] == ["https://api.voyageai.com/v1/rerank", "https://ai.mongodb.com/v1/rerank"]
    assert (voyage["env"], voyage["needs_key"]) == (["VOYAGE_API_KEY"], True)
    assert voyage["limits"]["documents"] == ru.provider("voyage").limits().documents == 1000
    assert by_name["jina"]["images"] == ["jina-reranker-m0"]
    assert by_name["jina"]["models"]["jina-reranker-v3"]["score_kind"] == "cosine"
    assert by_name["local"]["limits"]["documents"] is None
    for about in listed:
        p = ru.provider(about["name"])
        assert (about["default_model"], about["score_kind"]) == (p.default_model, p.score_kind())
        assert set(about["models"]) == set(p.models)


def test_providers_on_a_terminal_are_a_table(on_terminal: Any) -> None:
    screen = on_terminal("providers")
    for word in ru.provider_names():
        assert re.search(rf"^{re.escape(word)} ", screen, re.MULTILINE)
    for word in ("VOYAGE_API_KEY", "https://api.voyageai.com/", "rerank-2.5", "jina-reranker-m0"):
        assert word in screen
    for word in ("1,000 documents", "600,000 tokens in all", "probability, per model", "inproc://local/v1/rerank"):
        assert word in screen
    assert json.loads(on_terminal("providers", "--json"))[0]["name"] == "cohere"


def test_a_narrow_terminal_folds_and_leaves_nothing_out() -> None:
    out = Console(file=io.StringIO(), width=60)
    tables.show_providers(out, ok("providers"))
    assert isinstance(out.file, io.StringIO)
    screen = out.file.getvalue()
    assert max(map(len, screen.splitlines())) <= 60
    assert "…" not in screen


# --- explain ---------------------------------------------------------------------------------------------------------


def test_explain_gives_what_would_be_sent_and_lost(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {**REQUEST, "documents": ["", *DOCUMENTS], "return_embeddings": True})
    output = ok("explain", path, "--provider", "voyage")
    assert list(output) == ["provider", "model", "url", "body", "losses"]
    assert (output["provider"], output["model"], output["body"]["model"]) == ("voyage", "rerank-2.5", "rerank-2.5")
    assert output["url"] == "https://api.voyageai.com/v1/rerank"
    assert (output["body"]["documents"], output["body"]["top_k"]) == (DOCUMENTS, 2)
    assert [(loss["field"], loss["action"], loss["indices"]) for loss in output["losses"]] == [
        ("documents", "withheld", [0]),
        ("return_embeddings", "dropped", []),
    ]
    assert all(loss["reason"] and loss["affects_result"] is True for loss in output["losses"])


def test_explain_takes_model_base_model_and_base_url(request_file: str) -> None:
    args = ("--model", "my-uid", "--base-model", "Qwen3-Reranker-4B", "--base-url", "http://gpu:9997")
    output = ok("explain", request_file, "--provider", "xinference", *args)
    assert (output["model"], output["url"]) == ("my-uid", "http://gpu:9997/v1/rerank")


def test_explain_tells_what_a_provider_cannot_express(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {"query": "q", "documents": ["text", {"image": "https://example.com/1.png"}]})
    line = failed("explain", path, "--provider", "voyage")
    assert line.startswith("error: ")
    assert "documents[1]" in line


@pytest.mark.parametrize("name", ru.provider_names())
def test_explain_needs_no_key_and_shows_none(
    request_file: str, name: str, on_terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ru.provider(name).env:
        monkeypatch.setenv(variable, HIDDEN)
    screen = on_terminal("explain", request_file, "--provider", name, "--model", "m")
    assert screen.startswith("POST ")
    auth = ru.provider(name).auth
    assert (f"{auth.header}: " in screen) == auth.required
    for output in (screen, run("explain", request_file, "--provider", name, "--model", "m").output):
        assert HIDDEN not in output
        assert "nobody" not in output


def test_explain_on_a_terminal_shows_body_and_losses(tmp_path: Path, on_terminal: Any) -> None:
    text = "\u202eevil \x9b31m [bold]护肤[/bold]"
    path = write(tmp_path / "r.json", {"query": "q", "documents": [text], "model": "m", "instruction": "Find"})
    screen = on_terminal("explain", path, "--provider", "voyage")
    assert r'"\u202eevil \u009b31m [bold]护肤[/bold]"' in screen
    assert "loss: instruction dropped: m is not known to follow instructions" in screen
    assert "note: 'm' is no model that voyage is known to have" in screen
    assert "nothing is lost" not in screen
    known = on_terminal("explain", path, "--provider", "voyage", "--model", "rerank-2.5")
    assert "note:" not in known
    assert "instruction folded" in known
    assert json.loads(on_terminal("explain", path, "--provider", "voyage", "--json"))["model"] == "m"


# --- the ranking on a terminal ---------------------------------------------------------------------------------------


def test_rerank_on_a_terminal_is_a_table(tmp_path: Path, on_terminal: Any) -> None:
    long = "sensitive\nskin\t[red]care[/red] :smile: " + "护肤" * 2000
    path = write(
        tmp_path / "r.json", {"query": "sensitive skin", "documents": ["oil", long], "return_documents": False}
    )
    screen = on_terminal("rerank", path)
    title, _, head, _, first, second, *rest = screen.splitlines()
    assert title == "local · local-bm25 · 2 of 2 documents · scores: 0 to 1, no probability"
    assert head.split() == ["rank", "score", "index", "text"]
    assert re.match(r" +1  0\.\d{4}  [█▏▎▍▌▋▊▉]+ +1  sensitive skin \[red\]care\[/red\] :smile: 护肤", first)
    assert first.rstrip().endswith("…")
    assert re.match(r" +2  0\.0000 +0  oil *$", second)
    assert rest == []
    assert json.loads(on_terminal("rerank", path, "--json"))["object"] == "list"


def ranking(scores: Sequence[float], kind: ScoreKind, documents: Sequence[Any] = (), **more: Any) -> str:
    """The table of an answer with these scores, for the documents from the last to the first."""
    count = len(documents) or max(len(scores), 1)
    results = [ru.Result(count - 1 - at, score) for at, score in enumerate(scores)]
    response = ru.RerankResponse(results, score_kind=kind, provider="somebody", model="m", **more)
    request = ru.RerankRequest(query="q", documents=documents or ["text"] * count)
    out = Console(file=io.StringIO(), width=100, color_system=None)
    tables.show_ranking(out, response, request)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def bars(screen: str) -> list[str]:
    return [re.sub("[^█▏▎▍▌▋▊▉]", "", line) for line in screen.splitlines()[4:] if line.endswith((" ", "text"))]


@pytest.mark.parametrize(
    ("scores", "kind", "filled"),
    [
        ((1.0, 0.5, 0.0), "probability", (12, 6, 0)),
        ((0.5, 0.25), "unit", (6, 3)),
        ((0.3, 0.1, -0.1), "cosine", (12, 6, 0)),
        ((7.0, 1.0, -5.0), "logit", (12, 6, 0)),
        ((0.9, 0.8), "unknown", (12, 0)),
        ((-3.0,), "logit", (12,)),
        ((2.0, 1.0, 0.0), "probability", (12, 6, 0)),
    ],
)
def test_bars_are_scaled_by_what_the_scores_are(scores: Sequence[float], kind: ScoreKind, filled: Any) -> None:
    screen = ranking(scores, kind)
    assert tuple(map(len, bars(screen))) == filled
    own_scale = kind in ("probability", "unit") and max(scores) <= 1
    assert ("bars: from the lowest score of this list" in screen) is not own_scale
    if not own_scale:
        assert f"({min(scores):.4f}) to the highest ({max(scores):.4f})" in screen
    assert text.SCALES[kind] in screen.splitlines()[0]


def test_what_there_is_to_know_stands_below_the_table() -> None:
    losses = [
        ru.Loss("instruction", "dropped", "somebody has no such field"),
        ru.Loss("documents", "withheld", "somebody refuses empty texts", tuple(range(25))),
    ]
    screen = ranking([0.1], "probability", losses=losses, warnings=["1 of 2 rows\nare missing"], missing=[4])
    assert screen.splitlines()[-4:] == [
        "warning: 1 of 2 rows are missing",
        "loss: instruction dropped: somebody has no such field",
        "loss: documents withheld: somebody refuses empty texts (documents 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 15 more)",
        "missing: no score for document 4",
    ]


def test_a_response_without_rows_is_a_table_without_rows() -> None:
    screen = ranking([], "logit")
    assert screen.startswith("somebody · m · 0 of 1 documents · scores: logit")
    assert "bars" not in screen


def test_every_kind_of_document_has_a_line() -> None:
    documents = [
        "\x1b[31mred\u202e",
        {"title": "护肤", "body": "a\nb"},
        {"text": "only the text", "id": 7},
        {"image": "https://example.com/1.png"},
        {"image": "aGVsbG8=", "text": "with words"},
    ]
    screen = ranking([0.5, 0.4, 0.3, 0.2, 0.1], "probability", documents)
    rows = [line.rstrip() for line in screen.splitlines()[4:]]
    ends = ["4  [image] with words", "3  [image] https://example.com/1.png", "2  only the text"]
    ends += ["1  title: 护肤 body: 'a b'", "0  [31mred"]
    for row, end in zip(rows, ends, strict=True):
        assert row.endswith(end)


@pytest.mark.parametrize(
    ("score", "short"),
    [(0.5, "0.5000"), (-12.25, "-12.2500"), (0.0, "0.0000"), (3.2e-5, "3.2e-05"), (-1e-9, "-1.0e-09")],
)
def test_scores_are_short_and_never_rounded_to_nothing(score: float, short: str) -> None:
    assert text.score_text(score) == short


def test_a_terminal_without_block_characters_gets_other_bars() -> None:
    assert text.bar_text(0.5, 12, blocks=False) == "######"
    assert [len(text.bar_text(share / 96, 12, blocks=True)) for share in (0, 1, 8, 9, 96)] == [0, 1, 1, 2, 12]


# --- help ------------------------------------------------------------------------------------------------------------


def test_help_shows_commands_in_order_and_examples() -> None:
    result = run("--help")
    assert result.exit_code == 0
    commands = [result.stdout.index(f"\n  {name} ") for name in ("rerank", "batch", "convert", "providers", "explain")]
    assert commands == sorted(commands)
    assert "rerank-unify explain request.json --provider voyage" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    "command",
    [
        ("rerank",),
        ("batch",),
        ("convert",),
        ("convert", "request"),
        ("convert", "response"),
        ("providers",),
        ("explain",),
    ],
)
def test_every_command_has_help(command: Sequence[str]) -> None:
    result = run(*command, "-h")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: ")


def test_the_example_in_the_help_works() -> None:
    documents = ("--document", "aloe vera cream", "--document", "motor oil", "--document", "cream for skin")
    assert ok("rerank", "--query", "sensitive skin", *documents)["results"][0]["index"] == 2


def test_version() -> None:
    assert run("--version").stdout == f"rerank-unify, version {ru.__version__}\n"


def test_the_shell_completes_provider_names() -> None:
    env = {
        "_RERANK_UNIFY_COMPLETE": "bash_complete",
        "COMP_WORDS": "rerank-unify rerank --provider co",
        "COMP_CWORD": "3",
    }
    result = CliRunner().invoke(app, [], prog_name="rerank-unify", env=env)
    assert result.stdout.split() == ["plain,cohere", "plain,cohere-v1", "plain,compatible", "plain,contextual"]


# --- real processes --------------------------------------------------------------------------------------------------


def test_a_pipe_gets_json(request_file: str) -> None:
    ended = process("rerank", request_file)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert json.loads(ended.stdout)["results"][0]["index"] == 1


def test_a_terminal_gets_a_table(request_file: str) -> None:
    screen = process_on_terminal("rerank", request_file)
    assert screen.startswith("local · local-bm25 · 2 of 4 documents")
    assert re.search(r"^ +1  0\.\d{4}  █+.* 1  organic cream for sensitive skin *$", screen, re.MULTILINE)
    assert "motor oil" not in screen


FIXTURES = Path(str(files("rerank_unify.fixtures"))) / "requests"


def test_texts_in_any_script_fit_the_table() -> None:
    screen = process_on_terminal("rerank", str(FIXTURES / "skincare-multilingual.json"), "--top-n", "10")
    rows = screen.splitlines()[4:]
    assert len(rows) == 10
    assert all(row.rstrip().endswith("…") and cell_len(row) <= 100 for row in rows)
    assert "针对敏感肌专门设计的天然有机护肤产品" in screen


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_jinas_documented_requests_are_sent_as_they_are(path: Path) -> None:
    explained = ok("explain", str(path), "--provider", "jina")
    wire = json.loads(path.read_bytes())
    assert {name: explained["body"][name] for name in ("model", "query")} == {
        name: wire[name] for name in ("model", "query")
    }
    assert len(explained["body"]["documents"]) == len(wire["documents"])
    assert explained["losses"] == []


def test_exit_codes(request_file: str) -> None:
    assert process("--version").returncode == 0
    assert process("rerank", request_file, "--provider", "nobody").returncode == 1
    assert process("rerank", "--no-such-option").returncode == 2


C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_json_is_utf8_in_any_locale(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {"query": "护肤", "documents": DOCUMENTS, "top_n": 1, "instruction": "护"})
    ended = process("rerank", path, env=C_LOCALE)
    assert json.loads(ended.stdout)["results"][0]["document"]["text"] == DOCUMENTS[2]
    for args in ((*CONVERT[:4], "--to", "cohere"), ("explain", "--provider", "cohere")):
        ended = process(*args, path, env=C_LOCALE)
        assert ended.returncode == 0
        assert "护肤".encode() in ended.stdout


def test_a_table_in_a_locale_without_the_characters_does_not_fail(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {"query": "护肤 skin", "documents": DOCUMENTS})
    for command in (("rerank", path), ("providers",), ("explain", path, "--provider", "voyage")):
        screen = process_on_terminal(*command, env=C_LOCALE)
        assert screen.isascii() or command[0] == "explain"
    assert "##" in process_on_terminal("rerank", path, env=C_LOCALE)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_is_no_error(tmp_path: Path, unbuffered: str) -> None:
    documents = [f"skin {number} {'x' * 1000}" for number in range(500)]
    path = write(tmp_path / "r.json", {"query": "skin", "documents": documents})
    command = f'"{sys.executable}" -m rerank_unify.cli rerank "{path}" | head -c 1; echo " ${{PIPESTATUS[0]}}"'
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    ended = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=60, env=env)
    assert (ended.stdout, ended.stderr) == (b"{ 141\n", b"")


@pytest.mark.parametrize("args", [("--help",), ("providers",), ("rerank", "--help")])
def test_a_reader_that_was_never_there_is_no_error(args: Sequence[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = process(*args, stdout=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.parametrize("args", [("--help",), ("providers",)])
def test_a_broken_pipe_in_this_process(args: Sequence[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stdout = os.fdopen(writing, "w", encoding="utf-8")
    with stdout, redirect_stdout(stdout), pytest.raises(SystemExit) as ended:
        app.main(args, prog_name="rerank-unify")
    assert ended.value.code == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk as a device is Linux's")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = process("providers", stdout=full)
    assert (ended.returncode, ended.stderr) == (1, b"error: No space left on device\n")


def test_a_process_without_stdin_says_so() -> None:
    command = f'"{sys.executable}" -m rerank_unify.cli rerank - <&-'
    ended = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (1, b"error: standard input is closed\n")


def test_a_process_without_stdout_works() -> None:
    ended = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m rerank_unify.cli providers >&-'],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_ctrl_c_while_reading(tmp_path: Path) -> None:
    fifo = tmp_path / "request.json"
    os.mkfifo(fifo)
    with (
        subprocess.Popen((*SCRIPT, *CONVERT, str(fifo)), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader,
        fifo.open("wb"),  # returns when the other process has opened it too, and waits for a request
    ):
        reader.send_signal(signal.SIGINT)
        output, complaint = reader.communicate(timeout=60)
    assert (reader.returncode, output, complaint.strip()) == (130, b"", b"")


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_one_sentence_says_what_to_install(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from rerank_unify.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    expected = b"error: the command line needs click and rich: pip install 'rerank-unify[cli]'\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, b"", expected)


def test_importing_the_entry_point_imports_neither_click_nor_rich() -> None:
    code = "import sys, rerank_unify.cli; print([name for name in ('click', 'rich') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"


PLUGIN = """
import json
from rerank_unify.declaration import Auth, Endpoint, Model, Provider
from rerank_unify.registry import provider as by_name

def send(http):
    body = json.loads(http.content)
    if body["query"] == "crash":
        raise ValueError("a bug of\\nsomebody else")
    texts = enumerate(body["documents"])
    rows = [{"index": at, "relevance_score": len(text) - 10} for at, text in texts if text != "lost"]
    return 200, {}, json.dumps({"results": rows, "meta": {"warnings": ["slow today"]}})

provider = Provider(
    name="lengths", dialect=by_name("cohere-v1").dialect, endpoint=Endpoint("inproc://lengths/v1/rerank"),
    auth=Auth(required=False), default_model="ruler", unknown_model=Model(score_kind="logit"), sender=send,
)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    """The environment in which another package's provider, in process and with logits, is installed."""
    (tmp_path / "rerank_lengths.py").write_text(PLUGIN)
    about = tmp_path / "rerank_lengths-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: rerank-lengths\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[rerank_unify.providers]\nlengths = rerank_lengths:provider\n")
    return {"PYTHONPATH": str(tmp_path)}


def test_another_packages_provider_ranks_too(plugin: dict[str, str]) -> None:
    options = (
        "--provider",
        "lengths",
        "--query",
        "q",
        "--document",
        "lost",
        "--document",
        "ab",
        "--document",
        "a" * 15,
    )
    screen = process_on_terminal("rerank", *options, env=plugin)
    assert screen.startswith("lengths · ruler · 2 of 3 documents · scores: logit, any number")
    assert re.search(r"^ +1 +5\.0000  ████████████ +2  aaaaa", screen, re.MULTILINE)
    assert re.search(r"^ +2  -8\.0000 +1  ab *$", screen, re.MULTILINE)
    assert "bars: from the lowest score of this list (-8.0000) to the highest (5.0000)" in screen
    assert "warning: slow today" in screen
    assert "missing: no score for document 0" in screen
    piped = process("rerank", *options, env=plugin)
    assert json.loads(piped.stdout)["results"][0]["relevance_score"] == 5.0
    assert b"missing: no score for document 0" in piped.stderr


def test_another_packages_bug_is_one_line(plugin: dict[str, str]) -> None:
    ended = process("rerank", "--provider", "lengths", "--query", "crash", "--document", "d", env=plugin)
    assert (ended.returncode, ended.stderr) == (1, b"error: unexpected ValueError: a bug of somebody else\n")
