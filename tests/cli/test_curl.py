"""`explain --curl`: the command line, run by a shell, sends the request. docs/providers has one for each provider."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted_server import ScriptedServer, Seen

import rerank_unify as ru
from rerank_unify.declaration import Auth, Endpoint
from rerank_unify.registry import register, unregister

from .helpers import REQUEST, failed, run, write

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the command line needs curl")
VARIABLES = (
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"),
    *("CO_API_KEY", "COHERE_API_KEY"),
    *("WATSONX_API_KEY", "WATSONX_TOKEN", "WATSONX_PROJECT_ID", "WATSONX_URL", "VOYAGE_API_KEY", "VLLM_API_KEY"),
)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def command(*args: object) -> str:
    result = run("explain", *args, "--curl")
    assert result.exit_code == 0, result.output
    return result.stdout


def sent(text: str, server: ScriptedServer, environ: Mapping[str, str] | None = None) -> Seen:
    """Run a command line in a shell that has only these variables, and return what the server gets."""
    before = len(server.calls)
    env = {"PATH": "/usr/bin:/bin:/usr/local/bin", "NO_PROXY": "*", "LC_ALL": "C.UTF-8", **(environ or {})}
    ended = subprocess.run(
        ["/bin/sh", "-eu"], input=text.encode(), env=env, capture_output=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    return server.wait_calls(before + 1)[before]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as listening:
        yield listening


TEXTS = (
    'it\'s $HOME `id` "!" \\ \\n %s {a} [b] 护肤',
    "line\nbreak\ttab\x00\x1b[31m",
    "\u202eevil\u2028 \U0001f9f4",
    "$(exit 3)",
)


@needs_curl
def test_no_text_changes_on_its_way_through_the_shell(tmp_path: Path, server: ScriptedServer) -> None:
    path = write(tmp_path / "r.json", {"query": TEXTS[0], "documents": list(TEXTS), "model": "m"})
    text = command(path, "--provider", "compatible", "--base-url", server.url)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e\u2028]", text)
    seen = sent(text, server)
    assert (seen.json["query"], seen.json["documents"]) == (TEXTS[0], list(TEXTS))
    assert (seen.method, seen.path, seen.headers["content-type"]) == ("POST", "/v1/rerank", "application/json")


@needs_curl
def test_a_body_longer_than_an_argument_may_be(tmp_path: Path, server: ScriptedServer) -> None:
    documents = ["it's long " * 20_000]
    path = write(tmp_path / "r.json", {"query": "q", "documents": documents, "model": "m"})
    seen = sent(command(path, "--provider", "compatible", "--base-url", server.url), server)
    assert seen.json["documents"] == documents
    assert len(seen.body) > 128 * 1024


@needs_curl
def test_headers_and_a_url_of_ones_own(request_file: str, server: ScriptedServer) -> None:
    url = f"{server.url}/a{{b}}[1-2]/$HOME?x='y'&z=1"
    headers = ("--header", "x-team=it's $HOME", "--header", "x-api-key=hidden-value", "--header", "x-empty=")
    text = command(request_file, "--provider", "compatible", "--url", url, *headers, "--auth-header", "x-own-key")
    assert "hidden-value" not in text
    seen = sent(text, server, {"API_KEY": "k", "X_API_KEY": "from the environment"})
    assert seen.path == url.removeprefix(server.url)
    assert {name: seen.headers[name] for name in ("x-team", "x-api-key", "x-empty", "x-own-key")} == {
        "x-team": "it's $HOME",
        "x-api-key": "from the environment",
        "x-empty": "",
        "x-own-key": "k",
    }


@needs_curl
def test_a_key_in_the_query(request_file: str, server: ScriptedServer) -> None:
    endpoint = Endpoint(f"{server.url}/rank?v=1")
    register(replace(ru.provider("compatible"), name="by-query", endpoint=endpoint, auth=Auth(query="key")))
    try:
        text = command(request_file, "--provider", "by-query")
        shown: Any = json.loads(run("explain", request_file, "--provider", "by-query").stdout)
    finally:
        unregister("by-query")
    assert shown["url"] == f"{server.url}/rank?v=1&key=…"
    seen = sent(text, server, {"API_KEY": "k1"})
    assert seen.path == "/rank?v=1&key=k1"
    assert "authorization" not in seen.headers


def test_the_variable_that_is_set_carries_the_key(request_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cohere = (request_file, "--provider", "cohere")
    assert '-H "Authorization: Bearer $CO_API_KEY"' in command(*cohere)
    monkeypatch.setenv("COHERE_API_KEY", "hidden-value")
    assert '-H "Authorization: Bearer $COHERE_API_KEY"' in command(*cohere)
    assert "Authorization" not in command(*cohere, "--base-url", "http://localhost:1")
    vllm = (request_file, "--provider", "vllm", "--model", "m")
    assert "Authorization" not in command(*vllm)
    monkeypatch.setenv("VLLM_API_KEY", "hidden-value")
    assert "$VLLM_API_KEY" in command(*vllm)
    assert "$VLLM_API_KEY" not in command(*vllm, "--base-url", "http://gpu:8000")


def test_a_key_that_chooses_the_host(request_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "https://api.voyageai.com/" in command(request_file, "--provider", "voyage")
    monkeypatch.setenv("VOYAGE_API_KEY", "al-hidden")
    assert "https://ai.mongodb.com/" in command(request_file, "--provider", "voyage")


def test_the_kinds_of_keys_of_aws(request_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bedrock = (request_file, "--provider", "bedrock-cohere")
    pair = '--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"'
    assert pair in command(*bedrock)
    assert "Security-Token" not in command(*bedrock)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "hidden-value")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    text = command(*bedrock)
    assert '-H "X-Amz-Security-Token: $AWS_SESSION_TOKEN"' in text
    assert '--aws-sigv4 "aws:amz:eu-central-1:bedrock"' in text
    assert "https://bedrock-runtime.eu-central-1.amazonaws.com/" in text
    assert text.startswith("# curl before 8.9 signs this path wrongly\n")
    assert "#" not in command(request_file, "--provider", "bedrock")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "hidden-value")
    text = command(*bedrock)
    assert '-H "Authorization: Bearer $AWS_BEARER_TOKEN_BEDROCK"' in text
    assert "aws-sigv4" not in text


@pytest.mark.parametrize(
    ("variable", "value", "header"),
    [
        ("WATSONX_TOKEN", "eyJ.hidden", "Bearer $WATSONX_TOKEN"),
        ("WATSONX_API_KEY", "ZenApiKey hidden", "$WATSONX_API_KEY"),
        ("WATSONX_API_KEY", "hidden", "Bearer $TOKEN"),
    ],
)
def test_a_key_is_exchanged_unless_it_is_a_token(
    request_file: str, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, header: str
) -> None:
    monkeypatch.setenv(variable, value)
    text = command(request_file, "--provider", "watsonx")
    assert f'-H "Authorization: {header}"' in text
    assert ("iam.cloud.ibm.com" in text) == (header == "Bearer $TOKEN")
    assert "hidden" not in text


def test_oracles_tool_gets_further_headers(request_file: str) -> None:
    headers = ("--header", "opc-request-id=r1", "--header", "x-api-key=hidden")
    text = command(request_file, "--provider", "oci", *headers)
    assert """--request-headers '{"opc-request-id": "r1", "x-api-key": "'"$X_API_KEY"'"}'""" in text
    assert '"compartmentId":"\'"$COMPARTMENT_ID"\'"' in text


def test_losses_go_to_stderr(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {**REQUEST, "documents": ["", "a"]})
    result = run("explain", path, "--provider", "voyage", "--curl")
    assert (result.exit_code, "loss" in result.stdout) == (0, False)
    assert result.stderr.startswith("loss: documents withheld")


def test_what_cannot_be_shown_as_a_command_is_a_wrong_command_line(request_file: str) -> None:
    assert "ranks in this process" in failed("explain", request_file, "--provider", "local", "--curl", code=2)
    args = ("explain", request_file, "--provider", "jina", "--curl", "--json")
    assert "--json, --brief and --curl exclude each other" in failed(*args, code=2)
