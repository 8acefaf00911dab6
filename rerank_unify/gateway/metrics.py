"""Prometheus metrics. No label holds a model name: clients can make names up, and each would be a new time series."""

from __future__ import annotations

import os
from functools import cache

from ..cache import CacheCounts
from ..canonical import Loss
from ..client import AttemptEnded

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)  # seconds


class Metrics:
    """The metrics of one app. Several workers share theirs through ``PROMETHEUS_MULTIPROC_DIR``."""

    def __init__(self) -> None:
        # Not before: at its import it reads PROMETHEUS_MULTIPROC_DIR, which `serve` sets.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        # The counter of each label is looked up once: that is a twentieth of a request's time.
        registry = self._registry = CollectorRegistry()
        about = "Requests by the client's dialect and the response status."
        self._requests = cache(Counter("rerank_requests", about, ("dialect", "status"), registry=registry).labels)
        about = "Seconds from a request to its response."
        seconds = Histogram("rerank_request_seconds", about, ("dialect",), buckets=_BUCKETS, registry=registry)
        self._seconds = cache(seconds.labels)
        about = "Attempts by provider and outcome."
        self._attempts = cache(Counter("rerank_attempts", about, ("provider", "outcome"), registry=registry).labels)
        about = "Seconds of an attempt."
        seconds = Histogram("rerank_attempt_seconds", about, ("provider",), buckets=_BUCKETS, registry=registry)
        self._attempt_seconds = cache(seconds.labels)
        about = "Losses by canonical field and action."
        self._losses = Counter("rerank_losses", about, ("field", "action"), registry=registry)
        about = "Documents of pointwise models by whether their score was in the cache: hit or miss."
        self._cached = Counter("rerank_cache_documents", about, ("outcome",), registry=registry)
        self._cache_errors = Counter("rerank_cache_errors", "Failures of the cache.", registry=registry)
        about = "Requests in progress."
        self.under_way = Gauge("rerank_requests_under_way", about, multiprocess_mode="livesum", registry=registry)

    def request(self, dialect: str, status: int, seconds: float) -> None:
        """Count a finished request."""
        self._requests(dialect, str(status)).inc()
        self._seconds(dialect).observe(seconds)

    def attempt(self, about: AttemptEnded) -> None:
        """Count a finished attempt; the clients call this as ``on_attempt_end``."""
        outcome = "cancelled" if about.cancelled else "ok" if about.error is None else type(about.error).__name__
        self._attempts(about.started.provider, outcome).inc()
        self._attempt_seconds(about.started.provider).observe(about.seconds)

    def lost(self, losses: tuple[Loss, ...]) -> None:
        """Count the losses of a response."""
        for loss in losses:
            self._losses.labels(loss.field, loss.action).inc()

    def cached(self, counts: CacheCounts) -> None:
        """Count a read or a failure of the cache, which calls this as ``on_count``."""
        self._cached.labels("hit").inc(counts.hits)
        self._cached.labels("miss").inc(counts.misses)
        self._cache_errors.inc(counts.errors)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # pyright: ignore[reportUnknownMemberType]
        return generate_latest(registry)
