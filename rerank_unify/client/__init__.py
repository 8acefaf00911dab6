"""Client and AsyncClient: a thin loop that does what the fallback plan says.

Both drive one generator, `work`, which makes every decision and does no I/O: it yields what to send or how long to
wait, and gets the answers. Only the awaiting differs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..canonical import Document, Query, RerankRequest, RerankResponse
from ..errors import InvalidRequestError, MissingExtraError, RerankError
from ..registry import Answer, Call
from ..transport import AsyncHttpxSender, AsyncSender, HttpxSender, Sender
from .settings import MustKeep, Targets, read_settings
from .work import Pause, Send, as_request, work

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Self

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
        deadline: seconds for one `rerank`, all attempts and waits included; None for no limit but the attempts'.
        headers: further headers for every call.
        max_response_bytes: where reading an answer stops.
        split: ``"always"`` splits for listwise models too when a request is too large for one call.
        estimate: counts the tokens of a text, rather too many.
        concurrency: parts of one request that are under way at the same time.
        env_keys: whether keys from the environment may go to a ``base_url`` on another host than the vendor's.
        http_client: an ``httpx.Client`` of yours, for proxies, TLS, HTTP/2 or hooks; it stays yours to close.
        sender: anything that sends an `HttpRequest`, instead.

    Raises:
        InvalidRequestError, UnknownProviderError, MissingApiKeyError, MissingExtraError: before any call.
    """

    def __init__(
        self,
        targets: Targets,
        *,
        http_client: httpx.Client | None = None,
        sender: Sender | None = None,
        **settings: Any,
    ) -> None:
        self.settings = read_settings(targets, **settings)
        self._owned: httpx.Client | None = None
        if sender is None:
            client = http_client or _httpx().Client()
            self._owned = client if http_client is None else None
            sender = HttpxSender(client, connect=self.settings.connect_timeout, most=self.settings.most)
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
        job = work(self.settings, as_request(query, documents, fields), must_keep)
        try:
            step = next(job)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = job.send(())
                else:
                    step = job.send(self._send_all(step))
        except StopIteration as done:
            response: RerankResponse = done.value
            return response
        finally:
            job.close()

    def _send_all(self, step: Send) -> Sequence[Answer | RerankError]:
        if len(step.calls) == 1:
            return [self._send(step.calls[0], step.timeout)]
        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            return list(pool.map(self._send, step.calls, [step.timeout] * len(step.calls)))

    def _send(self, call: Call, timeout: float) -> Answer | RerankError:
        if self._sender is None:
            raise InvalidRequestError(_CLOSED)
        try:
            own = call.provider.sender
            return own(call.http) if own is not None else self._sender(call.http, timeout)
        except RerankError as error:
            return error

    def close(self) -> None:
        """Close the connections that are the client's own."""
        self._sender = None
        if self._owned is not None:
            self._owned.close()

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
        http_client: httpx.AsyncClient | None = None,
        sender: AsyncSender | None = None,
        **settings: Any,
    ) -> None:
        self.settings = read_settings(targets, **settings)
        self._owned: httpx.AsyncClient | None = None
        if sender is None:
            client = http_client or _httpx().AsyncClient()
            self._owned = client if http_client is None else None
            sender = AsyncHttpxSender(client, connect=self.settings.connect_timeout, most=self.settings.most)
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
        import anyio

        job = work(self.settings, as_request(query, documents, fields), must_keep)
        try:
            step = next(job)
            while True:
                if isinstance(step, Pause):
                    await anyio.sleep(step.seconds)
                    step = job.send(())
                else:
                    step = job.send(await self._send_all(step))
        except StopIteration as done:
            response: RerankResponse = done.value
            return response
        finally:
            job.close()

    async def _send_all(self, step: Send) -> Sequence[Answer | RerankError]:
        if len(step.calls) == 1:
            return [await self._send(step.calls[0], step.timeout)]
        import anyio

        answers: list[Any] = [None] * len(step.calls)
        limiter = anyio.CapacityLimiter(self.settings.concurrency)

        async def one(at: int, call: Call) -> None:
            async with limiter:
                answers[at] = await self._send(call, step.timeout)

        async with anyio.create_task_group() as group:
            for at, call in enumerate(step.calls):
                group.start_soon(one, at, call)
        return answers

    async def _send(self, call: Call, timeout: float) -> Answer | RerankError:
        import anyio.to_thread

        if self._sender is None:
            raise InvalidRequestError(_CLOSED)
        try:
            own = call.provider.sender
            if own is not None:
                return await anyio.to_thread.run_sync(own, call.http)  # it computes: not in the loop's own thread
            return await self._sender(call.http, timeout)
        except RerankError as error:
            return error

    async def aclose(self) -> None:
        """Close the connections that are the client's own."""
        self._sender = None
        if self._owned is not None:
            await self._owned.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _httpx() -> Any:
    try:
        import httpx
    except ImportError:
        raise MissingExtraError("the client needs httpx and anyio: pip install 'rerank-unify[http]'") from None
    return httpx
