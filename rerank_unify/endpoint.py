"""Where a request goes and what proves who sent it: URL, headers, key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol, TypeAlias
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit, urlunsplit

from .errors import Headers, InvalidRequestError, MissingApiKeyError, pairs_of

_VERSION = re.compile(r"v\d+(beta\d*|alpha\d*)?")
# Last steps of rerank paths met in the wild: a base URL that ends in one is a full path already.
_COMPLETE: Final = frozenset(("rerank", "reranks", "reranking", "rerankings", "rerankers", "ranking"))
_SECRET = re.compile("auth|key|token|secret|cookie|signature")
_BAD_VALUE = re.compile(r"[\x00-\x1f\x7f]")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class MaskedHeaders(dict[str, str]):
    """Headers whose `repr` hides keys: a debugger's or a monitor's list of local variables shows that."""

    def __repr__(self) -> str:
        return repr({name: "…" if _SECRET.search(name) else value for name, value in self.items()})


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request, ready to be sent by any client.

    Attributes:
        method: ``POST``.
        url: absolute.
        headers: by lower-case name. They hold the key: `repr` masks it, your logs should too.
        content: the body, JSON in UTF-8.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes

    def __post_init__(self) -> None:
        if type(self.headers) is not MaskedHeaders:
            object.__setattr__(self, "headers", MaskedHeaders(self.headers))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not get into a message: keys in headers, with and without their scheme, and in the URL's query."""
        values = [value for name, value in self.headers.items() if _SECRET.search(name)]
        if "?" in self.url:
            values += [value for name, value in parse_qsl(urlsplit(self.url).query) if _SECRET.search(name.lower())]
        return tuple(dict.fromkeys(part for value in values for part in (value, value.split(" ", 1)[-1].strip())))

    def __repr__(self) -> str:
        url = self.url.split("?")[0] + ("?…" if "?" in self.url else "")  # some vendors take the key there
        return f"HttpRequest({self.method!r}, {url!r}, headers={self.headers!r}, content=<{len(self.content)} bytes>)"


@dataclass(frozen=True, slots=True)
class Auth:
    """How a key is sent, and which environment variables hold it.

    Attributes:
        header: the header that carries it.
        scheme: the word before it; "" for none.
        variables: environment variables, the first that is set counts; empty where the vendor documents none.
        required: whether the vendor answers nobody without a key.
    """

    header: str = "authorization"
    scheme: str = "Bearer"
    variables: tuple[str, ...] = ()
    required: bool = True

    def key(self, environ: Mapping[str, str]) -> str | None:
        """The key in the environment, or None."""
        return next((key for name in self.variables if (key := environ.get(name, "").strip())), None)

    def write(self, headers: dict[str, str], api_key: str | None, provider: str) -> None:
        """Put the key into the headers, which may carry one already.

        Raises:
            MissingApiKeyError: the vendor needs a key and there is none.
            InvalidRequestError: the key cannot stand in a header.
        """
        if api_key is not None and api_key.strip():
            value = f"{self.scheme} {api_key}" if self.scheme else api_key
            headers[self.header] = checked_value(value, "api_key")
        elif self.required and self.header not in headers:
            name = f" or set {self.variables[0]}" if self.variables else ""
            raise MissingApiKeyError(f"{provider} needs an API key: pass api_key={name}", provider=provider)


class Secret(Protocol):
    """What keeps a key out of sight until it is asked for, such as pydantic's ``SecretStr``."""

    def get_secret_value(self) -> str:
        """The key."""
        ...


Key: TypeAlias = str | Secret


def plain_key(api_key: Key | None) -> str | None:
    """The key as it is sent; None, empty or blank is no key."""
    if api_key is None:
        return None
    key = (api_key if isinstance(api_key, str) else api_key.get_secret_value()).strip(" \t")
    return key if key.strip() else None


def bearer(*variables: str, required: bool = True) -> Auth:
    """``Authorization: Bearer KEY``, with the environment variables that hold the key."""
    return Auth(variables=variables, required=required)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider listens.

    Attributes:
        url: the full URL; ``{model}`` stands for the model's name.
        by_key: other full URLs by the beginning of the key.
    """

    url: str
    by_key: Mapping[str, str] = field(default_factory=dict[str, str])

    def resolve(self, *, base_url: str | None, api_key: str | None, model: str) -> str:
        """The URL to call. With a ``base_url`` no other host is ever contacted.

        A base may be a root, a version root, a prefix or the full path; its query string is kept.

        Raises:
            InvalidRequestError: the base URL is no http(s) URL, or has credentials in it.
        """
        own = self.url
        for beginning, url in self.by_key.items():
            if api_key is not None and api_key.startswith(beginning):
                own = url
        if "{model}" in own:
            own = own.replace("{model}", quote(model, safe=""))
        return own if base_url is None else _join(base_url, urlsplit(own).path)


@lru_cache(maxsize=256)
def _join(base_url: str, own_path: str) -> str:
    base = _split(base_url)
    steps = [step for step in base.path.split("/") if step]
    own = [step for step in own_path.split("/") if step]
    path = "/" + "/".join(_join_steps(steps, own))
    return urlunsplit((base.scheme, base.netloc, path, base.query, ""))


def _join_steps(base: list[str], own: list[str]) -> list[str]:
    if base and (base[-1] in _COMPLETE or base[-1] == own[-1]):
        return base
    for overlap in range(len(own), 0, -1):
        if base[-overlap:] == own[:overlap]:
            return base + own[overlap:]
    if base and _VERSION.fullmatch(base[-1]):
        version = next((at for at, step in enumerate(own) if _VERSION.fullmatch(step)), None)
        if version is not None:
            return base + own[version + 1 :]
    return base + own


def _split(base_url: str) -> SplitResult:
    """The parts of a base URL; messages do not repeat it, it may hold a password."""
    try:
        base = urlsplit(base_url.strip())
        host, _ = base.hostname, base.port
    except ValueError:
        raise _bad_base("is not a URL") from None
    if base.scheme not in ("http", "https", "inproc") or not host:
        raise _bad_base("expected http:// or https:// and a host")
    if base.username is not None or base.password is not None:
        raise _bad_base("credentials do not belong into a URL; pass api_key")
    if _BAD_VALUE.search(base_url.strip()) or " " in base_url.strip():
        raise _bad_base("has a space or a control character in it")
    return base


def _bad_base(sentence: str) -> InvalidRequestError:
    return InvalidRequestError(f"base_url: {sentence}", field="base_url")


def checked_headers(headers: Headers | None) -> dict[str, str]:
    """A caller's further headers by lower-case name.

    Raises:
        InvalidRequestError: a name or value that would break the request; the value is not repeated.
    """
    if headers is None:
        return {}
    checked: dict[str, str] = {}
    for name, value in pairs_of(headers):
        if not _NAME.fullmatch(name):
            raise InvalidRequestError("headers: a name has a character that HTTP does not allow", field="headers")
        checked[name.lower()] = checked_value(value, f"headers[{name!r}]")
    return checked


def checked_value(value: str, place: str) -> str:
    """A header's value, refused where it would begin another header."""
    if _BAD_VALUE.search(value) or not value.isascii():
        raise InvalidRequestError(
            f"{place}: has a line break or another character that a header cannot carry", field=place
        )
    return value
