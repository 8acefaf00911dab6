"""Keep keys, queries and documents out of sentences that end up in logs."""

from __future__ import annotations

import re
from collections.abc import Iterable

_RUN = 16  # characters: a shorter stretch that a message shares with a document may be chance
_WHOLE = 3  # characters: a text at least this long is found when all of it stands in the message
_READ = 1024  # characters of a message that are looked at: Infinity's 422 echoes the whole input, 160 kB measured
_KEYS = re.compile(
    r"(?i:\b(?:bearer|basic|apikey|api[-_ ]key)[\s:='\"]+)(?!provided|supplied|is\b|was\b|not\b|in\b)\S{6,}"
    r"|\b(?:jina_|pa-|al-|sk-|xf-|co-|nvapi-|bce-v3/)[A-Za-z0-9_\-/]{8,}"
)
KEY = "[key]"
TEXT = "[…]"


def scrub(message: str, texts: Iterable[str] = (), secrets: Iterable[str] = ()) -> str:
    """The message with every secret, and every run of the texts, replaced.

    Args:
        message: a vendor's sentence.
        texts: the query and the documents. What is replaced is a whole text of 3 characters or more that stands in
            the message as words of its own, and any run of about 16 to 31 characters or more.
        secrets: API keys, of any length.
    """
    message = message[:_READ]
    for secret in secrets:
        if secret:
            message = message.replace(secret, KEY)
    message = _KEYS.sub(KEY, message)
    texts = [text for text in texts if len(text) >= _WHOLE]
    for text in texts:
        if text in message:
            message = _without_whole(message, text)
    return _without_runs(message, "\0".join(texts))


def _without_whole(message: str, text: str) -> str:
    before = r"(?<!\w)" if text[0].isalnum() else ""
    after = r"(?!\w)" if text[-1].isalnum() else ""
    # A function as replacement: in a replacement string a backslash would mean something.
    return re.sub(before + re.escape(text) + after, lambda _: TEXT, message)


def _without_runs(message: str, texts: str) -> str:
    start = 0
    while start + _RUN <= len(message):
        found = texts.find(message[start : start + _RUN])
        if found < 0:
            start += _RUN  # a run of 31 characters covers one aligned window of 16
            continue
        left, right = _grow(message, start, texts, found)
        message = message[:left] + TEXT + message[right:]
        start = left + len(TEXT)
    return message


def _grow(message: str, start: int, texts: str, found: int) -> tuple[int, int]:
    """The bounds, in the message, of the whole run of which one window was found."""
    left, back = start, found
    while left and back and message[left - 1] == texts[back - 1]:
        left, back = left - 1, back - 1
    right, ahead = start + _RUN, found + _RUN
    while right < len(message) and ahead < len(texts) and message[right] == texts[ahead]:
        right, ahead = right + 1, ahead + 1
    return left, right
