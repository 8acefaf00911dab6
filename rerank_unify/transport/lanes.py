"""Connections for the synchronous sender, each known before it is used, so that any call can be ended from outside.

A pool of httpx's tells which connection a call goes over only with the answer's headers, and a server may drip these
for ever. Here each connection has a transport of its own, and the one that was used last is taken first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Any, Final

import httpx

from .httpx import MADE, MAX_IDLE, REUSED

_ONE: Final = httpx.Limits(max_connections=1, max_keepalive_connections=1)


class Lanes(httpx.BaseTransport):
    """A transport over such connections. Safe under threads."""

    def __init__(self) -> None:
        self._ssl = httpx.create_ssl_context()
        self._lock = Lock()
        self._idle: dict[tuple[str, str, int | None], list[_Lane]] = {}
        self._closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send over an idle connection to the same origin, else over a new one."""
        origin = (request.url.scheme, request.url.host, request.url.port)
        with self._lock:
            idle = self._idle.get(origin)
            lane = idle.pop() if idle else None
        lane = lane or _Lane(self._ssl)

        def give_back() -> None:
            with self._lock:
                idle_lanes = self._idle.setdefault(origin, [])
                if len(idle_lanes) < MAX_IDLE and not self._closed:
                    idle_lanes.append(lane)
                    return
            lane.transport.close()

        try:
            response = lane.send(request)
        except BaseException:
            give_back()
            raise
        response.stream = _Stream(response.stream, give_back)
        return response

    def close(self) -> None:
        """Close the idle connections; each other one closes after its call."""
        with self._lock:
            self._closed = True
            lanes = [lane for idle in self._idle.values() for lane in idle]
            self._idle.clear()
        for lane in lanes:
            lane.transport.close()


class _Lane:
    """One connection, made anew where it was closed."""

    def __init__(self, ssl: Any) -> None:
        self.transport = httpx.HTTPTransport(verify=ssl, limits=_ONE)
        self._connection: Any = None

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send, and tell the request's own trace which connection it is."""
        notify: Callable[[str, Mapping[str, Any]], None] = request.extensions["trace"]

        def trace(event: str, about: Mapping[str, Any]) -> None:
            if event in MADE:
                self._connection = about["return_value"]
            notify(event, about)

        if self._connection is not None:
            notify(REUSED, {"return_value": self._connection})
        request.extensions = {**request.extensions, "trace": trace}
        return self.transport.handle_request(request)


class _Stream(httpx.SyncByteStream):
    """An answer's body, after which its connection is given back."""

    def __init__(self, body: Any, give_back: Callable[[], None]) -> None:
        self._body, self._give_back = body, give_back

    def __iter__(self) -> Iterator[bytes]:
        yield from self._body

    def close(self) -> None:
        """Close the body; the connection may be used again where all was read."""
        try:
            self._body.close()
        finally:
            self._give_back()
