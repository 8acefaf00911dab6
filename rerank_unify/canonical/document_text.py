"""The text of a document that is ranked, the same for every provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError


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
