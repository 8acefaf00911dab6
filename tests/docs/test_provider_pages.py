"""The pages of docs/providers are what the declarations say, and their commands send what the library sends."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from scripted_server import Play, ScriptedServer, Seen

import rerank_unify as ru
from rerank_unify.declaration import HttpRequest, Oci

PAGES: Final = Path(__file__).parents[2] / "docs" / "providers"
SCRIPT: Final = runpy.run_path(str(PAGES.parent / "provider_pages.py"))
COMMANDS: Final = {
    name: found[1]
    for page in PAGES.glob("*.md")
    for name, section in re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page.read_text(encoding="utf-8"), re.M | re.S)
    for found in re.finditer(r"^```sh\n(.*?)\n```", section, re.M | re.S)
}
TOKEN: Final = "eyJhbGciOi.a.b"
# `oci` and `gcloud` stand in for the vendors' tools. The option makes curl call the test's server in place of another.
FUNCTIONS: Final = """
curl() { command curl --connect-to "::127.0.0.1:$SERVER_PORT" "$@"; }
gcloud() { [ "$*" = "auth print-access-token" ] && printf %s "$GCLOUD_TOKEN"; }
oci() { printf '%s\\0' "$@"; }
"""

curl = shutil.which("curl")
needs_tools = pytest.mark.skipif(
    curl is None or shutil.which("jq") is None, reason="the commands of the pages need curl and jq"
)


def test_the_pages_are_what_the_script_makes() -> None:
    made = SCRIPT["pages"]()
    assert {page.name for page in PAGES.glob("*.md")} == set(made)
    for name, text in made.items():
        assert (PAGES / name).read_text(encoding="utf-8") == text, "python docs/provider_pages.py"


def test_each_provider_is_in_one_family() -> None:
    listed = [name for *_, names in SCRIPT["FAMILIES"] for name in names.split()]
    assert sorted(listed) == ru.provider_names()


def test_each_provider_but_those_of_this_process_has_a_command() -> None:
    assert set(COMMANDS) == {name for name in ru.provider_names() if ru.provider(name).sender is None}


def test_the_overview_names_each_page() -> None:
    overview = (PAGES.parent / "providers.md").read_text(encoding="utf-8")
    assert all(f"](providers/{page.name})" in overview for page in PAGES.glob("*.md"))


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    exchanged = Play(body={"access_token": TOKEN, "expires_in": 3600})
    with ScriptedServer({"/identity/token": [exchanged], "/oauth/2.0/token": [exchanged]}) as listening:
        yield listening


def environment(provider: ru.Provider) -> dict[str, str]:
    """Return a value for each variable that a command of the provider may use."""
    names = [*provider.env, *provider.endpoint.part_variables.values(), *provider.option_variables.values()]
    return {name: f"{name.lower().replace('_', '-')}-0a" for name in (*names, "API_KEY", "COMPARTMENT_ID")}


def run(command: str, environ: Mapping[str, str], server: ScriptedServer) -> str:
    """Run a command in a shell; what it sends goes to the server, in clear text."""
    port = str(urlsplit(server.url).port)
    ended = subprocess.run(
        ["/bin/sh", "-euc", FUNCTIONS + command.replace("https://", "http://")],
        env={
            "PATH": "/usr/bin:/bin:/usr/local/bin",
            "SERVER_PORT": port,
            "GCLOUD_TOKEN": TOKEN,
            "NO_PROXY": "*",
            **environ,
        },
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    return ended.stdout.decode()


def expected(provider: ru.Provider, environ: Mapping[str, str], now: float, *, sign: bool = True) -> HttpRequest:
    """Return what the library sends with the same keys."""
    model = None if provider.default_model else SCRIPT["MODEL"]
    url = provider.endpoint.template(model or provider.default_model or "")
    for part, variable in provider.endpoint.part_variables.items():
        url = url.replace(f"{{{part}}}", environ[variable])
    options = {
        name: environ[provider.option_variables.get(name, "COMPARTMENT_ID")] for name in provider.required_options[:1]
    }
    target = ru.Target(provider, model, url=url if provider.endpoint.needs_base_url else None, options=options or None)
    request = ru.provider("jina").decode_request(SCRIPT["REQUEST"])
    command = COMMANDS[provider.name]
    key = TOKEN if re.search(r"[$]TOKEN|gcloud", command) else provider.key(environ)
    key = environ["API_KEY"] if "$API_KEY" in command else key
    if not provider.auth.required:
        key = None
    call = ru.Attempt(0, target, None, model).prepare(request, api_key=key)
    return call.sign(key, now).http if sign else call.http


def compare(seen: Seen, http: HttpRequest, *, without: frozenset[str] = frozenset()) -> None:
    parts = urlsplit(http.url)
    assert (seen.method, seen.path) == (http.method, f"{parts.path}{f'?{parts.query}' if parts.query else ''}")
    assert seen.headers["host"] == parts.netloc
    assert seen.body == http.content
    # What curl and the library write for themselves.
    plain = {"user-agent", "accept", "content-length", "host"} | without
    assert {name: value for name, value in seen.headers.items() if name not in plain} == {
        name: value for name, value in http.headers.items() if name not in plain
    }


@needs_tools
@pytest.mark.parametrize("name", sorted(name for name in COMMANDS if not isinstance(ru.provider(name).auth, Oci)))
def test_a_command_sends_what_the_library_sends(name: str, server: ScriptedServer) -> None:
    provider, before = ru.provider(name), len(server.calls)
    environ = environment(provider)
    run(COMMANDS[name], environ, server)
    *exchanges, seen = server.wait_calls(before + 1)[before:]
    date = seen.headers.get("x-amz-date")
    now = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp() if date else 0.0
    http = expected(provider, environ, now)
    signs_wrongly = "signs this path wrongly" in COMMANDS[name] and curl_version() < (8, 9)
    compare(seen, http, without=frozenset(("authorization",)) if signs_wrongly else frozenset())
    if provider.name == "sie":
        assert seen.headers["accept"] == "application/json"
    if exchanges:
        compare_exchange(exchanges, provider, environ)


def compare_exchange(seen: list[Seen], provider: ru.Provider, environ: Mapping[str, str]) -> None:
    (exchange,) = seen
    key = provider.key(environ)
    http = provider.auth.token_request(key, 0.0)
    assert http is not None
    parts = urlsplit(http.url)
    assert (exchange.method, exchange.path) == ("POST", f"{parts.path}{f'?{parts.query}' if parts.query else ''}")
    assert sorted(exchange.body.decode().split("&")) == sorted(http.content.decode().replace("%3A", ":").split("&"))


def curl_version() -> tuple[int, ...]:
    """Return the version of curl that is installed."""
    shown = subprocess.run(["/usr/bin/env", "curl", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, shown.split()[1].split(".")[:2]))


@needs_tools
def test_the_command_of_oracles_tool_has_the_url_and_the_body(server: ScriptedServer) -> None:
    provider = ru.provider("oci")
    environ = environment(provider)
    arguments = run(COMMANDS["oci"], environ, server).split("\0")[:-1]
    assert arguments[0] == "raw-request"
    given = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    http = expected(provider, environ, 0.0, sign=False)
    assert given == {
        "--http-method": "POST",
        "--target-uri": http.url.replace("https://", "http://"),
        "--request-body": http.content.decode(),
    }
