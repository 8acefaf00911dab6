"""Forms of an echoed document: as a client of a dialect wants it, and from whatever a vendor sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from .._json import is_object
from ..canonical import as_text

Form: TypeAlias = Callable[[Mapping[str, Any]], Any]


def as_object(document: Mapping[str, Any]) -> Any:
    """The document as it is: an object."""
    return document


def as_string(document: Mapping[str, Any]) -> Any:
    """Its text; of an object without one, what is ranked of it."""
    text = document.get("text")
    return text if isinstance(text, str) else as_text(document, 0)


def as_nested(document: Mapping[str, Any]) -> Any:
    """Under ``text``: the text of a plain document, or the whole object."""
    return document if is_plain(document) else {"text": document}


def is_plain(document: Mapping[str, Any]) -> bool:
    """Whether an object is ``{"text": str}`` and nothing else."""
    return len(document) == 1 and isinstance(document.get("text"), str)


def normal_document(echo: Any) -> Mapping[str, Any] | None:
    """An echoed document as an object, from any of the shapes met: string, object, nested object, null."""
    if isinstance(echo, str):
        return {"text": echo}
    if not is_object(echo):
        return None
    inner = echo.get("text")
    return inner if len(echo) == 1 and is_object(inner) else echo
