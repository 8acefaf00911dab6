"""The rule for each outcome, as data keyed by error class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from .. import errors as e
from ..canonical import RerankResponse, check_number
from ..errors import InvalidRequestError, RerankError

Backoff: TypeAlias = Callable[[RerankError, int], float]
"""A function of an error, and of the number of attempts at its target, that returns seconds before the next attempt."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule for errors of one class.

    Attributes:
        action: ``stop`` raises it at once, ``next`` moves on to the next target.
        trips_breaker: whether it counts against the target's breaker. An error that says that the same request would
            fail again, such as one of a provider's ``non_retryable_statuses``, speaks of the request and never counts.
        retries: how often the same target is tried again after this error, where the error is ``retryable``; None for
            the policy's ``retries``.
        waits: whether the same target is tried again after the ``retry_after`` of this error; False moves on at once.
        cools_down: whether the error's ``retry_after`` is a cool-down of the target for all requests. One that stops
            never is.
    """

    action: Literal["stop", "next"] = "next"
    trips_breaker: bool = False
    retries: int | None = None
    waits: bool = True
    cools_down: bool = True

    def __str__(self) -> str:
        retries = "" if self.retries is None else f", {self.retries} retries"
        waits = "" if self.waits else ", no wait for Retry-After"
        return f"{self.action}{retries}{waits}{', trips the breaker' if self.trips_breaker else ''}"


RULES: Final[Mapping[type[RerankError], Rule]] = {
    e.BadRequestError: Rule("stop"),
    e.InvalidRequestError: Rule("stop"),
    e.ModelNotFoundError: Rule(cools_down=False),
    e.RequestTooLargeError: Rule(cools_down=False),
    e.CallLimitError: Rule(retries=0, cools_down=False),
    e.ProviderServerError: Rule(trips_breaker=True),
    e.InvalidResponseError: Rule(trips_breaker=True),
    e.TransportError: Rule(trips_breaker=True),
    e.TimeoutError: Rule(trips_breaker=True, retries=0),
    e.RerankError: Rule(),
}
"""The default rules. Other classes follow the rule of their nearest base class: the next target is tried."""


_WORDS: Final = {"incomplete": ("accept", "next"), "empty": ("accept", "next"), "order": ("given", "weight")}


def exponential(error: RerankError, tried: int) -> float:
    """Return ``retry_after`` if given, else half a second, doubled with each attempt, at most 8 seconds.

    Args:
        error: the error of the attempt before.
        tried: the attempts at the target so far, 1 or more.

    Examples:
        >>> from rerank_unify.fallback import exponential
        >>> [exponential(ru.ConnectError("refused"), tried) for tried in (1, 2, 3, 9)]
        [0.5, 1.0, 2.0, 8.0]
    """
    return error.retry_after if error.retry_after is not None else min(0.5 * 2 ** (tried - 1), 8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackPolicy:
    """The rules for all outcomes. It is data: print it, or override rules per class.

    Attributes:
        rules: rules by error class; they override the default rules.
        retries: how often one target is tried again after a retryable error whose rule does not say; None for 2 with a
            single target, else 0.
        backoff: seconds before the same target is tried again.
        jitter: the share of these seconds that is subtracted at random, 0 to 1, so that clients that failed together do
            not retry together; a provider's ``retry_after`` is never shortened.
        max_wait: the longest that the plan waits for a target, in seconds; a longer wait ends it.
        max_cool_down: the longest cool-down of a target, in seconds, also where its provider requests a longer one.
        incomplete: ``accept`` a response that lacks rows, or try the ``next`` target.
        empty: the same for a response without any row.
        order: try the targets as ``given``, or the heaviest first by ``weight``.
        hedge_after: seconds after which the next target is started beside a slow one; None for never.
        breaker_failures: requests in a row that must fail, by errors that count, to open a target's breaker. An open
            breaker lets a request skip the target; where all other targets have failed it is tried all the same.
        breaker_seconds: for how long the breaker stays open; then one attempt probes the target.

    Raises:
        InvalidRequestError: a number is too low, or a word is not known.

    Examples:
        >>> policy = ru.FallbackPolicy(rules={ru.RateLimitError: ru.Rule("next", retries=1)}, hedge_after=2.0)
        >>> policy.rule(ru.RateLimitError).retries
        1
    """

    rules: Mapping[type[RerankError], Rule] = field(default_factory=dict[type[RerankError], Rule])
    retries: int | None = None
    backoff: Backoff = exponential
    jitter: float = 0.5
    max_wait: float = 60.0
    max_cool_down: float = 600.0
    incomplete: Literal["accept", "next"] = "accept"
    empty: Literal["accept", "next"] = "next"
    order: Literal["given", "weight"] = "given"
    hedge_after: float | None = None
    breaker_failures: int = 5
    breaker_seconds: float = 30.0

    def __post_init__(self) -> None:
        least: dict[str, tuple[float | None, int]] = {
            "retries": (self.retries, 0),
            "jitter": (self.jitter, 0),
            "max_wait": (self.max_wait, 0),
            "max_cool_down": (self.max_cool_down, 0),
            "hedge_after": (self.hedge_after, 0),
            "breaker_failures": (self.breaker_failures, 1),
            "breaker_seconds": (self.breaker_seconds, 0),
        }
        for name, (number, low) in least.items():
            if number is not None:
                check_number(number, name, f"a number, {low} or more", low=low, finite=False)
        if self.jitter > 1:
            raise InvalidRequestError("jitter: expected a share, 0 to 1", field="jitter")
        for name, known in _WORDS.items():
            if getattr(self, name) not in known:
                raise InvalidRequestError(f"{name}: expected {' or '.join(known)}", field=name)

    def pause(self, error: RerankError, tried: int, chance: float) -> float:
        """Return the seconds before the next attempt at the same target.

        Args:
            error: the error of the attempt before.
            tried: the attempts at the target so far, 1 or more.
            chance: scales the jitter, 0 to 1.
        """
        seconds = self.backoff(error, tried)
        return seconds if error.retry_after is not None else seconds * (1 - self.jitter * chance)

    def retry(self, error: RerankError, tried: int, retries: int) -> bool:
        """Return whether the same target may be tried again.

        Args:
            error: what the last attempt ended with.
            tried: how often the target was tried, 1 or more.
            retries: how often it may be tried again where the error's rule does not say.
        """
        rule = self.rule(type(error))
        allowed = retries if rule.retries is None else rule.retries
        return error.retryable and tried <= allowed and (rule.waits or error.retry_after is None)

    def cool_down(self, error: RerankError) -> float:
        """Return the seconds for which all requests leave the target alone after this error; 0 for not at all.

        Args:
            error: the error of an attempt at the target.
        """
        rule, seconds = self.rule(type(error)), error.retry_after
        if seconds is None or rule.action == "stop" or not rule.cools_down:
            return 0.0
        return min(seconds, self.max_cool_down)

    def trips_breaker(self, error: RerankError) -> bool:
        """Return whether the error counts against the target's breaker: it speaks of the server, not of the request.

        Args:
            error: the error of an attempt at the target.
        """
        about_the_request = type(error).retryable and not error.retryable
        return self.rule(type(error)).trips_breaker and not about_the_request

    def rule(self, kind: type[RerankError]) -> Rule:
        """Return the rule of an error class, else that of its nearest base class.

        Args:
            kind: the error class.

        Examples:
            >>> ru.FallbackPolicy().rule(ru.BadRequestError).action
            'stop'
        """
        for base in kind.__mro__:
            found = self.rules.get(base) or RULES.get(base)
            if found is not None:
                return found
        return Rule()

    def __str__(self) -> str:
        kinds = sorted({**RULES, **self.rules}, key=lambda kind: kind.__name__)
        return "\n".join(f"{kind.__name__:24} {self.rule(kind)}" for kind in kinds)

    def refuse(self, response: RerankResponse) -> RerankError | None:
        """Return the error for a response that the policy refuses, else None.

        Args:
            response: the response of an attempt.
        """
        if len(response) == 0 and self.empty == "next":
            return e.InvalidResponseError("the response has no row", provider=response.provider)
        if self.incomplete == "accept" or not response.missing:
            return None
        missing = set(response.missing).difference(*(loss.indices for loss in response.losses))
        if not missing:
            return None
        return e.InvalidResponseError(f"the response lacks {len(missing)} rows", provider=response.provider)


DEFAULT_POLICY: Final = FallbackPolicy()
