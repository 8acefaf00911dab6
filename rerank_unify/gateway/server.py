"""Serve the gateway with Granian: ``rerank-unify serve``.

The first process reads the settings, reserves the port and watches the workers. A worker is a process with one event
loop that runs the app; hyper parses HTTP in a thread beside that loop.
"""

from __future__ import annotations

import json
import logging
import logging.config
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from math import ceil
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server
from starlette.responses import PlainTextResponse

from ..errors import InvalidRequestError
from .app import create_app
from .settings import GatewaySettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOG: Final = logging.getLogger("rerank_unify.gateway")
COUNTERS: Final = "PROMETHEUS_MULTIPROC_DIR"
LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "level": "INFO",  # bm25s sets its logger to DEBUG
            "stream": "ext://sys.stderr",
        }
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"_granian": {}},  # without this entry Granian adds a handler that writes to stdout
}
"""Logging of all processes: lines of INFO and above go to stderr."""


def http_options() -> dict[str, Any]:
    """Return Granian's options for HTTP: HTTP/1.1 alone, and limits on heads and connections of one worker."""
    return {
        "interface": Interfaces.ASGI,
        "http": HTTPModes.http1,
        "websockets": False,
        "http1_settings": HTTP1Settings(
            # Hyper has one time limit for a head and for an idle connection. It is longer than the 60 seconds of
            # common load balancers, which must be the side that closes an idle connection.
            header_read_timeout=75_000,  # milliseconds
            max_buffer_size=64 * 2**10,  # bytes of a head
        ),
        "backlog": 2048,
        "backpressure": 8192,  # open connections of one worker; further ones wait in the backlog
    }


def serve(settings: GatewaySettings) -> None:
    """Serve until SIGTERM or SIGINT, then finish running requests within ``drain_seconds``. For the main thread alone.

    Raises:
        InvalidRequestError: the address cannot be bound, other machines could reach the gateway without a key, or a
            target has no key.
        MissingExtraError: no provider has a key, and the packages of `local` are not installed.
    """
    signal.signal(signal.SIGTERM, _exit)  # until Granian handles it
    settings.checked_host()
    logging.config.dictConfig(LOGGING)
    if sys.platform == "linux":
        # Workers share the memory of what is imported here. Elsewhere fork is not safe, and Python's default is used.
        multiprocessing.set_start_method("fork", force=True)
    with reserve_port(settings) as reserved, _counters(settings.workers):
        host, port = reserved.getsockname()[:2]
        server = Server(
            "rerank_unify.gateway",  # named in Granian's messages; the loader creates the app
            address=host,
            port=port,
            workers=settings.workers,
            log_level=LogLevels.warning,
            log_dictconfig=LOGGING,
            respawn_failed_workers=True,
            workers_kill_timeout=ceil(settings.drain_seconds),
            **http_options(),
        )
        app = create_app(settings)  # wrong settings and missing packages are reported once, and not by each worker
        app.state.gateway.warm()
        Thread(target=_announce, args=(settings, app.state.gateway.router, reserved), daemon=True).start()
        server.serve(target_loader=partial(load_app, settings.model_dump_json()), wrap_loader=False)


def load_app(settings_json: str) -> ASGIApp:
    """Create the app in a worker, from the settings that the first process read. They hold no key of a provider."""
    # A fork has the handler of the first process, which does nothing here.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform != "win32":
        os.setsid()  # Ctrl-C reaches the first process alone, which ends the workers in order
    Thread(target=_end_with_parent, daemon=True).start()
    _drop_gauges_of_dead_workers()
    LOG.info("worker %d starts", os.getpid())
    return check_heads(create_app(GatewaySettings.model_validate_json(settings_json)))


def check_heads(app: ASGIApp) -> ASGIApp:
    """Refuse with 400 heads that hyper accepts and no client sends.

    An HTTP/1.1 request without exactly one Host header (RFC 9112, section 3.2), and a path with a line break, which
    Starlette takes for the path without it.
    """

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        reason = _wrong_head(scope) if scope["type"] == "http" else None
        if reason is None:
            await app(scope, receive, send)
        else:
            await PlainTextResponse(f"{reason}\n", 400, {"connection": "close"})(scope, receive, send)

    return checked


def _wrong_head(scope: Scope) -> str | None:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    # Granian adds an empty Host header where there is none.
    if scope["http_version"] == "1.1" and (len(hosts) != 1 or not hosts[0]):
        return "host: expected one Host header"
    return "path: expected no line break" if "\n" in scope["path"] or "\r" in scope["path"] else None


def reserve_port(settings: GatewaySettings) -> socket.socket:
    """Bind the address, so that port 0 has a number and a used port is refused; then let workers bind it too.

    Raises:
        InvalidRequestError: the address cannot be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        reserved = socket.socket(family, kind, protocol)
        try:
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(address)
            # After the bind: set before, a second gateway on this port would share its connections unnoticed.
            if sys.platform != "win32":
                reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError:
            reserved.close()
            raise
    except OSError as error:
        reason = (error.strerror or type(error).__name__).partition(" (")[0]
        message = f"cannot listen on {settings.host}:{settings.port}: {reason}"
        raise InvalidRequestError(message, field="port") from None
    return reserved


@contextmanager
def _counters(workers: int) -> Generator[None]:
    """Give several workers a directory in which they share their counters."""
    if workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="rerank-unify-") as directory:
        os.environ[COUNTERS] = directory
        yield


def _announce(settings: GatewaySettings, router: Any, reserved: socket.socket) -> None:
    """Log where the gateway listens, once a worker accepts connections, what it serves, and a command to try it."""
    host: str = reserved.getsockname()[0]
    port: int = reserved.getsockname()[1]
    reachable: str = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    while not _accepts(reserved.family, reachable, port):
        time.sleep(0.05)
    LOG.info("running on %s", _url(host, port))
    if router.offline:
        LOG.warning("no key of any provider is set: local ranks by word overlap, for every model name")
    else:
        LOG.info("keys for %s; models %s", ", ".join(router.keyed) or "none", ", ".join(settings.models) or "by name")
    if not settings.keys:
        LOG.info("no gateway keys are set: every client that reaches %s may send requests", settings.host)
    body: dict[str, Any] = {"query": "skin", "documents": ["motor oil", "skin cream"]}
    names = list(settings.models) or ([name for name, _ in router.names] if settings.default == "none" else [])
    content = quote(json.dumps({"model": names[0], **body} if names else body))
    key = " -H 'authorization: Bearer KEY'" if settings.keys else ""
    LOG.info("try: curl %s/v1/rerank%s -H 'content-type: application/json' -d %s", _url(reachable, port), key, content)


def _accepts(family: int, host: str, port: int) -> bool:
    with socket.socket(family) as probe:
        return probe.connect_ex((host, port)) == 0


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _end_with_parent() -> None:
    """Drain a worker whose first process was killed: it would hold the port for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _drop_gauges_of_dead_workers() -> None:
    """Forget the running requests of workers that were killed. Their counters stay."""
    for file in Path(os.environ.get(COUNTERS, os.devnull)).glob("gauge_live*_*.db"):
        with suppress(FileNotFoundError):  # another worker that starts does the same
            if not _runs(int(file.stem.rpartition("_")[2])):
                file.unlink()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _exit(*_: object) -> None:
    sys.exit(0)
