"""What each outcome does, as data keyed by error class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from .. import errors as e
from ..canonical import RerankResponse
from ..errors import InvalidRequestError, RerankError

Backoff: TypeAlias = Callable[[RerankError, int], float]
"""From an error, and how often the target has been tried, to the seconds before the same target is tried again."""


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


_WORDS: Final = {"incomplete": ("accept", "next"), "empty": ("accept", "next"), "order": ("given", "weight")}


def exponential(error: RerankError, tried: int) -> float:
    """Half a second, doubled with each try, at most 8 seconds; what the vendor said counts before."""
    return error.retry_after if error.retry_after is not None else min(0.5 * 2 ** (tried - 1), 8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackPolicy:
    """What each outcome does. Data: read it, print it, override it per class.

    Attributes:
        rules: by error class, beside and before the default rules.
        retries: how often one target is tried again after a retryable error; None for 2 with a single target, else 0.
        backoff: seconds before the same target is tried again.
        jitter: the share of these seconds that chance may take off, 0 to 1, so that many clients that failed together
            do not come back together; what a vendor said is never shortened.
        max_wait: the longest that the plan waits for a target, in seconds; a longer wait ends it.
        incomplete: whether an answer that lacks rows is taken, or the next target is asked.
        empty: the same for an answer without any row.
        order: targets as given, or the heaviest first.
        hedge_after: seconds after which the next target is started beside a slow one; None for never.
        breaker_failures: counted failures in a row after which a target is left alone.
        breaker_seconds: for how long; then one attempt probes it.

    Raises:
        InvalidRequestError: a number is too low, or a word is not known.
    """

    rules: Mapping[type[RerankError], Rule] = field(default_factory=dict[type[RerankError], Rule])
    retries: int | None = None
    backoff: Backoff = exponential
    jitter: float = 0.5
    max_wait: float = 60.0
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
            "hedge_after": (self.hedge_after, 0),
            "breaker_failures": (self.breaker_failures, 1),
            "breaker_seconds": (self.breaker_seconds, 0),
        }
        for name, (number, low) in least.items():
            if number is not None and not number >= low:
                raise InvalidRequestError(f"{name}: expected a number, {low} or more", field=name)
        if self.jitter > 1:
            raise InvalidRequestError("jitter: expected a share, 0 to 1", field="jitter")
        for name, known in _WORDS.items():
            if getattr(self, name) not in known:
                raise InvalidRequestError(f"{name}: expected {' or '.join(known)}", field=name)

    def pause(self, error: RerankError, tried: int, chance: float) -> float:
        """Seconds before the same target is tried again; ``chance``, 0 to 1, decides how much jitter takes off."""
        seconds = self.backoff(error, tried)
        return seconds if error.retry_after is not None else seconds * (1 - self.jitter * chance)

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
        if len(response) == 0 and self.empty == "next":
            return e.InvalidResponseError("the answer has no row", provider=response.provider)
        if self.incomplete == "accept" or not response.missing:
            return None
        missing = set(response.missing).difference(*(loss.indices for loss in response.losses))
        if not missing:
            return None
        return e.InvalidResponseError(f"the answer lacks {len(missing)} rows", provider=response.provider)


DEFAULT_POLICY: Final = FallbackPolicy()
