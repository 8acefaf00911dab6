"""Client and AsyncClient: they send what a `FallbackPlan` decides.

Both drive one generator, `work`, which makes every decision and does no I/O. It yields calls to send or seconds to
wait, and receives the responses.
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
from .config import ClientOptions, MustKeep, Targets, checked_count, read_settings
from .events import AttemptEnded, AttemptStarted
from .flights import AsyncInTurn, InTasks, InThreads, InTurn, adrive, drive

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Self, Unpack

    from ..canonical import RequestOptions

__all__ = ["AsyncClient", "AttemptEnded", "AttemptStarted", "Client", "Completed", "Progress"]

_CLOSED = "the client is closed"


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
        max_connections (int): calls that an `AsyncClient` hands to httpx at the same time; 100 by default.
        env_keys (bool): whether API keys from the environment may go to a host that is not the provider's own.
        on_attempt_start, on_attempt_end (Callable): called with an `AttemptStarted` and an `AttemptEnded` in the
            thread of the attempt; their exceptions are logged.

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
        **fields: Unpack[RequestOptions],
    ) -> RerankResponse:
        """Rerank documents by relevance to a query.

        Args:
            query: the query, or a whole request.
            documents: the documents; None with a whole request.
            must_keep: canonical fields that must not be lost in a way that affects the result, or ``"all"``.
            fields: further fields of `RerankRequest`: model, top_n, return_documents, instruction, max_tokens_per_doc,
                truncation, rank_fields, return_embeddings or provider_options.

        Raises:
            RequestError: a mistake in the request; nothing was sent.
            RerankError: the error of a single target.
            AllProvidersFailedError: every target failed; it holds every error.
        """
        request_fields = as_fields(query, documents, fields)
        return noted(self.rerank_fields(request_fields, must_keep=must_keep), request_fields["model"], self.settings)

    def rerank_fields(self, fields: RequestFields, *, must_keep: MustKeep = ()) -> RerankResponse:
        """Rerank a request of plain canonical fields, as `Provider.decode_fields` returns them."""
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
        except Exception as error:  # noqa: BLE001 - a user's sender may raise anything; raised by `work`
            return Landed(step.id, error)

    def _send(self, step: Start, call: Call) -> HttpResponse | RerankError:
        if self._sender is None:
            raise InvalidRequestError(_CLOSED)
        if step.dropped:
            return TransportError("the attempt was cancelled")
        try:
            in_process = call.provider.sender
            return in_process(call.http) if in_process is not None else self._sender(call.http, step.timeout)
        except RerankError as error:
            return error

    def _cancel(self, step: Start) -> None:
        """Cancel the calls of an attempt in other threads, where the sender supports it, and send no further ones."""
        step.dropped = True
        cancel = getattr(self._sender, "cancel", None)
        if cancel is not None:
            for call in step.calls:
                cancel(call.http)

    def close(self) -> None:
        """Close the connections that this client opened. Further calls raise `InvalidRequestError`."""
        self._sender = None
        if self._close is not None:
            self._close()

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
        **fields: Unpack[RequestOptions],
    ) -> RerankResponse:
        """Rerank documents by relevance to a query; see `Client.rerank`."""
        request_fields = as_fields(query, documents, fields)
        return noted(
            await self.rerank_fields(request_fields, must_keep=must_keep), request_fields["model"], self.settings
        )

    async def rerank_fields(self, fields: RequestFields, *, must_keep: MustKeep = ()) -> RerankResponse:
        """Rerank a request of plain canonical fields; see `Client.rerank_fields`."""
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
        """Rerank many requests with bounded concurrency; see `Client.rerank_many`.

        To stop early, close the generator (``contextlib.aclosing``): it cancels the running requests.
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
        """Close the connections that this client opened. Further calls raise `InvalidRequestError`."""
        self._sender = None
        if self._close is not None:
            await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _send(sender: AsyncSender, call: Call, timeout: float) -> Awaitable[HttpResponse]:
    """Send a call. A provider that ranks in this process does so in a thread, as it would block the event loop."""
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
