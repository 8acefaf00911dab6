"""The official SDKs as clients of a gateway: what they raise for its errors, and for the errors of providers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from . import _page
from ._gateway import (
    CLIENTS,
    PATIENCE,
    Play,
    ScriptedServer,
    Served,
    every_client,
    left_open,
    needed,
    no_server_listens,
    rank,
)

pytestmark = pytest.mark.interop

BODY_BYTES: Final = 50_000


@dataclass(frozen=True)
class Failure:
    """One failure, and what an SDK must raise for it.

    Attributes:
        wrong: the row of the page's table that names the exceptions.
        status: the HTTP status that the SDK gets.
        message: a part of the message that the SDK gets.
        changes: fields of the request that differ from a good request.
        play: what the provider does; None where the provider is not called.
        voyage: the status for Voyage's dialect, if it differs.
        route: further settings of the target.
    """

    wrong: str
    status: int
    message: str
    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    play: Play | None = None
    voyage: int | None = None
    route: dict[str, Any] = field(default_factory=dict[str, Any])


REFUSED: Final = "the provider rejects the gateway's key, is unreachable, or its response is invalid"
HIDDEN: Final = "the gateway's credentials were not accepted upstream"
LIMIT: Final = "Request rate limit exceeded: 501/500 requests per minute."
TOP_N: Final = "Validation error: 'body -> top_n' Input should be less than or equal to 3."
FAILURES: Final = {
    "empty query": Failure("the request", 400, "query: ", {"query": ""}),
    "no documents": Failure("the request", 400, "documents: ", {"documents": []}),
    "the provider's own 422": Failure("the request", 400, TOP_N, play=Play(status=422, body={"detail": TOP_N})),
    "unknown model": Failure(
        "a model that no configured provider serves",
        404,
        "model: no configured provider serves 'unknown-model'",
        {"model": "unknown-model"},
        voyage=400,
    ),
    "too large": Failure(
        "a body that is too large",
        413,
        f"the body has more than {BODY_BYTES:,} bytes",
        {"documents": ["a" * BODY_BYTES]},
    ),
    "rate limit": Failure(
        "the provider's rate limit",
        429,
        LIMIT,
        play=Play(status=429, headers={"retry-after": "0"}, body={"detail": LIMIT, "code": "RATE_REQUEST_LIMIT"}),
    ),
    "broken": Failure(
        "the provider failed", 500, "An unexpected error", play=Play(status=500, body={"detail": "An unexpected error"})
    ),
    "its key is wrong": Failure(REFUSED, 502, HIDDEN, play=Play(status=401, body={"detail": "Invalid API key."})),
    "its key may not": Failure(REFUSED, 502, HIDDEN, play=Play(status=403, body={"detail": "No balance."})),
    "nonsense": Failure(REFUSED, 502, "the response is not JSON", play=Play(how="html")),
    "a list of errors": Failure(
        "the request", 400, "no such", play=Play(status=422, body={"detail": [{"msg": "no such"}]})
    ),
    "hung up": Failure(REFUSED, 502, "the connection", play=Play(how="reset")),
    "busy": Failure(
        "the provider or the gateway is overloaded",
        503,
        "Service temporarily unavailable.",
        play=Play(status=503, body={"detail": "Service temporarily unavailable."}),
    ),
    "slow": Failure("the provider is too slow", 504, "0.2 s", play=Play(delay=3600), route={"timeout": 0.2}),
}


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    """Each SDK gets its own gateway: after too many failures the breaker closes a route for a while."""
    name: str = request.param
    needed(name)
    return name


@pytest.fixture(scope="module")
def failing(bare: None, client: str) -> Iterator[str]:
    """A gateway with a route to each kind of failure."""
    script = {f"/{name}/v1/rerank": [one.play] for name, one in _routes().items() if one.play is not None}
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("INTEROP_KEY", "provider-key-0123456789")
        server = stack.enter_context(ScriptedServer(script))
        target = {"provider": "jina", "key_env": "INTEROP_KEY"}
        models = {
            name: {"targets": [{**target, "base_url": f"{server.url}/{name}", **one.route}]}
            for name, one in _routes().items()
        }
        models["good"] = {"targets": [{"provider": "local"}]}
        models["unreachable"] = {"targets": [{**target, "base_url": no_server_listens()}]}
        limits = {"body_bytes": BODY_BYTES}
        config = {"models": models, "unknown_model": "reject", "upstream": {"retries": 0}, "limits": limits}
        yield stack.enter_context(Served(config)).url


def _routes() -> dict[str, Failure]:
    """Return the failures that a provider causes, by a name that is valid in a path."""
    return {name.replace(" ", "-").replace("'", ""): one for name, one in FAILURES.items() if one.play is not None}


def _model_of(name: str) -> str:
    route = name.replace(" ", "-").replace("'", "")
    return route if FAILURES[name].play is not None else "good"


# --- what the SDKs raise ---------------------------------------------------------------------------------------------


def caught(client: str, url: str, **changes: Any) -> Exception:
    """Return what the SDK raises, and check that it can be printed."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which, is what the caller looks at
        rank(client, url, **changes)
    assert str(raised.value)
    assert repr(raised.value)
    return raised.value


def assert_error(client: str, error: Any, wrong: str, status: int, message: str) -> None:
    """Assert that the SDK raises the class that the page names, with our message in it."""
    family = "cohere" if CLIENTS[client].startswith("cohere") else CLIENTS[client]
    if family == "xinference":
        assert type(error) is RuntimeError
        assert message in str(error)
        return
    row = _page.errors()[wrong]
    error_class = row.cohere if family == "cohere" else row.voyageai
    assert (type(error).__name__, _status(error)) == (error_class, status), error
    if family == "cohere":
        assert message in error.body["message"]
        assert message in str(error)
    else:
        # From 500 on the SDK writes another message; ours is in the body.
        assert message in (str(error) if status < 500 else error.http_body)


def _status(error: Any) -> int:
    """Return the HTTP status; the SDKs name it differently."""
    found: int = error.status_code if hasattr(error, "status_code") else error.http_status
    return found


@pytest.mark.parametrize("name", FAILURES)
def test_the_sdk_raises_its_class_for_each_failure(failing: str, client: str, name: str) -> None:
    failure = FAILURES[name]
    error = caught(client, failing, **{"model": _model_of(name), **failure.changes})
    status = failure.voyage if failure.voyage is not None and CLIENTS[client] == "voyage" else failure.status
    assert_error(client, error, failure.wrong, status, failure.message)


def test_a_provider_that_cannot_be_reached(failing: str, client: str) -> None:
    error = caught(client, failing, model="unreachable")
    assert_error(client, error, REFUSED, 502, "no connection")
    assert "127.0.0.1" not in f"{error}{getattr(error, 'http_body', '')}{getattr(error, 'body', '')}"


def test_the_sdk_gets_retry_after(failing: str, client: str) -> None:
    error: Any = caught(client, failing, model="rate-limit")
    if CLIENTS[client] != "xinference":  # it keeps no headers
        assert error.headers["retry-after"] == "0"


@every_client
def test_retries_of_an_sdk_and_of_the_gateway_do_not_multiply(bare: None, client: str) -> None:
    """Cohere's SDK makes three calls for one 429, the other SDKs one; the gateway adds none."""
    limited = Play(status=429, headers={"retry-after": "1"}, body={"detail": LIMIT})
    with ScriptedServer([limited]) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTEROP_KEY", "provider-key-0123456789")
        target = {"provider": "jina", "base_url": server.url, "key_env": "INTEROP_KEY"}
        with Served({"models": {"m": {"targets": [target]}}}) as served:
            caught(client, served.url)
        assert 1 <= len(server.calls) <= 3


@every_client
def test_the_gateways_key_is_wrong(bare: None, locked: str, client: str) -> None:
    error = caught(client, locked, key="ru-of-another-team")
    assert_error(client, error, "the gateway's key", 401, "unknown API key")


@every_client
def test_a_body_larger_than_the_socket_buffer_is_refused_with_a_message(offline: str, client: str) -> None:
    """The gateway refuses by the length alone, while the client still sends."""
    with left_open():
        error = caught(client, offline, documents=["a" * 2**20] * 9)
        assert_error(client, error, "a body that is too large", 413, "the body has more than 8,388,608 bytes")
        del error


@every_client
def test_the_gateway_is_full(bare: None, client: str) -> None:
    """One request uses the only slot; the next request gets 503."""
    with ScriptedServer([Play(delay=3600)]) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTEROP_KEY", "provider-key-0123456789")
        target = {"provider": "jina", "base_url": server.url, "key_env": "INTEROP_KEY"}
        config = {"models": {"m": {"targets": [target]}}, "limits": {"concurrency": 1}}
        with Served({**config, "drain_seconds": 1}) as served, _under_way(served.url, server):
            error = caught(client, served.url)
            assert_error(client, error, "the provider or the gateway is overloaded", 503, "busy")


class _under_way:  # noqa: N801 - used as a function
    """A request that waits for its provider, between ``with`` and its end."""

    def __init__(self, url: str, server: ScriptedServer) -> None:
        self._url, self._server = url, server

    def __enter__(self) -> None:
        host, _, port = self._url.removeprefix("http://").partition(":")
        self._socket = socket.create_connection((host, int(port)), PATIENCE)
        body = b'{"model": "m", "query": "q", "documents": ["d"]}'
        head = f"POST /v1/rerank HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        self._socket.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        self._server.wait_calls(1)

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def test_the_key_is_missing(locked: str) -> None:
    """Only Xinference's client can send no key."""
    module: Any = pytest.importorskip("xinference_client")
    made = module.RESTfulClient(f"{locked}/xinference")
    with pytest.raises(RuntimeError, match=r"no API key: send Authorization: Bearer KEY$"):
        made.get_model("m")
    made.close()
