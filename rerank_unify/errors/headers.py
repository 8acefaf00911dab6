"""What an answer's headers say about an error: how long to wait, and which call it was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timezone
from math import inf, isfinite
from typing import Final, TypeAlias, cast

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""HTTP headers in any case, as a mapping or as pairs."""

# A number from here on (2001-09-09) is an instant, in seconds since the epoch: as seconds to wait it would be 31 years.
# Real servers send 1764091234 in Retry-After. One below cannot be an epoch: it is the seconds to wait.
_EPOCH = 1e9
# From here on (the year 5138) it is in milliseconds, as some servers write it.
_EPOCH_MS = 1e11

LONGEST_WAIT: Final = 366 * 86_400.0
"""Seconds, a year: the longest `retry_after`. No provider means more, and `time.sleep` cannot take some of it."""

_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")

_REQUEST_IDS = (
    "x-request-id",
    "request-id",
    "x-debug-trace-id",  # Cohere, recorded by langchain-cohere 2024-12-03
    "x-amzn-requestid",
    "x-amz-request-id",
    "cf-ray",
)


def fold(headers: Headers) -> dict[str, str]:
    """Headers by lower-case name; of a repeated header the first counts."""
    folded: dict[str, str] = {}
    for name, value in pairs_of(headers):
        folded.setdefault(_text(name).lower(), _text(value).strip())
    return folded


def pairs_of(headers: Headers) -> Iterable[tuple[str, str]]:
    """Headers as pairs."""
    # httpx's own `items` joins headers that are repeated. An email.message.Message has `items`, and is no Mapping.
    items = getattr(headers, "multi_items", None) or getattr(headers, "items", None)
    return cast("Iterable[tuple[str, str]]", items() if items is not None else headers or ())


def _text(value: object) -> str:
    """Some HTTP clients hand over bytes, whatever their types say."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def is_id(value: object) -> bool:
    """Return whether a value can be an id: 1 to 128 of the characters that ids are made of, and nothing else."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def request_id(headers: Mapping[str, str]) -> str | None:
    """The vendor's id of the call, from folded headers."""
    return next((headers[name] for name in _REQUEST_IDS if is_id(headers.get(name))), None)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait, 0 to `LONGEST_WAIT`, from folded headers; None where they do not say, or it cannot be known.

    ``retry-after-ms`` (milliseconds) counts before ``Retry-After`` (seconds or an HTTP date) before
    ``X-RateLimit-Reset`` (seconds since the epoch). A number as large as an epoch is an instant in each of them. An
    instant is taken against ``now`` (seconds since the epoch), else against the answer's own ``Date``.
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


def bounded_wait(seconds: float | None) -> float | None:
    """The seconds within 0 and `LONGEST_WAIT`; None for None, and for what is no finite number."""
    if seconds is None or seconds != seconds or seconds in (inf, -inf):  # noqa: PLR0124 - NaN; an int may be too large for isnan
        return None
    return min(seconds, LONGEST_WAIT) if seconds > 0 else 0.0


def _seconds(number: float | None, now: float | None) -> float | None:
    """The seconds to wait that a number means: itself, or the time until the instant that it is."""
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
