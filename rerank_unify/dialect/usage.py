"""Reading single values of an answer: a figure that is no figure, or a text that is none, counts as not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from .._json import Path, dig, is_object

Read: TypeAlias = Callable[[Any], Any]
"""From what stands at a path to the figure, or None."""

TOKEN_USAGE: Final[Mapping[str, str]] = {"total_tokens": "usage.total_tokens", "prompt_tokens": "usage.prompt_tokens"}
"""Where most servers report tokens, for `ResponseFormat.usage`."""

_MAX_FIGURE: Final = 2**63  # more than any bill: what is beyond is a mistake, and no other program could read it


def text_at(value: Any, path: Path) -> str | None:
    """The text at a path; None where there is none, or an empty one."""
    found = dig(value, path) if path else None
    return found if isinstance(found, str) and found else None


def _units(found: Any) -> float | None:
    """A number of 0 or more; a fraction is one too."""
    number = type(found) in (int, float) and 0 <= found < _MAX_FIGURE
    return found if number else None


def count(found: Any) -> int | None:
    """A whole number of 0 or more, however it is written."""
    if type(found) is float and found.is_integer() and 0 <= found < _MAX_FIGURE:
        return int(found)
    return found if type(found) is int and 0 <= found < _MAX_FIGURE else None


def _details(found: Any) -> Mapping[str, Any] | None:
    return found if is_object(found) else None


READS: Mapping[str, Read] = {
    "search_units": _units,
    "prompt_tokens_details": _details,
    "completion_tokens_details": _details,
}
"""How a field of `Usage` is read; every other is a `count`."""
