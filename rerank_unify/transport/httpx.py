"""Senders over httpx or httpx2, whose classes are unrelated: each sender catches the errors of its client's library."""

from __future__ import annotations

import socket
import sys
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import lru_cache, partial
from math import ceil
from operator import attrgetter
from threading import Timer
from typing import TYPE_CHECKING, Any, Final
from urllib.request import getproxies

from .._http import HttpRequest, HttpResponse
from ..errors import InvalidRequestError, TransportError
from .base import CONNECT, MADE, MAX_BYTES, MAX_CONCURRENT, MAX_IDLE, Body, lost, no_connection, too_late

if TYPE_CHECKING:
    import httpx


class HttpxSender:
    """Sends over an ``httpx.Client`` or a transport, which its owner closes.

    Args:
        client: a ``Client`` or ``BaseTransport`` of httpx or httpx2.
        connect: seconds for a connection.
        read: seconds between two chunks of a response; None for no limit but that of the call.
        max_bytes: most bytes to read of a response.

    Raises:
        InvalidRequestError: the client is of another type.
    """

    def __init__(
        self,
        client: httpx.Client | httpx.BaseTransport,
        *,
        connect: float = CONNECT,
        read: float | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._line, self._max_bytes = _Line(client, "Client", connect, read), max_bytes
        self._watches = _Watches()

    def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response; see `Sender`."""
        body = Body(self._max_bytes, timeout)
        with self._watches.over(http, timeout) as watch:
            try:
                request = self._line.request(http, timeout, trace=watch.trace)
                with closing(self._line.send(request)) as response:
                    watch.follow(response.extensions.get("network_stream"))
                    for chunk in response.iter_bytes():
                        if not body.add(chunk):
                            break
                    return HttpResponse(response.status_code, response.headers, body.whole())
            except self._line.library.HTTPError as error:
                raise too_late(timeout) if watch.over else _translated(self._line.library, error, timeout) from error

    def cancel(self, http: HttpRequest) -> None:
        """Cancel a call that runs in another thread: it raises there."""
        self._watches.end(http)


class AsyncHttpxSender:
    """Sends over an ``httpx.AsyncClient`` or a transport, which its owner closes; for asyncio and trio.

    Args:
        client: an ``AsyncClient`` or ``AsyncBaseTransport`` of httpx or httpx2.
        further: more of that kind and library. Each call goes to the first of those that have the fewest under way.
        max_concurrent: calls that are handed to httpx at a time; the others wait here, where that costs less.
    """

    def __init__(
        self,
        client: httpx.AsyncClient | httpx.AsyncBaseTransport,
        *further: httpx.AsyncClient | httpx.AsyncBaseTransport,
        connect: float = CONNECT,
        read: float | None = None,
        max_bytes: int = MAX_BYTES,
        max_concurrent: int = MAX_CONCURRENT,
    ) -> None:
        import anyio

        self._anyio, self._room, self._max_bytes = anyio, _Room(max_concurrent), max_bytes
        self._lines = [_Line(one, "AsyncClient", connect, read) for one in (client, *further)]

    async def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response; see `Sender`."""
        body, library = Body(self._max_bytes, timeout), self._lines[0].library
        try:
            with self._anyio.CancelScope(deadline=self._anyio.current_time() + timeout):
                await self._room.enter()
                line = min(self._lines, key=_UNDER_WAY)
                line.under_way += 1
                try:
                    return await _exchange(line, http, timeout, body)
                finally:
                    line.under_way -= 1
                    self._room.leave()
        except (library.HTTPError, library.StreamError) as error:
            raise body.problem or _translated(library, error, timeout) from error
        raise too_late(timeout)


async def _exchange(line: _Line, http: HttpRequest, timeout: float, body: Body) -> HttpResponse:
    response = await line.send(line.request(http, timeout))
    try:
        # An uncompressed body needs no layer that decompresses.
        async for chunk in response.aiter_bytes() if "content-encoding" in response.headers else response.stream:
            if not body.add(chunk):
                # Do not leave the loop early: the next read fails, which ends all generators that httpx nests here.
                # trio warns about unfinished generators.
                await response.aclose()
        return HttpResponse(response.status_code, response.headers, body.whole())
    finally:
        await response.aclose()


class _Room:
    """Limits the calls that run at the same time."""

    def __init__(self, max_concurrent: int) -> None:
        self._at_once = max_concurrent
        self._semaphore: Any = None

    async def enter(self) -> None:
        """Wait until another call may run."""
        import anyio

        if self._semaphore is None:  # needs a running loop
            self._semaphore = anyio.Semaphore(self._at_once)
        try:
            self._semaphore.acquire_nowait()
        except anyio.WouldBlock:
            await self._semaphore.acquire()

    def leave(self) -> None:
        """Let the next call run."""
        self._semaphore.release()


class _Line:
    """Builds requests, and sends them over a client or directly over a transport.

    A client adds its headers, cookies, parameters, authentication and hooks. Where it has no cookies and parameters,
    the request is built here: building it in httpx takes a tenth of a whole call. For a transport the headers of the
    previous call are used again, except for the length.

    Attributes:
        library: the client's module.
        send: sends a request.
        under_way: how many calls run; the sender counts them.
    """

    def __init__(self, client: Any, kind: str, connect: float, read: float | None) -> None:
        self.library, direct = library_of(client, kind)
        self._client, self._connect, self._read = client, connect, read
        self.send = getattr(client, direct) if direct else partial(client.send, stream=True, follow_redirects=False)
        self.under_way = 0
        self._direct = bool(direct)
        self._url = lru_cache(maxsize=64)(self.library.URL)
        self._last: tuple[Any, Any, list[tuple[bytes, bytes]]] = (None, None, [])

    def request(self, http: HttpRequest, timeout: float, **extensions: Any) -> Any:
        """Build the request with its time limits."""
        client, headers = self._client, http.headers
        read = timeout if self._read is None else min(self._read, timeout)
        extensions["timeout"] = {
            "connect": min(self._connect, timeout), "read": read, "write": timeout, "pool": timeout
        }  # fmt: skip
        url, content = self._url(http.url), http.content
        if self._direct:
            request = self.library.Request(
                http.method,
                url,
                headers=[*self._ready(headers, url), (b"content-length", b"%d" % len(content))],
                stream=self.library.ByteStream(content),
                extensions=extensions,
            )
            request.read()  # so that a user's transport finds its `content`
            return request
        if client.cookies or client.params:
            return client.build_request(http.method, url, headers=headers, content=content, extensions=extensions)
        defaults = [(name, value) for name, value in client.headers.items() if name not in headers]
        return self.library.Request(
            http.method, url, headers=[*defaults, *headers.items()], content=content, extensions=extensions
        )

    def _ready(self, headers: Mapping[str, str], url: Any) -> list[tuple[bytes, bytes]]:
        """Build all headers but the length, once per target: a target passes the same object for each call."""
        last = self._last  # read once: another thread may serve another target
        if last[0] is headers and last[1] is url:
            return last[2]
        defaults = [(b"host", url.netloc), *_ACCEPT]
        ready = [(name, value) for name, value in defaults if name.decode() not in headers]
        ready += [(name.encode(), value.encode()) for name, value in headers.items() if name != "content-length"]
        self._last = headers, url, ready
        return ready


_UNDER_WAY: Final = attrgetter("under_way")
_EACH: Final = 25  # connections of one pool
_ACCEPT: Final = ((b"accept-encoding", b"gzip, deflate"), (b"connection", b"keep-alive"))
_DIRECT: Final = {"BaseTransport": "handle_request", "AsyncBaseTransport": "handle_async_request"}


def default_sender(**limits: Any) -> tuple[HttpxSender, Callable[[], None]]:
    """Create a sender over its own connections, and the function that closes them.

    A client of httpx's costs twice what its transport does, for what is not needed here but for proxies.
    """
    import httpx

    from .lanes import Lanes

    client = httpx.Client() if _proxies() else Lanes()
    return HttpxSender(client, **limits), client.close


def default_async_sender(max_concurrent: int, **limits: Any) -> tuple[AsyncHttpxSender, Callable[[], Awaitable[None]]]:
    """Create an asynchronous sender over several small pools: calls cost more in large pools."""
    import httpx

    if _proxies():
        pool = httpx.Limits(max_connections=max_concurrent, max_keepalive_connections=MAX_IDLE)
        client = httpx.AsyncClient(limits=pool)
        return AsyncHttpxSender(client, max_concurrent=max_concurrent, **limits), client.aclose
    count = ceil(max_concurrent / _EACH)
    pool = httpx.Limits(max_connections=ceil(max_concurrent / count), max_keepalive_connections=ceil(MAX_IDLE / count))
    ssl = httpx.create_ssl_context()
    pools = [httpx.AsyncHTTPTransport(verify=ssl, limits=pool) for _ in range(count)]

    async def aclose() -> None:
        for one in pools:
            await one.aclose()

    return AsyncHttpxSender(*pools, max_concurrent=max_concurrent, **limits), aclose


def _proxies() -> bool:
    """Return whether the environment names a proxy; exceptions alone (``no_proxy``) do not count."""
    return not {"http", "https", "all"}.isdisjoint(getproxies())


class _Watches:
    """The running calls with their watches."""

    def __init__(self) -> None:
        self._by_call: dict[int, _Watch] = {}

    @contextmanager
    def over(self, http: HttpRequest, timeout: float) -> Generator[_Watch]:
        """Watch a call until it ends."""
        watch = self._by_call[id(http)] = _Watch(timeout)
        try:
            yield watch
        finally:
            watch.dismiss()
            del self._by_call[id(http)]

    def end(self, http: HttpRequest) -> None:
        """Cancel a call if it runs."""
        watch = self._by_call.get(id(http))
        if watch is not None:
            watch.end()


class _Watch:
    """Ends a blocking call at its timeout: httpx limits each read, not the whole call.

    It learns of a new connection when it is opened. `Lanes` reports a reused connection; a user's client does so only
    with the response headers.
    """

    def __init__(self, timeout: float) -> None:
        self.over = False
        self._stream: Any = None
        self._timer = Timer(timeout, self.end)
        self._timer.daemon = True
        self._timer.start()

    def trace(self, event: str, about: Mapping[str, Any]) -> None:
        """Receive an event of httpx; a new connection is remembered."""
        if event in MADE:
            self.follow(about["return_value"])

    def follow(self, stream: Any) -> None:
        """Remember the connection of the call, where the transport reports it."""
        self._stream = stream
        if self.over:
            self.end()

    def end(self) -> None:
        """Shut the connection of the call down."""
        self.over = True
        if self._stream is not None:
            with suppress(OSError):
                # Of the plain socket: a TLS socket's method would drop its encryption during a read.
                socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)

    def dismiss(self) -> None:
        """Stop the timer: the call has ended."""
        self._timer.cancel()


def library_of(client: object, kind: str) -> tuple[Any, str | None]:
    """Return the module of a client or transport (httpx or httpx2), and for a transport the name of its send method.

    Raises:
        InvalidRequestError: it is of neither library, or of the wrong kind: synchronous or asynchronous.
    """
    transport = kind.replace("Client", "BaseTransport")
    for base in type(client).__mro__:
        module = sys.modules.get(base.__module__.partition(".")[0])
        if base.__name__ in (kind, transport) and hasattr(module, "HTTPError"):
            return module, _DIRECT.get(base.__name__)
    found = type(client).__name__
    raise InvalidRequestError(f"http_client: expected an httpx.{kind}, not {found}", field="http_client")


def _translated(library: Any, error: Exception, timeout: float) -> TransportError:
    if isinstance(error, library.TimeoutException):
        return too_late(timeout)
    if isinstance(error, (library.ConnectError, library.ProxyError)):
        return no_connection(error)
    return lost(error)
