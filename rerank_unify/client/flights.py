"""Start calls and wait for them, sync and async: one attempt at a time, or several where the policy hedges.

`drive` and `adrive` run the generator `work`. An object with `start` and `wait` sends the calls; the clients differ in
that object alone.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from ..canonical import RerankResponse
from .calls import Landed, Start, Work

if TYPE_CHECKING:
    from typing_extensions import Self

Send: TypeAlias = Callable[[Start], Landed]
AsyncSend: TypeAlias = Callable[[Start], Awaitable[Landed]]


def drive(job: Work, flights: InTurn | InThreads) -> RerankResponse:
    """Run the generator to its end."""
    landed: list[Landed | None] = [None]  # taken out to be sent: errors hold frames
    try:
        while True:
            step = job.send(landed.pop())
            landed.append(flights.start(step) if isinstance(step, Start) else flights.wait(step.seconds))
    except StopIteration as done:
        response: RerankResponse = done.value
        return response
    finally:
        job.close()


async def adrive(job: Work, flights: AsyncInTurn | InTasks) -> RerankResponse:
    """Run the generator to its end, asynchronously."""
    landed: list[Landed | None] = [None]
    try:
        while True:
            step = job.send(landed.pop())
            landed.append(await (flights.start(step) if isinstance(step, Start) else flights.wait(step.seconds)))
    except StopIteration as done:
        response: RerankResponse = done.value
        return response
    finally:
        job.close()


class InTurn:
    """Runs one attempt at a time, in the calling thread."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def start(self, step: Start) -> Landed | None:
        """Send."""
        return self._send(step)

    def wait(self, seconds: float) -> Landed | None:
        """Sleep."""
        time.sleep(seconds)
        return None


class InThreads:
    """Runs each attempt in a thread, so that the next attempt can start beside it.

    Leaving the context cancels the running attempts and does not wait for them.
    """

    def __init__(self, send: Send, cancel: Callable[[Start], None], max_threads: int) -> None:
        self._send, self._cancel = send, cancel
        self._pool = ThreadPoolExecutor(max_threads, thread_name_prefix="rerank-unify")
        self._running: dict[Future[Landed], Start] = {}

    def start(self, step: Start) -> Landed | None:
        """Send in a thread."""
        self._running[self._pool.submit(self._send, step)] = step
        return None

    def wait(self, seconds: float) -> Landed | None:
        """Return the first attempt that ends, or None after these seconds."""
        if not self._running:
            time.sleep(seconds)
            return None
        done, _ = wait_for(self._running, None if seconds == inf else seconds, FIRST_COMPLETED)
        for ended in done:
            del self._running[ended]
            return ended.result()
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for step in self._running.values():
            self._cancel(step)
        self._pool.shutdown(wait=False, cancel_futures=True)


class AsyncInTurn:
    """Runs one attempt at a time, in the calling task."""

    def __init__(self, send: AsyncSend) -> None:
        self._send = send

    def start(self, step: Start) -> Awaitable[Landed | None]:
        """Send."""
        return self._send(step)

    async def wait(self, seconds: float) -> Landed | None:
        """Sleep."""
        import anyio

        await anyio.sleep(seconds)
        return None


class InTasks:
    """Runs each attempt in a task. Leaving the context cancels the running attempts and waits for their end."""

    def __init__(self, send: AsyncSend) -> None:
        import anyio

        self._send = send
        self._group: Any = anyio.create_task_group()
        self._landing, self._landed = anyio.create_memory_object_stream[Landed](inf)

    async def start(self, step: Start) -> Landed | None:
        """Send in a task."""
        self._group.start_soon(self._fly, step)
        return None

    async def wait(self, seconds: float) -> Landed | None:
        """Return the first attempt that ends, or None after these seconds."""
        import anyio

        with anyio.move_on_after(seconds):
            return await self._landed.receive()
        return None

    async def _fly(self, step: Start) -> None:
        self._landing.send_nowait(await self._send(step))

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._group.cancel_scope.cancel()
        try:
            # Without the error of the body: the group would wrap it.
            await self._group.__aexit__(None, None, None)
        finally:
            self._landing.close()
            self._landed.close()
