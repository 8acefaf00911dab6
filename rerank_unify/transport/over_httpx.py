"""Over httpx, or httpx2, its continuation, whose classes are no relations: what is caught is the given client's own."""

from __future__ import annotations

import socket
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from threading import Timer
from typing import TYPE_CHECKING, Any

from ..endpoint import HttpRequest
from ..errors import InvalidRequestError, TransportError
from ..registry import Answer
from .seam import CONNECT, MOST, Body, lost, no_connection, too_late

if TYPE_CHECKING:
    import httpx


class HttpxSender:
    """Sends over an ``httpx.Client``, which stays its owner's.

    Args:
        client: of httpx or httpx2.
        connect: seconds for a connection.
        read: seconds between two pieces of an answer; None for no limit but the whole call's.
        most: bytes of an answer that are read.

    Raises:
        InvalidRequestError: the client is none.
    """

    def __init__(
        self, client: httpx.Client, *, connect: float = CONNECT, read: float | None = None, most: int = MOST
    ) -> None:
        self._client, self._connect, self._read, self._most = client, connect, read, most
        self._library = library_of(client, "Client")
        self._watches: dict[int, _Watch] = {}

    def __call__(self, http: HttpRequest, timeout: float, /) -> Answer:
        """Send; see `Sender`."""
        body = Body(self._most, timeout)
        with self._watched(http, timeout) as watch:
            try:
                with self._client.stream(
                    http.method, http.url, headers=http.headers, content=http.content, follow_redirects=False,
                    timeout=_limits(self._library, timeout, self._connect, self._read),
                    extensions={"trace": watch.trace},
                ) as answer:  # fmt: skip
                    watch.follow(answer.extensions.get("network_stream"))
                    for chunk in answer.iter_bytes():
                        if not body.add(chunk):
                            break
                    return answer.status_code, answer.headers.multi_items(), body.whole()
            except self._library.HTTPError as error:
                raise too_late(timeout) if watch.over else _translated(self._library, error, timeout) from error

    def cancel(self, http: HttpRequest) -> None:
        """End a call that is under way in another thread: it raises there."""
        watch = self._watches.get(id(http))
        if watch is not None:
            watch.end()

    @contextmanager
    def _watched(self, http: HttpRequest, timeout: float) -> Generator[_Watch]:
        watch = self._watches[id(http)] = _Watch(timeout)
        try:
            yield watch
        finally:
            watch.dismiss()
            del self._watches[id(http)]


class AsyncHttpxSender:
    """Sends over an ``httpx.AsyncClient``, which stays its owner's. Runs on asyncio and trio; see `HttpxSender`."""

    def __init__(
        self, client: httpx.AsyncClient, *, connect: float = CONNECT, read: float | None = None, most: int = MOST
    ) -> None:
        self._client, self._connect, self._read, self._most = client, connect, read, most
        self._library = library_of(client, "AsyncClient")

    async def __call__(self, http: HttpRequest, timeout: float, /) -> Answer:
        """Send; see `Sender`."""
        import anyio

        body = Body(self._most, timeout)
        try:
            with anyio.fail_after(timeout):
                async with self._client.stream(
                    http.method, http.url, headers=http.headers, content=http.content, follow_redirects=False,
                    timeout=_limits(self._library, timeout, self._connect, self._read),
                ) as answer:  # fmt: skip
                    async for chunk in answer.aiter_bytes():
                        if not body.add(chunk):
                            # Not left early: the next read fails instead, which ends all generators that httpx
                            # nests here. Those left unfinished are a warning on trio.
                            await answer.aclose()
                    return answer.status_code, answer.headers.multi_items(), body.whole()
        except (self._library.HTTPError, self._library.StreamError) as error:
            raise body.problem or _translated(self._library, error, timeout) from error
        except TimeoutError as error:
            raise too_late(timeout) from error


class _Watch:
    """Ends a blocking call when its time is up: httpx limits each single read, not their sum.

    It knows the connection from the moment it is made, or, where an idle one is used again, from the answer's headers.
    """

    def __init__(self, timeout: float) -> None:
        self.over = False
        self._stream: Any = None
        self._timer = Timer(timeout, self.end)
        self._timer.daemon = True
        self._timer.start()

    def trace(self, event: str, about: Mapping[str, Any]) -> None:
        """Told by httpx of what it does."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self.follow(about["return_value"])

    def follow(self, stream: Any) -> None:
        """The connection that the call goes over, where the transport tells it."""
        self._stream = stream
        if self.over:
            self.end()

    def end(self) -> None:
        """End the call now."""
        self.over = True
        if self._stream is not None:
            with suppress(OSError):
                # The plain socket's own: a TLS socket's would first forget its encryption, in the midst of a read.
                socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)

    def dismiss(self) -> None:
        """The call has ended."""
        self._timer.cancel()


def library_of(client: object, name: str) -> Any:
    """The module, httpx or httpx2, that a client is of.

    Raises:
        InvalidRequestError: it is none of theirs, or asynchronous where it must not be, or the other way round.
    """
    for kind in type(client).__mro__:
        module = sys.modules.get(kind.__module__.partition(".")[0])
        if kind.__name__ == name and hasattr(module, "HTTPError"):
            return module
    found = type(client).__name__
    raise InvalidRequestError(f"http_client: expected an httpx.{name}, not {found}", field="http_client")


def _limits(library: Any, timeout: float, connect: float, read: float | None) -> Any:
    return library.Timeout(timeout, connect=min(connect, timeout), read=timeout if read is None else min(read, timeout))


def _translated(library: Any, error: Exception, timeout: float) -> TransportError:
    if isinstance(error, library.TimeoutException):
        return too_late(timeout)
    if isinstance(error, (library.ConnectError, library.ProxyError)):
        return no_connection(error)
    return lost(error)
