"""What the gateway counts, for Prometheus. Labels have few values: no model name, which a client may make up."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from ..canonical import Loss
from ..client import AttemptEnded

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The counters of one app. With several workers they are summed through ``PROMETHEUS_MULTIPROC_DIR``."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "rerank_requests",
            "Requests by the client's dialect and our status.",
            ("dialect", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "rerank_request_seconds", "From a request's first byte to our answer.", ("dialect",), buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._attempts = Counter(
            "rerank_attempts", "Attempts by provider and outcome.", ("provider", "outcome"), registry=registry
        )
        self._attempt_seconds = Histogram(
            "rerank_attempt_seconds", "Seconds of an attempt.", ("provider",), buckets=_SECONDS, registry=registry
        )
        self._losses = Counter(
            "rerank_losses", "Losses by canonical field and action.", ("field", "action"), registry=registry
        )
        self.under_way = Gauge(
            "rerank_requests_under_way", "Requests under way.", multiprocess_mode="livesum", registry=registry
        )

    def request(self, dialect: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(dialect, str(status)).inc()
        self._seconds.labels(dialect).observe(seconds)

    def attempt(self, about: AttemptEnded) -> None:
        """An attempt has ended; a hook of the clients."""
        outcome = "cancelled" if about.cancelled else "ok" if about.error is None else type(about.error).__name__
        self._attempts.labels(about.started.provider, outcome).inc()
        self._attempt_seconds.labels(about.started.provider).observe(about.seconds)

    def lost(self, losses: tuple[Loss, ...]) -> None:
        """What a vendor was not told."""
        for loss in losses:
            self._losses.labels(loss.field, loss.action).inc()

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # pyright: ignore[reportUnknownMemberType]
        return generate_latest(registry)
