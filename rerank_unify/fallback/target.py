"""Whom to try, and the steps of trying."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from pydantic import SecretStr

from ..errors import InvalidRequestError, RerankError
from ..registry import Provider
from ..registry import provider as provider_by_name


@dataclass(frozen=True, slots=True)
class Target:
    """One provider to try, with its own model and key.

    Attributes:
        provider: its name, or the provider itself.
        model: what is sent as model; None for the provider's default.
        api_key: the key, kept as a ``SecretStr`` whatever it was given as.
        base_url: where, instead of the vendor's own.
        timeout: seconds for one attempt; None for no limit but the deadline.
        weight: of several targets the heaviest first, where the policy orders by weight; 0 or more.
        like: the known model behind a name that says nothing.
        vendor: the provider itself.
        name: the provider's name.
        identity: what makes it the same target in another request, so that its health is shared.

    Raises:
        InvalidRequestError: a number is out of range.
        UnknownProviderError: no provider is called so.
    """

    provider: Provider | str
    model: str | None = None
    api_key: SecretStr | str | None = None
    base_url: str | None = None
    timeout: float | None = None
    weight: float = 1.0
    like: str | None = None
    vendor: Provider = field(init=False, repr=False, compare=False)
    name: str = field(init=False, repr=False, compare=False)
    identity: tuple[object, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.timeout is not None and not 0 < self.timeout < inf:
            raise InvalidRequestError("timeout: expected a number of seconds above 0", field="timeout")
        if not 0 <= self.weight < inf:
            raise InvalidRequestError("weight: expected a number, 0 or more", field="weight")
        if isinstance(self.api_key, str):
            object.__setattr__(self, "api_key", SecretStr(self.api_key))
        vendor = provider_by_name(self.provider) if isinstance(self.provider, str) else self.provider
        object.__setattr__(self, "vendor", vendor)
        object.__setattr__(self, "name", vendor.name)
        identity = (vendor.name, self.model, self.base_url, hash(self.api_key))
        object.__setattr__(self, "identity", identity)

    def sends(self, *, chained: bool) -> str | None:
        """The model that is sent: its own, else in a chain the provider's default; None for the request's."""
        return self.model or (self.vendor.default_model if chained else None)


class Attempt(NamedTuple):
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


class Tried(NamedTuple):
    """One attempt as it went, for ``response.attempts``.

    Attributes:
        provider: the provider's name.
        model: the target's model, None for the provider's default.
        seconds: how long it took.
        error: what went wrong; None for the answer, and where it was cancelled.
        cancelled: whether it was given up, such as the slower one of a hedge.
    """

    provider: str
    model: str | None
    seconds: float
    error: RerankError | None = None
    cancelled: bool = False
