"""How the targets are doing, for all requests together: cool-downs and breakers."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from threading import Lock
from typing import Final

from ..errors import RerankError
from .policy import FallbackPolicy
from .target import Target


@dataclass(slots=True)
class _State:
    cool_until: float = -inf
    failures: int = 0
    opened_at: float = -inf
    open_until: float = -inf
    probe_until: float = -inf
    cause: RerankError | None = None

    def wait(self, now: float) -> float:
        """Seconds until a call may go out."""
        return max(self.cool_until - now, self.open_until - now, self.probe_until - now, 0.0)


_WELL: Final = _State()


class Health:
    """How the targets are doing: cool-downs and breakers. One for all requests, safe under threads and tasks.

    Of a target that never failed nothing is known, and nothing is kept.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._states: dict[tuple[object, ...], _State] = {}

    def wait(self, target: Target, now: float) -> float:
        """Seconds until the target may be called; 0 for now."""
        with self._lock:
            return self._states.get(target.identity, _WELL).wait(now)

    def open(self, target: Target, now: float) -> bool:
        """Whether its breaker is open, or a probe of it under way: nobody waits for that."""
        with self._lock:
            state = self._states.get(target.identity, _WELL)
            return max(state.open_until, state.probe_until) > now

    def cause(self, target: Target) -> RerankError | None:
        """What went wrong last."""
        with self._lock:
            return self._states.get(target.identity, _WELL).cause

    def begin(self, target: Target, now: float, policy: FallbackPolicy) -> bool:
        """Whether the target may be called now. After a breaker was open, one attempt at a time probes it."""
        with self._lock:
            state = self._states.get(target.identity)
            if state is None:
                return True
            if state.wait(now) > 0:
                return False
            if state.failures >= policy.breaker_failures:
                state.probe_until = now + policy.breaker_seconds
            return True

    def succeed(self, target: Target, began: float) -> None:
        """The target answered a call that ``began`` then: its failures are forgotten, and its breaker closes.

        An answer to a call from before the breaker opened tells nothing new, and nobody's Retry-After ends early.
        """
        with self._lock:
            state = self._states.get(target.identity)
            if state is not None and began >= state.opened_at:
                self._states[target.identity] = _State(cool_until=state.cool_until, cause=state.cause)

    def fail(self, target: Target, error: RerankError, now: float, policy: FallbackPolicy) -> None:
        """The target failed: remember for how long it asked to be left alone, and count it."""
        with self._lock:
            state = self._states.setdefault(target.identity, _State())
            state.cause = error
            state.probe_until = -inf
            if error.retry_after is not None:
                state.cool_until = max(state.cool_until, now + error.retry_after)
            if policy.rule(type(error)).counts:
                state.failures += 1
                if state.failures >= policy.breaker_failures:
                    state.opened_at, state.open_until = now, now + policy.breaker_seconds

    def release(self, target: Target) -> None:
        """An attempt ended without an outcome, such as by cancellation: it probes no more."""
        with self._lock:
            state = self._states.get(target.identity)
            if state is not None:
                state.probe_until = -inf
