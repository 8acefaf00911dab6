"""Read request bodies within limits, and end the work for clients that disconnect."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar

from ..errors import BadRequestError, RequestTooLargeError
from .settings import LimitSettings

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:  # pragma: no cover - only on Python 3.10, where aiohttp brings it
    from async_timeout import timeout

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
T = TypeVar("T")
_DISCARD_SECONDS: Final = 5.0
_WATCH_AFTER: Final = 0.05  # seconds: work that is faster is not watched, which saves it a twelfth of its time


class ClientDisconnected(Exception):  # noqa: N818 - control flow, no error of the library
    """The client closed its connection before the response."""


class RequestBody:
    """The body of one request.

    Args:
        headers: by lower-case name.
        receive: of ASGI.
        limits: bytes and seconds.
    """

    def __init__(self, headers: Mapping[str, str], receive: Receive, limits: LimitSettings) -> None:
        self._headers, self._receive, self._limits = headers, receive, limits
        self._complete = False

    async def read(self) -> bytes:
        """Read the whole body.

        Raises:
            BadRequestError: not JSON (status 415), or too slow (408).
            RequestTooLargeError: too many bytes (413).
            ClientDisconnected: the client closed its connection.
        """
        kind = (self._headers.get("content-type") or "application/json").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise BadRequestError("content-type: expected application/json", status=415)
        if (self._headers.get("content-encoding") or "identity").lower() != "identity":
            raise BadRequestError("content-encoding: compressed bodies are not supported", status=415)
        limit, seconds = self._limits.body_bytes, self._limits.body_seconds
        length = self._headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 18 or int(length) > limit):
            raise self._too_large()
        chunks: list[bytes] = []
        try:
            async with timeout(seconds):
                while not self._complete:
                    chunks.append(await self._next())
                    limit -= len(chunks[-1])
                    if limit < 0:
                        raise self._too_large()
        except asyncio.TimeoutError:  # another class than TimeoutError on Python 3.10
            raise BadRequestError(f"the body did not arrive within {seconds:g} seconds", status=408) from None
        return b"".join(chunks)

    async def discard(self) -> bool:
        """Discard the rest of a refused body, for at most 5 seconds and 8 times the limit of bytes.

        A client that still sends sees a lost connection in place of the refusal.

        Returns:
            Whether the body ended. If not, the connection must be closed after the response.
        """
        left = 8 * self._limits.body_bytes
        with suppress(asyncio.TimeoutError, ClientDisconnected):
            async with timeout(min(self._limits.body_seconds, _DISCARD_SECONDS)):
                while not self._complete and left > 0:
                    left -= len(await self._next())
        return self._complete

    def _too_large(self) -> RequestTooLargeError:
        # Never stored: an error in a variable of a frame that it passed is a reference cycle, which would keep the
        # unread body, and so the connection, until the next garbage collection.
        return RequestTooLargeError(f"the body has more than {self._limits.body_bytes:,} bytes", status=413)

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        self._complete = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk


async def until_disconnect(receive: Receive, work: Awaitable[T]) -> T:
    """Await the work; cancel it if the client disconnects.

    The work runs in the calling task: a task group, or a second task, would cost an eighth of the whole request.

    Raises:
        ClientDisconnected: the client closed its connection.
    """
    calling, disconnected = asyncio.current_task(), False
    watching: asyncio.Task[None] | None = None

    async def watch() -> None:
        nonlocal disconnected
        while (await receive())["type"] != "http.disconnect":
            pass
        if calling is not None:
            disconnected = calling.cancel()

    def start() -> None:
        nonlocal watching
        watching = asyncio.create_task(watch())

    timer = asyncio.get_running_loop().call_later(_WATCH_AFTER, start)
    try:
        return await work
    except asyncio.CancelledError:
        if not disconnected:
            raise
        raise ClientDisconnected from None
    finally:
        timer.cancel()
        if watching is not None:
            watching.cancel()
