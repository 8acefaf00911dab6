"""Client and AsyncClient: a thin loop that does what the fallback plan says.

Both drive one generator, `work`, which makes every decision and does no I/O: it yields what to send or how long to
wait, and gets the answers. Only the awaiting differs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._http import HttpResponse
from .._provider import Call
from ..canonical import Document, Query, RequestFields, RerankRequest, RerankResponse
from ..errors import InvalidRequestError, MissingExtraError, RerankError, TransportError
from ..transport import AsyncHttpxSender, AsyncSender, HttpxSender, Sender
from .bulk import Completed, OnProgress, Progress, in_tasks, in_threads
from .calls import Landed, Start, as_fields, noted, work
from .config import MustKeep, Targets, checked_count, read_settings
from .events import AttemptEnded, AttemptStarted
from .flights import AsyncInTurn, InTasks, InThreads, InTurn, adrive, drive

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Self

__all__ = ["AsyncClient", "AttemptEnded", "AttemptStarted", "Client", "Completed", "Progress"]

_CLOSED = "the client is closed"


class Client:
    """Ranks with one vendor, or with the first of several that answers.

    Args:
        targets: a provider's name, a `Target`, or a list of either, in the order in which they are tried.
        api_key, base_url, model: for a single provider; of several each `Target` has its own.
        policy: what each outcome does; see `FallbackPolicy`.
        health: cool-downs and breakers; share one between clients that call the same vendors.
        timeout: seconds for one attempt, finite.
        connect_timeout: seconds for its connection.
        read_timeout: seconds between two pieces of its answer; None for no limit but the attempt's.
        deadline: seconds for one `rerank`, all attempts and waits included; None for no limit but the attempts'.
        headers: further headers for every call.
        max_response_bytes: where reading an answer stops.
        split: ``"always"`` splits for listwise models too when a request is too large for one call.
        estimate: counts the tokens of a text, rather too many.
        concurrency: parts of one request that are under way at the same time.
        max_connections: calls that an asynchronous client hands to httpx at a time; others wait their turn.
        env_keys: whether keys from the environment may go to a ``base_url`` on another host than the vendor's.
        on_attempt_start, on_attempt_end: told of each attempt with an `AttemptStarted` and an `AttemptEnded`, in the
            thread that makes it; what they raise is logged.
        http_client: an ``httpx.Client`` of yours (or httpx2's), for proxies, TLS, HTTP/2 or hooks; it stays yours to
            close.
        sender: anything that sends an `HttpRequest`, instead.

    Raises:
        InvalidRequestError, UnknownProviderError, MissingApiKeyError, MissingExtraError: before any call.
    """

    def __init__(
        self,
        targets: Targets,
        *,
        http_client: httpx.Client | httpx.BaseTransport | None = None,
        sender: Sender | None = None,
        **settings: Any,
    ) -> None:
        self.settings = read_settings(targets, **settings)
        self._close: Callable[[], None] | None = None
        if sender is None and http_client is not None:
            sender = HttpxSender(http_client, **self.settings.limits)
        elif sender is None:
            sender, self._close = _httpx().default_sender(**self.settings.limits)
        self._sender: Sender | None = sender

    def rerank(
        self,
        query: RerankRequest | Query,
        documents: Sequence[Document] | None = None,
        *,
        must_keep: MustKeep = (),
        **fields: Any,
    ) -> RerankResponse:
        """Rank documents.

        Args:
            query: what is looked for, or a whole request.
            documents: what is ranked; None with a whole request.
            must_keep: canonical fields that must not be lost in a way that affects the result, or ``"all"``.
            fields: further fields of `RerankRequest`, such as ``top_n`` and ``model``.

        Raises:
            RerankError: the caller's own mistake, or a single target's error.
            AllProvidersFailedError: every target failed; it holds every cause.
        """
        request_fields = as_fields(query, documents, fields)
        return noted(self.rerank_fields(request_fields, must_keep=must_keep), request_fields["model"], self.settings)

    def rerank_fields(self, fields: RequestFields, *, must_keep: MustKeep = ()) -> RerankResponse:
        """The same from plain canonical fields, as `Provider.decode_fields` gives them: no pydantic model is built."""
        job = work(self.settings, fields, must_keep)
        if self.settings.policy.hedge_after is None:
            return drive(job, InTurn(self._send_all))
        with InThreads(self._send_all, self._cancel, len(self.settings.targets)) as flights:
            return drive(job, flights)

    def rerank_many(
        self,
        requests: Iterable[RerankRequest],
        *,
        concurrency: int = 8,
        ordered: bool = False,
        progress: OnProgress | None = None,
        must_keep: MustKeep = (),
    ) -> Generator[Completed, None, None]:
        """Rank many requests, several at a time; a failed one is a value, not an end.

        Args:
            requests: any iterable, an endless one too: it is read as there is room, in the caller's own thread.
            concurrency: how many are under way at a time.
            ordered: whether results come in the order of the requests, else as they come.
            progress: told after each one, in the caller's own thread.
            must_keep: see `rerank`.

        Yields:
            A `Completed` for each request. To stop early, close the generator: what is under way is waited for.

        Raises:
            InvalidRequestError: ``concurrency`` is no integer above 0.
        """
        required = must_keep if isinstance(must_keep, str) else frozenset(must_keep)
        return in_threads(
            lambda request: self.rerank(request, must_keep=required),
            requests,
            concurrency=checked_count(concurrency, "concurrency"),
            ordered=ordered,
            progress=progress,
        )

    def _send_all(self, step: Start) -> Landed:
        try:
            if len(step.calls) == 1:
                return Landed(step.id, [self._send(step, step.calls[0])])
            with ThreadPoolExecutor(self.settings.concurrency) as pool:
                return Landed(step.id, list(pool.map(partial(self._send, step), step.calls)))
        except Exception as error:  # noqa: BLE001 - a sender of the caller's own may raise anything; raised by `work`
            return Landed(step.id, error)

    def _send(self, step: Start, call: Call) -> HttpResponse | RerankError:
        if self._sender is None:
            raise InvalidRequestError(_CLOSED)
        if step.dropped:
            return TransportError("given up")
        try:
            in_process = call.provider.sender
            return in_process(call.http) if in_process is not None else self._sender(call.http, step.timeout)
        except RerankError as error:
            return error

    def _cancel(self, step: Start) -> None:
        """End calls in other threads, where the sender can; those to come are not sent."""
        step.dropped = True
        cancel = getattr(self._sender, "cancel", None)
        if cancel is not None:
            for call in step.calls:
                cancel(call.http)

    def close(self) -> None:
        """Close the connections that are the client's own."""
        self._sender = None
        if self._close is not None:
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """The same, asynchronously; see `Client`. Works without ``async with`` until `aclose`. Runs on asyncio and trio.

    Args:
        http_client: an ``httpx.AsyncClient`` of yours; it stays yours to close.
        sender: anything that sends an `HttpRequest` asynchronously, such as `AiohttpSender`.
    """

    def __init__(
        self,
        targets: Targets,
        *,
        http_client: httpx.AsyncClient | httpx.AsyncBaseTransport | None = None,
        sender: AsyncSender | None = None,
        **settings: Any,
    ) -> None:
        self.settings = read_settings(targets, **settings)
        self._close: Callable[[], Awaitable[None]] | None = None
        if sender is None and http_client is not None:
            sender = AsyncHttpxSender(http_client, max_concurrent=self.settings.max_connections, **self.settings.limits)
        elif sender is None:
            sender, self._close = _httpx().default_async_sender(self.settings.max_connections, **self.settings.limits)
        self._sender: AsyncSender | None = sender

    async def rerank(
        self,
        query: RerankRequest | Query,
        documents: Sequence[Document] | None = None,
        *,
        must_keep: MustKeep = (),
        **fields: Any,
    ) -> RerankResponse:
        """Rank documents; see `Client.rerank`."""
        request_fields = as_fields(query, documents, fields)
        return noted(
            await self.rerank_fields(request_fields, must_keep=must_keep), request_fields["model"], self.settings
        )

    async def rerank_fields(self, fields: RequestFields, *, must_keep: MustKeep = ()) -> RerankResponse:
        """The same from plain canonical fields; see `Client.rerank_fields`."""
        job = work(self.settings, fields, must_keep)
        if self.settings.policy.hedge_after is None:
            return await adrive(job, AsyncInTurn(self._send_all))
        async with InTasks(self._send_all) as flights:
            return await adrive(job, flights)

    def rerank_many(
        self,
        requests: Iterable[RerankRequest] | AsyncIterable[RerankRequest],
        *,
        concurrency: int = 8,
        ordered: bool = False,
        progress: OnProgress | None = None,
        must_keep: MustKeep = (),
    ) -> AsyncGenerator[Completed, None]:
        """Rank many requests, several at a time; see `Client.rerank_many`.

        To stop early, close the generator (``contextlib.aclosing``): what is under way is cancelled.
        """
        required = must_keep if isinstance(must_keep, str) else frozenset(must_keep)
        return in_tasks(
            lambda request: self.rerank(request, must_keep=required),
            requests,
            concurrency=checked_count(concurrency, "concurrency"),
            ordered=ordered,
            progress=progress,
        )

    async def _send_all(self, step: Start) -> Landed:
        sender = self._sender
        if sender is None:
            return Landed(step.id, InvalidRequestError(_CLOSED))
        try:
            if len(step.calls) > 1:
                return Landed(step.id, await self._send_parts(sender, step))
            return Landed(step.id, [await _send(sender, step.calls[0], step.timeout)])
        except RerankError as error:
            return Landed(step.id, [error])
        except Exception as error:  # noqa: BLE001 - as above
            return Landed(step.id, error)

    async def _send_parts(self, sender: AsyncSender, step: Start) -> list[HttpResponse | RerankError]:
        import anyio

        responses: list[Any] = [None] * len(step.calls)
        failed: list[Exception] = []
        limiter = anyio.CapacityLimiter(self.settings.concurrency)

        async def one(at: int, call: Call) -> None:
            try:
                async with limiter:
                    responses[at] = await _send(sender, call, step.timeout)
            except RerankError as error:
                responses[at] = error
            except Exception as error:  # noqa: BLE001 - raised below: here the group would wrap it
                failed.append(error)
                group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            for at, call in enumerate(step.calls):
                group.start_soon(one, at, call)
        if failed:
            raise failed[0]
        return responses

    async def aclose(self) -> None:
        """Close the connections that are the client's own."""
        self._sender = None
        if self._close is not None:
            await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _send(sender: AsyncSender, call: Call, timeout: float) -> Awaitable[HttpResponse]:
    """What to await for an answer: a sender of the provider's own computes, and so not in the loop's thread."""
    in_process = call.provider.sender
    if in_process is None:
        return sender(call.http, timeout)
    from anyio import to_thread

    return to_thread.run_sync(in_process, call.http)


def _httpx() -> Any:
    from ..transport import httpx

    try:
        for needed in ("anyio", "httpx"):
            import_module(needed)
    except ImportError:
        raise MissingExtraError("the client needs httpx and anyio: pip install 'rerank-unify[http]'") from None

    return httpx
