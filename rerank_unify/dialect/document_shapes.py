"""Shapes of documents in responses: write the shape of a dialect, and read any shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from .._json import dump, is_object
from ..canonical import MAX_NODES, as_text, count_nodes

Form: TypeAlias = Callable[[Mapping[str, Any]], Any]


def as_object(document: Mapping[str, Any]) -> Any:
    """Write the document as an object.

    Args:
        document: the document of a result, an object.

    Returns:
        The document, unchanged.
    """
    return document


def as_string(document: Mapping[str, Any]) -> Any:
    """Write the document's text; for an object without one its fields as YAML, as JSON where they are many.

    Args:
        document: the document of a result, an object.

    Returns:
        The text.
    """
    text = document.get("text")
    if isinstance(text, str):
        return text
    return as_text(document, 0) if count_nodes(document) <= MAX_NODES else dump(document).decode()


def as_nested(document: Mapping[str, Any]) -> Any:
    """Write an object with ``text``: the text of a plain document, or the whole object.

    Args:
        document: the document of a result, an object.

    Returns:
        The object.

    Examples:
        >>> from rerank_unify.declaration import as_nested
        >>> as_nested({"text": "aloe"}), as_nested({"title": "Aloe"})
        ({'text': 'aloe'}, {'text': {'title': 'Aloe'}})
    """
    return document if is_plain(document) else {"text": document}


def is_plain(document: Mapping[str, Any]) -> bool:
    """Return whether an object is ``{"text": str}`` and nothing else."""
    return len(document) == 1 and isinstance(document.get("text"), str)


def normal_document(echo: Any) -> Mapping[str, Any] | None:
    """Read a returned document (string, object, nested object or null) as an object, or None."""
    if isinstance(echo, str):
        return {"text": echo}
    if not is_object(echo):
        return None
    inner = echo.get("text")
    return inner if len(echo) == 1 and is_object(inner) else echo
