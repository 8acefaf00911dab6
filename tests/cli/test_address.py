"""The command line's options for where a request goes: ``--url``, ``--header``, ``--auth-header``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from scripted_server import ScriptedServer
from scripted_server import respond_as as answers_of

from rerank_unify.cli.app import app

SECRET = "pa-a-key-in-the-environment"
REQUEST: dict[str, Any] = {"query": "skin", "documents": ["motor oil", "cream for skin"]}


@pytest.fixture
def request_file(tmp_path: Path) -> str:
    path = tmp_path / "request.json"
    path.write_text(json.dumps(REQUEST))
    return str(path)


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args)


def voyage() -> Any:
    return ScriptedServer(respond=answers_of("voyage"))


def test_a_whole_url_headers_and_a_key_in_another_header(request_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", SECRET)
    with voyage() as server:
        url = f"{server.url}/odd/path?version=3"
        more = ("--header", "x-team=search=1", "--header", "X-Empty=", "--auth-header", "X-Api-Key")
        args = ("rerank", request_file, "--provider", "voyage", "--url", url, *more)
        assert [run(*args).exit_code, run(*args, "--env-keys").exit_code] == [0, 0]
        without, seen = server.calls
    assert (seen.path, seen.headers["x-team"], seen.headers["x-empty"]) == ("/odd/path?version=3", "search=1", "")
    assert (seen.credentials, without.credentials) == ({"x-api-key": SECRET}, {})


def test_a_batch_takes_them_too(request_file: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with voyage() as server:
        more = ("--url", f"{server.url}/x", "--header", "x-team=search")
        ended = run("batch", request_file, str(out), "--provider", "voyage", *more)
        assert (ended.exit_code, server.calls[0].headers["x-team"]) == (0, "search")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--url", "http://a", "--base-url", "http://b"), "--base-url and --url exclude each other"),
        (("--header", "no-value"), "'no-value': expected NAME=VALUE"),
        (("--header", "=value"), "expected NAME=VALUE"),
        (("--provider", "local", "--url", "http://a"), "--url is for providers over HTTP; local ranks in this process"),
        (("--provider", "local", "--header", "a=b"), "--header is for providers over HTTP"),
        (("--provider", "local", "--auth-header", "a"), "--auth-header is for providers over HTTP"),
    ],
)
def test_a_wrong_address_is_a_wrong_command_line(request_file: str, options: tuple[str, ...], expected: str) -> None:
    ended = run("rerank", request_file, "--provider", "voyage", *options)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert expected in " ".join(ended.stderr.split())


def test_a_header_that_http_does_not_allow_is_one_line(request_file: str) -> None:
    ended = run(
        "rerank", request_file, "--provider", "voyage", "--url", "http://127.0.0.1:1", "--header", f"a b={SECRET}"
    )
    assert (ended.exit_code, ended.stderr.count("\n")) == (1, 1)
    assert "headers: a name has a character that HTTP does not allow" in ended.stderr
    assert SECRET not in ended.stderr


def test_explain_takes_them_too(request_file: str) -> None:
    more = ("--url", "http://gpu:9997/odd", "--header", "x-team=search")
    ended = run("explain", request_file, "--provider", "voyage", *more)
    assert json.loads(ended.stdout)["url"] == "http://gpu:9997/odd"
    wrong = run("explain", request_file, "--provider", "voyage", *more, "--base-url", "http://a")
    assert wrong.exit_code == 2


@pytest.mark.parametrize("command", [("rerank",), ("explain",), ("convert", "request", "--from", "jina")])
def test_an_unknown_name_in_provider_options_is_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({**REQUEST, "provider_options": {"voyag": {"x": 1}}}))
    place = "--to" if command[0] == "convert" else "--provider"
    ended = run(*command, str(path), place, "cohere" if command[0] != "rerank" else "local")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "provider_options.voyag: no provider is called 'voyag'; did you mean 'voyage'?" in ended.stderr
