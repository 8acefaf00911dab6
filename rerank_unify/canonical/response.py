"""The canonical response: results sorted by relevance, with what the provider reported about usage and model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, isfinite
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar, get_args

from .._json import dump
from ..errors import InvalidRequestError, ScoreKindError
from .usage import NO_USAGE, Usage

if TYPE_CHECKING:
    from typing_extensions import Self


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


T = TypeVar("T")


class RerankResponse:
    """One rerank answer in the canonical format: a frozen value that compares by value.

    ``results`` come sorted by score, descending and stably; ``len()`` and iteration go over them. Decoded answers keep
    their rows as plain dictionaries and build each `Result` when it is first asked for.

    Attributes:
        model: the vendor's word for the model, else what was sent; None where nobody said.
        usage: never None; what was not reported is None inside it.
        id: the vendor's id of the answer, or None.
        provider: the provider's name, or None.
        score_kind: what the scores are, as declared for the model; never guessed from the values.
        warnings: what the caller should know: rows that are missing, checks that could not be made, the vendor's own.
        missing: indices of documents that were sent or withheld and came back without a score, ascending.
        losses: what of the request the vendor did not get as asked.
        attempts: the calls that led here, for answers of a client.
    """

    _fill: Callable[[list[Row]], object] | None
    _results: tuple[Result, ...] | None
    _rows: list[Row]
    attempts: tuple[Any, ...]
    id: str | None
    losses: tuple[Loss, ...]
    missing: tuple[int, ...]
    model: str | None
    provider: str | None
    score_kind: ScoreKind
    usage: Usage
    warnings: tuple[str, ...]

    def __init__(
        self,
        results: Sequence[Result],
        *,
        model: str | None = None,
        usage: Usage | None = None,
        id: str | None = None,  # noqa: A002 - the wire's name, and the attribute's
        provider: str | None = None,
        score_kind: ScoreKind = "unknown",
        warnings: Sequence[str] = (),
        missing: Sequence[int] = (),
        losses: Sequence[Loss] = (),
        attempts: Sequence[Any] = (),
    ) -> None:
        given_results = tuple(results)
        values = (
            model,
            usage or NO_USAGE,
            id,
            provider,
            score_kind,
            *map(tuple, (warnings, missing, losses, attempts)),
        )
        rows = [row_of(result) for result in given_results]
        vars(self).update(zip(_FIELDS, values, strict=True), _fill=None, _rows=rows, _results=given_results)

    @classmethod
    def from_rows(
        cls,
        rows: list[Row],
        *,
        model: str | None = None,
        usage: Usage = NO_USAGE,
        id: str | None = None,  # noqa: A002 - as in __init__
        provider: str | None = None,
        score_kind: ScoreKind = "unknown",
        warnings: tuple[str, ...] = (),
        missing: tuple[int, ...] = (),
        losses: tuple[Loss, ...] = (),
        attempts: tuple[Any, ...] = (),
        fill: Callable[[list[Row]], object] | None = None,
    ) -> Self:
        """An answer over rows that are already canonical and sorted; they are kept, not copied.

        ``fill`` completes them, in place, when they are first read: who only asks for the order does not pay for it.
        """
        response = cls.__new__(cls)
        vars(response).update(  # all at once: this is the hot path
            _fill=fill,
            _rows=rows,
            _results=None,
            model=model,
            usage=usage,
            id=id,
            provider=provider,
            score_kind=score_kind,
            warnings=warnings,
            missing=missing,
            losses=losses,
            attempts=attempts,
        )
        return response

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a RerankResponse is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a RerankResponse is frozen: {name} cannot be deleted")

    @property
    def rows(self) -> list[Row]:
        """The results as Jina's rows. Shared with this answer: read, do not change."""
        if self._fill is not None:
            self._fill(self._rows)
            vars(self)["_fill"] = None
        return self._rows

    @property
    def results(self) -> tuple[Result, ...]:
        """The results, best first."""
        if self._results is None:
            vars(self)["_results"] = tuple(map(result_of, self.rows))
        return self._results or ()

    def pick(self, items: Sequence[T]) -> list[T]:
        """The caller's own items in ranked order: ``items[i]`` for the index of each result."""
        return [items[row["index"]] for row in self._rows]

    def unit_scores(self, kind: ScoreKind | None = None) -> RerankResponse:
        """The same answer with its scores mapped monotonically into 0..1, of kind ``unit``. Nothing is clipped.

        Args:
            kind: what the scores are, where `score_kind` is ``unknown`` or wrong.

        Raises:
            ScoreKindError: the kind is not known, or a score lies outside the range that it promises.
        """
        kind = kind or self.score_kind
        if kind not in get_args(ScoreKind):
            raise ScoreKindError(f"{kind!r} is no kind of score; there are {', '.join(get_args(ScoreKind))}")
        if kind == "unknown":
            raise ScoreKindError(
                f"the scores of {self.model or 'this model'} are of unknown kind: say unit_scores(kind=…)"
            )
        rows = [{**row, "relevance_score": _to_unit(row["relevance_score"], kind)} for row in self.rows]
        return self.replace(rows, score_kind="unit")

    def replace(self, rows: list[Row] | None = None, **changes: Any) -> RerankResponse:
        """A copy with some attributes changed, over the same rows or others that are canonical and sorted."""
        current: dict[str, Any] = {name: getattr(self, name) for name in _FIELDS}
        return RerankResponse.from_rows(self.rows if rows is None else rows, **(current | changes))

    def set_attempts(self, attempts: tuple[Any, ...]) -> Self:
        """This very answer, with the calls that led here: for who made it, before anybody else has seen it."""
        vars(self)["attempts"] = attempts
        return self

    def to_json(self) -> bytes:
        """Return this response in Jina's wire format: JSON in UTF-8.

        `Provider.encode_response` writes other dialects.
        """
        body: dict[str, Any] = {} if self.model is None else {"model": self.model}
        body |= {"object": "list", "usage": self.usage.to_dict(), "results": self.rows}
        if self.id is not None:
            body["id"] = self.id
        if self.warnings:
            body["warnings"] = self.warnings
        return dump(body)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RerankResponse):
            return NotImplemented
        return self.results == other.results and _plain(self) == _plain(other)

    def __hash__(self) -> int:
        return hash((self.provider, self.model, self.id, len(self._rows)))

    def __repr__(self) -> str:
        fields = "".join(f", {name}={value!r}" for name, value in zip(_FIELDS, _plain(self), strict=True) if value)
        return f"RerankResponse({list(self.results)!r}{fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.rows, {name: getattr(self, name) for name in _FIELDS})


_FIELDS: Final = ("model", "usage", "id", "provider", "score_kind", "warnings", "missing", "losses", "attempts")
_plain = attrgetter(*_FIELDS)


def _restore(rows: list[Row], fields: dict[str, Any]) -> RerankResponse:
    return RerankResponse.from_rows(rows, **fields)


def _to_unit(score: float, kind: ScoreKind) -> float:
    if kind == "logit":
        return 1 / (1 + exp(-score)) if score >= 0 else exp(score) / (1 + exp(score))
    low = -1.0 if kind == "cosine" else 0.0
    if not low <= score <= 1:
        raise ScoreKindError(f"a score of {score!r} lies outside {low:g}..1, which kind {kind} promises")
    return (score + 1) / 2 if kind == "cosine" else score
