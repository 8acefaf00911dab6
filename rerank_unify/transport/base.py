"""The protocols of senders, and the code that the built-in senders share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, Protocol

from .. import errors as e
from .._http import HttpRequest, HttpResponse

MAX_BYTES: Final = 64 * 2**20  # bytes of a response: a thousand times a large response, and small enough for memory
MAX_CONCURRENT: Final = 100  # concurrent calls: as many as an httpx client has connections
CONNECT: Final = 5.0  # seconds: a second SYN goes out after one, a third after three
REUSED: Final = "connection.reused"  # an event of `Lanes`; httpx emits the others
MAX_IDLE: Final = 20  # idle connections of one origin, as many as httpx keeps
MADE: Final = ("connection.connect_tcp.complete", "connection.start_tls.complete", REUSED)


class Sender(Protocol):
    """A function that sends one request and reads the whole response."""

    def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response.

        Args:
            http: the request.
            timeout: seconds for the whole call.

        Raises:
            TransportError: there is no complete response.
        """
        ...


class AsyncSender(Protocol):
    """A coroutine function that sends one request and reads the whole response."""

    async def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response; see `Sender`."""
        ...


class Body:
    """Collects the chunks of a response body, within a limit of bytes and of time."""

    def __init__(self, max_bytes: int, timeout: float) -> None:
        self.problem: e.TransportError | None = None
        self._chunks: list[bytes] = []
        self._left = max_bytes
        self._until = time.monotonic() + timeout
        self._timeout = timeout

    def add(self, chunk: bytes) -> bool:
        """Add a chunk. Return whether to read on; if not, `problem` has the error."""
        self._left -= len(chunk)
        if self._left < 0:
            self.problem = e.TransportError("the response is too long and was not read to its end", retryable=False)
        elif time.monotonic() > self._until:
            self.problem = too_late(self._timeout)
        else:
            self._chunks.append(chunk)
        return self.problem is None

    def whole(self) -> bytes:
        """Return the whole body, or raise the problem."""
        if self.problem is not None:
            raise self.problem
        return b"".join(self._chunks)


def bare(error: BaseException) -> BaseException:
    """Remove the frames of an error and its causes, because their local variables may hold a key."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error


def too_late(timeout: float) -> e.TimeoutError:
    """Build the error for a timeout."""
    return e.TimeoutError(f"no response within {timeout:g} seconds")


def no_connection(cause: Exception) -> e.ConnectError:
    """Build the error for a failed connection.

    The message has none of the cause's text, which may hold a URL with a key. The cause stays attached.
    """
    reason = next((sentence for link in _links(cause) if (sentence := _reason(link))), None)
    return e.ConnectError(f"no connection: {reason}" if reason else "no connection to the provider")


def lost(_cause: Exception) -> e.TransportError:
    """Build the error for a connection that ended early or does not speak HTTP."""
    return e.TransportError("the connection was lost before a whole HTTP response came")


def _links(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes, members of groups included."""
    while error is not None:
        yield error
        for member in getattr(error, "exceptions", ()):
            yield from _links(member)
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str | None:
    """Return why a connection failed, if an error of the standard library says so."""
    import socket
    import ssl

    if isinstance(error, socket.gaierror):
        return "the host name was not found"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the certificate is not valid"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    return "it was refused" if isinstance(error, ConnectionRefusedError) else None
