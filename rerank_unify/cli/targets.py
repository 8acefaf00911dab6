"""The targets of `rerank` and `batch`, and the clients made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from .._http import HttpRequest, HttpResponse
from .._provider import Provider

if TYPE_CHECKING:
    from ..client import AsyncClient, Client
    from ..client.config import MustKeep
    from ..fallback import Target


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """The options of a command line; None leaves the choice to the client.

    Attributes:
        provider: the first provider.
        chain: the fallback targets, in order.
        model, base_url, url, headers, auth_header, base_model: of the first provider; see `Target`.
        env_keys: whether a key from the environment may go to a host that is not the provider's own.
        timeout: seconds for an attempt.
        deadline: seconds for one request, all attempts and waits included.
        hedge_after: seconds after which the next provider is called beside a slow one.
        retries: retries per provider.
        must_keep: canonical fields that must not be lost, or ``all``.
        split: the models for which a request too large for one call is split.
    """

    provider: Provider
    chain: tuple[Target, ...]
    model: str | None
    base_url: str | None
    url: str | None
    headers: Mapping[str, str]
    auth_header: str | None
    env_keys: bool
    base_model: str | None
    timeout: float | None
    deadline: float | None
    hedge_after: float | None
    retries: int | None
    must_keep: tuple[str, ...]
    split: str

    @property
    def required_fields(self) -> MustKeep:
        """The value of the clients' ``must_keep``."""
        return "all" if "all" in self.must_keep else self.must_keep

    @property
    def in_process(self) -> bool:
        """Whether all targets rank in this process, so that no HTTP client is needed."""
        return self.provider.sender is not None and all(
            target.resolved_provider.sender is not None for target in self.chain
        )

    def client(self, **more: Any) -> Client:
        """Create a client for these targets.

        Raises:
            RerankError: a key or an extra is missing, or an option is wrong.
        """
        from ..client import Client

        sender = _no_http if self.in_process else None
        return Client(self._targets(), sender=sender, **self._settings(), **more)

    def async_client(self) -> AsyncClient:
        """Create an asynchronous client, for targets of which at least one is called over HTTP."""
        from ..client import AsyncClient

        return AsyncClient(self._targets(), **self._settings())

    def _targets(self) -> list[Target]:
        from ..fallback import Target

        check_one_url(self.base_url, self.url)
        addresses = {
            "--base-url": self.base_url, "--url": self.url, "--header": self.headers, "--auth-header": self.auth_header
        }  # fmt: skip
        for option, value in addresses.items():
            if value and self.provider.sender is not None:
                raise click.UsageError(
                    f"{option} is for providers over HTTP; {self.provider.name} ranks in this process."
                )
        first = Target(
            self.provider,
            self.model,
            base_url=self.base_url,
            base_model=self.base_model,
            url=self.url,
            headers=self.headers or None,
            auth_header=self.auth_header,
        )
        return [first, *self.chain]

    def _settings(self) -> dict[str, Any]:
        from ..fallback import FallbackPolicy

        policy = FallbackPolicy(retries=self.retries, hedge_after=self.hedge_after)
        timeout = {} if self.timeout is None else {"timeout": self.timeout}
        return {**timeout, "policy": policy, "deadline": self.deadline, "split": self.split, "env_keys": self.env_keys}


def check_one_url(base_url: str | None, url: str | None) -> None:
    """Refuse a base URL beside a whole URL.

    Raises:
        UsageError: both are set.
    """
    if base_url is not None and url is not None:
        raise click.UsageError("--base-url and --url exclude each other.")


def _no_http(http: HttpRequest, timeout: float) -> HttpResponse:
    """Take the place of an HTTP sender in a client whose targets all rank in this process."""
    raise AssertionError(f"unexpected HTTP call to {http.url}, {timeout}")  # pragma: no cover - never called
