"""HTTP requests and responses, and the rules of their headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timezone
from math import isfinite
from typing import Final, NamedTuple, TypeAlias, cast
from urllib.parse import parse_qsl, urlsplit

from .errors import InvalidRequestError, bounded_wait, is_id

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""HTTP headers in any case, as a mapping or as pairs."""

MASK: Final = "…"
"""What stands for a key, or for another value that is not shown."""
PLACEHOLDER: Final = "placeholder-of-a-key"
"""A key for calls that are described and not sent; what shows a call masks it."""
_SECRET = re.compile("auth|key|token|secret|cookie|signature")
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class MaskedHeaders(dict[str, str]):
    """Headers whose `repr` hides keys, because debuggers and monitors show the `repr` of local variables.

    Attributes:
        auth_header: the header that carries the key, in lower case; "" for none. Further headers are hidden by name.
    """

    def __init__(self, headers: Mapping[str, str], auth_header: str = "") -> None:
        super().__init__(headers)
        self.auth_header = auth_header

    def is_secret(self, name: str) -> bool:
        """Return whether the header of that name, in lower case, holds a key."""
        return name == self.auth_header or _SECRET.search(name) is not None

    def masked(self) -> dict[str, str]:
        """Return the headers with `MASK` for each key."""
        return {name: MASK if self.is_secret(name) else value for name, value in self.items()}

    def __repr__(self) -> str:
        return repr(self.masked())

    def __reduce__(self) -> tuple[object, ...]:
        return MaskedHeaders, (dict(self), self.auth_header)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request, to be sent with any HTTP client.

    Attributes:
        method: ``POST``.
        url: the absolute URL.
        headers: by lower-case name. They hold the key: `repr` masks it, your logs should too.
        content: the body, JSON in UTF-8.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes

    def __post_init__(self) -> None:
        if not isinstance(self.headers, MaskedHeaders):
            object.__setattr__(self, "headers", MaskedHeaders(self.headers))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys that messages must not repeat, from headers, with and without scheme, and from the URL's query."""
        headers = cast("MaskedHeaders", self.headers)
        values = [value for name, value in headers.items() if headers.is_secret(name)]
        if "?" in self.url:
            values += [value for name, value in parse_qsl(urlsplit(self.url).query) if _SECRET.search(name.lower())]
        return tuple(dict.fromkeys(part for value in values for part in (value, value.split(" ", 1)[-1].strip())))

    @property
    def masked_url(self) -> str:
        """The URL with `MASK` for each key in its query."""
        bare, mark, query = self.url.partition("?")
        pairs = (pair.partition("=") for pair in query.split("&"))
        shown = (f"{name}{equals}{MASK if _SECRET.search(name.lower()) else value}" for name, equals, value in pairs)
        return f"{bare}{mark}{'&'.join(shown)}"

    def __repr__(self) -> str:
        url = self.url.split("?")[0] + ("?…" if "?" in self.url else "")  # some providers take the key in the query
        return f"HttpRequest({self.method!r}, {url!r}, headers={self.headers!r}, content=<{len(self.content)} bytes>)"


def validate_headers(headers: Headers | None) -> dict[str, str]:
    """Check further headers, and return them by lower-case name.

    Raises:
        InvalidRequestError: a name or value is not valid in HTTP; the message does not repeat the value.
    """
    if headers is None:
        return {}
    checked: dict[str, str] = {}
    for name, value in _pairs(headers):
        checked[checked_name(name, "headers")] = validate_header_value(value, f"headers[{name!r}]")
    return checked


def _pairs(headers: Headers) -> Iterable[tuple[str, str]]:
    pairs: list[tuple[object, object]] = [(None, None)]
    with suppress(TypeError, ValueError):
        pairs = [(name, value) for name, value in pairs_of(headers)]
    if not all(isinstance(part, str) for pair in pairs for part in pair):
        raise InvalidRequestError("headers: expected names and values that are strings", field="headers")
    return cast("list[tuple[str, str]]", pairs)


def checked_name(name: str, field: str) -> str:
    """Check a header's name, and return it in lower case.

    Raises:
        InvalidRequestError: HTTP does not allow the name.
    """
    if not _NAME.fullmatch(str(name)):
        raise InvalidRequestError(f"{field}: a name has a character that HTTP does not allow", field=field)
    return name.lower()


def validate_header_value(value: str, place: str) -> str:
    """Check a header's value, and return it.

    Raises:
        InvalidRequestError: it has a control character, such as a line break, or is not ASCII.
    """
    if CONTROL_CHARACTERS.search(value) or not value.isascii():
        raise InvalidRequestError(
            f"{place}: has a line break or another character that a header cannot carry", field=place
        )
    return value


class HttpResponse(NamedTuple):
    """One HTTP response.

    Attributes:
        status: the HTTP status.
        headers: as a mapping or as pairs; names may be in any case.
        body: the body, decompressed.
    """

    status: int
    headers: Headers
    body: bytes


# A number from here on (2001-09-09) is an instant, in seconds since the epoch: as seconds to wait it would be 31 years.
# Real servers send 1764091234 in Retry-After. One below cannot be an epoch: it is the seconds to wait.
_EPOCH = 1e9
# From here on (the year 5138) it is in milliseconds, as some servers write it.
_EPOCH_MS = 1e11

_REQUEST_IDS = (
    "x-request-id",
    "request-id",
    "x-debug-trace-id",  # Cohere, recorded by langchain-cohere 2024-12-03
    "x-amzn-requestid",
    "x-amz-request-id",
    "cf-ray",
)


def lowercase_headers(headers: Headers) -> dict[str, str]:
    """Return headers by lower-case name; of repeated headers the first counts."""
    folded: dict[str, str] = {}
    for name, value in pairs_of(headers):
        folded.setdefault(_text(name).lower(), _text(value).strip())
    return folded


def pairs_of(headers: Headers) -> Iterable[tuple[str, str]]:
    """Return headers as pairs of name and value."""
    # httpx's own `items` joins headers that are repeated. An email.message.Message has `items`, and is no Mapping.
    items = getattr(headers, "multi_items", None) or getattr(headers, "items", None)
    return cast("Iterable[tuple[str, str]]", items() if items is not None else headers or ())


def _text(value: object) -> str:
    """Return a header's name or value as text; some HTTP clients pass bytes."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the provider's id of the call from lower-case headers; None where there is none."""
    return next((headers[name] for name in _REQUEST_IDS if is_id(headers.get(name))), None)


def retry_after_seconds(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds to wait, 0 to `LONGEST_WAIT`, from lower-case headers; None where they hold no usable value.

    ``retry-after-ms`` (milliseconds) counts before ``Retry-After`` (seconds or an HTTP date) before
    ``X-RateLimit-Reset`` (seconds since the epoch). A number as large as an epoch is an instant in each of them. An
    instant is compared with ``now`` (seconds since the epoch), else with the response's ``Date``.
    """
    now = _instant(headers.get("date", "")) if now is None else now
    number = _number(headers.get("retry-after-ms", ""))
    # Below the size of milliseconds since the epoch it is a time to wait: 1e9 milliseconds are but 11 days.
    seconds = None if number is None else _until(number / 1000, now) if number >= _EPOCH_MS else number / 1000
    if seconds is None:
        plain = headers.get("retry-after", "")
        number = _number(plain)
        seconds = _until(_instant(plain), now) if number is None else _seconds(number, now)
    if seconds is None:
        seconds = _seconds(_number(headers.get("x-ratelimit-reset", "")), now)
    return bounded_wait(seconds)


def _seconds(number: float | None, now: float | None) -> float | None:
    """Return a number as seconds to wait: a large number is an instant, and the result is the time until it."""
    if number is None or number < _EPOCH:
        return number
    return _until(number / 1000 if number >= _EPOCH_MS else number, now)


def _until(instant: float | None, now: float | None) -> float | None:
    return None if instant is None or now is None else instant - now


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _instant(text: str) -> float | None:
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # with the first date: it loads half the email package

    try:
        moment = parsedate_to_datetime(text)
        # Without a zone it is UTC, as HTTP has it, never this machine's.
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
