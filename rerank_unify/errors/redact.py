"""Redact keys, queries and documents in texts that reach logs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Final

_WINDOW = 8  # characters that are searched at a time; any run of 15 holds a whole window
_LEAST = 12  # characters of the shortest run that is replaced: shorter runs may be chance
_RUN = 15  # characters: every run of this length is replaced
_WHOLE = 3  # characters: a text of this length or more is replaced where the message repeats it whole
_READ = 400  # characters of a message that are used: Infinity's 422 echoes the whole input, 160 kB measured

# Keys of known shapes: after `Bearer`, after `api key:`, and with known prefixes (Jina's
# AUTH_INVALID_FORMAT text, voyageai 0.5.0 `util.py`, xinference 4.1.0 `oauth2`, NVIDIA's and OpenAI's documentation).
_KEYS = re.compile(
    r"(?i:\bbearer\s+)[\w.~+/=\-]{16,}"
    r"|(?i:\bapi[-_ ]?key(?:\s+provided)?[\"']?\s*[:=]\s*[\"']?)(?=\S*\d|\S{16})[\w.~+/=\-]{8,}"
    r"|\b(?:jina_|sk-|nvapi-)[\w\-]{12,}"
    r"|\b(?:pa-|al-|xf-)(?=[\w\-]*\d|\w{16})[\w\-]{12,}"
)
# Line breaks, control characters, escape sequences, marks of text direction, and surrogates, which are not UTF-8.
_CONTROL = re.compile(
    r"(?:\x1b\[[0-9;]*[A-Za-z]|[\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff])+"
)
# A UUID or many hex digits, perhaps after a short word. Prose does not look like that.
_MACHINE = re.compile(
    r"(?:[A-Za-z]{1,12}[._:-])?(?:[0-9A-Fa-f]{16,64}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})"
)
KEY = "[key]"
TEXT = "[…]"

_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def is_id(value: object) -> bool:
    """Return whether a value can be an id: 1 to 128 of the characters that ids are made of, and nothing else.

    Args:
        value: the value, as a provider sent it.
    """
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def one_line(text: str) -> str:
    """Return the text on one line: line breaks, control characters and escape sequences become single spaces.

    Args:
        text: the text, without a limit of length.
    """
    return _CONTROL.sub(" ", text).strip()


def cut(text: str, limit: int) -> str:
    """Cut a text.

    Args:
        text: the text.
        limit: the largest number of characters, 1 or more.

    Returns:
        The text, at most ``limit`` characters; the last one is ``…`` where it was cut.
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def redact_message(message: str, texts: Iterable[str] = (), secrets: Iterable[str] = ()) -> str:
    """Return the message on one line, with every secret and every run of the texts replaced.

    Args:
        message: the provider's message; its first 400 characters are used.
        texts: the query and the documents. What is replaced is a whole text of 3 characters or more that stands in
            the message as words of its own, and any run of 15 characters or more (some of 12 to 14 too). White space
            counts as one space, as in the message.
        secrets: API keys.

    Examples:
        >>> ru.errors.redact_message("key sk-1234567 is wrong", secrets=["sk-1234567"])
        'key [key] is wrong'
    """
    for secret in secrets:
        if len(secret) >= _WHOLE:
            message = message.replace(secret, KEY)
    # Twice as much is looked at for keys, so that none is cut before it is found.
    message = _KEYS.sub(KEY, one_line(message[: 2 * _READ]))[:_READ]
    texts = [text for text in map(_spaced, texts) if len(text) >= _WHOLE]
    for text in texts:
        if text in message:
            message = _without_whole(message, text)
    return _without_runs(message, "\0".join(texts))


def redact_name(name: str, texts: Iterable[str] = (), secrets: Iterable[str] = ()) -> str:
    """Redact a name, such as a model's. Short texts are ignored: their words may well be part of the name.

    Args:
        name: the name, as a provider sent it.
        texts: the texts of the request, which messages must not repeat.
        secrets: the keys of the request.

    Returns:
        The name without keys and texts, on one line.
    """
    return redact_message(name, (text for text in texts if len(text) >= _LEAST), secrets)


def safe_id(found: str, texts: Callable[[], Iterable[str]], secrets: Sequence[str] = ()) -> str | None:
    """Return an id if it is one (see `is_id`) and holds no secret and no run of the texts, else None.

    Args:
        found: the provider's id.
        texts: returns the query and the documents; not called for UUIDs and the like, which nearly all ids are.
        secrets: API keys.
    """
    by_machine = _MACHINE.fullmatch(found)  # such a text is an id, too
    if not by_machine and not is_id(found):
        return None
    if secrets and any(secret in found for secret in secrets if len(secret) >= _WHOLE):
        return None
    return found if by_machine or len(found) < _LEAST or redact_name(found, texts()) == found else None


def _spaced(text: str) -> str:
    """Return a text as `one_line` does, but fast for long texts."""
    if text.isprintable() and "  " not in text:
        return text
    text = " ".join(text.split())
    return text if text.isprintable() else one_line(text)


def _without_whole(message: str, text: str) -> str:
    # Words of scripts without spaces have no edges, so only ASCII letters and digits need one.
    before = r"(?<![A-Za-z0-9])" if _is_plain(text[0]) else ""
    after = r"(?![A-Za-z0-9])" if _is_plain(text[-1]) else ""
    # A function as replacement: in a replacement string a backslash would mean something.
    return re.sub(before + re.escape(text) + after, lambda _: TEXT, message)


def _is_plain(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _without_runs(message: str, texts: str) -> str:
    start, find = 0, cache(texts.find)
    while start + _WINDOW <= len(message):
        left, right = _run(message, start, texts, find)
        if left == right:
            start += _WINDOW
            continue
        message = message[:left] + TEXT + message[right:]
        start = left + len(TEXT)
    return message


def _run(message: str, start: int, texts: str, find: Callable[[str], int]) -> tuple[int, int]:
    """Return the bounds in the message of a run that holds the window at ``start``; equal where there is none."""
    found = find(message[start : start + _WINDOW])
    if found < 0:
        return start, start
    left, right = _grow(message, start, texts, found, _WINDOW)
    if right - left >= _LEAST:
        return left, right
    # The window stands elsewhere in the texts too, perhaps with more of the message around it.
    for at in range(max(start + _WINDOW - _RUN, 0), min(start, len(message) - _RUN) + 1):
        found = find(message[at : at + _RUN])
        if found >= 0:
            return _grow(message, at, texts, found, _RUN)
    return start, start


def _grow(message: str, start: int, texts: str, found: int, width: int) -> tuple[int, int]:
    """Extend a match of ``width`` characters to the whole run, and return its bounds in the message."""
    left, back = start, found
    while left and back and message[left - 1] == texts[back - 1]:
        left, back = left - 1, back - 1
    right, ahead = start + width, found + width
    while right < len(message) and ahead < len(texts) and message[right] == texts[ahead]:
        right, ahead = right + 1, ahead + 1
    return left, right
