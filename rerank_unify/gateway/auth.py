"""The gateway's keys: stored as hashes, compared in constant time.

A key is 256 random bits, so a plain SHA-256 is enough: it can be neither guessed nor looked up. A slow hash would only
slow down every request.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from ..errors import AuthenticationError


def new_key() -> str:
    """Return a new random key."""
    return f"ru-{secrets.token_urlsafe(32)}"


def hash_of(key: str) -> str:
    """Return the hash of a key, as the configuration holds it."""
    return _hash(key.encode())


def _hash(key: bytes) -> str:
    return f"sha256:{sha256(key).hexdigest()}"


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
    bearer = _bearer(headers.get("authorization", ""))
    if not keys:
        return AuthenticatedClient("", bearer)
    named = {key: _name(keys, key) for key in (bearer, headers.get("x-api-key")) if key}
    found = next((name for name in named.values() if name is not None), None)
    if found is None:
        reason = "unknown API key" if named else "no API key: send Authorization: Bearer KEY"
        raise AuthenticationError(reason, status=401)
    return AuthenticatedClient(found, bearer if bearer and named[bearer] is None else None)


def _bearer(value: str) -> str | None:
    scheme, _, key = value.partition(" ")
    return (key.strip() or None) if scheme.lower() == "bearer" else None


def _name(keys: Mapping[str, str], key: str) -> str | None:
    """Return the key's name, or None. Compare all keys, so that the time does not depend on the key."""
    # Headers are decoded as Latin-1, so encoding restores the bytes that came.
    hashed, found = _hash(key.encode("latin-1")), None
    for name, known in keys.items():
        if hmac.compare_digest(hashed, known):
            found = name
    return found
