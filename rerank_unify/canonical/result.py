"""The parts of an answer: a result, the plain row it is built from, and what was lost on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final, Literal, TypeAlias

from ..errors import InvalidRequestError

ScoreKind: TypeAlias = Literal["probability", "cosine", "logit", "unit", "unknown"]
"""What a model's scores are: ``probability`` 0..1, ``cosine`` -1..1, ``logit`` any number, ``unit`` 0..1 without being
a probability, ``unknown`` where nobody has said."""

Action: TypeAlias = Literal["dropped", "folded", "converted", "withheld"]

Row: TypeAlias = dict[str, Any]
"""A row as Jina writes it: ``index``, ``relevance_score``, ``document`` if asked for, then whatever else there is."""

_ROW_KEYS: Final = frozenset(("index", "relevance_score", "document"))


@dataclass(frozen=True, slots=True)
class Loss:
    """Something of the request that this vendor does not get as it was asked.

    Attributes:
        field: the canonical field.
        action: ``dropped`` (not sent), ``folded`` (written into another field), ``converted`` (sent in another form) or
            ``withheld`` (a document that is not sent at all).
        reason: why, in one sentence.
        indices: the documents concerned, zero-based; empty where it concerns none in particular.
        affects_result: whether scores or the rows returned may differ from what the request asked for.
    """

    field: str
    action: Action
    reason: str
    indices: tuple[int, ...] = ()
    affects_result: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """One document's place in the ranking.

    Attributes:
        index: its place in the caller's own list, zero-based.
        relevance_score: the vendor's number; see `RerankResponse.score_kind`.
        document: an object, ``{"text": str}`` for a plain string; None unless ``return_documents`` was true.
        extra: the vendor's further fields for this row, such as ``relevant_spans`` or ``embedding``.
    """

    index: int
    relevance_score: float
    document: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if type(self.index) is not int or self.index < 0:
            raise InvalidRequestError("index: expected an integer of 0 or more", field="index")
        score: Any = self.relevance_score
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not isfinite(score):
            raise InvalidRequestError("relevance_score: expected a finite number", field="relevance_score")
        if not _ROW_KEYS.isdisjoint(self.extra):
            raise InvalidRequestError(
                "extra: holds further fields, not index, relevance_score or document", field="extra"
            )

    @property
    def text(self) -> str | None:
        """The document's text, or None where it has none or was not asked for."""
        text = self.document.get("text") if self.document is not None else None
        return text if isinstance(text, str) else None


def result_of(row: Row) -> Result:
    """The `Result` over a canonical row, whose values are already known to be right."""
    result = object.__new__(Result)
    give = object.__setattr__
    give(result, "index", row["index"])
    give(result, "relevance_score", row["relevance_score"])
    give(result, "document", row.get("document"))
    plain = len(row) == (3 if "document" in row else 2)
    give(result, "extra", {} if plain else {key: row[key] for key in row if key not in _ROW_KEYS})
    return result


def row_of(result: Result) -> Row:
    """The canonical row of a `Result`."""
    row: Row = {"index": result.index, "relevance_score": result.relevance_score}
    if result.document is not None:
        row["document"] = dict(result.document)
    row.update(result.extra)
    return row
