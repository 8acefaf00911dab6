"""The command line's options for where a request goes: ``--url``, ``--header``, ``--auth-header``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .helpers import REQUEST, SECRET, failed, run, served


def voyage() -> Any:
    return served(name="voyage")


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


def test_options_are_fields_of_the_body(tmp_path: Path, request_file: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({**REQUEST, "provider_options": {"voyage": {"b": 3}}}))
    options = ("--option", "project=p=1", "--option", 'a:={"n": [1, null]}', "--option", "number=7", "--option", "b:=2")
    with voyage() as server:
        address = ("--provider", "voyage", "--base-url", server.url)
        assert run("rerank", path, *address, *options).exit_code == 0
        assert run("batch", request_file, tmp_path / "out.jsonl", *address, *options).exit_code == 0
        first, second = (call.json for call in server.calls)
    assert (first["project"], first["a"], first["number"], first["b"]) == ("p=1", {"n": [1, None]}, "7", 3)
    assert (second["project"], second["b"]) == ("p=1", 2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--option", f"{SECRET}"), "expected NAME=TEXT or NAME:=JSON"),
        (("--option", f":={SECRET}"), "expected NAME=TEXT or NAME:=JSON"),
        (("--option", f"a:={SECRET}"), "a: expected JSON after :="),
        (("--header", "no-value"), "expected NAME=VALUE"),
        (("--header", "=value"), "expected NAME=VALUE"),
        (("--header", f"Authorization: Bearer {SECRET}"), "expected NAME=VALUE"),
        (("--provider", "local", "--base-url", "http://a"), "local ranks in this process: it has no URL"),
        (("--provider", "local", "--url", "http://a"), "local ranks in this process: it has no URL"),
        (("--provider", "local", "--header", "a=b"), "local ranks in this process: it has no URL and no headers"),
        (("--provider", "local", "--auth-header", "a"), "local ranks in this process: it has no URL and no headers"),
    ],
)
def test_a_wrong_address_is_a_wrong_command_line(request_file: str, options: tuple[str, ...], expected: str) -> None:
    ended = run("rerank", request_file, "--provider", "voyage", *options)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert expected in " ".join(ended.stderr.split())
    assert SECRET not in ended.stderr


@pytest.mark.parametrize("command", [("rerank",), ("explain",), ("batch", "out.jsonl")])
@pytest.mark.parametrize("option", ["--base-url", "--url"])
@pytest.mark.parametrize(
    "url", ["http://[abc", "http://secret:pass@host", "secret", "http://se cret", "http://secret:port"]
)
def test_an_error_repeats_no_part_of_a_url(
    request_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], option: str, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    line = failed(command[0], request_file, *command[1:], "--provider", "xinference", option, url)
    assert line.startswith(f"{option.removeprefix('--').replace('-', '_')}: ")
    assert not any(part in line for part in ("abc", "secret", "cret", "pass@"))


def test_a_url_and_a_base_url_exclude_each_other(request_file: str) -> None:
    for command in ("rerank", "explain"):
        args = ("--provider", "voyage", "--env-keys")[: 2 + (command == "rerank")]
        line = failed(command, request_file, *args, "--url", "http://a", "--base-url", "http://b")
        assert line == "url: it is the whole URL, so give no base_url beside it"


def test_a_header_that_http_does_not_allow_is_one_line(request_file: str) -> None:
    args = ("--provider", "voyage", "--url", "http://127.0.0.1:1", "--header", f"a b={SECRET}")
    line = failed("rerank", request_file, *args)
    assert line == "headers: a name has a character that HTTP does not allow"


def test_explain_takes_them_too(request_file: str) -> None:
    more = ("--url", "http://gpu:9997/odd", "--header", "x-team=search")
    ended = run("explain", request_file, "--provider", "voyage", *more)
    assert json.loads(ended.stdout)["url"] == "http://gpu:9997/odd"


@pytest.mark.parametrize("command", [("rerank",), ("explain",), ("convert", "request", "--from", "jina")])
def test_an_unknown_name_in_provider_options_is_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({**REQUEST, "provider_options": {"voyag": {"x": 1}}}))
    place = "--to" if command[0] == "convert" else "--provider"
    ended = run(*command, str(path), place, "cohere" if command[0] != "rerank" else "local")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "provider_options.voyag: no provider is called 'voyag'; did you mean 'voyage'?" in ended.stderr
