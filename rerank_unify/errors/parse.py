"""Parse error bodies of any provider, whatever their shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from .._json import is_list, is_object
from .redact import is_id

_PAGE = re.compile(r"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_SPACE = re.compile(r"\s+")

# Keys of the message, the commonest first. `Error` and `Message` are Tencent's, `msg` FastAPI's and Baidu's.
_MESSAGES = (
    *("detail", "message", "error", "errors", "msg", "error_msg", "error_message"),
    *("Message", "Error", "title", "reason", "description"),
)
_CODES = ("code", "error_code", "Code", "error_type", "type", "status")
_REQUEST_IDS = ("request_id", "requestId", "RequestId", "trace_id", "log_id")
_NESTED = ("detail", "error", "Error", "Response", "message", "errors")
# A server in Python that puts no code there may write the word (LiteLLM's proxy, measured on 1.106.2).
_NO_VALUE = frozenset(("", "none", "null"))
_FIELDS = ("loc", "field", "param")
_LIMITS = ("max_length", "limit_value")  # of pydantic 2 and 1, in `ctx`
_DEPTH = 4  # levels of nesting that are searched; the deepest known error, Tencent's, needs 3
_LISTED = 3  # errors of a list that the message repeats


class ParsedError(NamedTuple):
    """A provider's error, not redacted yet. A part that the body lacks is None.

    Attributes:
        message: the sentence.
        code: the code, as text.
        request_id: the provider's id of the call.
        fields: dotted paths of the request's fields at fault, such as ``documents.0``, in the provider's words.
        limit: the limit that the first of these fields breaks, such as its greatest length.
    """

    message: str | None
    code: str | None
    request_id: str | None
    fields: tuple[str, ...] = ()
    limit: int | None = None


def text_of(body: bytes | str) -> str:
    """Decode a body as UTF-8.

    Args:
        body: the raw body; a string is returned as it is.

    Returns:
        The text, with undecodable bytes replaced by U+FFFD.
    """
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else body


def parse_error(value: Any, body: bytes | str = b"") -> ParsedError:
    """Parse an error from the JSON value, else from the text: the title of an HTML page, or the text itself.

    Args:
        value: the parsed body; anything but an object, a list or a string where it is no JSON.
        body: the raw body, for an error that is no JSON.

    Returns:
        What the body says, not redacted; None for what it does not say.

    Examples:
        >>> ru.errors.parse_error({"error": {"message": "slow down", "code": "rate_limit"}}).code
        'rate_limit'
    """
    if is_object(value) or is_list(value):
        details = list(_field_errors(value, _DEPTH))
        return ParsedError(
            _message(value, _DEPTH),
            _code(value, _DEPTH),
            _request_id(value, _DEPTH),
            tuple(field for field, _ in details),
            next((limit for _, limit in details), None),
        )
    text = value if isinstance(value, str) else text_of(body[:4096])
    if not text.strip():
        return ParsedError(None, None, None)
    return ParsedError(_page_title(text) if _PAGE.match(text) else text.strip(), None, None)


def _page_title(page: str) -> str:
    from html import unescape  # with the first page: it loads a table of 2,000 entities

    title = _TITLE.search(page)
    return f"an HTML page, {_SPACE.sub(' ', unescape(title[1])).strip()!r}" if title else "an HTML page"


def _message(value: Any, depth: int) -> str | None:
    if isinstance(value, str):
        return None if _is_no_value(value) else value.strip()
    if depth == 0:
        return None
    if is_list(value):
        messages = [m for m in (_message(item, depth - 1) for item in value[:_LISTED]) if m]
        return "; ".join(messages) or None
    if not is_object(value):
        return None
    inner = value.get("Response")  # Tencent puts everything under it
    if is_object(inner):
        return _message(inner, depth - 1)
    for key in _MESSAGES:
        found = _message(value.get(key), depth - 1)
        if found:
            return _with_place(value, found)
    return None


def _with_place(value: Any, message: str) -> str:
    """Prepend the field that FastAPI and Jina name beside the message."""
    place = value.get("loc", value.get("field"))
    if is_list(place):
        place = ".".join(map(str, place))
    return f"{place}: {message}" if isinstance(place, str) and place else message


def _code(value: Any, depth: int) -> str | None:
    """Return the first code; nested codes come before outer codes, and words before numbers."""
    found = list(_codes(value, depth))
    words = [code for code in found if not code.lstrip("-").isdigit()]
    return next(iter(words or found), None)


def _codes(value: Any, depth: int) -> Iterator[str]:
    if is_list(value):
        value = value[0] if value else None
    if depth == 0 or not is_object(value):
        return
    for key in _NESTED:
        yield from _codes(value.get(key), depth - 1)
    for key in _CODES:
        code = value.get(key)
        if isinstance(code, str) and not _is_no_value(code):
            yield code.strip()
        elif isinstance(code, int) and not isinstance(code, bool) and code:
            yield str(code) if abs(code) < 10**9 else "out of range"


def _is_no_value(text: str) -> bool:
    """Return whether a text is blank, or a word for nothing."""
    return len(text) < 100 and text.strip().lower() in _NO_VALUE


def _field_errors(value: Any, depth: int) -> Iterator[tuple[str, int | None]]:
    """Yield path and limit of each field that an error names, such as FastAPI's ``loc`` or OpenAI's ``param``."""
    if depth == 0:
        return
    if is_list(value):
        for item in value[:_LISTED]:
            yield from _field_errors(item, depth - 1)
    if not is_object(value):
        return
    context: Any = value.get("ctx")
    path = next(filter(None, (_field_path(value.get(key)) for key in _FIELDS)), None)
    if path is None and is_object(context) and isinstance(context.get("discriminator"), str):
        path = context["discriminator"].strip("'")  # pydantic's union by this field: no member has the name
    if path is not None:
        limits: list[Any] = [context.get(key) for key in _LIMITS] if is_object(context) else []
        yield path, next((limit for limit in limits if type(limit) is int and 0 < limit < 10**9), None)
        return
    for key in _NESTED:
        yield from _field_errors(value.get(key), depth - 1)


def _field_path(place: Any) -> str | None:
    """Return the dotted path of a field, without the ``body`` that FastAPI puts first; None where there is none."""
    if isinstance(place, str) and not _is_no_value(place):
        place = place.replace(" -> ", ".").split(".")  # Jina's form of a path
    if not is_list(place) or not 0 < len(place) < 20:
        return None
    steps = [str(step) for step in place if isinstance(step, (str, int)) and str(step) not in ("", "body")]
    return ".".join(steps) or None


def _request_id(value: Any, depth: int) -> str | None:
    if depth == 0 or not is_object(value):
        return None
    for key in _REQUEST_IDS:
        if _has_id(value.get(key)):
            return str(value[key])
    for key in _NESTED:
        found = _request_id(value.get(key), depth - 1)
        if found:
            return found
    plain_id = value.get("id")
    return str(plain_id) if _has_id(plain_id) else None


def _has_id(value: Any) -> bool:
    return is_id(value) and not _is_no_value(value)
