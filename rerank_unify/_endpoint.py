"""URLs of providers, and authentication."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import ClassVar, Final, NamedTuple, Protocol, TypeAlias
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from ._http import CONTROL_CHARACTERS, HttpRequest, HttpResponse, checked_name, validate_header_value
from ._shell import ShellRequest, variable_of
from .errors import InvalidRequestError, InvalidResponseError, MissingApiKeyError

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
        query: the query parameter that carries the key in place of the header; "" for none.
        shared: whether the variables serve other services too, such as a cloud's. Then a variable that is set does not
            mean that the provider is wanted.
        signs: whether `sign` writes the key or a signature, because a plain header cannot carry it; of the class.
    """

    signs: ClassVar[bool] = False

    header: str = "authorization"
    scheme: str = "Bearer"
    variables: tuple[str, ...] = ()
    required: bool = True
    query: str = ""
    shared: bool = False

    def key(self, environ: Mapping[str, str]) -> str | None:
        """Return the key in the environment, or None.

        Args:
            environ: variables by name, such as ``os.environ``.
        """
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
        if api_key is None:
            if self.required and at_provider and name not in headers:
                raise MissingApiKeyError(f"{provider} needs an API key: pass api_key=", provider=provider)
        elif header is not None or not (self.query or self.signs):
            headers[name] = validate_header_value(_with_scheme(api_key, scheme), "api_key")

    def in_url(self, url: str, api_key: str | None, *, header: str | None = None) -> str:
        """Return the URL with the key in its query, for providers that take it there and no header.

        Args:
            url: the URL to call.
            api_key: the key; None for none.
            header: another header that carries the key already.
        """
        if not self.query or self.signs or api_key is None or header is not None:
            return url
        return with_query(url, self.query, api_key)

    def command(self, request: ShellRequest, environ: Mapping[str, str]) -> str:
        """Return the command line that sends a request with the key from the shell's environment.

        Args:
            request: the request, without its key.
            environ: the environment variables: of several that may hold the key, one that is set counts. No value of
                theirs is in the command line.
        """
        variable = variable_of(self.variables, environ)
        if self.query:
            return request.curl(query=self.query, variable=variable)
        return request.curl(self._key_argument(f"${variable}"))

    def in_header(self, header: str) -> Auth:
        """Return this authentication with the key in another header; see ``write``. Nothing is signed then.

        Args:
            header: the name of the header, in any case.
        """
        scheme = (self.scheme or "Bearer") if header.lower() == "authorization" else ""
        return Auth(header=header.lower(), scheme=scheme, variables=() if self.signs else self.variables)

    def _key_argument(self, value: str) -> str:
        """Return curl's option for the header with the key; the value may hold what a shell replaces."""
        return f'-H "{self.header.title()}: {f"{self.scheme} {value}".strip()}"'

    # --- signatures and tokens: `_auth.py` has the classes that use the arguments

    def sign(self, http: HttpRequest, credentials: str | None, now: float) -> HttpRequest:  # noqa: ARG002
        """Return the request signed; a request that needs no signature is returned as it is.

        A pure function. Sign right before sending, and again for each attempt: signatures expire.

        Args:
            http: the request, complete but for its signature.
            credentials: the key, or the token that `token_from` returned where `token_request` made a request.
            now: seconds since the epoch.

        Raises:
            InvalidRequestError: the credentials are not of the form that the provider needs.
            MissingExtraError: a library for the signature is not installed.
        """
        return http

    def token_request(self, credentials: str | None, now: float) -> HttpRequest | None:  # noqa: ARG002
        """Return the request that exchanges the credentials for a token; None where they are sent or signed with.

        A pure function.

        Args:
            credentials: the key.
            now: seconds since the epoch.

        Raises:
            InvalidRequestError: the credentials are not of the form that the provider needs.
            MissingExtraError: a library for the signature is not installed.
        """
        return None

    def token_from(self, response: HttpResponse, now: float) -> Token:  # noqa: ARG002
        """Read the token in the response to `token_request`. A pure function.

        Args:
            response: the HTTP response.
            now: seconds since the epoch.

        Returns:
            The token, and the instant at which it expires, in seconds since the epoch.

        Raises:
            StatusError: there is no token; the message repeats nothing of the body but its code.
            InvalidResponseError: there is no token.
        """
        raise InvalidResponseError("the provider issues no tokens", path="access_token")


class Token(NamedTuple):
    """A token in place of credentials.

    Attributes:
        value: the token; `repr` hides it.
        expires_at: seconds since the epoch.
    """

    value: str
    expires_at: float

    def __repr__(self) -> str:
        return f"Token(…, expires_at={self.expires_at!r})"


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


def with_query(url: str, name: str, value: str) -> str:
    """Return the URL with one more parameter in its query."""
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, f"{name}={quote(value, safe='')}")))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def bearer(*variables: str, required: bool = True, shared: bool = False) -> Auth:
    """Return an `Auth` that sends ``Authorization: Bearer KEY``.

    Args:
        variables: the environment variables that may hold the key; the first that is set counts.
        required: whether the provider's own hosts require a key.
        shared: as in `Auth`.
    """
    return Auth(variables=variables, required=required, shared=shared)


_PART = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Endpoint:
    """The URL of a provider.

    Attributes:
        url: the full URL; ``{model}`` stands for the model's name, ``{model:path}`` for a name whose slashes are steps.
            Another name in braces stands for a part that each account has its own of, such as a region.
        by_key: full URLs for kinds of keys, by the first characters of the key.
        by_model: full URLs for models that have one, by the model's name.
        by_host: full URLs at further hosts of the provider's own, such as those of other regions.
        headers: further headers of every request, by lower-case name.
        aliases: further paths at which clients of this provider call it; the gateway serves them too.
        parts: the usual value of a name in braces. Without one, ``base_url`` has to say it.
        variables: environment variables that hold a part, by its name; "" for those that hold the base URL.
    """

    url: str
    by_key: Mapping[str, str] = field(default_factory=dict[str, str])
    by_model: Mapping[str, str] = field(default_factory=dict[str, str])
    by_host: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    aliases: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict[str, str])
    variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def resolve(self, *, base_url: str | None, api_key: str | None, model: str, url: str | None = None) -> str:
        """Return the URL to call. With ``base_url`` or ``url`` no other host is called.

        Args:
            base_url: a root, a version root, a prefix or the full path; the provider's own path is joined to it, and
                its query string is kept.
            api_key: the key; some providers have a host for each kind of key.
            model: the model's name; some providers have it in the path.
            url: the exact URL to call.

        Raises:
            InvalidRequestError: both are given, one is no http(s) URL or has credentials in it, the model stands in
                the path and has a step that is empty or dots, or a part of the URL is not known.
        """
        if url is not None:
            if base_url is not None:
                raise InvalidRequestError("url: it is the whole URL, so give no base_url beside it", field="url")
            _split(url, "url")
            return url
        default_url = self._default_url(api_key, model, base_url)
        if base_url is None:
            return self._filled(default_url, {})
        if not isinstance(base_url, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users without a type checker
            _split(base_url, "base_url")  # raises; what cannot be hashed cannot be looked up below
        parts = urlsplit(default_url)
        return self._filled(_join(base_url, parts.path, parts.query), {})

    def template(self, model: str) -> str:
        """Return the URL of a model with the usual parts; other parts stay names in braces.

        Args:
            model: the model, for URLs that contain it.
        """
        return _fill(self._default_url(None, model, None), self.parts)

    @cached_property
    def part_variables(self) -> Mapping[str, str]:
        """The environment variable for each name in braces, else that name in upper case."""
        names = [name for url in self._urls for name in _PART.findall(url) if name != "model"]
        return {name: (*self.variables.get(name, ()), name.upper())[0] for name in names}

    def base_url_in(self, environ: Mapping[str, str]) -> str | None:
        """Return the base URL that environment variables give, or None: the whole of it, or parts such as a region.

        Args:
            environ: variables by name, such as ``os.environ``.
        """
        found = {name: _first(environ, variables) for name, variables in self.variables.items()}
        if found.get(""):
            return found[""]
        given = {name: value for name, value in found.items() if value}
        return self._filled(self._before_model, given) if given and not self._lacking(given) else None

    @cached_property
    def needs_base_url(self) -> bool:
        """Whether ``base_url`` has to name a part of the URL, such as one's own account."""
        return bool(self._lacking({}))

    @cached_property
    def varies_by_model(self) -> bool:
        """Whether calls of two models may go to two URLs."""
        return "{model" in self.url or bool(self.by_model)

    def _default_url(self, api_key: str | None, model: str, base_url: str | None) -> str:
        url = self.by_model.get(model, self.url)
        bare_key = (api_key or "").rpartition(" ")[2]  # a key may have its scheme before it
        for beginning, other in self.by_key.items():
            if bare_key.startswith(beginning):
                url = other
        if self.by_host and isinstance(base_url, str):
            url = next((other for other in self.by_host if _at(other, base_url)), url)
        for placeholder, safe in (("{model}", "@:"), ("{model:path}", "/@:")):
            if placeholder in url:
                url = url.replace(placeholder, _as_steps(model, safe))
        return url

    @property
    def _before_model(self) -> str:
        return self.url.partition("/{model")[0]

    def _lacking(self, given: Mapping[str, str]) -> list[str]:
        return [name for name in _PART.findall(self._before_model) if name not in self.parts and name not in given]

    def _filled(self, url: str, given: Mapping[str, str]) -> str:
        """Put the parts into a URL.

        Raises:
            InvalidRequestError: one is not known.
        """
        if "{" not in url:
            return url
        known = {**self.parts, **given}
        lacking = [name for name in self._lacking(given) if f"{{{name}}}" in url]
        if lacking:
            names = " and ".join(f"{{{name}}}" for name in lacking)
            sample = _fill(self._before_model, known)
            raise InvalidRequestError(f"base_url: expected {sample} with your own {names}", field="base_url")
        return _fill(url, known)

    def serves(self, url: str) -> bool:
        """Return whether the URL is at one of the provider's own hosts, with its scheme; False for what is no URL.

        ``http`` in place of ``https`` is another place: a key from the environment would travel in clear text. Parts of
        the URL that are not known may be names in braces.

        Args:
            url: the URL, absolute.
        """
        with suppress(ValueError, TypeError, AttributeError):
            url = _PART.sub("part", url)
            origin = _origin(url)
            return origin in self._origins or any(_at(template, url) for template in self._templates)
        return False

    @cached_property
    def _urls(self) -> tuple[str, ...]:
        return (self.url, *self.by_key.values(), *self.by_model.values(), *self.by_host)

    @cached_property
    def _origins(self) -> frozenset[tuple[str, str]]:
        return frozenset(map(_origin, self._urls))

    @cached_property
    def _templates(self) -> tuple[str, ...]:
        return tuple(url for url in self._urls if "{" in urlsplit(url).netloc)


def _fill(url: str, known: Mapping[str, str]) -> str:
    return _PART.sub(lambda part: quote(known[part[1]], safe="-._~") if part[1] in known else part[0], url)


def _first(environ: Mapping[str, str], variables: tuple[str, ...]) -> str | None:
    """Return the first of the environment variables that is set, or None."""
    return next((value for name in variables if (value := environ.get(name, "").strip())), None)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


@lru_cache(maxsize=256)
def _at(template: str, url: str) -> bool:
    """Return whether a URL is at the template's host; a name in braces stands for one label, or a part of one."""
    scheme, host = _origin(template)
    pattern = "".join(
        "[A-Za-z0-9-]+" if piece.startswith("{") else re.escape(piece) for piece in re.split(r"({\w+})", host)
    )
    try:
        found = _origin(url.strip())
    except ValueError:
        return False
    return found[0].lower() == scheme and re.fullmatch(pattern, found[1]) is not None


def _as_steps(model: str, safe: str) -> str:
    """The model's name within a path. Dots alone would lead to another route of the same host, with the same key."""
    if {"", ".", ".."}.intersection(model.split("/")):
        raise InvalidRequestError("model: stands in the URL, so its steps cannot be empty, '.' or '..'", field="model")
    return quote(model, safe=safe)


@lru_cache(maxsize=256)
def _join(base_url: str, default_path: str, default_query: str = "") -> str:
    base = _split(base_url, "base_url")
    steps = [step for step in base.path.split("/") if step]
    default_steps = [step for step in default_path.split("/") if step]
    path = "/" + "/".join(_join_steps(steps, default_steps))
    return urlunsplit((base.scheme, base.netloc, path, base.query or default_query, ""))


def _join_steps(base: list[str], default: list[str]) -> list[str]:
    if base and (base[-1] in _COMPLETE or base[-1] == default[-1]):
        return base
    for overlap in range(len(default), 0, -1):
        if len(base) >= overlap and all(map(_alike, base[-overlap:], default)):
            return base + default[overlap:]
    if base and _VERSION.fullmatch(base[-1]):
        version = next((at for at, step in enumerate(default) if _VERSION.fullmatch(step)), None)
        if version is not None:
            return base + default[version + 1 :]
    return base + default


def _alike(step: str, default: str) -> bool:
    """Return whether a step of a base URL stands for a default one, which may be a name in braces."""
    return step == default or _PART.fullmatch(default) is not None


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
