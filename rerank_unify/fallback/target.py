"""Targets of a fallback chain, and the steps of a plan: attempt, wait, finished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

from pydantic import SecretStr

from .._endpoint import Key, plain_key
from .._http import Headers, MaskedHeaders, validate_headers
from .._json import dump
from .._provider import Call, Provider
from ..canonical import RerankRequest, check_number, checked_count, validate_model
from ..dialect import Limits
from ..errors import InvalidRequestError
from ..registry import provider as provider_by_name


@dataclass(frozen=True, slots=True)
class Target:
    """One entry of a fallback chain: a provider with model, key and URL.

    Attributes:
        provider: the provider or its name.
        model: the model to send; None for the provider's default.
        api_key: the key, a string or a ``SecretStr``; stored as a ``SecretStr``.
        base_url: a root, prefix or full path to call instead of the provider's URL.
        timeout: seconds for one attempt; None for no limit but the deadline.
        weight: 0 or more; a policy with ``order="weight"`` tries the heaviest target first.
        base_model: the known model behind an alias.
        url: the whole URL to call, in place of ``base_url``; it is not changed.
        headers: further headers of each call; hidden from the target's ``repr``.
        auth_header: the header that carries the key, in place of the provider's own.
        limits: documents per call and tokens per document of this server, in place of those that the provider declares.
        requests_per_minute: calls that may start within 60 seconds, 1 or more; None for no limit. All clients of a
            process count together. A call beyond it is not made: the attempt ends with `CallLimitError`, a
            `RateLimitError`, and the next target is tried.
        options: body fields of the provider for each request, such as a project, under those that a request has in
            ``provider_options``.
        resolved_provider: the provider itself, with the target's limits and options.
        name: the provider's name.
        identity: the value by which requests share the target's health.

    Raises:
        InvalidRequestError: a number is out of range, the model is no name, the limits are no `Limits`, or an option is
            no JSON value or a field that the library writes itself.
        UnknownProviderError: no provider has such a name.

    Examples:
        >>> ru.Target("xinference", model="my-uid", base_url="http://10.0.0.5:9997", timeout=5.0).name
        'xinference'
    """

    provider: Provider | str
    model: str | None = None
    api_key: SecretStr | str | None = None
    base_url: str | None = None
    timeout: float | None = None
    weight: float = 1.0
    base_model: str | None = None
    url: str | None = None
    headers: Headers | None = field(default=None, repr=False)
    auth_header: str | None = None
    limits: Limits | None = None
    requests_per_minute: int | None = None
    options: Mapping[str, Any] | None = None
    resolved_provider: Provider = field(init=False, repr=False, compare=False)
    name: str = field(init=False, repr=False, compare=False)
    identity: tuple[object, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.timeout is not None:
            check_number(self.timeout, "timeout", "a number of seconds above 0", above=True)
        validate_model(self.model)
        check_number(self.weight, "weight", "a number, 0 or more")
        if self.requests_per_minute is not None:
            checked_count(self.requests_per_minute, "requests_per_minute")
        key = plain_key(self.api_key)
        object.__setattr__(self, "api_key", None if key is None else SecretStr(key))
        provider = provider_by_name(self.provider)
        if self.limits is not None:
            provider = provider.with_limits(_as_limits(self.limits))
        if self.options is not None:
            provider = provider.with_options(self.options)
            object.__setattr__(self, "options", provider.options)
        object.__setattr__(self, "resolved_provider", provider)
        object.__setattr__(self, "name", provider.name)
        headers = validate_headers(self.headers)
        if self.headers is not None:
            object.__setattr__(self, "headers", MaskedHeaders(headers))
        where = (self.base_url, self.url, self.auth_header, hash(tuple(sorted(headers.items()))))
        identity = (provider.name, self.model, *where, hash(self.api_key), dump(provider.options))
        object.__setattr__(self, "identity", identity)

    def with_environment(self, environ: Mapping[str, str]) -> Target:
        """Return this target with the base URL and the required option that variables hold, where it has none.

        Args:
            environ: the environment variables by name, such as ``os.environ``.
        """
        provider, made = self.resolved_provider, self
        base_url = provider.endpoint.base_url_in(environ)
        if self.url is None and self.base_url is None and base_url is not None:
            made = replace(made, base_url=base_url)
        options, found = self.options or {}, provider.options_in(environ)
        if found and not any(name in options for name in provider.required_options):
            made = replace(made, options={**found, **options})
        return made

    def sends(self, *, chained: bool) -> str | None:
        """Return the model to send: the target's, else in a chain the provider's default; None for the request's.

        Args:
            chained: whether the target is one of several.
        """
        return self.model or (self.resolved_provider.default_model if chained else None)


def _as_limits(limits: object) -> Limits:
    if isinstance(limits, Limits):
        return limits
    raise InvalidRequestError(f"limits: expected Limits, not a value of type {type(limits).__name__}", field="limits")


def as_targets(targets: str | Provider | Target | Iterable[str | Provider | Target]) -> tuple[Target, ...]:
    """Return the targets of a chain.

    Args:
        targets: targets, providers or their names, one or several.

    Raises:
        InvalidRequestError: there is none, or one is something else.
        UnknownProviderError: no provider has such a name.
    """
    if isinstance(targets, (str, Provider, Target)):
        targets = (targets,)
    try:
        listed = tuple(targets)
    except TypeError:
        listed = (cast("str", targets),)
    if not listed:
        raise InvalidRequestError("targets: expected one or more", field="targets")
    return tuple(target if isinstance(target, Target) else _as_target(target) for target in listed)


def _as_target(target: object) -> Target:
    if isinstance(target, (str, Provider)):
        return Target(target)
    message = f"targets: expected names, providers or targets, not a value of type {type(target).__name__}"
    raise InvalidRequestError(message, field="targets")


class Attempt(NamedTuple):
    """Call this target now, then `FallbackPlan.record` the outcome.

    Attributes:
        id: which attempt of the plan, from 0.
        target: the target to call.
        timeout: seconds for the call, from the target's own and what is left of the deadline; None for no limit.
        model: the model to send: the target's own, else in a chain the provider's default; None for the request's.
    """

    id: int
    target: Target
    timeout: float | None
    model: str | None = None

    def prepare(self, request: RerankRequest, api_key: Key | None = None, headers: Headers | None = None) -> Call:
        """Prepare the call with the target's own model, base model, URL, headers and key.

        Args:
            request: what to rerank.
            api_key: the key, where the target has none.
            headers: further headers, beside the target's.

        Returns:
            The call, with the HTTP request to send and the context to decode its response.

        Raises:
            InvalidRequestError: as `Provider.prepare`.
            UnsupportedRequestError: as `Provider.prepare`.
            MissingApiKeyError: as `Provider.prepare`.
        """
        target = self.target
        return target.resolved_provider.prepare(
            request,
            model=self.model,
            api_key=target.api_key if target.api_key is not None else api_key,
            base_url=target.base_url,
            url=target.url,
            headers={**validate_headers(target.headers), **validate_headers(headers)},
            auth_header=target.auth_header,
            echo_documents=False,
            base_model=target.base_model,
        )


@dataclass(frozen=True, slots=True)
class Wait:
    """Call `FallbackPlan.next` again after these seconds, or once an attempt is recorded.

    Attributes:
        seconds: 0 or more; ``inf`` to wait for an attempt under way alone.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The plan has ended: `FallbackPlan.result` returns the response or raises the error."""
