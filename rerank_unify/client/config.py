"""The settings of both clients, checked before any call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import NoneType
from typing import Any, Literal, TypeAlias

from typing_extensions import TypedDict

from .._endpoint import Key, Token
from .._http import Headers, validate_headers
from .._provider import Provider, address_of_call
from ..batching import Estimate, estimate_tokens
from ..cache import ScoreCache
from ..canonical import MinScore, check_number, checked_count, min_score_of
from ..errors import InvalidRequestError, MissingApiKeyError
from ..fallback import DEFAULT_POLICY, FallbackPolicy, Health, Target, as_targets
from ..transport import CONNECT, MAX_BYTES, MAX_CONNECTIONS
from . import rate
from .events import Ended, Observers, Started, observers

Targets: TypeAlias = "str | Provider | Target | Sequence[str | Provider | Target]"
Address: TypeAlias = tuple[str, Mapping[str, str]]
MustKeep: TypeAlias = Iterable[str] | Literal["all"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The checked settings of a client; see `Client` for those that it takes.

    Attributes:
        observers: the hooks, the log and the spans.
        threshold: the lowest score of a result; None for no limit.
        addresses: URL and headers by target and, where the URL depends on the model, by model.
        tokens: tokens by target, where a key is exchanged for one.
    """

    targets: tuple[Target, ...]
    policy: FallbackPolicy = DEFAULT_POLICY
    health: Health = field(default_factory=Health)
    timeout: float = 60.0
    connect_timeout: float = CONNECT
    read_timeout: float | None = None
    deadline: float | None = None
    headers: Headers | None = field(default=None, repr=False)
    max_response_bytes: int = MAX_BYTES
    split: Literal["pointwise", "always"] = "pointwise"
    estimate: Estimate = estimate_tokens
    concurrency: int = 4
    max_connections: int = MAX_CONNECTIONS
    cache: ScoreCache | None = None
    min_score: float | None = None
    min_unit_score: float | None = None
    on_attempt_start: Started | None = None
    on_attempt_end: Ended | None = None
    threshold: MinScore | None = field(init=False, repr=False)
    observers: Observers = field(init=False, repr=False)
    addresses: dict[tuple[object, ...], Address] = field(init=False, repr=False)
    tokens: dict[tuple[object, ...], Token] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("timeout", "connect_timeout", "read_timeout", "deadline"):
            if getattr(self, name) is not None:
                check_number(getattr(self, name), name, "a number of seconds above 0", above=True)
        for name in ("max_response_bytes", "concurrency", "max_connections"):
            checked_count(getattr(self, name), name)
        if not isinstance(self.cache, (ScoreCache, NoneType)):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped users
            raise InvalidRequestError("cache: expected a ScoreCache, such as MemoryScoreCache", field="cache")
        if any(target.requests_per_minute is not None for target in self.targets):
            rate.check_installed()
        validate_headers(self.headers)
        object.__setattr__(self, "threshold", min_score_of(self.min_score, self.min_unit_score))
        object.__setattr__(self, "observers", observers(self.on_attempt_start, self.on_attempt_end))
        object.__setattr__(self, "addresses", {})
        object.__setattr__(self, "tokens", {})

    @cached_property
    def providers(self) -> Mapping[str, Provider]:
        """The providers of the targets by name."""
        return {target.name: target.resolved_provider for target in self.targets}

    @property
    def limits(self) -> dict[str, Any]:
        """The limits that a sender takes."""
        return {"connect": self.connect_timeout, "read": self.read_timeout, "max_bytes": self.max_response_bytes}


class ClientOptions(TypedDict, total=False):
    """The keywords that `Client` and `AsyncClient` share; see `Client` for their meaning."""

    api_key: Key | None
    base_url: str | None
    url: str | None
    model: str | None
    policy: FallbackPolicy
    health: Health | None
    timeout: float
    connect_timeout: float
    read_timeout: float | None
    deadline: float | None
    headers: Headers | None
    max_response_bytes: int
    split: Literal["pointwise", "always"]
    estimate: Estimate
    concurrency: int
    max_connections: int
    cache: ScoreCache | None
    min_score: float | None
    min_unit_score: float | None
    env_keys: bool
    on_attempt_start: Started | None
    on_attempt_end: Ended | None


def read_settings(targets: Targets, function: str, options: ClientOptions) -> Settings:
    """Read the keywords of a client.

    Args:
        targets: the targets.
        function: the public function, for the message about an unknown keyword.
        options: the keywords.

    Raises:
        TypeError: a keyword is unknown.
        InvalidRequestError, UnknownProviderError, MissingApiKeyError: as `Client`.
    """
    for name in options:
        if name not in ClientOptions.__annotations__:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
    given: dict[str, Any] = {name: value for name, value in options.items() if (name, value) != ("health", None)}
    env_keys = given.pop("env_keys", False)
    of_target = {name: given.pop(name) for name in ("api_key", "base_url", "url", "model") if name in given}
    if isinstance(targets, (str, Provider)):
        targets = Target(targets, **of_target)
    else:
        for name, value in of_target.items():
            if value is not None:
                raise InvalidRequestError(f"{name}: expected in each Target, as targets were given", field=name)
    return Settings(targets=tuple(_with_key(target, env_keys=env_keys) for target in as_targets(targets)), **given)


def _with_key(target: Target, *, env_keys: bool) -> Target:
    """Return the target with a key, the provider's base URL and options, from the environment where it has none.

    A key from the environment goes to the provider's own host alone, unless ``env_keys`` is set.
    """
    target = target.with_environment(os.environ)
    provider = target.resolved_provider
    url = target.url or target.base_url
    if target.api_key is None and (url is None or provider.endpoint.serves(url) or env_keys):
        target = replace(target, api_key=provider.key(os.environ))
    try:
        address_of(target, "m")
    except MissingApiKeyError as error:
        variables = f" or set {provider.env[0]}" if provider.env else ""
        raise MissingApiKeyError(f"{error.message}{variables}", provider=provider.name) from None
    return target


def address_of(target: Target, model: str, headers: Headers | None = None) -> Address:
    """Return the URL and the headers of a target's calls, with the client's further headers."""
    return address_of_call(
        target.resolved_provider,
        model,
        api_key=target.api_key,
        base_url=target.base_url,
        url=target.url,
        headers={**validate_headers(headers), **validate_headers(target.headers)},
        auth_header=target.auth_header,
    )
