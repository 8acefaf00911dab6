"""Options of targets: providers, fallback, retries, time limits and hedging."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from scripted_server import Play

from rerank_unify.cli.options import Chain, with_chain

from .helpers import DOCUMENTS, REQUEST, SCRIPT, SECRET, TEXTS, failed, ok, over, run, served, write

BUSY = Play(status=429, body={"detail": "slow down"})


def test_a_key_that_is_missing_is_an_error(request_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOYAGE_API_KEY", raising=False)
    line = failed("rerank", request_file, "--provider", "voyage")
    assert line.endswith("voyage needs an API key: pass api_key= or set VOYAGE_API_KEY")
    assert line == failed("rerank", request_file, "--provider", "local", "--fallback", "voyage")


def test_a_key_goes_to_another_host_with_an_option_alone(request_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", SECRET)
    with served(name="voyage") as server:
        args = ("rerank", request_file, "--provider", "voyage", "--base-url", server.url)
        assert len(ok(*args)["results"]) == len(ok(*args, "--env-keys")["results"]) == 2
        keyless, seen = server.calls
    assert "authorization" not in keyless.headers
    assert (seen.path, seen.headers["authorization"]) == ("/v1/rerank", f"Bearer {SECRET}")
    assert (seen.json["model"], seen.json["top_k"]) == ("rerank-2.5", 2)


def test_a_provider_responds(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {**REQUEST, "model": "model-of-the-file"})
    with served() as server:
        for more, model in ((), "model-of-the-file"), (("--model", "my-uid"), "my-uid"):
            args = ("rerank", path, "--provider", "xinference", "--base-url", server.url, *more)
            response = ok(*args)
            assert [row["document"]["text"] for row in response["results"]] == [
                DOCUMENTS[row["index"]] for row in response["results"]
            ]
            assert server.calls[-1].json["model"] == model


def test_an_error_over_http_is_one_line(request_file: str) -> None:
    with served([Play(status=401, body={"detail": "unknown key"})]) as server:
        line = failed("rerank", request_file, "--provider", "xinference", "--base-url", server.url)
    assert line == "xinference: AuthenticationError (HTTP 401): unknown key"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--timeout", "0"),
        ("--timeout", "soon"),
        ("--deadline", "-1"),
        ("--fallback", "locl"),
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


@pytest.mark.parametrize(
    ("option", "value"),
    [("--timeout", "inf"), ("--timeout", "nan"), ("--deadline", "nan")],
)
def test_seconds_are_numbers(option: str, value: str) -> None:
    field = option.removeprefix("--").replace("-", "_")
    line = failed("rerank", *TEXTS, option, value, "--show-attempts")
    assert line.startswith(f"{field}: expected a number")


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
    chains: list[Chain] = []

    @click.command()
    @with_chain
    def take(chain: Chain) -> None:
        chains.append(chain)

    assert CliRunner().invoke(take, options).exit_code == 0
    assert [(target.name, target.model) for target in chains[0].targets] == [("local", None), *targets]


def test_the_next_provider_responds() -> None:
    with served([BUSY]) as server:
        args = over(server, "--model", "mine", "--fallback", "local")
        result = run(*args, "--show-attempts")
        assert [call.json["model"] for call in server.calls] == ["mine"]
    assert result.exit_code == 0
    assert json.loads(result.stdout)["model"] == "local-use-multilingual"
    assert result.stdout_bytes.count(b"\n") == 1
    first, second, third = result.stderr.splitlines()
    assert first.startswith("warning: scores are of kind cosine")
    assert re.fullmatch(r"attempt: xinference, mine, \d\.\d{3} s: RateLimitError \(HTTP 429\): slow down", second)
    assert re.fullmatch(r"attempt: local, local-use-multilingual, \d\.\d{3} s: succeeded", third)
    assert "attempt:" not in run(*args).stderr


def test_attempts_are_on_stderr_beside_a_table() -> None:
    with served([Play(status=529, body={"detail": "[red]busy[/red] \x1b[31m"})]) as server:
        result = run(*over(server, "--fallback", "local:m", "--show-attempts", "--table"))
    assert result.exit_code == 0
    assert "attempt:" not in result.stdout
    first, last = result.stderr.splitlines()
    error = r"ProviderOverloadedError \(HTTP 529\): \[red\]busy\[/red\]"
    assert re.fullmatch(rf"attempt: xinference, bge-reranker-base, \d\.\d{{3}} s: {error}", first)
    assert re.fullmatch(r"attempt: local, m, \d\.\d{3} s: succeeded", last)


def test_a_chain_that_fails_shows_its_attempts(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {**REQUEST, "instruction": "Find"})
    args = ("--base-model", "Qwen3-Reranker-4B", "--fallback", "local", "--must-keep", "all", "--show-attempts")
    with served([BUSY]) as server:
        result = run("rerank", path, "--provider", "xinference", "--base-url", server.url, *args)
    assert (result.exit_code, result.stdout) == (1, "")
    first, second, error = result.stderr.splitlines()
    assert first.endswith(" s: RateLimitError (HTTP 429): slow down")
    assert second.startswith(
        "attempt: local, local-use-multilingual, not called: UnsupportedRequestError: instruction: "
    )
    assert error == "Error: every target failed (xinference: RateLimitError, local: UnsupportedRequestError)"


def test_a_target_that_is_not_called_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {**REQUEST, "max_tokens_per_doc": 7})
    keeping = ("--must-keep", "max_tokens_per_doc", "--show-attempts")
    with served() as server:
        args = ("--base-url", server.url, "--provider", "xinference", "--model", "m", "--fallback", "local")
        result = run("rerank", path, *args, "--retries", "0", *keeping)
        assert server.calls == []
    first, second, *_ = [line for line in result.stderr.splitlines() if line.startswith("attempt:")]
    assert first.startswith("attempt: xinference, m, not called: UnsupportedRequestError: max_tokens_per_doc: ")
    assert second.startswith("attempt: local, ")
    line = run("rerank", path, "--must-keep", "max_tokens_per_doc").stderr
    assert line.startswith("Error: local: UnsupportedRequestError: max_tokens_per_doc: would be ")


def test_a_target_that_is_not_called_is_shown_beside_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", SECRET)
    with served([BUSY]) as server:
        chain = ("--document", "", "--fallback", "voyage,local", "--must-keep", "documents", "--show-attempts")
        result = run(*over(server, *chain))
    assert result.exit_code == 0
    first, second, third = [line for line in result.stderr.splitlines() if line.startswith("attempt:")]
    assert first.startswith("attempt: xinference, bge-reranker-base, ")
    assert second.startswith(
        "attempt: voyage, rerank-2.5, not called: UnsupportedRequestError: documents: would be withheld"
    )
    assert third.startswith("attempt: local, local-use-multilingual, ")


def test_retries_are_counted() -> None:
    again = Play(status=429, headers={"retry-after": "0"}, body={"detail": "slow down"})
    with served([again] * 9) as server:
        for retries, calls in (("0", 1), ("1", 3)):
            result = run(*over(server, "--retries", retries, "--show-attempts"))
            assert result.exit_code == 1
            assert len(server.calls) == calls
            assert result.stderr.count("attempt: xinference, bge-reranker-base, ") == int(retries) + 1
            assert result.stderr.splitlines()[-1].startswith("Error: xinference: RateLimitError (HTTP 429)")


@pytest.mark.parametrize("option", ["--timeout", "--deadline"])
def test_time_is_limited(option: str) -> None:
    with served([Play(delay=3600)]) as server:
        line = failed(*over(server, option, "0.2", "--retries", "0"))
        server.wait_disconnected()
    assert re.search(r"TimeoutError: no response within 0\.\d+ seconds$", line)


def test_the_next_provider_ranks_after_a_timeout() -> None:
    with served([Play(delay=3600)]) as server:
        result = run(*over(server, "--fallback", "local", "--timeout", "0.2", "--show-attempts"))
        server.wait_disconnected()
    assert result.exit_code == 0
    attempts = sorted(line for line in result.stderr.splitlines() if line.startswith("attempt:"))
    assert re.fullmatch(r"attempt: local, local-use-multilingual, \d\.\d{3} s: succeeded", attempts[0])
    assert re.match(r"attempt: xinference, bge-reranker-base, \d\.\d{3} s: TimeoutError", attempts[1])


def test_listwise_models_are_split_with_an_option_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_ctrl_c_while_waiting() -> None:
    with served([Play(delay=3600)]) as server:
        command = (*SCRIPT, *over(server))
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
            server.wait_calls()
            waiting.send_signal(signal.SIGINT)
            output, stderr = waiting.communicate(timeout=60)
    assert (waiting.returncode, output, stderr.strip()) == (1, b"", b"Aborted!")


NO_HTTP = "import sys; sys.modules['httpx'] = None; from rerank_unify.cli import main; main()"


@pytest.mark.slow
def test_local_alone_needs_no_http() -> None:
    for args, code in ((), 0), (("--fallback", "local:m", "--must-keep", "all"), 0), (("--provider", "xinference"), 1):
        ended = subprocess.run(
            [sys.executable, "-c", NO_HTTP, "rerank", *TEXTS, *args], capture_output=True, check=False, timeout=60
        )
        assert ended.returncode == code
        if code:
            assert ended.stderr == b"Error: the client needs httpx and anyio: pip install 'rerank-unify[http]'\n"


def test_the_client_is_imported_when_it_is_needed() -> None:
    code = (
        "import sys\nfrom rerank_unify.cli.app import app\n"
        "print([name for name in ('rerank_unify.client', 'httpx', 'anyio', 'rich.progress') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"


# --- limits, calls per minute and lowest scores ----------------------------------------------------------------------


def test_limits_split_and_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {**REQUEST, "documents": ["one two three " * 20, *DOCUMENTS]})
    with served(name="tei") as server:
        args = ("rerank", path, "--provider", "tei", "--base-url", server.url)
        result = run(*args, "--max-documents", "2", "--max-document-tokens", "8")
        sizes = sorted(len(call.json["texts"]) for call in server.calls)
        longest = max(len(text) for call in server.calls for text in call.json["texts"])
    assert (result.exit_code, sizes) == (0, [1, 2, 2])
    assert longest < len("one two three " * 20)
    assert "cut" in result.stderr


def test_calls_beyond_the_limit_go_to_the_next_provider(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({**REQUEST, "id": number}) for number in range(3))
    source, out = write(tmp_path / "in.jsonl", lines.encode()), tmp_path / "out.jsonl"
    with served() as server:
        args = (
            "batch",
            source,
            out,
            *over(server)[len(TEXTS) + 1 :],
            "--requests-per-minute",
            "1",
            "--fallback",
            "local",
        )
        assert run(*args).exit_code == 0
        assert len(server.calls) == 1
    responses = [json.loads(line)["response"] for line in out.read_text().splitlines()]
    assert sorted(response["model"] for response in responses).count("local-use-multilingual") == 2


def test_low_scores_are_removed(request_file: str) -> None:
    result = run("rerank", request_file, "--min-unit-score", "1", "--top-n", "4")
    assert (result.exit_code, json.loads(result.stdout)["results"]) == (0, [])
    assert result.stderr.startswith("warning: min_unit_score: 4 of 4 results removed")
    line = failed("rerank", request_file, "--min-score", "nan")
    assert line == "min_score: expected a finite number"
    for option, value in (
        ("--min-unit-score", "2"),
        ("--max-documents", "0"),
        ("--max-document-tokens", "x"),
        ("--requests-per-minute", "-1"),
    ):
        failed("rerank", request_file, option, value, code=2)
