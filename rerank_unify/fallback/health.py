"""Cool-downs and breakers of targets, shared by all requests.

Requests share this, so it holds nothing of a request: of an error only its class, its status, its provider and the
seconds to wait. A message, a body or a traceback may repeat a query or a document.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from threading import Lock

from ..errors import ProviderOverloadedError, RerankError, tree
from .policy import FallbackPolicy
from .target import Target


@dataclass(slots=True)
class _State:
    """The state of one target. Instants are on the clock of ``now``."""

    cool_until: float = -inf
    failures: int = 0
    opened_at: float = -inf
    open_until: float = -inf
    probe_until: float = -inf
    kind: type[RerankError] = ProviderOverloadedError
    status: int | None = None
    provider: str | None = None


class Health:
    """Cool-downs and breakers of all targets. Share one between requests; it is safe under threads and tasks.

    Nothing is stored for a target that never failed, or that has succeeded since.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._states: dict[tuple[object, ...], _State] = {}

    def wait(self, target: Target, now: float) -> float:
        """Return the seconds until the target's cool-down, its open breaker and the probe under way end; 0 or more.

        Args:
            target: the target.
            now: the instant, in seconds on a clock that never goes back.
        """
        with self._lock:
            state = self._states.get(target.identity)
            if state is None:
                return 0.0
            return max(state.cool_until - now, state.open_until - now, state.probe_until - now, 0.0)

    def cool_down(self, target: Target, now: float) -> float:
        """Return the seconds until the target's cool-down ends; 0 where it has none.

        Args:
            target: the target.
            now: the instant, in seconds on a clock that never goes back.
        """
        with self._lock:
            state = self._states.get(target.identity)
            return 0.0 if state is None else max(state.cool_until - now, 0.0)

    def opened_at(self, target: Target, now: float) -> float | None:
        """Return the instant at which the target's breaker opened; None where it is closed.

        A breaker counts as open while another attempt probes the target.

        Args:
            target: the target.
            now: the instant, in seconds on a clock that never goes back.
        """
        with self._lock:
            state = self._states.get(target.identity)
            if state is None or max(state.open_until, state.probe_until) <= now:
                return None
            return state.opened_at

    def error(self, target: Target, now: float) -> RerankError | None:
        """Return a new error for a target in cool-down; None where it has none.

        Its class, status and provider are those of the error that began the cool-down, its message is new, and
        ``retry_after`` holds the seconds that are left.

        Args:
            target: the target.
            now: the instant, in seconds on a clock that never goes back.
        """
        with self._lock:
            state = self._states.get(target.identity)
            if state is None:
                return None
            left, kind, status, provider = state.cool_until - now, state.kind, state.status, state.provider
        if not 0 < left < inf:  # infinite before the plan's first instant
            return None
        sentence = f"in cool-down for {left:.3g} more seconds, as the provider requested"
        return kind(sentence, provider=provider, status=status, retry_after=left)

    def begin(self, target: Target, now: float, policy: FallbackPolicy) -> bool:
        """Return whether the target may be called now. One attempt at a time probes it after its breaker was open.

        Args:
            target: the target to call.
            now: the instant, in seconds on a clock that never goes back.
            policy: says after how many errors the breaker is open, and for how long.
        """
        with self._lock:
            state = self._states.get(target.identity)
            if state is None:
                return True
            if max(state.cool_until, state.open_until, state.probe_until) > now:
                return False
            if state.failures >= policy.breaker_failures:
                state.probe_until = now + policy.breaker_seconds
            return True

    def succeed(self, target: Target, began: float) -> None:
        """Clear the state of a target that succeeded.

        A call from before the breaker opened says nothing of the time since, and a cool-down that began later stands.

        Args:
            target: the target that succeeded.
            began: the instant at which the call began, in seconds on a clock that never goes back.
        """
        with self._lock:
            state = self._states.get(target.identity)
            if state is None or began < state.opened_at:
                return
            if state.cool_until <= began:
                del self._states[target.identity]
            else:
                state.failures, state.opened_at, state.open_until, state.probe_until = 0, -inf, -inf, -inf

    def fail(
        self, target: Target, error: RerankError, now: float, policy: FallbackPolicy, *, counts: bool = True
    ) -> None:
        """Begin the cool-down that the policy sets for the error, and count the error against the breaker.

        Args:
            target: the target that failed.
            error: its error; only class, status, provider and ``retry_after`` are stored.
            now: the instant.
            policy: says which errors count, and caps the cool-down.
            counts: False where this request has been counted against the target before.
        """
        wait = policy.cool_down(error)
        trips = counts and policy.trips_breaker(error)
        with self._lock:
            state = self._states.get(target.identity)
            if state is None:
                if not wait and not trips:
                    return
                state = self._states[target.identity] = _State()
            state.probe_until = -inf
            if wait and now + wait > state.cool_until:
                state.cool_until = now + wait
                state.kind, state.status, state.provider = _class_of(error), error.status, target.name
            if trips:
                state.failures += 1
                if state.failures >= policy.breaker_failures:
                    state.opened_at = state.opened_at if state.open_until > now else now
                    state.open_until = now + policy.breaker_seconds

    def release(self, target: Target) -> None:
        """End a probe that had no outcome, such as one that was cancelled.

        Args:
            target: the target of the probe.
        """
        with self._lock:
            state = self._states.get(target.identity)
            if state is not None:
                state.probe_until = -inf


def _class_of(error: RerankError) -> type[RerankError]:
    """Return the nearest class of this library: other classes may need more arguments than a message."""
    kinds = (kind for kind in type(error).__mro__ if kind.__module__ == tree.__name__)
    kind = next(kind for kind in kinds if issubclass(kind, RerankError))
    made = "abstract" not in vars(kind) and kind is not tree.AllProvidersFailedError
    return kind if made else ProviderOverloadedError
