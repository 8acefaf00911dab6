"""The text of a document that is ranked, the same for every provider."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .._json import is_list, is_object
from ..errors import InvalidRequestError

_DATA_URL: Final = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w.+=-]+)*;base64,")


def is_data(text: str) -> bool:
    """Return whether a text is a data URL in base64, such as an image, which is never ranked as text."""
    return text.startswith("data:") and _DATA_URL.match(text) is not None


def has_data(value: Any) -> bool:
    """Return whether a JSON value holds base64 at any depth."""
    if isinstance(value, str):
        return is_data(value)
    if is_object(value):
        return any(map(has_data, value.values()))
    return is_list(value) and any(map(has_data, value))


def without_data(value: Any) -> Any:
    """Return a copy of a JSON value without the base64 in it."""
    if is_object(value):
        return {key: without_data(item) for key, item in value.items() if not (isinstance(item, str) and is_data(item))}
    if is_list(value):
        return [without_data(item) for item in value if not (isinstance(item, str) and is_data(item))]
    return value


def select_fields(document: Mapping[str, Any], rank_fields: Sequence[str] | None, index: int) -> Mapping[str, Any]:
    """Return the fields of an object that are ranked, in order. A null ``text`` or ``image`` counts as absent.

    Raises:
        InvalidRequestError: the object has none of the ``rank_fields``.
    """
    if rank_fields:
        chosen = {name: document[name] for name in rank_fields if name in document}
        if not chosen:
            names = ", ".join(rank_fields)
            raise InvalidRequestError(
                f"documents[{index}]: has none of the rank_fields ({names})", field=f"documents[{index}]"
            )
        return chosen
    known = {name: document[name] for name in ("text", "image") if document.get(name) is not None}
    return known or {name: value for name, value in document.items() if name not in ("text", "image")}


def as_text(fields: Mapping[str, Any], index: int) -> str:
    """Join fields to one text: a single string as it is, no fields as an empty text, anything else as YAML."""
    if not fields:
        return ""
    if len(fields) == 1:
        (only,) = fields.values()
        if isinstance(only, str):
            return only
    # Imported with the first structured document: it costs as much as the rest of this package.
    import yaml

    try:
        # Without allow_unicode 护肤 is escaped, and a finite width folds lines: both ruin the ranking.
        return str(yaml.safe_dump(dict(fields), sort_keys=False, allow_unicode=True, width=float("inf")))
    except RecursionError:  # pragma: no cover - documents are at most 64 levels deep; the stack may be short already
        raise InvalidRequestError(f"documents[{index}]: nested too deeply", field=f"documents[{index}]") from None
