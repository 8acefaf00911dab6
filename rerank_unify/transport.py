"""Senders: each sends an `HttpRequest` over an HTTP library and returns status, headers and body.

A sender follows no redirect, reads at most ``max_bytes`` bytes, and raises `ConnectError`, `TimeoutError`,
`TransportError` or `InvalidResponseError` in place of its library's errors. Those hold the request with its key, so
they are not kept; the cause of a lost connection names their class. A sender does not interpret the response.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.request import getproxies

from . import errors as e
from ._http import HttpRequest, HttpResponse, MaskedHeaders

if TYPE_CHECKING:
    import aiohttp
    import httpx

__all__ = ["MAX_BYTES", "AiohttpSender", "AsyncHttpxSender", "AsyncSender", "HttpxSender", "Sender"]

MAX_BYTES: Final = 64 * 2**20  # bytes of a response: a thousand times a large response, and small enough for memory
MAX_CONNECTIONS: Final = 100  # as many as httpx opens by default
CONNECT: Final = 5.0  # seconds: a second SYN goes out after one, a third after three
_LARGE: Final = 2**20  # bytes: aiohttp warns about a larger body in one piece, and streams a file-like body
_CODINGS: Final = "gzip, deflate"  # others inflate a few bytes to gigabytes before a limit can act


class Sender(Protocol):
    """A function that sends one request and reads the whole response."""

    def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response.

        Args:
            http: the request.
            timeout: seconds for the whole call, above 0.

        Returns:
            Status, headers and body of the response.

        Raises:
            TransportError: there is no complete response.
            InvalidResponseError: the body is not compressed as its headers say, or in a way that was not requested.
        """
        ...


class AsyncSender(Protocol):
    """A coroutine function that sends one request and reads the whole response."""

    async def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response.

        Args:
            http: the request.
            timeout: seconds for the whole call, above 0.

        Returns:
            Status, headers and body of the response.

        Raises:
            TransportError: as `Sender`.
            InvalidResponseError: as `Sender`.
        """
        ...


@dataclass(kw_only=True)
class _Limits:
    connect: float = CONNECT
    read: float | None = None
    max_bytes: int = MAX_BYTES


@dataclass
class HttpxSender(_Limits):
    """Sends over an ``httpx.Client``, which its owner closes.

    The time limit is checked between chunks, and httpx limits each of its operations. A server that sends its headers
    byte by byte can outlast it.

    Args:
        client: a ``Client`` or ``BaseTransport`` of httpx or httpx2.
        connect: seconds for a connection.
        read: seconds between two chunks of a response; None for no limit but that of the call.
        max_bytes: bytes of a response that are read, counted after decompression.

    Raises:
        InvalidRequestError: the client is of another type.
    """

    client: httpx.Client | httpx.BaseTransport

    def __post_init__(self) -> None:
        self._library, self._build, self._send = _opened(self.client, "Client", "handle_request")
        self._url = lru_cache(64)(self._library.URL)

    def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response; see `Sender`.

        Args:
            http: the request.
            timeout: seconds for the whole call, above 0.

        Returns:
            Status, headers and body of the response.

        Raises:
            TransportError: as `Sender`.
            InvalidResponseError: as `Sender`.
        """
        body = _Body(self.max_bytes, timeout)
        read = timeout if self.read is None else min(self.read, timeout)
        limits = {"timeout": {"connect": min(self.connect, timeout), "read": read, "write": timeout, "pool": timeout}}
        try:
            request = self._build(
                http.method, self._url(http.url), headers=_headers(http), content=http.content, extensions=limits
            )
            with closing(self._send(request)) as response:
                _check_coding(response.headers)
                for chunk in response.iter_bytes():
                    body.add(chunk)
                    if body.problem is not None:
                        break
                return HttpResponse(response.status_code, response.headers, body.whole())
        except self._library.HTTPError as error:
            problem = _translated(self._library, error, timeout)
        raise problem  # outside of `except`, so that it has no context


@dataclass
class AsyncHttpxSender(_Limits):
    """Sends over an ``httpx.AsyncClient``, which its owner closes; on asyncio and trio.

    Args:
        client: an ``AsyncClient`` or ``AsyncBaseTransport`` of httpx or httpx2.
        connect: as in `HttpxSender`.
        read: as in `HttpxSender`.
        max_bytes: as in `HttpxSender`.

    Raises:
        InvalidRequestError: the client is of another type.
    """

    client: httpx.AsyncClient | httpx.AsyncBaseTransport

    def __post_init__(self) -> None:
        self._library, self._build, self._send = _opened(self.client, "AsyncClient", "handle_async_request")
        self._url = lru_cache(64)(self._library.URL)

    async def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response; see `Sender`.

        Args:
            http: the request.
            timeout: seconds for the whole call, above 0.

        Returns:
            Status, headers and body of the response.

        Raises:
            TransportError: as `Sender`.
            InvalidResponseError: as `Sender`.
        """
        from anyio import fail_after

        body = _Body(self.max_bytes, timeout)
        # `fail_after` limits the whole call, so httpx needs no timer for each write and for its pool.
        limits = {"timeout": {"connect": min(self.connect, timeout), "read": self.read}}
        try:
            request = self._build(
                http.method, self._url(http.url), headers=_headers(http), content=http.content, extensions=limits
            )
            with fail_after(timeout):
                async with aclosing(await self._send(request)) as response:
                    _check_coding(response.headers)
                    async for chunk in response.aiter_bytes():
                        body.add(chunk)
                        if body.problem is not None:
                            # The next read then fails, which ends httpx's nested generators. Leaving the loop would
                            # not end them, and trio warns about that.
                            await response.aclose()
                    return HttpResponse(response.status_code, response.headers, body.whole())
        except TimeoutError:
            problem: e.RerankError = too_late(timeout)
        except (self._library.HTTPError, self._library.StreamError) as error:
            problem = body.problem or _translated(self._library, error, timeout)
        raise problem


@dataclass
class AiohttpSender(_Limits):
    """Sends over an ``aiohttp.ClientSession``, which its owner closes; on asyncio alone. More calls per second.

    Args:
        session: the session.
        connect: as in `HttpxSender`.
        read: as in `HttpxSender`.
        max_bytes: as in `HttpxSender`.
    """

    session: aiohttp.ClientSession

    async def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response; see `Sender`.

        Args:
            http: the request.
            timeout: seconds for the whole call, above 0.

        Returns:
            Status, headers and body of the response.

        Raises:
            TransportError: as `Sender`.
            InvalidResponseError: as `Sender`.
        """
        import asyncio

        import aiohttp

        body = _Body(self.max_bytes, timeout)
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(self.connect, timeout), sock_read=self.read)
        data = http.content if len(http.content) <= _LARGE else BytesIO(http.content)
        try:
            async with self.session.request(
                http.method, http.url, headers=_headers(http), data=data, timeout=limits, allow_redirects=False
            ) as response:
                _check_coding(response.headers)
                async for chunk in response.content.iter_any():
                    body.add(chunk)
                    if body.problem is not None:
                        break
                return HttpResponse(response.status, response.headers, body.whole())
        except asyncio.TimeoutError:  # another class than TimeoutError on Python 3.10
            problem: e.RerankError = too_late(timeout)
        except aiohttp.ClientConnectorError as error:
            problem = no_connection(error)
        except aiohttp.ClientError as error:
            # aiohttp has no class of its own for a body that it cannot decompress.
            problem = _not_compressed() if "content-encoding" in str(error) else _lost(error)
        raise problem


# --- senders with connections of their own ---------------------------------------------------------------------------


class OwnSender:
    """Sends over httpx with connections of its own. A forked process gets others."""

    def __init__(self, max_connections: int, limits: Mapping[str, Any]) -> None:
        self._max_connections, self._limits = max_connections, limits
        self._open()

    def _open(self) -> None:
        import httpx

        self._process, pool = os.getpid(), _pool(self._max_connections)
        self._client = httpx.Client(limits=pool) if _proxies() else httpx.HTTPTransport(limits=pool)
        self._sender = HttpxSender(self._client, **self._limits)

    def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response; see `Sender`."""
        if os.getpid() != self._process:  # the sockets belong to the parent process, so they are not closed here
            self._open()
        return self._sender(http, timeout)

    def close(self) -> None:
        """Close the connections."""
        if os.getpid() == self._process:
            self._client.close()


class OwnAsyncSender:
    """Sends over httpx with connections of its own. Another event loop gets others."""

    def __init__(self, max_connections: int, limits: Mapping[str, Any]) -> None:
        self._max_connections, self._limits = max_connections, limits
        self._loop: object = None
        self._client: httpx.AsyncClient | httpx.AsyncHTTPTransport | None = None

    async def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response; see `Sender`."""
        from anyio.lowlevel import current_token

        if self._client is None or self._loop != current_token():  # connections of another loop cannot be closed here
            self._loop = current_token()
            self._open()
        return await self._sender(http, timeout)

    def _open(self) -> None:
        import httpx

        pool = _pool(self._max_connections)
        self._client = httpx.AsyncClient(limits=pool) if _proxies() else httpx.AsyncHTTPTransport(limits=pool)
        self._sender = AsyncHttpxSender(self._client, **self._limits)

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _pool(max_connections: int) -> httpx.Limits:
    import httpx

    return httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)


def _proxies() -> bool:
    """Return whether the environment names a proxy: only a client of httpx uses it, a transport does not."""
    return not {"http", "https", "all"}.isdisjoint(getproxies())


# --- what the senders share ------------------------------------------------------------------------------------------


class _Body:
    """Collects the chunks of a response body, within a limit of bytes and of time."""

    def __init__(self, max_bytes: int, timeout: float) -> None:
        self.problem: e.TransportError | None = None
        self._chunks: list[bytes] = []
        self._left = max_bytes
        self._until = time.monotonic() + timeout
        self._timeout = timeout

    def add(self, chunk: bytes) -> None:
        """Add a chunk, or set ``problem``: then there is no use in reading on."""
        self._left -= len(chunk)
        if self._left < 0:
            self.problem = e.TransportError("the response is too long and was not read to its end", retryable=False)
        elif time.monotonic() > self._until:
            self.problem = too_late(self._timeout)
        else:
            self._chunks.append(chunk)

    def whole(self) -> bytes:
        """Return the whole body, or raise the problem."""
        if self.problem is not None:
            raise self.problem
        return b"".join(self._chunks)


def _headers(http: HttpRequest) -> MaskedHeaders:
    """Return the headers to send, with the content codings that a sender reads."""
    given = cast("MaskedHeaders", http.headers)
    return MaskedHeaders({"accept-encoding": _CODINGS, **given}, given.auth_header)


def _check_coding(headers: Any) -> None:
    """Refuse a body that is compressed twice, or in a way that was not requested, before it is read.

    ``gzip, gzip`` inflates 1,827 bytes to 2 GB, before a limit on bytes can act.
    """
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip", "deflate", ""):
        raise e.InvalidResponseError(
            f"content-encoding: expected at most one of {_CODINGS}, not {e.cut(e.one_line(coding), 100)!r}"
        )


def _opened(client: Any, kind: str, handle: str) -> tuple[Any, Callable[..., Any], Callable[..., Any]]:
    """Return the module of a client or transport (httpx or httpx2), and its functions that build and send a request.

    A client adds its headers, cookies, parameters, authentication, proxies and hooks. A transport adds nothing, and a
    call over it takes a quarter less time.

    Raises:
        InvalidRequestError: it is of neither library, or of the wrong kind: synchronous or asynchronous.
    """
    transport = kind.replace("Client", "BaseTransport")
    for base in type(client).__mro__:
        library: Any = sys.modules.get(base.__module__.partition(".")[0])
        if hasattr(library, "HTTPError") and base.__name__ == kind:
            return library, client.build_request, partial(client.send, stream=True, follow_redirects=False)
        if hasattr(library, "HTTPError") and base.__name__ == transport:
            return library, library.Request, getattr(client, handle)
    found = type(client).__name__
    raise e.InvalidRequestError(f"http_client: expected an httpx.{kind}, not {found}", field="http_client")


def _translated(library: Any, error: Exception, timeout: float) -> e.RerankError:
    """Return this library's error for one of httpx's."""
    if isinstance(error, library.TimeoutException):
        return too_late(timeout)
    if isinstance(error, (library.ConnectError, library.ProxyError)):
        return no_connection(error)
    return _not_compressed() if isinstance(error, library.DecodingError) else _lost(error)


def too_late(timeout: float) -> e.TimeoutError:
    """Return the error for a call without a whole response after these seconds."""
    return e.TimeoutError(f"no response within {round(timeout, 2) or timeout:g} seconds")


def _not_compressed() -> e.InvalidResponseError:
    return e.InvalidResponseError("the body is not compressed as its content-encoding says")


def _lost(error: Exception) -> e.TransportError:
    lost = e.TransportError("the connection was lost before a whole HTTP response came")
    lost.__cause__ = RuntimeError(f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}")
    return lost


def no_connection(error: Exception) -> e.ConnectError:
    """Return the error for a failed connection, with the reason where an error of the standard library states it."""
    reasons = {
        socket.gaierror: "the host name was not found",
        ssl.SSLCertVerificationError: "the certificate is not valid",
        ssl.SSLError: "TLS failed",
        ConnectionRefusedError: "it was refused",
    }
    for link in _links(error):
        for kind, reason in reasons.items():
            if isinstance(link, kind):
                return e.ConnectError(f"no connection: {reason}")
    return e.ConnectError("no connection to the provider")


def _links(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes, members of groups included."""
    while error is not None:
        yield error
        for member in getattr(error, "exceptions", ()):
            yield from _links(member)
        error = error.__cause__ or error.__context__
