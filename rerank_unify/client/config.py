"""What both clients are told once, checked before anything is called."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

from .._endpoint import Key, plain_key
from .._http import Headers, validate_headers
from .._provider import Provider, address_of_call
from ..batching import Estimate, estimate_tokens
from ..canonical import check_number
from ..errors import InvalidRequestError, MissingApiKeyError
from ..fallback import DEFAULT_POLICY, FallbackPolicy, Health, Target, as_targets
from ..transport.base import CONNECT, MAX_BYTES, MAX_CONCURRENT
from .events import Ended, Observers, Started, log_end, log_idle, log_start
from .otel import with_spans

Targets: TypeAlias = "str | Provider | Target | Sequence[str | Provider | Target]"
Address: TypeAlias = tuple[str, Mapping[str, str]]
MustKeep: TypeAlias = Iterable[str] | Literal["all"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What both clients are told once.

    Attributes:
        targets: whom to try.
        policy: what each outcome does.
        health: cool-downs and breakers; share one between clients that call the same vendors.
        timeout: seconds for one attempt.
        connect_timeout: seconds for its connection.
        read_timeout: seconds between two pieces of its answer; None for no limit but the attempt's.
        deadline: seconds for one `rerank`, all attempts and waits included; None for no limit.
        headers: further headers for every call.
        max_bytes: bytes of an answer that are read.
        split: whether listwise models are split too when a request is too large for one call.
        estimate: counts the tokens of a text, for splitting.
        concurrency: parts of one request that are under way at the same time.
        max_connections: calls that an asynchronous client hands to httpx at a time.
        observers: whom to tell of each attempt.
        addresses: what `address_of_call` gave, by target and, where the URL has a place for it, model.
    """

    targets: tuple[Target, ...]
    policy: FallbackPolicy
    health: Health
    timeout: float
    connect_timeout: float
    read_timeout: float | None
    deadline: float | None
    headers: Headers | None = field(repr=False)
    max_bytes: int
    split: Literal["pointwise", "always"]
    estimate: Estimate
    concurrency: int
    max_connections: int
    observers: Observers = field(repr=False)
    addresses: dict[tuple[object, ...], Address] = field(default_factory=dict[tuple[object, ...], Address], repr=False)

    @cached_property
    def providers(self) -> Mapping[str, Provider]:
        """The targets' providers, by name."""
        return {target.name: target.resolved_provider for target in self.targets}

    @property
    def limits(self) -> dict[str, Any]:
        """What a sender is told."""
        return {"connect": self.connect_timeout, "read": self.read_timeout, "max_bytes": self.max_bytes}


def read_settings(
    targets: Targets,
    *,
    api_key: Key | None = None,
    base_url: str | None = None,
    model: str | None = None,
    policy: FallbackPolicy = DEFAULT_POLICY,
    health: Health | None = None,
    timeout: float = 60.0,
    connect_timeout: float = CONNECT,
    read_timeout: float | None = None,
    deadline: float | None = None,
    headers: Headers | None = None,
    max_response_bytes: int = MAX_BYTES,
    split: Literal["pointwise", "always"] = "pointwise",
    estimate: Estimate = estimate_tokens,
    concurrency: int = 4,
    max_connections: int = MAX_CONCURRENT,
    env_keys: bool = False,
    on_attempt_start: Started | None = None,
    on_attempt_end: Ended | None = None,
) -> Settings:
    """Settings from the keywords of the clients; see `Client`.

    Raises:
        InvalidRequestError, UnknownProviderError, MissingApiKeyError: one sentence each, before any call.
    """
    single = isinstance(targets, (str, Provider, Target))
    for name, value in {"api_key": api_key, "base_url": base_url, "model": model}.items():
        if value is not None and (not single or isinstance(targets, Target)):
            raise InvalidRequestError(f"{name}: belongs to each Target where targets are given", field=name)
    times = {"timeout": timeout, "connect_timeout": connect_timeout, "read_timeout": read_timeout, "deadline": deadline}
    for name, seconds in times.items():
        if seconds is not None:
            check_number(seconds, name, "a number of seconds above 0", above=True)
    counts = {
        "max_response_bytes": max_response_bytes,
        "concurrency": concurrency,
        "max_connections": max_connections,
    }
    for name, number in counts.items():
        checked_count(number, name)
    validate_headers(headers)
    key = plain_key(api_key)
    made = as_targets(Target(targets, model, key, base_url) if isinstance(targets, (str, Provider)) else targets)
    return Settings(
        targets=tuple(_with_key(target, env_keys=env_keys) for target in made),
        policy=policy,
        health=health or Health(),
        timeout=timeout,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        deadline=deadline,
        headers=headers,
        max_bytes=max_response_bytes,
        split=split,
        estimate=estimate,
        concurrency=concurrency,
        max_connections=max_connections,
        observers=_observers(on_attempt_start, on_attempt_end),
    )


def checked_count(number: int, name: str) -> int:
    """A number of things, one or more.

    Raises:
        InvalidRequestError: it is no integer above 0.
    """
    if type(number) is not int or number < 1:
        raise InvalidRequestError(f"{name}: expected an integer, 1 or more", field=name)
    return number


def _observers(on_start: Started | None, on_end: Ended | None) -> Observers:
    """The log, the caller's own, and spans."""
    started = [] if on_start is None else [on_start]
    ended = [] if on_end is None else [on_end]
    idle = bool if started or ended else log_idle
    return with_spans(Observers((log_start, *started), (log_end, *ended), idle))


def _with_key(target: Target, *, env_keys: bool) -> Target:
    """The target with its key, from the environment where it has none; checked before anything is called.

    A key from the environment goes to the vendor's own host alone, unless asked for: another host is somebody else.
    """
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
    """The URL and the headers of a target's calls, with the client's further headers."""
    return address_of_call(
        target.resolved_provider,
        model,
        api_key=target.api_key,
        base_url=target.base_url,
        url=target.url,
        headers={**validate_headers(headers), **validate_headers(target.headers)},
        auth_header=target.auth_header,
    )
