"""Who may send a request: the gateway's keys, and the limits on concurrent requests.

A key is 256 random bits, so a plain SHA-256 is enough: it can be neither guessed nor looked up. A slow hash would only
slow down every request.
"""

from __future__ import annotations

import hmac
import secrets
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

from ..errors import AuthenticationError, ProviderOverloadedError, RateLimitError
from .settings import LimitSettings


def new_key() -> str:
    """Return a new random key."""
    return f"ru-{secrets.token_urlsafe(32)}"


def hash_of(key: str | bytes) -> str:
    """Return the hash of a key, as the configuration holds it."""
    return f"sha256:{sha256(key.encode() if isinstance(key, str) else key).hexdigest()}"


@dataclass(frozen=True, slots=True)
class AuthenticatedClient:
    """The client that sent a request.

    Attributes:
        name: the name of its gateway key; "" if the gateway has no keys.
        provider_key: the client's own provider key, if the client sent one.
    """

    name: str
    provider_key: str | None


def admit(keys: Mapping[str, str], headers: Mapping[str, str]) -> AuthenticatedClient:
    """Authenticate a client by ``Authorization: Bearer KEY`` or ``x-api-key: KEY``.

    Args:
        keys: the hashes of the gateway's keys, by name.
        headers: by lower-case name, read as Latin-1.

    Raises:
        AuthenticationError: the request has no key, or an unknown one.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = (token.strip() or None) if scheme.lower() == "bearer" else None
    if not keys:
        return AuthenticatedClient("", bearer)
    names = {key: _name(keys, key) for key in (bearer, headers.get("x-api-key")) if key}
    name = next((name for name in names.values() if name is not None), None)
    if name is None:
        reason = "unknown API key" if names else "no API key: send Authorization: Bearer KEY"
        raise AuthenticationError(reason, status=401)
    return AuthenticatedClient(name, bearer if bearer and names[bearer] is None else None)


def _name(keys: Mapping[str, str], key: str) -> str | None:
    """Return the key's name, or None. Compare all keys, so that the time does not depend on the key."""
    # Headers are decoded as Latin-1, so encoding restores the bytes that came.
    hashed, found = hash_of(key.encode("latin-1")), None
    for name, known in keys.items():
        if hmac.compare_digest(hashed, known):
            found = name
    return found


class ConcurrencyLimiter:
    """Counts the requests in progress, in total and per gateway key."""

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._by_key: Counter[str] = Counter()

    @contextmanager
    def enter(self, client: AuthenticatedClient) -> Generator[None]:
        """Count one request while the context lasts.

        Raises:
            ProviderOverloadedError: the gateway has reached `concurrency`.
            RateLimitError: this key has reached `concurrency_per_key`.
        """
        if self._by_key.total() >= self._limits.concurrency:
            raise ProviderOverloadedError("the gateway is busy", status=503, retry_after=1)
        limit = self._limits.concurrency_per_key
        if limit is not None and self._by_key[client.name] >= limit:
            which = "with this key" if client.name else "without a key"
            raise RateLimitError(f"more than {limit} concurrent requests {which}", status=429, retry_after=1)
        self._by_key[client.name] += 1
        try:
            yield
        finally:
            self._by_key[client.name] -= 1
