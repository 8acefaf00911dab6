"""A limit on concurrent requests, in total and per key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from ..errors import ProviderOverloadedError, RateLimitError
from .auth import AuthenticatedClient
from .metrics import Metrics
from .settings import LimitSettings


class ConcurrencyLimiter:
    """Counts the requests in progress, in total and per gateway key."""

    def __init__(self, limits: LimitSettings, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._count = 0
        self._by_key: Counter[str] = Counter()

    @contextmanager
    def enter(self, client: AuthenticatedClient) -> Generator[None]:
        """Count one request while the context lasts.

        Raises:
            ProviderOverloadedError: the gateway has reached `concurrency`.
            RateLimitError: this key has reached `concurrency_per_key`.
        """
        if self._count >= self._limits.concurrency:
            raise ProviderOverloadedError("the gateway is busy", status=503, retry_after=1)
        limit = self._limits.concurrency_per_key
        if limit is not None and self._by_key[client.name] >= limit:
            which = "with this key" if client.name else "without a key"
            raise RateLimitError(f"more than {limit} concurrent requests {which}", status=429, retry_after=1)
        self._count += 1
        self._by_key[client.name] += 1
        self._metrics.under_way.inc()
        try:
            yield
        finally:
            self._count -= 1
            self._by_key[client.name] -= 1
            self._metrics.under_way.dec()
