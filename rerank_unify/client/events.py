"""What others may watch: the log, hooks of the caller's own, and spans. None sees a query, a document or a key."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

from .._provider import Call
from ..canonical import RerankResponse, Usage
from ..errors import MODEL_LIMIT, RerankError, cut, one_line
from ..fallback import Attempt

if TYPE_CHECKING:
    from opentelemetry.trace import Span

LOG: Final = logging.getLogger("rerank_unify")
LOG.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True, eq=False)
class AttemptStarted:
    """An attempt starts.

    Attributes:
        provider: the provider's name.
        model: the model that is sent, on one line and of at most 200 characters.
        host: the host of the URL, with its port where the URL has one.
        number: the number of the attempt in this `rerank`, zero-based.
        documents: how many documents are sent.
        calls: the number of HTTP calls.
        timeout: seconds for the attempt.
        losses: the canonical fields that the provider does not receive as given.
    """

    provider: str
    model: str
    host: str
    number: int
    documents: int
    calls: int
    timeout: float
    losses: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AttemptEnded:
    """An attempt has ended; each `AttemptStarted` has one, and ``started`` is that very object.

    Attributes:
        started: the event of its start.
        seconds: how long the attempt took.
        error: why there is no response, or why the policy refused it; None for an accepted response or a cancelled
            attempt.
        cancelled: whether the attempt was cancelled: by a faster hedge, or with the task that called `rerank`.
        results: the number of results; None where there is no response.
        usage: the usage that the provider reported; None where there is no response.
        model: the model that ranked, as the provider names it, redacted as in the response.
    """

    started: AttemptStarted
    seconds: float
    error: Exception | None = None
    cancelled: bool = False
    results: int | None = None
    usage: Usage | None = None
    model: str | None = None


Started: TypeAlias = Callable[[AttemptStarted], object]
Ended: TypeAlias = Callable[[AttemptEnded], object]


@dataclass(frozen=True, slots=True)
class Observers:
    """Functions that are called when an attempt starts and when it ends: the log, spans, and the caller's hooks.

    An exception of such a function is logged and changes no request.
    """

    started: Sequence[Started]
    ended: Sequence[Ended]


class Observation:
    """Reports the start of an attempt, and its end."""

    def __init__(self, observers: Observers, attempt: Attempt, calls: Sequence[Call], timeout: float) -> None:
        self._observers = observers
        self._started = AttemptStarted(
            provider=attempt.target.name,
            model=_on_one_line(calls[0].model),
            host=_host(calls[0].http.url),
            number=attempt.id,
            documents=sum(len(call.encoded.fields["documents"]) for call in calls),
            calls=len(calls),
            timeout=timeout,
            losses=tuple(dict.fromkeys(loss.field for call in calls for loss in call.losses)),
        )
        self._began = time.monotonic()
        for observer in observers.started:
            _notify(observer, self._started)

    def ended(
        self, error: Exception | None, response: RerankResponse | None = None, *, cancelled: bool = False
    ) -> None:
        """Report a response, an error, or both: a response that the policy refused."""
        seconds = time.monotonic() - self._began
        if response is None:
            about = AttemptEnded(self._started, seconds, error, cancelled)
        else:
            about = AttemptEnded(
                self._started, seconds, error, cancelled, len(response), response.usage, response.model
            )
        for observer in self._observers.ended:
            _notify(observer, about)


@lru_cache(maxsize=256)
def _on_one_line(model: str) -> str:
    return cut(one_line(model), MODEL_LIMIT)  # the request may contain any model name


@lru_cache(maxsize=256)
def _host(url: str) -> str:
    return urlsplit(url).netloc


def _notify(observer: Callable[..., object], about: AttemptStarted | AttemptEnded) -> None:
    try:
        observer(about)
    except Exception:
        LOG.exception("a hook failed")


def observers(on_start: Started | None, on_end: Ended | None) -> Observers:
    """Return the log, the spans where OpenTelemetry is installed, and the hooks."""
    spans = _spans()
    return Observers(
        [*([spans.started] if spans else []), _log_start, *([on_start] if on_start else [])],
        [*([spans.ended] if spans else []), _log_end, *([on_end] if on_end else [])],
    )


# --- the log ---------------------------------------------------------------------------------------------------------


def _log_start(about: AttemptStarted) -> None:
    """Log the start of an attempt at level DEBUG."""
    LOG.debug(
        "attempt %d: %s %s at %s, %d documents in %d calls",
        about.number, about.provider, about.model, about.host, about.documents, about.calls,
    )  # fmt: skip


def _log_end(about: AttemptEnded) -> None:
    """Log the end of an attempt: at DEBUG, or at WARNING where it failed.

    An error is logged by its class, status, code, request id and wait. The provider's message may repeat a document, so
    it is not logged.
    """
    started = about.started
    if about.error is not None:
        LOG.warning(
            "attempt %d: %s %s failed after %.3f s: %s",
            started.number, started.provider, started.model, about.seconds, _named(about.error),
        )  # fmt: skip
    else:
        outcome = "was cancelled" if about.cancelled else "succeeded"
        LOG.debug(
            "attempt %d: %s %s %s after %.3f s",
            started.number, started.provider, started.model, outcome, about.seconds,
        )  # fmt: skip


def _named(error: Exception) -> str:
    if not isinstance(error, RerankError):
        return type(error).__name__
    status = f"HTTP {error.status}" if error.status is not None else None
    wait = f"retry after {_plain(error.retry_after)} s" if error.retry_after is not None else None
    about = [part for part in (status, error.code, error.request_id, wait) if part]
    return f"{type(error).__name__} ({', '.join(about)})" if about else type(error).__name__


def _plain(seconds: float) -> str:
    """Seconds without an exponent: ``%g`` writes a million as 1e+06."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


# --- spans -----------------------------------------------------------------------------------------------------------
# The attributes follow the semantic conventions for generative AI, version 1.41
# (https://opentelemetry.io/docs/specs/semconv/gen-ai/, read 2026-11-22). They define no operation for reranking and
# allow other names, so the operation is ``rerank``.


def _spans() -> _Spans | None:
    try:
        import opentelemetry.trace as api
    except ImportError:
        return None
    return _Spans(api)


class _Spans:
    """Starts and ends a span for each attempt, as a child of the current span."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._tracer = api.get_tracer("rerank_unify")  # a proxy for the provider that the application may set later
        self._open: dict[AttemptStarted, Span] = {}

    def started(self, about: AttemptStarted) -> None:
        """Start a span, where the application has set a tracer provider."""
        if isinstance(self._api.get_tracer_provider(), self._api.ProxyTracerProvider):
            return
        host = urlsplit(f"//{about.host}")
        attributes = {
            "gen_ai.operation.name": "rerank",
            "gen_ai.provider.name": about.provider,
            "gen_ai.request.model": about.model,
            "server.address": host.hostname or "",
            "rerank_unify.attempt": about.number,
            "rerank_unify.documents": about.documents,
        }
        if host.port is not None:
            attributes["server.port"] = host.port
        span = self._tracer.start_span(f"rerank {about.model}", kind=self._api.SpanKind.CLIENT, attributes=attributes)
        if span.is_recording():
            self._open[about] = span

    def ended(self, about: AttemptEnded) -> None:
        """End the span, with the usage that the provider reported."""
        span = self._open.pop(about.started, None)
        if span is None:
            return
        usage = about.usage
        attributes = {
            "gen_ai.response.model": about.model,
            "gen_ai.usage.input_tokens": (usage.prompt_tokens or usage.total_tokens) if usage is not None else None,
            "error.type": type(about.error).__name__ if about.error is not None else None,
            "http.response.status_code": getattr(about.error, "status", None),
        }
        span.set_attributes({name: value for name, value in attributes.items() if value is not None})
        if about.error is not None:
            span.set_status(self._api.StatusCode.ERROR, type(about.error).__name__)
        span.end()
