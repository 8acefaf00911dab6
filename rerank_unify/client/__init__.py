"""Client and AsyncClient: each is a loop over the steps of a `FallbackPlan`."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from .. import transport
from .._http import HttpRequest, HttpResponse
from .._provider import Call
from ..canonical import (
    Document,
    Query,
    RequestFields,
    RerankRequest,
    RerankResponse,
    checked_count,
)
from ..errors import InvalidRequestError, MissingExtraError
from ..fallback import Attempt, FallbackPlan, Finished, Wait
from ..transport import AsyncHttpxSender, AsyncSender, HttpxSender, Sender
from .attempts import Job, Running, as_fields, job_of, plan_of, with_model_warning
from .bulk import Completed, OnProgress, Progress, in_tasks, in_threads
from .config import ClientOptions, MustKeep, Targets, read_settings
from .events import AttemptEnded, AttemptStarted

if TYPE_CHECKING:
    import anyio
    import httpx
    from anyio.lowlevel import RunVar
    from typing_extensions import Self, Unpack

    from ..cache import ScoreCache
    from ..canonical import RequestOptions

__all__ = ["AsyncClient", "AttemptEnded", "AttemptStarted", "Client", "Completed", "Progress"]

A = TypeVar("A")
T = TypeVar("T")
_CLOSED = "the client is closed"
_MAX_RANKINGS = 2


class Client:
    """Reranks with one provider, or with the first of several targets that succeeds. Safe under threads.

    Args:
        targets: a provider's name, a `Provider`, a `Target`, or a list of these, in the order in which they are tried.
        http_client: your ``httpx.Client`` (or httpx2's), for proxies, TLS, HTTP/2 or hooks; you close it.
        sender: any callable that sends an `HttpRequest`, in place of httpx.
        settings: the keywords below.

    Keyword Args:
        api_key (str): the API key, for a single provider; None for the provider's environment variable.
        base_url (str): the base URL, for a single provider; joined with the provider's path.
        url (str): the whole URL, for a single provider; used as it is.
        model (str): the model, for a single provider; of several targets each `Target` has its own.
        policy (FallbackPolicy): what each outcome does.
        health (Health): cool-downs and breakers; clients that call the same providers may share it.
        timeout (float): seconds for one attempt, above 0 and finite; 60 by default.
        connect_timeout (float): seconds for a connection; 5 by default.
        read_timeout (float | None): seconds between two chunks of a response; None for the attempt's limit alone.
        deadline (float | None): seconds for one `rerank` with all attempts and waits; None for no further limit.
        headers (Mapping[str, str]): further headers of each call.
        max_response_bytes (int): bytes of a response that are read, 1 or more; 64 MiB by default.
        split (str): ``"pointwise"``, or ``"always"`` to split requests of listwise models too when they are too large.
        estimate (Callable[[str], int]): estimates the tokens of a text, rather too many than too few.
        concurrency (int): parts of one request that run at the same time; 4 by default.
        max_connections (int): connections that the client opens at the same time; 100 by default.
        cache (ScoreCache | None): a cache of the scores of pointwise models, such as `MemoryScoreCache`, which clients
            may share and you close; None for no cache.
        min_score (float | None): the lowest score of a result, as the provider scores. Lower results are removed, and a
            warning counts them. A target whose scores are of unknown kind is not called; results that no model ranked
            all stay. None for no limit.
        min_unit_score (float | None): the same for unit scores, 0 to 1, which fits scores of several kinds.
        env_keys (bool): whether API keys from the environment may go to a host that is not the provider's own.
        on_attempt_start (Callable): called with an `AttemptStarted`, in the thread of the attempt; its exceptions are
            logged.
        on_attempt_end (Callable): called with an `AttemptEnded`, likewise.

    Raises:
        InvalidRequestError: a setting has a wrong value.
        UnknownProviderError: no provider has this name.
        MissingApiKeyError: a provider needs an API key.
        MissingExtraError: httpx or anyio is not installed.
    """

    def __init__(
        self,
        targets: Targets,
        *,
        http_client: httpx.Client | httpx.BaseTransport | None = None,
        sender: Sender | None = None,
        **settings: Unpack[ClientOptions],
    ) -> None:
        self.settings = read_settings(targets, "Client", settings)
        if self.settings.policy.hedge_after is not None:
            raise InvalidRequestError("policy: hedge_after is for AsyncClient alone", field="policy")
        self._opened: transport.OwnSender | None = None
        if sender is None and http_client is not None:
            sender = HttpxSender(http_client, **self.settings.limits)
        elif sender is None:
            _check_installed()
            sender = self._opened = transport.OwnSender(self.settings.max_connections, self.settings.limits)
        self._sender = sender
        self._lock, self._running, self._closed = Lock(), 0, False

    def rerank(
        self,
        query: RerankRequest | Query,
        documents: Sequence[Document] | None = None,
        *,
        must_keep: MustKeep = (),
        min_score: float | None = None,
        min_unit_score: float | None = None,
        **fields: Unpack[RequestOptions],
    ) -> RerankResponse:
        """Rerank documents by relevance to a query.

        Args:
            query: the query, or a whole request.
            documents: the documents; None with a whole request.
            must_keep: canonical fields that must not be lost in a way that affects the result, or ``"all"``.
            min_score: as the client's, in its place.
            min_unit_score: as the client's, in its place.
            fields: further fields of `RerankRequest`: model, top_n, return_documents, instruction, max_tokens_per_doc,
                truncation, rank_fields, return_embeddings or provider_options.

        Returns:
            The response. Its results are sorted by score, highest first; indices are zero-based.

        Raises:
            RequestError: a mistake in the request; nothing was sent.
            RerankError: the error of a single target.
            AllProvidersFailedError: every target failed; it holds every error.

        Examples:
            >>> with ru.Client("local") as client:
            ...     response = client.rerank("skin cream", ["motor oil", "aloe vera cream"], top_n=1)
            >>> response[0].index
            1
        """
        request_fields = as_fields(query, documents, fields)
        response = self.rerank_fields(
            request_fields, must_keep=must_keep, min_score=min_score, min_unit_score=min_unit_score
        )
        return with_model_warning(response, request_fields["model"], self.settings)

    def rerank_fields(
        self,
        fields: RequestFields,
        *,
        must_keep: MustKeep = (),
        min_score: float | None = None,
        min_unit_score: float | None = None,
        cache_scope: str = "",
    ) -> RerankResponse:
        """Rerank a request of plain canonical fields, as `Provider.decode_fields` returns them.

        Args:
            fields: the fields of the request.
            must_keep: as in `rerank`.
            min_score: as in `rerank`.
            min_unit_score: as in `rerank`.
            cache_scope: the group of users that share scores of the cache, such as one of the gateway's keys.

        Returns:
            The response, as `rerank`.

        Raises:
            RerankError: as `rerank`.
        """
        job = job_of(self.settings, fields, must_keep, min_score, min_unit_score, cache_scope)
        plan = plan_of(self.settings, fields)
        attempt = partial(self._attempt, plan, job)
        with self._in_use():
            while not isinstance(step := plan.next(time.monotonic()), Finished):
                if isinstance(step, Wait):
                    time.sleep(step.seconds)
                else:
                    attempt(step)
        return job.finish(plan.result())

    def _attempt(self, plan: FallbackPlan, job: Job, step: Attempt) -> None:
        cache = self.settings.cache
        with Running(self.settings, plan, job, step) as attempt:
            calls: Sequence[Call] | None = attempt.prepare()
            if cache is not None:
                calls = attempt.without_cached(cache.get_many(attempt.cache_keys(cache)))
            while calls is not None:
                calls = attempt.decode(self._send(attempt, calls))
            if cache is not None:
                cache.set_many(attempt.new_scores)

    def _send(self, attempt: Running, calls: Sequence[Call]) -> list[tuple[Call, HttpResponse]]:
        if len(calls) <= 1:
            return [self._send_one(attempt, call) for call in calls]
        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            return list(pool.map(partial(self._send_one, attempt), calls))

    def _send_one(self, attempt: Running, call: Call) -> tuple[Call, HttpResponse]:
        if call.provider.sender is not None:
            return call, call.provider.sender(call.http)
        if call.provider.auth.signs:
            exchange = attempt.token_request(call)
            if exchange is not None:
                attempt.take_token(call, self._sender(exchange, attempt.seconds_left()))
            call = attempt.signed(call)
        return call, self._sender(call.http, attempt.seconds_left())

    def rerank_many(
        self,
        requests: Iterable[RerankRequest],
        *,
        concurrency: int = 8,
        ordered: bool = False,
        progress: OnProgress | None = None,
        must_keep: MustKeep = (),
    ) -> Generator[Completed, None, None]:
        """Rerank many requests with bounded concurrency; a failed request is a value.

        Args:
            requests: any iterable, also an endless one: it is read in your thread, only as far as requests can start.
            concurrency: requests that run at the same time, 1 or more.
            ordered: whether to yield in the order of the requests, else as they complete.
            progress: called after each request, in your thread.
            must_keep: as in `rerank`.

        Yields:
            A `Completed` for each request. To stop early, close the generator: it waits for the running requests.

        Raises:
            InvalidRequestError: ``concurrency`` is no integer above 0.

        Examples:
            >>> documents = ["motor oil", "skin cream"]
            >>> requests = (ru.RerankRequest(query=query, documents=documents) for query in ("oil", "skin"))
            >>> with ru.Client("local") as client:
            ...     [done.response[0].index for done in client.rerank_many(requests, ordered=True)]
            [0, 1]
        """
        required = must_keep if isinstance(must_keep, str) else frozenset(must_keep)
        return in_threads(
            lambda request: self.rerank(request, must_keep=required),
            requests,
            concurrency=checked_count(concurrency, "concurrency"),
            ordered=ordered,
            progress=progress,
        )

    @contextmanager
    def _in_use(self) -> Generator[None]:
        """Count the running calls: the last one closes the connections of a closed client."""
        with self._lock:
            if self._closed:
                raise InvalidRequestError(_CLOSED)
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
            self._close_unused()

    def _close_unused(self) -> None:
        if self._closed and not self._running and self._opened is not None:
            self._opened.close()

    def close(self) -> None:
        """Refuse further calls with `InvalidRequestError`, and close the connections that this client opened.

        Running calls end first, by themselves or at their timeout.
        """
        with self._lock:
            self._closed = True
        self._close_unused()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """Reranks asynchronously, on asyncio and trio; see `Client`. ``async with`` is optional: `aclose` closes it, too.

    Args:
        targets: as in `Client`.
        http_client: your ``httpx.AsyncClient`` (or httpx2's); you close it.
        sender: any callable that sends an `HttpRequest` asynchronously, such as `AiohttpSender`.
        settings: the keywords of `Client`.

    Raises:
        RequestError: as `Client`.
    """

    def __init__(
        self,
        targets: Targets,
        *,
        http_client: httpx.AsyncClient | httpx.AsyncBaseTransport | None = None,
        sender: AsyncSender | None = None,
        **settings: Unpack[ClientOptions],
    ) -> None:
        self.settings = read_settings(targets, "AsyncClient", settings)
        self._opened: transport.OwnAsyncSender | None = None
        if sender is None and http_client is not None:
            sender = AsyncHttpxSender(http_client, **self.settings.limits)
        elif sender is None:
            _check_installed()
            sender = self._opened = transport.OwnAsyncSender(self.settings.max_connections, self.settings.limits)
        self._sender = sender
        self._running: set[anyio.CancelScope] = set()
        self._unused: anyio.Event | None = None
        self._closed = False

    async def rerank(
        self,
        query: RerankRequest | Query,
        documents: Sequence[Document] | None = None,
        *,
        must_keep: MustKeep = (),
        min_score: float | None = None,
        min_unit_score: float | None = None,
        **fields: Unpack[RequestOptions],
    ) -> RerankResponse:
        """Rerank documents by relevance to a query; see `Client.rerank`.

        Args:
            query: the query, or a whole request.
            documents: the documents; None with a whole request.
            must_keep: canonical fields that must not be lost in a way that affects the result, or ``"all"``.
            min_score: as the client's, in its place.
            min_unit_score: as the client's, in its place.
            fields: further fields of `RerankRequest`.

        Returns:
            The response. Its results are sorted by score, highest first; indices are zero-based.

        Raises:
            RerankError: as `Client.rerank`.

        Examples:
            >>> import asyncio
            >>> async def first(query, documents):
            ...     async with ru.AsyncClient("local") as client:
            ...         return (await client.rerank(query, documents, top_n=1))[0].index
            >>> asyncio.run(first("skin cream", ["motor oil", "aloe vera cream"]))
            1
        """
        request_fields = as_fields(query, documents, fields)
        response = await self.rerank_fields(
            request_fields, must_keep=must_keep, min_score=min_score, min_unit_score=min_unit_score
        )
        return with_model_warning(response, request_fields["model"], self.settings)

    async def rerank_fields(
        self,
        fields: RequestFields,
        *,
        must_keep: MustKeep = (),
        min_score: float | None = None,
        min_unit_score: float | None = None,
        cache_scope: str = "",
    ) -> RerankResponse:
        """Rerank a request of plain canonical fields; see `Client.rerank_fields`.

        Args:
            fields: the fields of the request.
            must_keep: as in `rerank`.
            min_score: as in `rerank`.
            min_unit_score: as in `rerank`.
            cache_scope: the group of users that share scores of the cache.

        Returns:
            The response, as `rerank`.

        Raises:
            RerankError: as `rerank`.
        """
        import anyio

        job = job_of(self.settings, fields, must_keep, min_score, min_unit_score, cache_scope)
        plan = plan_of(self.settings, fields)
        attempt = partial(self._attempt, plan, job)
        with self._in_use():
            if self.settings.policy.hedge_after is not None:
                await self._hedged(plan, attempt)
            while not isinstance(step := plan.next(time.monotonic()), Finished):
                if isinstance(step, Wait):
                    await anyio.sleep(step.seconds)
                else:
                    await attempt(step)
        return job.finish(plan.result())

    async def _hedged(self, plan: FallbackPlan, attempt: Callable[[Attempt], Awaitable[None]]) -> None:
        """Run the attempts of a plan in tasks, as one may start beside another. The end of the plan cancels all."""
        import anyio

        ended = anyio.Semaphore(0)
        failed: list[Exception] = []

        async def attempt_in_task(step: Attempt) -> None:
            try:
                await attempt(step)
            except Exception as error:  # noqa: BLE001 - raised below: the group would wrap it
                failed.append(error)
            ended.release()

        async with anyio.create_task_group() as group:
            while not failed and not isinstance(step := plan.next(time.monotonic()), Finished):
                if isinstance(step, Attempt):
                    group.start_soon(attempt_in_task, step)
                else:
                    with anyio.move_on_after(step.seconds):
                        await ended.acquire()
            group.cancel_scope.cancel()
        if failed and not plan.ended:
            raise failed[0]

    async def _attempt(self, plan: FallbackPlan, job: Job, step: Attempt) -> None:
        cache = self.settings.cache
        with Running(self.settings, plan, job, step) as attempt:
            calls: Sequence[Call] | None = attempt.prepare()
            if cache is not None:
                keys = attempt.cache_keys(cache)
                calls = attempt.without_cached(await _in_cache(cache, cache.get_many, keys))
            while calls is not None:
                calls = attempt.decode(await self._send(attempt, calls))
            if cache is not None:
                await _in_cache(cache, cache.set_many, attempt.new_scores)

    async def _send(self, attempt: Running, calls: Sequence[Call]) -> Sequence[tuple[Call, HttpResponse]]:
        if len(calls) <= 1:
            return [await self._send_one(attempt, call) for call in calls]
        import anyio

        responses: list[Any] = [None] * len(calls)
        failed: list[Exception] = []
        limiter = anyio.CapacityLimiter(self.settings.concurrency)

        async def part(at: int) -> None:
            try:
                async with limiter:
                    responses[at] = await self._send_one(attempt, calls[at])
            except Exception as error:  # noqa: BLE001 - raised below: the group would wrap it
                failed.append(error)
                group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            for at in range(len(calls)):
                group.start_soon(part, at)
        if failed:
            raise failed[0]
        return responses

    async def _send_one(self, attempt: Running, call: Call) -> tuple[Call, HttpResponse]:
        if call.provider.sender is not None:
            return call, await _in_thread(call.provider.sender, call.http, attempt.seconds_left())
        if call.provider.auth.signs:
            exchange = attempt.token_request(call)
            if exchange is not None:
                attempt.take_token(call, await self._sender(exchange, attempt.seconds_left()))
            call = attempt.signed(call)
        return call, await self._sender(call.http, attempt.seconds_left())

    def rerank_many(
        self,
        requests: Iterable[RerankRequest] | AsyncIterable[RerankRequest],
        *,
        concurrency: int = 8,
        ordered: bool = False,
        progress: OnProgress | None = None,
        must_keep: MustKeep = (),
    ) -> AsyncGenerator[Completed, None]:
        """Rerank many requests with bounded concurrency; see `Client.rerank_many`.

        Args:
            requests: any iterable, synchronous or asynchronous, also an endless one.
            concurrency: requests that run at the same time, 1 or more.
            ordered: whether to yield in the order of the requests, else as they complete.
            progress: called after each request.
            must_keep: as in `rerank`.

        Yields:
            A `Completed` for each request. To stop early, close the generator (``contextlib.aclosing``): it cancels the
            running requests.

        Raises:
            InvalidRequestError: ``concurrency`` is no integer above 0.
        """
        required = must_keep if isinstance(must_keep, str) else frozenset(must_keep)
        return in_tasks(
            lambda request: self.rerank(request, must_keep=required),
            requests,
            concurrency=checked_count(concurrency, "concurrency"),
            ordered=ordered,
            progress=progress,
        )

    @contextmanager
    def _in_use(self) -> Generator[None]:
        """Run a call in a scope that `aclose` cancels."""
        from anyio import CancelScope

        if self._closed:
            raise InvalidRequestError(_CLOSED)
        with CancelScope() as scope:
            self._running.add(scope)
            try:
                yield
            finally:
                self._running.remove(scope)
                if self._unused is not None and not self._running:
                    self._unused.set()
        if scope.cancelled_caught:
            raise InvalidRequestError(_CLOSED)

    async def aclose(self) -> None:
        """End the running calls, which raise `InvalidRequestError` as all further ones do, and close the connections.

        Call it in the event loop of the calls. Connections that you opened stay open.
        """
        from anyio import Event

        self._closed = True
        if self._running:
            self._unused = Event()
            for scope in self._running:
                scope.cancel()
            await self._unused.wait()
        if self._opened is not None:
            await self._opened.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _in_thread(sender: Callable[[HttpRequest], HttpResponse], http: HttpRequest, timeout: float) -> HttpResponse:
    """Rank in a thread, as it would block the event loop. A thread that is too slow ends later, by itself."""
    from anyio import move_on_after, to_thread

    with move_on_after(timeout):
        return await to_thread.run_sync(sender, http, abandon_on_cancel=True, limiter=_ranking_limiter())
    raise transport.too_late(timeout)


def _ranking_limiter() -> anyio.CapacityLimiter:
    """Return the event loop's limiter of rankings in this process: more at once would starve the loop itself."""
    from anyio import CapacityLimiter

    limiters = _ranking_limiters()
    limiter = limiters.get(None)
    if limiter is None:
        limiter = CapacityLimiter(_MAX_RANKINGS)
        limiters.set(limiter)
    return limiter


@cache
def _ranking_limiters() -> RunVar[anyio.CapacityLimiter | None]:
    from anyio.lowlevel import RunVar

    return RunVar("rerank_unify_rankings")


async def _in_cache(cache: ScoreCache, function: Callable[[A], T], argument: A) -> T:
    """Call a function of the cache, in a thread where it may wait."""
    if not cache.blocks or not argument:
        return function(argument)
    from anyio import to_thread

    return await to_thread.run_sync(function, argument, abandon_on_cancel=True)


def _check_installed() -> None:
    try:
        for needed in ("anyio", "httpx"):
            import_module(needed)
    except ImportError:
        raise MissingExtraError("the client needs httpx and anyio: pip install 'rerank-unify[http]'") from None
