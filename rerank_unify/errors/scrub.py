"""Keep keys, queries and documents out of sentences that end up in logs."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WINDOW = 8  # characters that are looked for at a time; a run of 15 holds one whole window
_LEAST = 12  # characters of a run that is replaced: a shorter one may be chance
_WHOLE = 3  # characters: a text at least this long is found when all of it stands in the message
_READ = 400  # characters of a message that are looked at: Infinity's 422 echoes the whole input, 160 kB measured

# Keys as vendors shape them: what follows `Bearer`, what is given as an API key, and their own beginnings (Jina's
# AUTH_INVALID_FORMAT text, voyageai 0.5.0 `util.py`, xinference 4.1.0 `oauth2`, NVIDIA's and OpenAI's documentation).
_KEYS = re.compile(
    r"(?i:\bbearer\s+)[\w.~+/=\-]{16,}"
    r"|(?i:\bapi[-_ ]?key(?:\s+provided)?[\"']?\s*[:=]\s*[\"']?)(?=\S*\d|\S{16})[\w.~+/=\-]{8,}"
    r"|\b(?:jina_|sk-|nvapi-)[\w\-]{12,}"
    r"|\b(?:pa-|al-|xf-)(?=[\w\-]*\d|\w{16})[\w\-]{12,}"
)
_CONTROL = re.compile(r"(?:\x1b\[[0-9;]*[A-Za-z]|[\s\x00-\x1f\x7f-\x9f\u2028\u2029])+")
KEY = "[key]"
TEXT = "[…]"


def scrub(message: str, texts: Iterable[str] = (), secrets: Iterable[str] = ()) -> str:
    """The message in one line, with every secret and every run of the texts replaced.

    Args:
        message: a vendor's sentence; its first 400 characters count.
        texts: the query and the documents. What is replaced is a whole text of 3 characters or more that stands in
            the message as words of its own, and any run of 15 characters or more (some of 12 to 14 too).
        secrets: API keys.
    """
    for secret in secrets:
        if len(secret) >= _WHOLE:
            message = message.replace(secret, KEY)
    message = _KEYS.sub(KEY, _CONTROL.sub(" ", message[:_READ]).strip())
    texts = [text for text in texts if len(text) >= _WHOLE]
    for text in texts:
        if text in message:
            message = _without_whole(message, text)
    return _without_runs(message, "\0".join(texts))


def _without_whole(message: str, text: str) -> str:
    # Words of scripts without spaces have no edges, so only ASCII letters and digits need one.
    before = r"(?<![A-Za-z0-9])" if _is_plain(text[0]) else ""
    after = r"(?![A-Za-z0-9])" if _is_plain(text[-1]) else ""
    # A function as replacement: in a replacement string a backslash would mean something.
    return re.sub(before + re.escape(text) + after, lambda _: TEXT, message)


def _is_plain(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _without_runs(message: str, texts: str) -> str:
    start = 0
    while start + _WINDOW <= len(message):
        found = texts.find(message[start : start + _WINDOW])
        left, right = _grow(message, start, texts, found) if found >= 0 else (start, start)
        if right - left < _LEAST:
            start += _WINDOW
            continue
        message = message[:left] + TEXT + message[right:]
        start = left + len(TEXT)
    return message


def _grow(message: str, start: int, texts: str, found: int) -> tuple[int, int]:
    """The bounds, in the message, of the whole run of which one window was found."""
    left, back = start, found
    while left and back and message[left - 1] == texts[back - 1]:
        left, back = left - 1, back - 1
    right, ahead = start + _WINDOW, found + _WINDOW
    while right < len(message) and ahead < len(texts) and message[right] == texts[ahead]:
        right, ahead = right + 1, ahead + 1
    return left, right
