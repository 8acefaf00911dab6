"""What a sender is, and what all built-in ones have in common."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, Protocol

from .. import errors as e
from .._http import HttpRequest, HttpResponse

MAX_BYTES: Final = 64 * 2**20  # bytes of an answer: a thousand times a large one, and no more than a small machine has
MAX_CONCURRENT: Final = 100  # calls: as many as a client of httpx's has connections
CONNECT: Final = 5.0  # seconds: a second SYN goes out after one, a third after three


class Sender(Protocol):
    """Sends one request and reads the whole answer."""

    def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Status, headers and body.

        Args:
            http: what to send.
            timeout: seconds for all of it.

        Raises:
            TransportError: no answer came.
        """
        ...


class AsyncSender(Protocol):
    """Sends one request and reads the whole answer, asynchronously."""

    async def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Status, headers and body; see `Sender`."""
        ...


class Body:
    """Bytes as they come, until there are too many or it takes too long."""

    def __init__(self, max_bytes: int, timeout: float) -> None:
        self.problem: e.TransportError | None = None
        self._chunks: list[bytes] = []
        self._left = max_bytes
        self._until = time.monotonic() + timeout
        self._timeout = timeout

    def add(self, chunk: bytes) -> bool:
        """Whether to go on reading; `problem` says why not."""
        self._left -= len(chunk)
        if self._left < 0:
            self.problem = e.TransportError("the answer is too long and was not read to its end", retryable=False)
        elif time.monotonic() > self._until:
            self.problem = too_late(self._timeout)
        else:
            self._chunks.append(chunk)
        return self.problem is None

    def whole(self) -> bytes:
        """All of it, or the problem, raised."""
        if self.problem is not None:
            raise self.problem
        return b"".join(self._chunks)


def bare(error: BaseException) -> BaseException:
    """The error and what led to it, without their frames, in whose local variables a key may stand."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error


def too_late(timeout: float) -> e.TimeoutError:
    """The error for no answer in time."""
    return e.TimeoutError(f"no answer within {timeout:g} seconds")


def no_connection(cause: Exception) -> e.ConnectError:
    """The error for a connection that was not made.

    Its sentence is ours: the cause's text may hold the URL, and the URL a key. The cause stays with the error.
    """
    reason = next((sentence for link in _links(cause) if (sentence := _reason(link))), None)
    return e.ConnectError(f"no connection: {reason}" if reason else "no connection to the provider")


def lost(_cause: Exception) -> e.TransportError:
    """The error for a connection that ended early, or whose other end speaks no HTTP."""
    return e.TransportError("the connection was lost before a whole HTTP response came")


def _links(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it, groups included."""
    while error is not None:
        yield error
        for member in getattr(error, "exceptions", ()):
            yield from _links(member)
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str | None:
    """Why there is no connection, where an error of the standard library says."""
    import socket
    import ssl

    if isinstance(error, socket.gaierror):
        return "the host name was not found"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the certificate is not valid"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    return "it was refused" if isinstance(error, ConnectionRefusedError) else None
