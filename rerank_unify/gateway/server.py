"""Serve the gateway with Granian: ``rerank-unify serve``.

The first process reads the settings, reserves the port and watches the workers. A worker is a process with one event
loop that runs the app; hyper parses HTTP in a thread beside that loop.
"""

from __future__ import annotations

import gc
import json
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext, suppress
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

    from .app import Gateway

LOG: Final = logging.getLogger("rerank_unify.gateway")
COUNTERS: Final = "PROMETHEUS_MULTIPROC_DIR"


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
        # Its lines go to the handlers of the root logger; without a configuration it writes to stdout.
        "log_dictconfig": {"version": 1, "incremental": True, "handlers": {}, "loggers": {"_granian": {}}},
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
    configure_logging()
    if sys.platform == "linux":
        # Workers share the memory of what is imported here. Elsewhere fork is not safe, and Python's default is used.
        multiprocessing.set_start_method("fork", force=True)
    counters = TemporaryDirectory(prefix="rerank-unify-") if settings.workers > 1 else nullcontext()
    with reserve_port(settings) as reserved, counters as directory:
        if directory is not None:
            os.environ[COUNTERS] = directory
        host, port = reserved.getsockname()[:2]
        server = Server(
            "rerank_unify.gateway",  # named in Granian's messages; the loader creates the app
            address=host,
            port=port,
            workers=settings.workers,
            log_level=LogLevels.warning,
            respawn_failed_workers=True,
            workers_kill_timeout=ceil(settings.drain_seconds),
            **http_options(),
        )
        gateway = create_app(settings).state.gateway  # wrong settings are reported once, and not by each worker
        gateway.warm()
        Thread(target=_announce, args=(gateway, host, port), daemon=True).start()
        server.serve(target_loader=partial(load_app, settings.model_dump_json()), wrap_loader=False)


def configure_logging() -> None:
    """Write lines of INFO and above to stderr."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.INFO)  # libraries such as bm25s set their loggers to DEBUG
    line = "%(asctime)s %(levelname)s %(name)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=line, handlers=[handler])


def load_app(settings_json: str) -> ASGIApp:
    """Create the app in a worker, from the settings that the first process read. They hold no key of a provider."""
    # A fork has the handler of the first process, which does nothing here.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform != "win32":
        os.setsid()  # Ctrl-C reaches the first process alone, which ends the workers in order
    configure_logging()
    Thread(target=_end_with_parent, daemon=True).start()
    _drop_gauges_of_dead_workers()
    LOG.info("worker %d starts", os.getpid())
    app = check_heads(create_app(GatewaySettings.model_validate_json(settings_json)))
    # A full collection stops every running request, for what the app holds for good. It is left out of collections, and
    # those of the rest are rarer: few objects of a request are in a cycle.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    return app


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
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with ExitStack() as on_error:
            reserved = on_error.enter_context(socket.socket(family))
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(address)
            # After the bind: set before, a second gateway on this port would share its connections unnoticed.
            if sys.platform != "win32":
                reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            on_error.pop_all()
            return reserved
    except OSError as error:
        reason = (error.strerror or type(error).__name__).partition(" (")[0]
        message = f"cannot listen on {settings.host}:{settings.port}: {reason}"
        raise InvalidRequestError(message, field="port") from None


def _announce(gateway: Gateway, host: str, port: int) -> None:
    """Log the lines of `start_up_lines` once a worker accepts connections."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    while True:
        with suppress(OSError), socket.create_connection((reachable, port)):
            break
        time.sleep(0.05)
    url, local_url = (
        f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}" for name in (host, reachable)
    )
    LOG.info("running on %s", url)
    for line in start_up_lines(gateway, local_url):
        LOG.info(line)


def start_up_lines(gateway: Gateway, url: str) -> Iterator[str]:
    """Yield what is served, who may send requests, and a command to try it."""
    settings, router = gateway.settings, gateway.router
    if router.offline:
        yield "no key of any provider is set: local ranks, for every model name"
    else:
        yield f"providers with a key: {', '.join(router.keyed) or 'none'}"
    for name, route in settings.models.items():
        yield f"model {name}: {', '.join(target.provider for target in route.targets)}"
    if not settings.keys:
        yield f"no gateway keys are set: every client that reaches {settings.host} may send requests"
    body: dict[str, Any] = {"query": "skin", "documents": ["motor oil", "skin cream"]}
    if not router.has_default_chain:
        body = {"model": next(iter(settings.models), "NAME"), **body}
    key = " -H 'authorization: Bearer KEY'" if settings.keys else ""
    yield f"try: curl {url}/v1/rerank{key} -H 'content-type: application/json' -d {quote(json.dumps(body))}"


def _end_with_parent() -> None:
    """Drain a worker whose first process was killed: it would hold the port for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _drop_gauges_of_dead_workers() -> None:
    """Forget the running requests of workers that were killed. Their counters stay."""
    from prometheus_client import multiprocess

    for file in Path(os.environ.get(COUNTERS, os.devnull)).glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another worker that starts does the same
                multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # pyright: ignore[reportUnknownMemberType]


def _exit(*_: object) -> None:
    sys.exit(0)
