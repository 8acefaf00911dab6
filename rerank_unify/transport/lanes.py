"""Connections for the synchronous sender that are known before their use, so that a call can be ended from outside.

A pool of httpx reports the connection of a call only with the response headers, and a server may drip these for ever.
Here each connection has its transport, and the connection that was used last is taken first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Any, Final

import httpx

from .base import MADE, MAX_IDLE, REUSED

_ONE: Final = httpx.Limits(max_connections=1, max_keepalive_connections=1)


class Lanes(httpx.BaseTransport):
    """A transport with one connection per call. Safe under threads."""

    def __init__(self) -> None:
        self._ssl = httpx.create_ssl_context()
        self._lock = Lock()
        self._idle: dict[tuple[str, str, int | None], list[_Lane]] = {}
        self._closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send over an idle connection to the same origin, else over a new connection."""
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
        """Close the idle connections; a connection in use closes after its call."""
        with self._lock:
            self._closed = True
            lanes = [lane for idle in self._idle.values() for lane in idle]
            self._idle.clear()
        for lane in lanes:
            lane.transport.close()


class _Lane:
    """A connection, opened again after it was closed."""

    def __init__(self, ssl: Any) -> None:
        self.transport = httpx.HTTPTransport(verify=ssl, limits=_ONE)
        self._connection: Any = None

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send, and report the connection to the request's trace."""
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
    """A response body that returns its connection at its end."""

    def __init__(self, body: Any, give_back: Callable[[], None]) -> None:
        self._body, self._give_back = body, give_back

    def __iter__(self) -> Iterator[bytes]:
        yield from self._body

    def close(self) -> None:
        """Close the body; a connection whose body was read to its end may be used again."""
        try:
            self._body.close()
        finally:
            self._give_back()
