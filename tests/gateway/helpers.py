"""What the tests of the gateway share: settings, a gateway that listens, and a client that speaks HTTP byte by byte."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from threading import Event, Thread
from typing import Any, Final

import uvicorn
from scripted.server import Play, ScriptedServer
from starlette.applications import Starlette
from starlette.testclient import TestClient
from typing_extensions import Self

from rerank_unify.gateway.app import create_app, rerank_paths
from rerank_unify.gateway.auth import hash_of
from rerank_unify.gateway.server import HeaderLimitedProtocol, options
from rerank_unify.gateway.settings import GatewaySettings
from rerank_unify.registry import provider as provider_by_name

PROVIDER_KEY: Final = "jina_0123456789abcdef"  # in UPSTREAM_KEY
KEY: Final = "ru-a-key-of-the-gateway"
LOCKED: Final[Mapping[str, Any]] = {"keys": {"tests": hash_of(KEY)}}
BODY: Final[Mapping[str, Any]] = {"model": "m", "query": "skin", "documents": ["aloe vera cream", "motor oil"]}


def plain_paths() -> dict[str, str]:
    """Paths whose dialects take `BODY`, one for each form of their errors."""
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


PROMPT: Final = 30.0  # seconds: no test of a slow machine takes so long
NEVER: Final = Play(delay=3600)  # an answer for which nobody waits


# --- settings --------------------------------------------------------------------------------------------------------


def target(server: ScriptedServer, provider: str = "jina", **more: Any) -> dict[str, Any]:
    return {"provider": provider, "base_url": server.url, "key_env": "UPSTREAM_KEY", **more}


def routed(*targets: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
    """Settings in which the model `m` leads to these targets; one try each, unless told otherwise."""
    return {"models": {"m": {"targets": targets}}, "upstream": {"retries": 0}, **settings}


def no_server_listens() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


# --- in this process, without a socket -------------------------------------------------------------------------------


@contextmanager
def client(config: Any = None) -> Generator[TestClient, None, None]:
    with TestClient(create_app(config or {}), raise_server_exceptions=False) as opened:
        yield opened


# --- over a socket ---------------------------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@contextmanager
def serving(
    config: Any = None,
    *,
    http: type[HeaderLimitedProtocol] = HeaderLimitedProtocol,
    app: Starlette | None = None,
    port: int = 0,
) -> Generator[int, None, None]:
    """A gateway that listens, as the command runs it but in a thread; its port."""
    app = app or create_app(config or {})
    uvicorn_options: dict[str, Any] = {**options(GatewaySettings()), "http": http}
    with socket.create_server(("127.0.0.1", port)) as listening:
        server = _Server(uvicorn.Config(app, **uvicorn_options))
        thread = Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            assert server.listens.wait(PROMPT)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection, spoken over byte by byte."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PROMPT)

    def head(self, path: str = "/v1/rerank", method: str = "POST", **headers: str) -> None:
        named = {"host": "test", **{name.replace("_", "-"): value for name, value in headers.items()}}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
        self.socket.sendall("\r\n".join(lines).encode("latin-1"))

    def ask(self, body: Any = BODY, path: str = "/v1/rerank", **headers: str) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.head(path, content_length=str(len(content)), **headers)
        self.socket.sendall(content)
        return self.answer()

    def chunks(self, pieces: Iterable[bytes]) -> int:
        """Send chunks until there are no more, or nobody takes them any more; how many bytes went out."""
        sent = 0
        try:
            for piece in pieces:
                self.socket.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                sent += len(piece)
            self.socket.sendall(b"0\r\n\r\n")
        except OSError:
            pass
        return sent

    def answer(self) -> Answer:
        response = HTTPResponse(self.socket)
        response.begin()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def at_end(self) -> bool:
        """Whether the other end hangs up without another byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def ask(port: int, body: Any = BODY, path: str = "/v1/rerank", **headers: str) -> Answer:
    """One request over a connection of its own."""
    with Wire(port) as wire:
        return wire.ask(body, path, **headers)
