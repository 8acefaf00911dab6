"""The gateway's own keys: kept as hashes, compared in constant time.

A key is 256 bits of chance, so that a plain SHA-256 of it can be neither guessed nor looked up; a slow hash would only
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
    """A key that nobody has."""
    return f"ru-{secrets.token_urlsafe(32)}"


def hash_of(key: str) -> str:
    """What stands in the configuration for a key."""
    return _hash(key.encode())


def _hash(key: bytes) -> str:
    return f"sha256:{sha256(key).hexdigest()}"


@dataclass(frozen=True, slots=True)
class AuthenticatedClient:
    """Who calls.

    Attributes:
        name: the key's name; "" where the gateway is open to all.
        provider_key: the vendor key of the client's own, where it sent one beside or instead of the gateway's.
    """

    name: str
    provider_key: str | None


def admit(keys: Mapping[str, str], headers: Mapping[str, str]) -> AuthenticatedClient:
    """Who calls, by ``Authorization: Bearer KEY`` or ``x-api-key: KEY``.

    Args:
        keys: the gateway's own, hashed, by name.
        headers: by lower-case name, read as Latin-1.

    Raises:
        AuthenticationError: no key, or none of the gateway's.
    """
    bearer = _bearer(headers.get("authorization", ""))
    if not keys:
        return AuthenticatedClient("", bearer)
    named = {key: _name(keys, key) for key in (bearer, headers.get("x-api-key")) if key}
    found = next((name for name in named.values() if name is not None), None)
    if found is None:
        reason = "the API key is not known here" if named else "no API key: send Authorization: Bearer KEY"
        raise AuthenticationError(reason, status=401)
    return AuthenticatedClient(found, bearer if bearer and named[bearer] is None else None)


def _bearer(value: str) -> str | None:
    scheme, _, key = value.partition(" ")
    return (key.strip() or None) if scheme.lower() == "bearer" else None


def _name(keys: Mapping[str, str], key: str) -> str | None:
    """The key's name. All keys are compared, whichever it is."""
    # Headers are read as Latin-1, so that these are the bytes that came, whatever they are.
    given, found = _hash(key.encode("latin-1")), None
    for name, known in keys.items():
        if hmac.compare_digest(given, known):
            found = name
    return found
