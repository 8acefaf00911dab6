"""What an answer's headers say about an error: how long to wait, and which call it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timezone
from math import isfinite
from typing import TypeAlias, cast

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""HTTP headers in any case, as a mapping or as pairs."""

# An X-RateLimit-Reset below this cannot be an epoch (2001-09-09); some servers write the seconds to wait there.
_EPOCH = 1e9
# One above this (the year 5138) is in milliseconds, as some servers write it.
_EPOCH_MS = 1e11

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


def request_id(headers: Mapping[str, str]) -> str | None:
    """The vendor's id of the call, from folded headers."""
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait, 0 or more, from folded headers; None where they do not say, or say what cannot be known.

    ``retry-after-ms`` (milliseconds) counts before ``Retry-After`` (seconds or an HTTP date) before
    ``X-RateLimit-Reset`` (seconds since the epoch). An instant is taken against ``now`` (seconds since the epoch),
    else against the answer's own ``Date``.
    """
    now = _instant(headers.get("date", "")) if now is None else now
    seconds = _number(headers.get("retry-after-ms", ""))
    if seconds is not None:
        return max(seconds / 1000, 0.0)
    plain = headers.get("retry-after", "")
    seconds = _number(plain)
    if seconds is None:
        seconds = _until(_instant(plain), now)
    if seconds is None:
        seconds = _number(headers.get("x-ratelimit-reset", ""))
        if seconds is not None and seconds >= _EPOCH:
            seconds = _until(seconds / 1000 if seconds >= _EPOCH_MS else seconds, now)
    return None if seconds is None else max(seconds, 0.0)


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
