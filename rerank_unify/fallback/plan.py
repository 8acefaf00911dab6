"""Decide which target one request tries next: a state machine without a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Literal, TypeAlias, cast

from .. import errors as e
from .._provider import Provider
from ..canonical import AttemptRecord, Loss, RerankRequest, RerankResponse, fields_of, with_attempts
from ..errors import InvalidRequestError, RerankError, UnsupportedRequestError
from .health import Health
from .policy import DEFAULT_POLICY, FallbackPolicy
from .target import Attempt, Finished, Target, Wait, as_targets

Outcome: TypeAlias = RerankResponse | RerankError
"""The response or the error of an attempt."""


def _never() -> float:
    """Return 0: no jitter."""
    return 0.0


class _Progress:
    """The state of one target in this plan. Class attributes are the initial state, which few instances leave."""

    tries: int = 0
    ready_at: float = -inf
    counted: bool = False
    finished: bool = False
    cause: RerankError | None = None


class FallbackPlan:
    """Decide which target one request tries next.

    Args:
        targets: targets, providers or their names, one or several, in the order in which they are tried.
        policy: the rule for each outcome.
        health: cool-downs and breakers that requests share; None for a new one.
        deadline: the instant, on the clock of ``now``, after which no attempt starts; None for no deadline.
        request: the request; targets that cannot express it are skipped without a call.
        must_keep: canonical fields that must not be lost in a way that affects the result, or ``"all"``.
        random: such as ``random.random``, for the policy's jitter; without it there is none.

    Raises:
        InvalidRequestError: there is no target, or every provider would refuse the request.
    """

    def __init__(
        self,
        targets: str | Provider | Target | Sequence[str | Provider | Target],
        policy: FallbackPolicy = DEFAULT_POLICY,
        health: Health | None = None,
        deadline: float | None = None,
        *,
        request: RerankRequest | None = None,
        must_keep: Iterable[str] | Literal["all"] = (),
        random: Callable[[], float] = _never,
    ) -> None:
        made = as_targets(targets)
        by_weight = policy.order == "weight"
        self.targets = tuple(sorted(made, key=lambda target: -target.weight)) if by_weight else made
        self.policy = policy
        self.health = health or Health()
        self.deadline = inf if deadline is None else deadline
        self.attempts: list[AttemptRecord] = []
        self._random = random
        self._progress = [_Progress() for _ in self.targets]
        self._retries = policy.retries if policy.retries is not None else 2 * (len(self.targets) == 1)
        self._under_way: dict[int, tuple[int, float]] = {}
        self._started = 0
        self._now = -inf
        self._response: RerankResponse | None = None
        self._stopped: RerankError | None = None
        if request is not None:
            self._pass_over(request, must_keep)

    @property
    def succeeded(self) -> bool:
        """Whether a response was recorded that the policy accepts."""
        return self._response is not None

    @property
    def ended(self) -> bool:
        """Whether a response was accepted, or an error stopped the plan. An attempt that still runs has no effect."""
        return self._response is not None or self._stopped is not None

    def next(self, now: float) -> Attempt | Wait | Finished:
        """Return the next step: an attempt to make, seconds to wait, or the end.

        Args:
            now: the instant, in seconds on a clock that never goes back.

        Examples:
            >>> plan = ru.FallbackPlan(["xinference", "local"])
            >>> attempt = plan.next(0.0)
            >>> attempt.target.name
            'xinference'
            >>> plan.record(attempt, ru.ConnectError("refused"), 0.1)
            ConnectError('refused')
            >>> plan.next(0.1).target.name
            'local'
        """
        self._now = now
        if self.ended:
            return Finished()
        hedge = self._hedge_at() - now if self._under_way else -inf
        if hedge <= 0:
            for index, target in enumerate(self.targets):
                if (
                    self._may_start(target, now)
                    and self._due(index) <= now
                    and self.health.begin(target, now, self.policy)
                ):
                    return self._start(index, now)
        if hedge == inf:
            return Wait(inf)
        soonest = min(self._wait(index, now) for index in range(len(self.targets)))
        if self._under_way and max(hedge, soonest) > 0:
            return Wait(max(hedge, soonest))
        if self._in_time(soonest, now):
            return Wait(soonest)
        return Wait(inf) if self._under_way else self._last_resort(now)

    def _may_start(self, target: Target, now: float) -> bool:
        """Whether the deadline and the running attempts let a target start.

        One that does not rank starts after the deadline too, because it costs no time, and beside no other, because it
        would win.
        """
        return now < self.deadline if target.resolved_provider.ranks else not self._under_way

    def _last_resort(self, now: float) -> Attempt | Wait | Finished:
        """Try the targets with an open breaker, the one that opened first before the others.

        A breaker only skips a target; it never refuses a request.
        """
        opened = [(self.health.opened_at(target, now), index) for index, target in enumerate(self.targets)]
        for _, index in sorted((since, index) for since, index in opened if since is not None):
            wait = max(self._due(index) - now, self.health.cool_down(self.targets[index], now), 0.0)
            if self._in_time(wait, now):
                return Wait(wait) if wait > 0 else self._start(index, now)
        return Finished()

    def _in_time(self, wait: float, now: float) -> bool:
        """Whether the policy and the deadline allow so many seconds of waiting."""
        return wait <= self.policy.max_wait and now + wait < self.deadline

    def _pass_over(self, request: RerankRequest, must_keep: Iterable[str]) -> None:
        for target, progress in zip(self.targets, self._progress, strict=True):
            progress.cause = _passed_over(target, request, must_keep, chained=len(self.targets) > 1)
            progress.finished = progress.cause is not None

    def _due(self, index: int) -> float:
        """The instant from which the policy lets the target be tried; never while it is, or after its last time."""
        progress = self._progress[index]
        if progress.finished:
            return inf
        if self._under_way and any(index == started for started, _ in self._under_way.values()):
            return inf
        return progress.ready_at

    def _wait(self, index: int, now: float) -> float:
        """Seconds until the target may be called; never where its breaker is open."""
        due = self._due(index)
        if due == inf or self.health.opened_at(self.targets[index], now) is not None:
            return inf
        return max(due - now, self.health.cool_down(self.targets[index], now), 0.0)

    def _hedge_at(self) -> float:
        """When another target may be started beside what is under way."""
        after = self.policy.hedge_after
        return inf if after is None else max(began for _, began in self._under_way.values()) + after

    def _start(self, index: int, now: float) -> Attempt:
        target = self.targets[index]
        model = target.sends(chained=len(self.targets) > 1)
        attempt = Attempt(self._started, target, self._timeout(index, now), model)
        self._started += 1
        self._progress[index].tries += 1
        self._under_way[attempt.id] = (index, now)
        return attempt

    def _timeout(self, index: int, now: float) -> float | None:
        of_target = self.targets[index].timeout
        left = self.deadline - now if self.targets[index].resolved_provider.ranks else inf
        return of_target if left == inf else min(left, of_target if of_target is not None else left)

    def record(self, attempt: Attempt, outcome: Outcome, now: float, *, called: bool = True) -> RerankError | None:
        """Record the outcome of an attempt.

        Args:
            attempt: an attempt under way.
            outcome: its response or its error.
            now: the instant.
            called: False for a response from a cache, which says nothing of the target's health.

        Returns:
            The attempt's error, or the error for a response that the policy refuses; None for an accepted response.

        Raises:
            InvalidRequestError: the attempt is not under way: of another plan, or recorded already.
        """
        index, began = self._take(attempt)
        error = self.policy.refuse(outcome) if isinstance(outcome, RerankResponse) else outcome
        self.attempts.append(AttemptRecord(attempt.target.name, attempt.target.model, now - began, error))
        if error is None:
            if called:
                self.health.succeed(attempt.target, began)
            else:
                self.health.release(attempt.target)
            self._response = cast("RerankResponse", outcome)
            return None
        progress = self._progress[index]
        self.health.fail(attempt.target, error, now, self.policy, counts=not progress.counted)
        progress.counted = progress.counted or self.policy.trips_breaker(error)
        progress.cause = error
        if self.policy.rule(type(error)).action == "stop":
            self._stopped = error
        elif self.policy.retry(error, progress.tries, self._retries):
            progress.ready_at = now + self.policy.pause(error, progress.tries, self._random())
        else:
            progress.finished = True
        return error

    def cancel(self, attempt: Attempt, now: float) -> None:
        """Record that an attempt was cancelled, such as the slower one of a hedge.

        Args:
            attempt: the attempt, as `next` returned it.
            now: the instant, in seconds on a clock that never goes back.
        """
        _, began = self._take(attempt)
        self.attempts.append(AttemptRecord(attempt.target.name, attempt.target.model, now - began, cancelled=True))
        self.health.release(attempt.target)

    def _take(self, attempt: Attempt) -> tuple[int, float]:
        if attempt.id not in self._under_way or self.targets[self._under_way[attempt.id][0]] is not attempt.target:
            raise InvalidRequestError("attempt: it is not under way in this plan", field="attempt")
        return self._under_way.pop(attempt.id)

    def result(self) -> RerankResponse:
        """Return the response that was taken, with all attempts in ``attempts``.

        Raises:
            RerankError: there is none; see `error`. It has the ``attempts``, too.
        """
        if self._response is not None:
            return with_attempts(self._response, tuple(self.attempts))
        error = self.error()
        error.attempts = tuple(self.attempts)
        raise error

    def error(self) -> RerankError:
        """Return why there is no response, as of the last `next`.

        That is the error that stopped the plan, a single target's error, or a group of all targets' causes.
        """
        if self._stopped is not None:
            return self._stopped
        tried = [tried.error for tried in self.attempts if tried.error is not None]
        causes = [self._cause(index) for index in range(len(self.targets))]
        known = [*tried, *(cause for cause in causes if cause is not None and not any(cause is one for one in tried))]
        if len(self.targets) == 1 and known:
            return known[-1]
        if not known:
            return e.TimeoutError("the deadline passed before any target was called")
        summary = ", ".join(f"{error.provider or 'a target'}: {type(error).__name__}" for error in known)
        return e.AllProvidersFailedError(f"every target failed ({summary})", known)

    def _cause(self, index: int) -> RerankError | None:
        """Why a target gave no response: its last error in this plan, else its cool-down."""
        cause = self._progress[index].cause
        return cause if cause is not None else self.health.error(self.targets[index], self._now)


def _passed_over(
    target: Target, request: RerankRequest, must_keep: Iterable[str], *, chained: bool
) -> RerankError | None:
    """Why a target is not called for this request: it cannot express it, or would lose what must be kept."""
    provider = target.resolved_provider
    try:
        encoded = provider.encode_fields(
            fields_of(request), model=target.sends(chained=chained), base_model=target.base_model
        )
    except UnsupportedRequestError as error:
        error.provider = provider.name
        return error
    return check_must_keep(encoded.losses, must_keep, provider.name)


def check_must_keep(
    losses: Sequence[Loss], must_keep: Iterable[str] | Literal["all"], provider: str
) -> UnsupportedRequestError | None:
    """Return an error for the first loss that affects the result, of a field that must be kept, else None.

    Args:
        losses: the losses of a call.
        must_keep: canonical fields, or ``"all"``.
        provider: the provider's name, for the error.
    """
    for loss in losses:
        if loss.affects_result and (must_keep == "all" or loss.field in must_keep):
            message = f"{loss.field}: would be {loss.action} ({loss.reason}), and must be kept"
            return UnsupportedRequestError(message, field=loss.field, provider=provider)
    return None
