"""Client and AsyncClient: a thin loop that does what the fallback plan says.

Both drive one generator, `_work`, which makes every decision and does no I/O: it yields what to send or how long to
wait, and gets the answers. Only the awaiting differs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from . import errors as e
from .batching import Batch, Estimate, estimate_tokens, split_request
from .canonical import Document, Query, RerankRequest, RerankResponse
from .errors import Headers, InvalidRequestError, MissingExtraError, RerankError
from .fallback import DEFAULT_POLICY, Attempt, FallbackPlan, FallbackPolicy, Health, Target, Wait
from .registry import Answer, Call, Provider
from .transport import MOST, AsyncHttpxSender, AsyncSender, HttpxSender, Sender

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Self

Targets: TypeAlias = "str | Provider | Target | Sequence[str | Provider | Target]"
MustKeep: TypeAlias = Iterable[str] | Literal["all"]


@dataclass(frozen=True, slots=True)
class _Send:
    """Send these calls to one target, at once; the reply is what came of each."""

    calls: Sequence[Call]
    timeout: float


@dataclass(frozen=True, slots=True)
class _Pause:
    """Wait so many seconds."""

    seconds: float


Work: TypeAlias = Generator[_Send | _Pause, "Sequence[Answer | RerankError]", RerankResponse]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What both clients are told once.

    Attributes:
        targets: whom to try.
        policy: what each outcome does.
        health: cool-downs and breakers; share one between clients that call the same vendors.
        timeout: seconds for one attempt.
        connect_timeout: seconds for its connection.
        deadline: seconds for one `rerank`, all attempts and waits included; None for no limit.
        headers: further headers for every call.
        most: bytes of an answer that are read.
        split: whether listwise models are split too when a request is too large for one call.
        estimate: counts the tokens of a text, for splitting.
        concurrency: parts of one request that are under way at the same time.
    """

    targets: tuple[Target, ...]
    policy: FallbackPolicy
    health: Health
    timeout: float
    connect_timeout: float
    deadline: float | None
    headers: Headers | None = field(repr=False)
    most: int
    split: Literal["pointwise", "always"]
    estimate: Estimate
    concurrency: int


def _settings(
    targets: Targets,
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    model: str | None = None,
    policy: FallbackPolicy = DEFAULT_POLICY,
    health: Health | None = None,
    timeout: float = 60.0,
    connect_timeout: float = 5.0,
    deadline: float | None = None,
    headers: Headers | None = None,
    max_response_bytes: int = MOST,
    split: Literal["pointwise", "always"] = "pointwise",
    estimate: Estimate = estimate_tokens,
    concurrency: int = 4,
    env_keys: bool = False,
) -> Settings:
    single = isinstance(targets, (str, Provider, Target))
    listed = [targets] if isinstance(targets, (str, Provider, Target)) else list(targets)
    if not listed:
        raise InvalidRequestError("targets: expected one or more", field="targets")
    for name, value in {"api_key": api_key, "base_url": base_url, "model": model}.items():
        if value is not None and (not single or isinstance(targets, Target)):
            raise InvalidRequestError(f"{name}: belongs to each Target where targets are given", field=name)
    for name, seconds in {"timeout": timeout, "connect_timeout": connect_timeout, "deadline": deadline}.items():
        if seconds is not None and not 0 < seconds < float("inf"):
            raise InvalidRequestError(f"{name}: expected a number of seconds above 0", field=name)
    if policy.hedge_after is not None:
        raise InvalidRequestError(
            "hedge_after: the clients do not hedge yet; a FallbackPlan of your own does", field="policy"
        )
    made = tuple(one if isinstance(one, Target) else Target(one, model, api_key, base_url) for one in listed)
    return Settings(
        targets=tuple(_with_key(target, env_keys=env_keys) for target in made),
        policy=policy,
        health=health or Health(),
        timeout=timeout,
        connect_timeout=connect_timeout,
        deadline=deadline,
        headers=headers,
        most=max_response_bytes,
        split=split,
        estimate=estimate,
        concurrency=concurrency,
    )


def _with_key(target: Target, *, env_keys: bool) -> Target:
    """The target with its key, from the environment where it has none; checked before anything is called.

    A key from the environment goes to the vendor's own host alone, unless asked for: another host is somebody else.
    """
    vendor = target.vendor
    own_host = target.base_url is None or urlsplit(target.base_url).netloc == urlsplit(vendor.endpoint.url).netloc
    if target.api_key is None and (own_host or env_keys):
        target = replace(target, api_key=vendor.key(os.environ))
    vendor.build_request(_PROBE, model="m", api_key=target.api_key, base_url=target.base_url)
    return target


_PROBE = RerankRequest.model_construct(
    query="q", documents=("d",), model=None, top_n=None, return_documents=False, instruction=None,
    max_tokens_per_doc=None, truncation=None, rank_fields=None, return_embeddings=None, provider_options={},
)  # fmt: skip


def _request(
    query: RerankRequest | Query, documents: Sequence[Document] | None, fields: dict[str, Any]
) -> RerankRequest:
    if isinstance(query, RerankRequest):
        if documents is not None:
            raise InvalidRequestError("documents: the request has its own", field="documents")
        return query.replace(**fields) if fields else query
    return RerankRequest(query=query, documents=documents, **fields)  # type: ignore[arg-type]  # None is refused there


# --- every decision --------------------------------------------------------------------------------------------------


def _work(settings: Settings, request: RerankRequest, must_keep: MustKeep) -> Work:
    """One request through its targets: the generator that both clients drive."""
    ends = None if settings.deadline is None else time.monotonic() + settings.deadline
    plan = FallbackPlan(settings.targets, settings.policy, settings.health, ends)
    while isinstance(step := plan.next(time.monotonic()), (Attempt, Wait)):
        if isinstance(step, Wait):
            yield _Pause(step.seconds)
            continue
        outcome: RerankResponse | RerankError
        try:
            outcome = yield from _attempt(settings, step, request, must_keep)
        except RerankError as error:
            error.provider = error.provider or step.target.name
            outcome = error
        except BaseException:
            plan.cancel(step)
            raise
        plan.record(step, outcome, time.monotonic())
        if isinstance(outcome, RerankResponse) and plan.answered:
            return _told(outcome, plan)
    raise plan.error()


def _attempt(settings: Settings, step: Attempt, request: RerankRequest, must_keep: MustKeep) -> Work:
    """One target: split, sent, read and merged. What it cannot express is an error here, without a call."""
    target = step.target
    vendor = target.vendor
    model = target.model or (vendor.default_model if len(settings.targets) > 1 else None)
    batch: Batch = split_request(
        request, vendor, model=model, like=target.like, split=settings.split, estimate=settings.estimate
    )
    calls = [_prepared(settings, target, part, model) for part in batch.parts]
    for call in calls:
        _refuse_losses(call, must_keep)
    timeout = settings.timeout if step.timeout is None else min(step.timeout, settings.timeout)
    answers = yield _Send(calls, timeout)
    responses: list[RerankResponse] = []
    for call, answer in zip(calls, answers, strict=True):
        if isinstance(answer, RerankError):
            raise answer
        responses.append(call.decode(*answer, now=time.time()))
    return batch.merge(responses)


def _prepared(settings: Settings, target: Target, part: RerankRequest, model: str | None) -> Call:
    return target.vendor.prepare(
        part,
        model=model,
        api_key=target.api_key,
        base_url=target.base_url,
        headers=settings.headers,
        echo=False,
        like=target.like,
    )


def _refuse_losses(call: Call, must_keep: MustKeep) -> None:
    for loss in call.losses:
        if loss.affects_result and (must_keep == "all" or loss.field in must_keep):
            message = f"{loss.field}: would be {loss.action} ({loss.reason}), and must be kept"
            raise e.UnsupportedRequestError(message, field=loss.field)


def _told(response: RerankResponse, plan: FallbackPlan) -> RerankResponse:
    """The answer with the whole story, and a warning where its scores are of another kind than the first target's."""
    first = plan.targets[0]
    expected = first.vendor.model(first.model, like=first.like).score_kind
    warnings = response.warnings
    if len(plan.attempts) > 1 and response.score_kind != expected:
        warnings += (f"scores are of kind {response.score_kind}, not {expected} as the first target's",)
    return response.replace(attempts=tuple(plan.attempts), warnings=warnings)


async def _in_thread(call: Call) -> Answer:
    import anyio.to_thread

    assert call.provider.sender is not None
    return await anyio.to_thread.run_sync(call.provider.sender, call.http)


def _httpx() -> Any:
    try:
        import httpx
    except ImportError:
        raise MissingExtraError("the client needs httpx and anyio: pip install 'rerank-unify[http]'") from None
    return httpx


# --- the two clients -------------------------------------------------------------------------------------------------


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
        self.settings = _settings(targets, **settings)
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
        work = _work(self.settings, _request(query, documents, fields), must_keep)
        try:
            step = next(work)
            while True:
                if isinstance(step, _Pause):
                    time.sleep(step.seconds)
                    step = work.send(())
                else:
                    step = work.send(self._send_all(step))
        except StopIteration as done:
            response: RerankResponse = done.value
            return response
        finally:
            work.close()

    def _send_all(self, step: _Send) -> Sequence[Answer | RerankError]:
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
        self.settings = _settings(targets, **settings)
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

        work = _work(self.settings, _request(query, documents, fields), must_keep)
        try:
            step = next(work)
            while True:
                if isinstance(step, _Pause):
                    await anyio.sleep(step.seconds)
                    step = work.send(())
                else:
                    step = work.send(await self._send_all(step))
        except StopIteration as done:
            response: RerankResponse = done.value
            return response
        finally:
            work.close()

    async def _send_all(self, step: _Send) -> Sequence[Answer | RerankError]:
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
        if self._sender is None:
            raise InvalidRequestError(_CLOSED)
        try:
            if call.provider.sender is not None:  # it computes: not in the loop's own thread
                return await _in_thread(call)
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


_CLOSED = "the client is closed"
