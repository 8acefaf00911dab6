"""Which target next: decisions alone, pure, with the clock passed in. The calls are yours.

    plan = ru.FallbackPlan([ru.Target("jina"), ru.Target("cohere")], health=health, deadline=now + 10)
    while isinstance(step := plan.next(now), (ru.Attempt, ru.Wait)):
        ...             # an Attempt: call step.target within step.timeout, then plan.record(step, outcome, now)
    raise plan.error()

One `Health` is shared by all requests and safe under threads and tasks; a plan belongs to one request. ``now`` is in
seconds on any clock that never goes back, the same for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from threading import Lock
from typing import Final, Literal, TypeAlias

from . import errors as e
from .canonical import RerankRequest, RerankResponse
from .errors import InvalidRequestError, RerankError, UnsupportedRequestError
from .registry import Provider
from .registry import provider as provider_by_name

Outcome: TypeAlias = RerankResponse | RerankError
"""What an attempt led to."""

Backoff: TypeAlias = Callable[[RerankError, int], float]
"""From an error, and how often the target has been tried, to the seconds before the same target is tried again."""


@dataclass(frozen=True, slots=True)
class Target:
    """One provider to try, with its own model and key.

    Attributes:
        provider: its name, or the provider itself.
        model: what is sent as model; None for the provider's default.
        api_key: the key; `repr` hides it.
        base_url: where, instead of the vendor's own.
        timeout: seconds for one attempt; None for no limit but the deadline.
        weight: of several targets the heaviest first, where the policy orders by weight.
        like: the known model behind a name that says nothing.
    """

    provider: Provider | str
    model: str | None = None
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    timeout: float | None = None
    weight: float = 1.0
    like: str | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None and not 0 < self.timeout < inf:
            raise InvalidRequestError("timeout: expected a number of seconds above 0", field="timeout")

    @property
    def vendor(self) -> Provider:
        """The provider itself."""
        return provider_by_name(self.provider) if isinstance(self.provider, str) else self.provider

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.provider if isinstance(self.provider, str) else self.provider.name

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes it the same target in another request: its health is shared."""
        return (self.name, self.model, self.base_url, hash(self.api_key))


@dataclass(frozen=True, slots=True)
class Attempt:
    """Call this target now, then `FallbackPlan.record` what came of it.

    Attributes:
        id: which attempt of the plan, from 0.
        target: whom to call.
        timeout: seconds for the call, from the target's own and what is left of the deadline; None for no limit.
    """

    id: int
    target: Target
    timeout: float | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again after so many seconds, or when an attempt under way has been recorded; `inf` for only then."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """There is nothing more to do: an answer was recorded, or `FallbackPlan.error` says why there is none."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt as it went, for ``response.attempts``.

    Attributes:
        provider: the provider's name.
        model: the target's model, None for the provider's default.
        seconds: how long it took.
        error: what went wrong; None for the answer.
    """

    provider: str
    model: str | None
    seconds: float
    error: RerankError | None = None


# --- the policy, as data ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """What an error of one class does.

    Attributes:
        action: ``stop`` hands it to the caller, ``next`` moves on at once.
        counts: whether it counts against the target's breaker.
    """

    action: Literal["stop", "next"] = "next"
    counts: bool = False


RULES: Final[Mapping[type[RerankError], Rule]] = {
    e.BadRequestError: Rule("stop"),
    e.InvalidRequestError: Rule("stop"),
    e.ProviderServerError: Rule(counts=True),
    e.InvalidResponseError: Rule(counts=True),
    e.TransportError: Rule(counts=True),
    e.RerankError: Rule(),
}
"""The default rules. A class that is not here goes by its nearest base: every other error moves on."""


def exponential(error: RerankError, tried: int) -> float:
    """Half a second, doubled with each try, at most 8 seconds; what the vendor said counts before."""
    return error.retry_after if error.retry_after is not None else min(0.5 * 2 ** (tried - 1), 8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackPolicy:
    """What each outcome does. Data: read it, print it, override it per class.

    Attributes:
        rules: by error class, beside and before the default rules.
        retries: how often one target is tried again after a retryable error; None for 2 with a single target, else 0.
        backoff: seconds before the same target is tried again; add jitter here if you want it.
        max_wait: the longest that the plan waits for a target, in seconds; a longer wait ends it.
        incomplete: whether an answer that lacks rows is taken, or the next target is asked.
        empty: the same for an answer without any row.
        order: targets as given, or the heaviest first.
        hedge_after: seconds after which the next target is started beside a slow one; None for never.
        breaker_failures: counted failures in a row after which a target is left alone.
        breaker_seconds: for how long; then one attempt probes it.
    """

    rules: Mapping[type[RerankError], Rule] = field(default_factory=dict[type[RerankError], Rule])
    retries: int | None = None
    backoff: Backoff = exponential
    max_wait: float = 60.0
    incomplete: Literal["accept", "next"] = "accept"
    empty: Literal["accept", "next"] = "next"
    order: Literal["given", "weight"] = "given"
    hedge_after: float | None = None
    breaker_failures: int = 5
    breaker_seconds: float = 30.0

    def rule(self, kind: type[RerankError]) -> Rule:
        """The rule for a class: its own, else its nearest base's."""
        for base in kind.__mro__:
            found = self.rules.get(base) or RULES.get(base)
            if found is not None:
                return found
        return Rule()

    def __str__(self) -> str:
        kinds = sorted({**RULES, **self.rules}, key=lambda kind: kind.__name__)
        return "\n".join(f"{kind.__name__:24} {self.rule(kind).action}" for kind in kinds)

    def refuse(self, response: RerankResponse) -> RerankError | None:
        """Why an answer is not taken, or None."""
        missing = tuple(set(response.missing).difference(*(loss.indices for loss in response.losses)))
        if len(response) == 0 and self.empty == "next":
            return e.InvalidResponseError("the answer has no row", provider=response.provider)
        if missing and self.incomplete == "next":
            return e.InvalidResponseError(f"the answer lacks {len(missing)} rows", provider=response.provider)
        return None


DEFAULT_POLICY: Final = FallbackPolicy()


# --- what all requests share -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _State:
    cool_until: float = -inf
    failures: int = 0
    open_until: float = -inf
    probe_until: float = -inf
    cause: RerankError | None = None


class Health:
    """How the targets are doing: cool-downs and breakers. One for all requests, safe under threads and tasks."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._states: dict[tuple[object, ...], _State] = {}

    def wait(self, target: Target, now: float) -> float:
        """Seconds until the target may be called; 0 for now."""
        with self._lock:
            return self._wait(self._state(target), now)

    def cause(self, target: Target) -> RerankError | None:
        """What went wrong last."""
        with self._lock:
            return self._state(target).cause

    def begin(self, target: Target, now: float, policy: FallbackPolicy) -> bool:
        """Whether the target may be called now. After a breaker was open, one attempt at a time probes it."""
        with self._lock:
            state = self._state(target)
            if self._wait(state, now) > 0:
                return False
            if state.failures >= policy.breaker_failures:
                state.probe_until = now + policy.breaker_seconds
            return True

    def succeed(self, target: Target) -> None:
        """The target answered: its slate is clean."""
        with self._lock:
            self._states[target.identity] = _State()

    def fail(self, target: Target, error: RerankError, now: float, policy: FallbackPolicy) -> None:
        """The target failed: remember for how long it asked to be left alone, and count it."""
        with self._lock:
            state = self._state(target)
            state.cause = error
            state.probe_until = -inf
            if error.retry_after is not None:
                state.cool_until = max(state.cool_until, now + error.retry_after)
            if policy.rule(type(error)).counts:
                state.failures += 1
                if state.failures >= policy.breaker_failures:
                    state.open_until = now + policy.breaker_seconds

    def release(self, target: Target) -> None:
        """An attempt ended without an outcome, such as by cancellation: it probes no more."""
        with self._lock:
            self._state(target).probe_until = -inf

    def _state(self, target: Target) -> _State:
        return self._states.setdefault(target.identity, _State())

    @staticmethod
    def _wait(state: _State, now: float) -> float:
        return max(state.cool_until - now, state.open_until - now, state.probe_until - now, 0.0)


# --- one request's plan ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Progress:
    tries: int = 0
    ready_at: float = -inf
    cause: RerankError | None = None


class FallbackPlan:
    """One request's way through its targets.

    Args:
        targets: whom to try.
        policy: what each outcome does.
        health: shared by all requests; None for one of its own.
        deadline: the instant, on the clock of ``now``, after which nothing is started; None for never.
        request: what is asked; targets that cannot express it are passed over without a call.
        must_keep: canonical fields that must not be lost in a way that affects the result, or ``"all"``.

    Raises:
        InvalidRequestError: there is no target, or the request is wrong for every vendor.
        UnknownProviderError: no provider is called so.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        policy: FallbackPolicy = DEFAULT_POLICY,
        health: Health | None = None,
        deadline: float | None = None,
        *,
        request: RerankRequest | None = None,
        must_keep: Iterable[str] | Literal["all"] = (),
    ) -> None:
        if not targets:
            raise InvalidRequestError("targets: expected one or more", field="targets")
        by_weight = policy.order == "weight"
        self.targets = tuple(sorted(targets, key=lambda target: -target.weight) if by_weight else targets)
        self.policy = policy
        self.health = health or Health()
        self.deadline = inf if deadline is None else deadline
        self.attempts: list[Tried] = []
        self._progress = [_Progress() for _ in self.targets]
        self._allowed = 1 + (policy.retries if policy.retries is not None else 2 * (len(self.targets) == 1))
        self._under_way: dict[int, tuple[int, float]] = {}
        self._started = 0
        self._answered = False
        self._stopped: RerankError | None = None
        for target, progress in zip(self.targets, self._progress, strict=True):
            vendor = target.vendor
            if request is not None:
                progress.cause = _passed_over(vendor, target, request, must_keep, chained=len(self.targets) > 1)
                progress.tries = self._allowed if progress.cause is not None else 0

    @property
    def answered(self) -> bool:
        """Whether an answer was recorded that the policy takes."""
        return self._answered

    def next(self, now: float) -> Attempt | Wait | Finished:
        """What to do now."""
        if self._answered or self._stopped is not None:
            return Finished()
        waits = [self._wait(index, now) for index in range(len(self.targets))]
        if self._under_way:
            hedge = self._hedge_at() - now
            if hedge > 0 or min(waits) > 0:
                return Wait(max(hedge, min(waits)))
        for index, wait in enumerate(waits):
            if wait <= 0 and now < self.deadline and self.health.begin(self.targets[index], now, self.policy):
                return self._start(index, now)
        soonest = min(waits)
        if soonest > self.policy.max_wait or now + soonest >= self.deadline:
            return Wait(inf) if self._under_way else Finished()
        return Wait(soonest)

    def _wait(self, index: int, now: float) -> float:
        progress = self._progress[index]
        if progress.tries >= self._allowed or any(index == started for started, _ in self._under_way.values()):
            return inf
        return max(progress.ready_at - now, self.health.wait(self.targets[index], now), 0.0)

    def _hedge_at(self) -> float:
        after = self.policy.hedge_after
        return inf if after is None else max(began for _, began in self._under_way.values()) + after

    def _start(self, index: int, now: float) -> Attempt:
        attempt = Attempt(self._started, self.targets[index], self._timeout(index, now))
        self._started += 1
        self._progress[index].tries += 1
        self._under_way[attempt.id] = (index, now)
        return attempt

    def _timeout(self, index: int, now: float) -> float | None:
        own = self.targets[index].timeout
        left = self.deadline - now
        return own if left == inf else min(left, own if own is not None else left)

    def record(self, attempt: Attempt, outcome: Outcome, now: float) -> None:
        """Tell the plan what came of an attempt. An answer after another one changes nothing.

        Raises:
            InvalidRequestError: the attempt is not under way: of another plan, or recorded already.
        """
        index, began = self._take(attempt)
        error = self.policy.refuse(outcome) if isinstance(outcome, RerankResponse) else outcome
        self.attempts.append(Tried(attempt.target.name, attempt.target.model, now - began, error))
        if error is None:
            self.health.succeed(attempt.target)
            self._answered = True
            return
        self.health.fail(attempt.target, error, now, self.policy)
        progress = self._progress[index]
        progress.cause = error
        if self.policy.rule(type(error)).action == "stop":
            self._stopped = error
        elif error.retryable:
            progress.ready_at = now + self.policy.backoff(error, progress.tries)
        else:
            progress.tries = self._allowed

    def cancel(self, attempt: Attempt) -> None:
        """An attempt was given up without an outcome, such as the slower one of a hedge."""
        self._take(attempt)
        self.health.release(attempt.target)

    def _take(self, attempt: Attempt) -> tuple[int, float]:
        if attempt.id not in self._under_way or self.targets[self._under_way[attempt.id][0]] is not attempt.target:
            raise InvalidRequestError("attempt: it is not under way in this plan", field="attempt")
        return self._under_way.pop(attempt.id)

    def error(self) -> RerankError:
        """Why there is no answer: the error that stopped the plan, a single target's own, else all targets' causes."""
        if self._stopped is not None:
            return self._stopped
        causes = [self._cause(index) for index in range(len(self.targets))]
        tried = [tried.error for tried in self.attempts if tried.error is not None]
        known = [*tried, *(cause for cause in causes if cause is not None and not any(cause is own for own in tried))]
        if len(self.targets) == 1 and known:
            return known[-1]
        if not known:
            return e.TimeoutError("the deadline passed before any target was called")
        told = ", ".join(f"{error.provider or 'a target'}: {type(error).__name__}" for error in known)
        return e.AllProvidersFailedError(f"every target failed ({told})", known)

    def _cause(self, index: int) -> RerankError | None:
        """Why a target gave no answer: its own last error here, else the one for which it is left alone."""
        return self._progress[index].cause or self.health.cause(self.targets[index])


def _passed_over(
    vendor: Provider, target: Target, request: RerankRequest, must_keep: Iterable[str], *, chained: bool
) -> RerankError | None:
    """Why a target is not called for this request: it cannot express it, or would lose what must be kept."""
    model = target.model or (vendor.default_model if chained else None)
    try:
        encoded = vendor.encode_fields(request.fields, model=model, like=target.like)
    except UnsupportedRequestError as error:
        error.provider = vendor.name
        return error
    for loss in encoded.losses:
        if loss.affects_result and (must_keep == "all" or loss.field in must_keep):
            message = f"{loss.field}: would be {loss.action} ({loss.reason}), and must be kept"
            return UnsupportedRequestError(message, field=loss.field, provider=vendor.name)
    return None
