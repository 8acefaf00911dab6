"""What both clients are told once, checked before anything is called."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from ..batching import Estimate, estimate_tokens
from ..canonical import RerankRequest
from ..errors import Headers, InvalidRequestError
from ..fallback import DEFAULT_POLICY, FallbackPolicy, Health, Target
from ..registry import Provider
from ..transport import MOST

Targets: TypeAlias = "str | Provider | Target | Sequence[str | Provider | Target]"
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
        deadline: seconds for one `rerank`, all attempts and waits included; None for no limit.
        headers: further headers for every call.
        most: bytes of an answer that are read.
        split: whether listwise models are split too when a request is too large for one call.
        estimate: counts the tokens of a text, for splitting.
        concurrency: parts of one request that are under way at the same time.
    """

    targets: tuple[Target, ...]
    policy: FallbackPolicy
    health: Health
    timeout: float
    connect_timeout: float
    deadline: float | None
    headers: Headers | None = field(repr=False)
    most: int
    split: Literal["pointwise", "always"]
    estimate: Estimate
    concurrency: int


def read_settings(
    targets: Targets,
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    model: str | None = None,
    policy: FallbackPolicy = DEFAULT_POLICY,
    health: Health | None = None,
    timeout: float = 60.0,
    connect_timeout: float = 5.0,
    deadline: float | None = None,
    headers: Headers | None = None,
    max_response_bytes: int = MOST,
    split: Literal["pointwise", "always"] = "pointwise",
    estimate: Estimate = estimate_tokens,
    concurrency: int = 4,
    env_keys: bool = False,
) -> Settings:
    """Settings from the keywords of the clients; see `Client`.

    Raises:
        InvalidRequestError, UnknownProviderError, MissingApiKeyError: one sentence each, before any call.
    """
    single = isinstance(targets, (str, Provider, Target))
    listed = [targets] if isinstance(targets, (str, Provider, Target)) else list(targets)
    if not listed:
        raise InvalidRequestError("targets: expected one or more", field="targets")
    for name, value in {"api_key": api_key, "base_url": base_url, "model": model}.items():
        if value is not None and (not single or isinstance(targets, Target)):
            raise InvalidRequestError(f"{name}: belongs to each Target where targets are given", field=name)
    for name, seconds in {"timeout": timeout, "connect_timeout": connect_timeout, "deadline": deadline}.items():
        if seconds is not None and not 0 < seconds < float("inf"):
            raise InvalidRequestError(f"{name}: expected a number of seconds above 0", field=name)
    if policy.hedge_after is not None:
        raise InvalidRequestError(
            "hedge_after: the clients do not hedge yet; a FallbackPlan of your own does", field="policy"
        )
    made = tuple(one if isinstance(one, Target) else Target(one, model, api_key, base_url) for one in listed)
    return Settings(
        targets=tuple(_with_key(target, env_keys=env_keys) for target in made),
        policy=policy,
        health=health or Health(),
        timeout=timeout,
        connect_timeout=connect_timeout,
        deadline=deadline,
        headers=headers,
        most=max_response_bytes,
        split=split,
        estimate=estimate,
        concurrency=concurrency,
    )


def _with_key(target: Target, *, env_keys: bool) -> Target:
    """The target with its key, from the environment where it has none; checked before anything is called.

    A key from the environment goes to the vendor's own host alone, unless asked for: another host is somebody else.
    """
    vendor = target.vendor
    own_host = target.base_url is None or urlsplit(target.base_url).netloc == urlsplit(vendor.endpoint.url).netloc
    if target.api_key is None and (own_host or env_keys):
        target = replace(target, api_key=vendor.key(os.environ))
    vendor.build_request(_PROBE, model="m", api_key=target.api_key, base_url=target.base_url)
    return target


_PROBE = RerankRequest.model_construct(
    query="q", documents=("d",), model=None, top_n=None, return_documents=False, instruction=None,
    max_tokens_per_doc=None, truncation=None, rank_fields=None, return_embeddings=None, provider_options={},
)  # fmt: skip
