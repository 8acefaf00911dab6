"""URLs of providers, and authentication."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final, Protocol, TypeAlias
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from ._http import CONTROL_CHARACTERS, checked_name, validate_header_value
from .errors import InvalidRequestError, MissingApiKeyError

_VERSION = re.compile(r"v\d+(beta\d*|alpha\d*)?")
# Last steps of rerank paths met in the wild: a base URL that ends in one is a full path already.
_COMPLETE: Final = frozenset(("rerank", "reranks", "reranking", "rerankings", "rerankers", "ranking"))


@dataclass(frozen=True, slots=True)
class Auth:
    """How a provider's key is sent, and which environment variables hold it.

    Attributes:
        header: the header that carries the key.
        scheme: the word before the key, such as ``Bearer``; "" for none.
        variables: environment variables; the first that is set counts. Empty where the provider documents none.
        required: whether the provider refuses calls without a key.
    """

    header: str = "authorization"
    scheme: str = "Bearer"
    variables: tuple[str, ...] = ()
    required: bool = True

    def key(self, environ: Mapping[str, str]) -> str | None:
        """Return the key in the environment, or None."""
        return next((key for name in self.variables if (key := environ.get(name, "").strip())), None)

    def write(
        self,
        headers: dict[str, str],
        api_key: str | None,
        provider: str,
        *,
        header: str | None = None,
        at_provider: bool = True,
    ) -> None:
        """Write the key into the headers, which may have one already.

        Args:
            headers: by lower-case name; changed in place.
            api_key: the key, with or without the scheme before it; None for none.
            provider: the provider's name, for the message.
            header: another header that carries the key, without a scheme unless it is ``authorization``.
            at_provider: whether the call goes to the provider's own host. Other hosts may need no key.

        Raises:
            MissingApiKeyError: the provider needs a key and there is none.
            InvalidRequestError: the header has no valid name, or cannot carry the key.
        """
        name, scheme = self.header, self.scheme
        if header is not None:
            name = checked_name(header, "auth_header")
            scheme = (self.scheme or "Bearer") if name == "authorization" else ""
        if api_key is not None:
            value = validate_header_value(_with_scheme(api_key, scheme), "api_key")
            headers[name] = value
        elif self.required and at_provider and name not in headers:
            raise MissingApiKeyError(f"{provider} needs an API key: pass api_key=", provider=provider)


class Secret(Protocol):
    """A value that hides a key from `repr`, such as pydantic's ``SecretStr``."""

    def get_secret_value(self) -> str:
        """Return the key."""
        ...


Key: TypeAlias = str | Secret


def plain_key(api_key: Key | None) -> str | None:
    """Return the key as it is sent; None for None, an empty or a blank key.

    Raises:
        InvalidRequestError: the key is neither a string nor a ``SecretStr``.
    """
    if api_key is None:
        return None
    reveal = getattr(api_key, "get_secret_value", None)
    key = api_key if reveal is None else reveal()
    if not isinstance(key, str):
        raise InvalidRequestError("api_key: expected a string or a SecretStr", field="api_key")
    key = key.strip(" \t")
    return key if key.strip() else None


def _with_scheme(api_key: str, scheme: str) -> str:
    """Return the header's value: the scheme and the key, without doubling a scheme that the key has already."""
    if not scheme or api_key.lower().startswith(f"{scheme.lower()} "):
        return api_key
    return f"{scheme} {api_key}"


def bearer(*variables: str, required: bool = True) -> Auth:
    """``Authorization: Bearer KEY``, with the environment variables that hold the key."""
    return Auth(variables=variables, required=required)


@dataclass(frozen=True)
class Endpoint:
    """The URL of a provider.

    Attributes:
        url: the full URL; ``{model}`` stands for the model's name, ``{model:path}`` for a name whose slashes are steps.
        by_key: full URLs for kinds of keys, by the first characters of the key.
        by_model: full URLs for models that have one, by the model's name.
        headers: further headers of every request, by lower-case name.
        aliases: further paths at which clients of this provider call it; the gateway serves them too.
    """

    url: str
    by_key: Mapping[str, str] = field(default_factory=dict[str, str])
    by_model: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    aliases: tuple[str, ...] = ()

    def resolve(self, *, base_url: str | None, api_key: str | None, model: str, url: str | None = None) -> str:
        """Return the URL to call. With ``base_url`` or ``url`` no other host is called.

        Args:
            base_url: a root, a version root, a prefix or the full path; the provider's own path is joined to it, and
                its query string is kept.
            api_key: the key; some providers have a host for each kind of key.
            model: the model's name; some providers have it in the path.
            url: the exact URL to call.

        Raises:
            InvalidRequestError: both are given, one is no http(s) URL or has credentials in it, or the model stands in
                the path and has a step that is empty or dots.
        """
        if url is not None:
            if base_url is not None:
                raise InvalidRequestError("url: it is the whole URL, so give no base_url beside it", field="url")
            _split(url, "url")
            return url
        default_url = self._default_url(api_key, model)
        if base_url is None:
            return default_url
        if not isinstance(base_url, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users without a type checker
            _split(base_url, "base_url")  # raises; what cannot be hashed cannot be looked up below
        return _join(base_url, urlsplit(default_url).path)

    def _default_url(self, api_key: str | None, model: str) -> str:
        url = self.by_model.get(model, self.url)
        bare_key = (api_key or "").rpartition(" ")[2]  # a key may have its scheme before it
        for beginning, other in self.by_key.items():
            if bare_key.startswith(beginning):
                url = other
        for placeholder, safe in (("{model}", ""), ("{model:path}", "/@:")):
            if placeholder in url:
                url = url.replace(placeholder, _as_steps(model, safe))
        return url

    def serves(self, url: str) -> bool:
        """Return whether the URL is at one of the provider's own hosts, with its scheme; False for what is no URL.

        ``http`` in place of ``https`` is another place: a key from the environment would travel in clear text.
        """
        with suppress(ValueError, TypeError, AttributeError):
            return _origin(url) in self._origins
        return False

    @cached_property
    def _origins(self) -> frozenset[tuple[str, str]]:
        return frozenset(map(_origin, (self.url, *self.by_key.values(), *self.by_model.values())))


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _as_steps(model: str, safe: str) -> str:
    """The model's name within a path. Dots alone would lead to another route of the same host, with the same key."""
    if {"", ".", ".."}.intersection(model.split("/")):
        raise InvalidRequestError("model: stands in the URL, so its steps cannot be empty, '.' or '..'", field="model")
    return quote(model, safe=safe)


@lru_cache(maxsize=256)
def _join(base_url: str, default_path: str) -> str:
    base = _split(base_url, "base_url")
    steps = [step for step in base.path.split("/") if step]
    default_steps = [step for step in default_path.split("/") if step]
    path = "/" + "/".join(_join_steps(steps, default_steps))
    return urlunsplit((base.scheme, base.netloc, path, base.query, ""))


def _join_steps(base: list[str], default: list[str]) -> list[str]:
    if base and (base[-1] in _COMPLETE or base[-1] == default[-1]):
        return base
    for overlap in range(len(default), 0, -1):
        if base[-overlap:] == default[:overlap]:
            return base + default[overlap:]
    if base and _VERSION.fullmatch(base[-1]):
        version = next((at for at, step in enumerate(default) if _VERSION.fullmatch(step)), None)
        if version is not None:
            return base + default[version + 1 :]
    return base + default


def _split(url: str, field: str) -> SplitResult:
    """Split a URL and check it. Messages do not repeat the URL: it may hold a password."""

    def bad(sentence: str) -> InvalidRequestError:
        return InvalidRequestError(f"{field}: {sentence}", field=field)

    if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users without a type checker
        raise bad(f"expected a string, not a value of type {type(url).__name__}")
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise bad("is not a URL") from None
    if parts.scheme not in ("http", "https", "inproc") or not host:
        raise bad("expected http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise bad("credentials do not belong into a URL; pass api_key")
    if CONTROL_CHARACTERS.search(url.strip()) or " " in url.strip():
        raise bad("has a space or a control character in it")
    return parts
