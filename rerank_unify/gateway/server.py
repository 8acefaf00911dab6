"""`rerank-unify serve`: the app under uvicorn, in one process or several."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from math import ceil
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..errors import InvalidRequestError
from .app import create_app
from .settings import GatewaySettings

if TYPE_CHECKING:
    from starlette.applications import Starlette

LOG: Final = logging.getLogger("rerank_unify.gateway")
HANDED: Final = "RERANK_UNIFY_SETTINGS_AS_READ"  # to the workers; no key stands in settings
_ACCEPTS: Final = 32  # connections that are taken in one turn of the loop
_WAITING: Final = 2048  # connections that wait to be taken
_KEEP_ALIVE: Final = 75  # seconds: longer than the 60 of the usual load balancer, which must be the one that hangs up


class HeaderLimitedProtocol(HttpToolsProtocol):
    """HTTP by uvicorn, which would wait for ever for the head of a request, and take one of any length.

    Attributes:
        seconds: in which a head must be complete, from its first byte, or from the connection for the first one.
        max_bytes: bytes of a head.
    """

    seconds: float = 30.0
    max_bytes: int = 64 * 2**10
    _waiting: asyncio.TimerHandle | None = None
    _begun = False
    _read = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait after bytes that begin no request, too; count what is read of a head."""
        super().data_received(data)
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        if cycle is None or cycle.response_complete:
            self._wait()
        self._read = self._read + len(data) if self._begun else 0
        if self._read > self.max_bytes:
            self.shutdown()

    def on_message_begin(self) -> None:
        """Wait for the next head."""
        super().on_message_begin()
        self._begun = True
        self._wait()

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._begun = False
        self._rest()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        self._rest()
        super().connection_lost(exc)

    def _wait(self) -> None:
        # `shutdown` closes, but lets an answer under way go out first.
        self._waiting = self._waiting or self.loop.call_later(self.seconds, self.shutdown)

    def _rest(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = None


def serve(settings: GatewaySettings) -> None:
    """Listen until a signal ends it; what is under way then is finished. For a process's main thread.

    Raises:
        InvalidRequestError: it would be open to other machines without a key, or a route lacks its key.
        MissingExtraError: `local` is all there is, and its packages are not installed.
    """
    # When all is done, uvicorn raises the signal again: who was asked to end, and has, succeeded.
    signal.signal(signal.SIGTERM, _end)
    settings.checked_host()
    _log()
    app = create_app(settings)  # what is wrong is told here, not by each worker
    app.state.gateway.warm()
    _announce(app, settings)
    if settings.workers == 1:
        sockets = _sockets(settings)
        _settle()
        with suppress(KeyboardInterrupt):  # by then all is done
            uvicorn.Server(uvicorn.Config(app, **options(settings))).run(sockets=sockets)
        return
    with TemporaryDirectory(prefix="rerank-unify-") as counters:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counters
        os.environ[HANDED] = settings.model_dump_json()
        uvicorn.run(f"{__name__}:handed_app", factory=True, **options(settings))


def _sockets(settings: GatewaySettings) -> list[socket.socket]:
    """Where to listen, many times over: uvloop takes one connection from each in a turn, and a turn may be long."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=_WAITING)
    except OSError as error:
        why = (error.strerror or type(error).__name__).partition(" (")[0]
        raise InvalidRequestError(f"cannot listen on {settings.host}:{settings.port}: {why}", field="port") from None
    host, port = listening.getsockname()[:2]
    LOG.info("running on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    return [listening, *(listening.dup() for _ in range(_ACCEPTS - 1))]


def _settle() -> None:
    """What is loaded stays: the garbage collector need not look at it again, nor at every few hundred new values."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _end(*_: object) -> None:
    sys.exit(0)


def options(settings: GatewaySettings) -> dict[str, Any]:
    """What uvicorn is told."""
    return {
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        "http": HeaderLimitedProtocol,
        "ws": "none",
        "access_log": False,  # its lines hold the query string; the gateway writes its own
        "log_config": None,
        "server_header": False,
        "timeout_keep_alive": _KEEP_ALIVE,
        "timeout_graceful_shutdown": ceil(settings.drain_seconds),
    }


def handed_app() -> Starlette:
    """The app in a worker, with the settings that the first process read."""
    _log()
    _settle()
    return create_app(GatewaySettings.model_validate_json(os.environ[HANDED]))


def _log() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # What the format does not show need not be found out for each line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets a level of its own, and tells of each index


def _announce(app: Starlette, settings: GatewaySettings) -> None:
    router = app.state.gateway.router
    if router.offline:
        LOG.warning("no key of any vendor is set: local ranks, whatever model is asked for")
    else:
        LOG.info("keys for %s; models %s", ", ".join(router.keyed) or "none", ", ".join(settings.models) or "by name")
    if not settings.keys:
        LOG.info("no gateway keys are set: whoever reaches %s may ask", settings.host)
