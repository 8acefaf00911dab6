"""What the tests of the gateway share: settings, a gateway that listens, and a client that speaks HTTP byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from threading import Condition, Thread
from typing import Any, Final

from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server
from scripted_server import PATIENCE, Play, ScriptedServer
from starlette.applications import Starlette
from starlette.testclient import TestClient
from typing_extensions import Self

from rerank_unify.gateway.app import create_app, rerank_paths
from rerank_unify.gateway.auth import hash_of
from rerank_unify.gateway.server import check_heads, http_options, reserve_port
from rerank_unify.gateway.settings import GatewaySettings
from rerank_unify.registry import provider as provider_by_name

PROVIDER_KEY: Final = "jina_0123456789abcdef"  # in UPSTREAM_KEY
KEY: Final = "ru-a-key-of-the-gateway"
LOCKED: Final[Mapping[str, Any]] = {"keys": {"tests": hash_of(KEY)}}
BODY: Final[Mapping[str, Any]] = {"model": "m", "query": "skin", "documents": ["aloe vera cream", "motor oil"]}


def plain_paths() -> dict[str, str]:
    """Return the paths whose dialects accept `BODY`, one for each form of errors, with the name of the dialect."""
    chosen: dict[Any, tuple[str, str]] = {}
    for path, name in rerank_paths().items():
        dialect = provider_by_name(name).dialect
        request, errors = dialect.request, dialect.errors
        if (request.model, request.query, request.documents.path, request.documents.wrap) == (
            *("model", "query", "documents"),
            "",
        ):
            core = name in ("jina", "cohere", "cohere-v1", "voyage", "xinference")
            form = path if core else (errors.message, errors.code, errors.bad_request, errors.is_error_body is None)
            chosen.setdefault(form, (path, name))
    return dict(chosen.values())


NEVER: Final = Play(delay=3600)  # a response that never comes


# --- settings --------------------------------------------------------------------------------------------------------


def target(server: ScriptedServer, provider: str = "jina", **more: Any) -> dict[str, Any]:
    return {"provider": provider, "base_url": server.url, "key_env": "UPSTREAM_KEY", **more}


def routed(*targets: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
    """Return settings in which the model `m` leads to these targets, without retries."""
    return {"models": {"m": {"targets": targets}}, "upstream": {"retries": 0}, **settings}


# --- in this process, without a socket -------------------------------------------------------------------------------


@contextmanager
def client(config: Any = None) -> Generator[TestClient, None, None]:
    with TestClient(create_app(config or {}), raise_server_exceptions=False) as opened:
        yield opened


# --- over a socket ---------------------------------------------------------------------------------------------------


@contextmanager
def serving(
    config: Any = None, *, heads: HTTP1Settings | None = None, app: Starlette | None = None, port: int = 0
) -> Generator[int, None, None]:
    """Serve a gateway in a thread, with the server that the command uses; yield its port."""
    app = app or create_app(config or {})
    options: dict[str, Any] = http_options() | ({} if heads is None else {"http1_settings": heads})
    with reserve_port(GatewaySettings(port=port)) as reserved:
        port = reserved.getsockname()[1]
        server = Server(check_heads(app), port=port, log_level=LogLevels.error, **options)
        loop = asyncio.new_event_loop()
        thread = Thread(target=_run, args=(loop, server))
        thread.start()
        try:
            until(lambda: not refuses(port))
            yield port
        finally:
            loop.call_soon_threadsafe(server.stop)
            thread.join()
            loop.close()


def _run(loop: asyncio.AbstractEventLoop, server: Server) -> None:
    asyncio.set_event_loop(loop)
    loop.run_until_complete(server.serve())


def refuses(port: int) -> bool:
    """Return whether nothing listens at this port of the loopback."""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE):
            return False
    except ConnectionError:
        return True


def until(true: Callable[[], bool]) -> None:
    """Wait until the condition is true."""
    condition = Condition()
    with condition:
        assert any(true() or condition.wait(0.02) for _ in range(int(PATIENCE / 0.02)))


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection on which a test writes and reads bytes."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)

    def head(self, path: str = "/v1/rerank", method: str = "POST", **headers: str) -> None:
        named = {"host": "test", **{name.replace("_", "-"): value for name, value in headers.items()}}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
        self.socket.sendall("\r\n".join(lines).encode("latin-1"))

    def rerank(self, body: Any = BODY, path: str = "/v1/rerank", **headers: str) -> Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.head(path, content_length=str(len(content)), **headers)
        self.socket.sendall(content)
        return self.response()

    def chunks(self, pieces: Iterable[bytes]) -> int:
        """Send chunks until the last one or until the other end closes; return the number of bytes sent."""
        sent = 0
        try:
            for piece in pieces:
                self.socket.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                sent += len(piece)
            self.socket.sendall(b"0\r\n\r\n")
        except OSError:
            pass
        return sent

    def response(self) -> Response:
        response = HTTPResponse(self.socket)
        response.begin()
        return Response(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def at_end(self) -> bool:
        """Return whether the other end closes the connection without another byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def rerank(port: int, body: Any = BODY, path: str = "/v1/rerank", **headers: str) -> Response:
    """Send one request over a new connection."""
    with Wire(port) as wire:
        return wire.rerank(body, path, **headers)
