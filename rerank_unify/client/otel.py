"""A span for each attempt, when ``opentelemetry-api`` is installed.

The attributes follow the semantic conventions for generative AI, version 1.41
(https://opentelemetry.io/docs/specs/semconv/gen-ai/, read 2026-11-22). They define no operation for reranking and allow
other names, so the operation is ``rerank``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .events import AttemptEnded, AttemptStarted, Observers

if TYPE_CHECKING:
    from opentelemetry.trace import Span


def with_spans(observers: Observers) -> Observers:
    """Return the observers, with one that makes spans where OpenTelemetry is installed."""
    try:
        import opentelemetry.trace as api
    except ImportError:
        return observers
    spans = _Spans(api)
    return Observers(
        (spans.started, *observers.started),
        (spans.ended, *observers.ended),
        lambda: observers.idle() and not spans.enabled(),
    )


class _Spans:
    """Starts and ends a span for each attempt, as a child of the current span."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._tracer = api.get_tracer("rerank_unify")  # a proxy for the provider that the application may set later
        self._open: dict[AttemptStarted, Span] = {}

    def enabled(self) -> bool:
        """Return whether the application has set a tracer provider."""
        return not isinstance(self._api.get_tracer_provider(), self._api.ProxyTracerProvider)

    def started(self, about: AttemptStarted) -> None:
        """Start a span."""
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
