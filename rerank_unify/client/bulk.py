"""Rerank many requests with bounded concurrency; a failed request is a value."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable, Sized
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeAlias

from ..canonical import RerankRequest, RerankResponse
from ..errors import InvalidRequestError, RerankError

AHEAD: Final = 4  # with ordered results: requests that are read beyond the slowest, in multiples of the concurrency


@dataclass(frozen=True, slots=True)
class Completed:
    """The outcome of a request of `Client.rerank_many`: a response or an error.

    Attributes:
        index: the request's position, zero-based.
        request: the request.
        response: the response; None where there is an error.
        error: the error; None where there is a response.
    """

    index: int
    request: RerankRequest
    response: RerankResponse | None = None
    error: RerankError | None = None

    def unwrap(self) -> RerankResponse:
        """Return the response, or raise the error."""
        if self.response is None:
            raise self.error or InvalidRequestError("neither a response nor an error")
        return self.response


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of `Client.rerank_many`.

    Attributes:
        done: requests that have ended, failed ones included.
        failed: requests that have failed.
        total: all requests; None where the iterable has no length.
    """

    done: int
    failed: int
    total: int | None


OnProgress: TypeAlias = Callable[[Progress], object]


class _Outlet:
    """Counts completed requests and yields them as they come or in order."""

    def __init__(self, requests: object, *, ordered: bool, progress: OnProgress | None) -> None:
        self._total = len(requests) if isinstance(requests, Sized) else None
        self._ordered, self._progress = ordered, progress
        self._held: dict[int, Completed] = {}
        self._next = self._done = self._failed = 0

    @property
    def held(self) -> int:
        """How many completed requests wait for an earlier request."""
        return len(self._held)

    def take(self, done: Completed) -> list[Completed]:
        """Return the completed requests that can be yielded now."""
        self._done += 1
        self._failed += done.error is not None
        if self._progress is not None:
            self._progress(Progress(self._done, self._failed, self._total))
        if not self._ordered:
            return [done]
        self._held[done.index] = done
        ready: list[Completed] = []
        while self._next in self._held:
            ready.append(self._held.pop(self._next))
            self._next += 1
        return ready


def in_threads(
    rank: Callable[[RerankRequest], RerankResponse],
    requests: Iterable[RerankRequest],
    *,
    concurrency: int,
    ordered: bool,
    progress: OnProgress | None,
) -> Generator[Completed, None, None]:
    """Rerank in threads; see `Client.rerank_many`."""

    def one(index: int, request: RerankRequest) -> Completed:
        try:
            return Completed(index, request, rank(_checked(request)))
        except RerankError as error:
            return Completed(index, request, error=error)

    source = _Ahead(requests)
    outlet = _Outlet(requests, ordered=ordered, progress=progress)
    running: set[Future[Completed]] = set()
    with ThreadPoolExecutor(concurrency, thread_name_prefix="rerank-unify") as pool:
        try:
            while True:
                room = min(concurrency - len(running), AHEAD * concurrency - len(running) - outlet.held)
                running |= {pool.submit(one, *found) for found in source.next(room)}
                if not running:
                    break
                ended, running = wait_for(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    yield from outlet.take(future.result())
        finally:
            for future in running:
                future.cancel()
    if source.failed is not None:
        raise source.failed


class _Ahead:
    """Numbers the requests. An exception of their iterator ends them; it is raised after the running requests."""

    def __init__(self, requests: Iterable[RerankRequest]) -> None:
        self._source = enumerate(requests)
        self.failed: Exception | None = None

    def next(self, count: int) -> list[tuple[int, RerankRequest]]:
        """Return the next requests, at most ``count``."""
        found: list[tuple[int, RerankRequest]] = []
        try:
            found.extend(islice(self._source, count) if self.failed is None else ())
        except Exception as error:  # noqa: BLE001 - the user's iterator may raise anything; raised at the end
            self.failed = error
        return found


async def in_tasks(
    rank: Callable[[RerankRequest], Awaitable[RerankResponse]],
    requests: Iterable[RerankRequest] | AsyncIterable[RerankRequest],
    *,
    concurrency: int,
    ordered: bool,
    progress: OnProgress | None,
) -> AsyncGenerator[Completed, None]:
    """Rerank in tasks; see `AsyncClient.rerank_many`."""
    import anyio

    outlet = _Outlet(requests, ordered=ordered, progress=progress)
    source = _in_turn(requests)
    crew = _Crew(rank, source, concurrency)
    async with _closed(source), anyio.create_task_group() as group, crew.landed:
        for _ in range(concurrency):
            group.start_soon(crew.work, crew.landing.clone())
        crew.landing.close()
        try:
            async for done in crew.landed:
                for ready in outlet.take(done):
                    yield ready
                    crew.room.release()
        except (GeneratorExit, Exception) as error:  # noqa: BLE001 - raised below: here the group would wrap it
            crew.failed = crew.failed or error
            group.cancel_scope.cancel()
    if isinstance(crew.failed, Exception):
        raise crew.failed


@asynccontextmanager
async def _closed(source: AsyncGenerator[Any, None]) -> AsyncGenerator[None]:
    """Close the source at the end, in a cancelled task too."""
    import anyio

    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await source.aclose()


class _Crew:
    """Workers that rerank the requests of a source, and the stream of their results."""

    def __init__(
        self,
        rank: Callable[[RerankRequest], Awaitable[RerankResponse]],
        source: AsyncGenerator[tuple[int, RerankRequest], None],
        concurrency: int,
    ) -> None:
        import anyio

        self._rank, self._source, self._turn = rank, source, anyio.Lock()
        self.room = anyio.Semaphore(AHEAD * concurrency)
        self.landing, self.landed = anyio.create_memory_object_stream[Completed]()
        self.failed: BaseException | None = None

    async def work(self, out: Any) -> None:
        """Rerank requests until the source ends."""
        try:
            async with out:
                while (found := await self._next()) is not None:
                    await out.send(await self._one(*found))
        except Exception as error:  # noqa: BLE001 - a user's sender may raise anything; raised at the end
            self.failed = self.failed or error

    async def _next(self) -> tuple[int, RerankRequest] | None:
        await self.room.acquire()
        async with self._turn:
            if self.failed is not None:
                return None
            try:
                return await anext(self._source, None)
            except Exception as error:  # noqa: BLE001 - the user's iterator may raise anything; raised at the end
                self.failed = error
                return None

    async def _one(self, index: int, request: RerankRequest) -> Completed:
        try:
            return Completed(index, request, await self._rank(_checked(request)))
        except RerankError as error:
            return Completed(index, request, error=error)


async def _in_turn(
    requests: Iterable[RerankRequest] | AsyncIterable[RerankRequest],
) -> AsyncGenerator[tuple[int, RerankRequest], None]:
    """Number the requests of either kind of iterable."""
    if isinstance(requests, Iterable):
        for index, request in enumerate(requests):
            yield index, request
    else:
        index = 0
        async for request in requests:
            yield index, request
            index += 1


def _checked(request: RerankRequest) -> RerankRequest:
    if not isinstance(request, RerankRequest):  # pyright: ignore[reportUnnecessaryIsInstance] - users without a type checker
        raise InvalidRequestError(f"requests: expected RerankRequest, not {type(request).__name__}", field="requests")
    return request
