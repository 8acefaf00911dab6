"""Read request bodies within limits, and watch for clients that disconnect."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from ..errors import BadRequestError, RequestTooLargeError, RerankError
from .settings import LimitSettings

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:  # pragma: no cover - only on Python 3.10, where aiohttp brings it
    from async_timeout import timeout

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
T = TypeVar("T")
_LINGER = 5.0  # seconds


class ClientDisconnected(Exception):  # noqa: N818 - control flow, no error of the library
    """The client closed its connection before the response."""


class BodyRefusedError(Exception):
    """The body is refused with an HTTP status; the response is in the client's dialect."""

    def __init__(self, error: RerankError) -> None:
        super().__init__(str(error))
        self.error = error


async def read_body(headers: Mapping[str, str], receive: Receive, limits: LimitSettings) -> bytes:
    """Read the whole body.

    Raises:
        BodyRefusedError: not JSON (415), too many bytes (413), or too slow (408).
        ClientDisconnected: the client closed its connection.
    """
    _check_content_type(headers)
    if _declares_too_many_bytes(headers, limits):
        raise _too_large(limits)
    try:
        async with timeout(limits.body_seconds):
            return await _received(receive, limits)
    except asyncio.TimeoutError:  # another class than TimeoutError on Python 3.10
        reason = f"the body did not arrive within {limits.body_seconds:g} seconds"
        raise BodyRefusedError(BadRequestError(reason, status=408)) from None


async def _received(receive: Receive, limits: LimitSettings) -> bytes:
    chunks: list[bytes] = []
    left, more = limits.body_bytes, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        left -= len(chunk)
        if left < 0:
            raise _too_large(limits)
        chunks.append(chunk)
    return b"".join(chunks)


def _declares_too_many_bytes(headers: Mapping[str, str], limits: LimitSettings) -> bool:
    length = headers.get("content-length", "")
    return length.isdecimal() and (len(length) > 18 or int(length) > limits.body_bytes)


def is_endless(headers: Mapping[str, str], limits: LimitSettings) -> bool:
    """Return whether a refused body may be longer than we want to read, so that the connection must be closed."""
    return "transfer-encoding" in headers or _declares_too_many_bytes(headers, limits)


def _check_content_type(headers: Mapping[str, str]) -> None:
    kind = (headers.get("content-type") or "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        reason = "content-type: expected application/json"
    elif (headers.get("content-encoding") or "identity").lower() != "identity":
        reason = "content-encoding: compressed bodies are not supported"
    else:
        return
    raise BodyRefusedError(BadRequestError(reason, status=415))


def _too_large(limits: LimitSettings) -> BodyRefusedError:
    reason = f"the body has more than {limits.body_bytes:,} bytes"
    return BodyRefusedError(RequestTooLargeError(reason, status=413))


async def drain(receive: Receive, limits: LimitSettings) -> None:
    """Discard the rest of a refused body, within limits; else the client sees a reset before it reads the refusal."""
    left = 8 * limits.body_bytes
    with suppress(asyncio.TimeoutError):
        async with timeout(min(limits.body_seconds, _LINGER)):
            while left > 0:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))


async def cancel_on_disconnect(receive: Receive, work: Callable[[], Awaitable[T]]) -> T:
    """Await the work; cancel it if the client disconnects.

    For asyncio, on which the gateway calls providers. A task group would cost an eighth of the whole request.

    Raises:
        ClientDisconnected: the client closed its connection.
    """
    watch = _Watch(receive)
    try:
        return await work()
    except asyncio.CancelledError:
        if not watch.disconnected:
            raise
        raise ClientDisconnected from None
    finally:
        await watch.end()


class _Watch:
    """Cancels the task that created it when the client disconnects."""

    def __init__(self, receive: Receive) -> None:
        self.disconnected = False
        self._receive = receive
        self._task = asyncio.current_task()
        self._watching = asyncio.get_running_loop().create_task(self._wait_for_disconnect())

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._task is not None:
            self.disconnected = True
            self._task.cancel()

    async def end(self) -> None:
        """Stop watching. Consume a cancellation that this object requested and that has not been delivered yet."""
        self._watching.cancel()
        task, self._task = self._task, None
        if self.disconnected and task is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            if sys.version_info >= (3, 11):
                task.uncancel()
