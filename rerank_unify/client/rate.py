"""Count the calls to a target per minute, for all clients of this process."""

from __future__ import annotations

import os
import time
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import CallLimitError, MissingExtraError, UnsupportedRequestError
from ..fallback import Target

if TYPE_CHECKING:
    from limits.strategies import MovingWindowRateLimiter


def check_installed() -> None:
    """Check that the package that counts calls is installed.

    Raises:
        MissingExtraError: it is not.
    """
    try:
        import_module("limits")
    except ImportError:
        needed = "requests_per_minute needs limits: pip install 'rerank-unify[rate]'"
        raise MissingExtraError(needed) from None


def count_calls(target: Target, allowed: int, calls: int) -> None:
    """Count calls that are about to start.

    Args:
        target: the target; those with the same provider, model, key and URL are counted together.
        allowed: calls within 60 seconds.
        calls: how many start, 0 or more; all or none are counted.

    Raises:
        CallLimitError: they are too many for the last 60 seconds; ``retry_after`` has the seconds until one may start.
        UnsupportedRequestError: they are more than a minute allows.
    """
    if not calls:
        return
    if calls > allowed:
        message = f"requests_per_minute: the request needs {calls} calls, and {allowed} a minute are allowed"
        raise UnsupportedRequestError(message, provider=target.name)
    from limits import RateLimitItemPerMinute

    limiter, limit, key = _limiter(os.getpid()), RateLimitItemPerMinute(allowed), repr(target.identity)
    if not limiter.hit(limit, key, cost=calls):
        seconds = max(limiter.get_window_stats(limit, key).reset_time - time.time(), 0.001)
        message = f"requests_per_minute: {allowed} a minute are allowed; the next may start in {seconds:.3g} seconds"
        raise CallLimitError(message, provider=target.name, retry_after=seconds)


@lru_cache(maxsize=1)
def _limiter(_pid: int) -> MovingWindowRateLimiter:
    """Make the counters of a process; a forked process counts for itself."""
    from limits.storage import MemoryStorage
    from limits.strategies import MovingWindowRateLimiter

    return MovingWindowRateLimiter(MemoryStorage())
