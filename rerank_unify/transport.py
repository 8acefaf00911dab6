"""The seam: send this HttpRequest, give me (status, headers, body). Each built-in sender is a thin one.

A sender translates what its HTTP library raises into `ConnectError`, `TimeoutError` or `TransportError`, keeps the
cause, follows no redirect, and stops reading at ``most`` bytes. What the answer means is not its business.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from . import errors as e
from .endpoint import HttpRequest
from .registry import Answer

if TYPE_CHECKING:
    import aiohttp
    import httpx

MOST = 64 * 2**20  # bytes of an answer: a thousand times a large one, and no more than a small machine has


class Sender(Protocol):
    """Sends one request and reads the whole answer."""

    def __call__(self, http: HttpRequest, timeout: float, /) -> Answer:
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

    async def __call__(self, http: HttpRequest, timeout: float, /) -> Answer:
        """Status, headers and body; see `Sender`."""
        ...


class _Body:
    """Bytes as they come, until there are too many or it takes too long."""

    def __init__(self, most: int, timeout: float) -> None:
        self.problem: e.TransportError | None = None
        self._chunks: list[bytes] = []
        self._left = most
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


def too_late(timeout: float) -> e.TimeoutError:
    """The error for no answer in time."""
    return e.TimeoutError(f"no answer within {timeout:g} seconds")


def _translated(error: Exception, timeout: float) -> e.TransportError:
    """An error of httpx as ours. Its text may hold the URL, and the URL a key, so only its name is told."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return too_late(timeout)
    if isinstance(error, (httpx.ConnectError, httpx.ProxyError)):
        return e.ConnectError(f"no connection ({type(error).__name__})")
    return e.TransportError(f"the connection was lost ({type(error).__name__})")


class HttpxSender:
    """Sends over an ``httpx.Client``, which stays its owner's."""

    def __init__(self, client: httpx.Client, *, connect: float, most: int = MOST) -> None:
        self._client, self._connect, self._most = client, connect, most

    def __call__(self, http: HttpRequest, timeout: float, /) -> Answer:
        """Send; see `Sender`. A server that drips bytes is noticed with the next byte after the time is up."""
        import httpx

        body = _Body(self._most, timeout)
        limits = httpx.Timeout(timeout, connect=min(self._connect, timeout))
        headers, content = dict(http.headers), http.content
        try:
            with self._client.stream(
                http.method, http.url, headers=headers, content=content, timeout=limits, follow_redirects=False
            ) as answer:
                for chunk in answer.iter_bytes():
                    if not body.add(chunk):
                        break
                return answer.status_code, answer.headers.multi_items(), body.whole()
        except httpx.HTTPError as error:
            raise _translated(error, timeout) from error


class AsyncHttpxSender:
    """Sends over an ``httpx.AsyncClient``, which stays its owner's. Runs on asyncio and trio."""

    def __init__(self, client: httpx.AsyncClient, *, connect: float, most: int = MOST) -> None:
        self._client, self._connect, self._most = client, connect, most

    async def __call__(self, http: HttpRequest, timeout: float, /) -> Answer:
        """Send; see `Sender`."""
        import anyio
        import httpx

        body = _Body(self._most, timeout)
        limits = httpx.Timeout(timeout, connect=min(self._connect, timeout))
        headers, content = dict(http.headers), http.content
        try:
            with anyio.fail_after(timeout):
                async with self._client.stream(
                    http.method, http.url, headers=headers, content=content, timeout=limits, follow_redirects=False
                ) as answer:
                    async for chunk in answer.aiter_bytes():
                        if not body.add(chunk):
                            # Not left early: the next read fails instead, which ends all generators that httpx
                            # nests here. Those left unfinished are a warning on trio.
                            await answer.aclose()
                    return answer.status_code, answer.headers.multi_items(), body.whole()
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise body.problem or _translated(error, timeout) from error
        except TimeoutError as error:
            raise too_late(timeout) from error


class AiohttpSender:
    """Sends over an ``aiohttp.ClientSession``, which stays its owner's: more calls per second, on asyncio alone."""

    def __init__(self, session: aiohttp.ClientSession, *, connect: float, most: int = MOST) -> None:
        self._session, self._connect, self._most = session, connect, most

    async def __call__(self, http: HttpRequest, timeout: float, /) -> Answer:
        """Send; see `Sender`."""
        import asyncio

        import aiohttp

        body = _Body(self._most, timeout)
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(self._connect, timeout))
        headers, content = dict(http.headers), http.content
        try:
            async with self._session.request(
                http.method, http.url, headers=headers, data=content, timeout=limits, allow_redirects=False
            ) as answer:
                async for chunk in answer.content.iter_any():
                    if not body.add(chunk):
                        break
                return answer.status, [(name, value) for name, value in answer.headers.items()], body.whole()
        except asyncio.TimeoutError as error:  # another class than TimeoutError on Python 3.10
            raise too_late(timeout) from error
        except aiohttp.ClientConnectorError as error:
            raise e.ConnectError(f"no connection ({type(error).__name__})") from error
        except aiohttp.ClientError as error:
            raise e.TransportError(f"the connection was lost ({type(error).__name__})") from error
