"""What comes in: the body, within limits, and whether the client is still there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import anyio

from ..errors import (
    BadRequestError,
    ProviderOverloadedError,
    RateLimitError,
    RequestTooLargeError,
    RerankError,
)
from .keys import Caller
from .metrics import Metrics
from .settings import LimitSettings

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
T = TypeVar("T")


class GoneError(Exception):
    """The client has hung up: nobody waits for an answer."""


class RefusedError(Exception):
    """The body is refused with a status of HTTP's own, told in the client's dialect."""

    def __init__(self, status: int, error: RerankError) -> None:
        super().__init__(str(error))
        self.status, self.error = status, error


async def read_body(headers: Mapping[str, str], receive: Receive, limits: LimitSettings) -> bytes:
    """The whole body.

    Raises:
        RefusedError: 415 for what is no JSON, 413 for too many bytes, 408 for too slow a client.
        GoneError: the client has left.
    """
    _check_kind(headers)
    if _declares_too_much(headers, limits):
        raise _too_large(limits)
    with anyio.move_on_after(limits.body_seconds):
        return await _received(receive, limits)
    told = f"the body did not come within {limits.body_seconds:g} seconds"
    raise RefusedError(408, BadRequestError(told, status=408))


async def _received(receive: Receive, limits: LimitSettings) -> bytes:
    chunks: list[bytes] = []
    left, more = limits.body_bytes, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        left -= len(chunk)
        if left < 0:
            raise _too_large(limits)
        chunks.append(chunk)
    return b"".join(chunks)


def _declares_too_much(headers: Mapping[str, str], limits: LimitSettings) -> bool:
    length = headers.get("content-length", "")
    return length.isdecimal() and (len(length) > 18 or int(length) > limits.body_bytes)


def is_endless(headers: Mapping[str, str], limits: LimitSettings) -> bool:
    """Whether after a refusal more of the body may come than anybody should read: then the connection must end."""
    return "transfer-encoding" in headers or _declares_too_much(headers, limits)


def _check_kind(headers: Mapping[str, str]) -> None:
    kind = (headers.get("content-type") or "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        told = "content-type: expected application/json"
    elif (headers.get("content-encoding") or "identity").lower() != "identity":
        told = "content-encoding: compressed bodies are not taken"
    else:
        return
    raise RefusedError(415, BadRequestError(told, status=415))


def _too_large(limits: LimitSettings) -> RefusedError:
    told = f"the body has more than {limits.body_bytes:,} bytes"
    return RefusedError(413, RequestTooLargeError(told, status=413))


async def while_connected(receive: Receive, work: Callable[[], Awaitable[T]]) -> T:
    """What comes of the work, unless the client hangs up: then the work is cancelled.

    Raises:
        GoneError: the client has hung up.
    """
    landed: list[T] = []
    failed: list[Exception] = []

    async def run() -> None:
        try:
            landed.append(await work())
        except Exception as error:  # noqa: BLE001 - raised below: here the group would wrap it
            failed.append(error)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        while (await receive())["type"] != "http.disconnect":
            pass
        group.cancel_scope.cancel()
    if failed:
        raise failed[0]
    if not landed:
        raise GoneError
    return landed[0]


class Room:
    """How many requests are under way, in all and for each key."""

    def __init__(self, limits: LimitSettings, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._count = 0
        self._by_key: Counter[str] = Counter()

    @contextmanager
    def enter(self, caller: Caller) -> Generator[None]:
        """Take a place for one request.

        Raises:
            ProviderOverloadedError: the gateway has none.
            RateLimitError: this key has none.
        """
        if self._count >= self._limits.concurrency:
            raise ProviderOverloadedError("the gateway is busy", status=503, retry_after=1)
        most = self._limits.concurrency_per_key
        if most is not None and self._by_key[caller.name] >= most:
            who = "with this key" if caller.name else "without a key"
            raise RateLimitError(f"more than {most} requests at once {who}", status=429, retry_after=1)
        self._count += 1
        self._by_key[caller.name] += 1
        self._metrics.under_way.inc()
        try:
            yield
        finally:
            self._count -= 1
            self._by_key[caller.name] -= 1
            self._metrics.under_way.dec()
