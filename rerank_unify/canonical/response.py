"""The canonical response: results in ranked order, with what the provider reported about usage and model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from math import exp, isfinite
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, TypeVar, cast, get_args, overload

from pydantic import ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema
from typing_extensions import NotRequired, TypedDict

from .._json import dump
from ..errors import InvalidRequestError, ScoreKindError
from .attempt import AttemptRecord
from .usage import NO_USAGE, USAGE_FIELDS, Usage
from .validation import is_sequence, without_arrays

if TYPE_CHECKING:
    from typing_extensions import Unpack

ScoreKind: TypeAlias = Literal["probability", "cosine", "logit", "unit", "none", "unknown"]
"""The scale of a model's scores: ``probability`` 0..1, ``cosine`` -1..1, ``logit`` any number, ``unit`` 0..1 without
being a probability, ``unknown`` where no source states it."""

SCORE_RANGES: Final[Mapping[ScoreKind, tuple[float, float]]] = {
    "probability": (0.0, 1.0),
    "cosine": (-1.0, 1.0),
    "unit": (0.0, 1.0),
}
"""The lowest and the highest score of each kind that has bounds."""

Action: TypeAlias = Literal["dropped", "folded", "converted", "cut", "withheld"]

Row: TypeAlias = dict[str, Any]
"""A row in Jina's format: ``index``, ``relevance_score``, ``document`` where it was requested, then further fields."""

_ROW_KEYS: Final = frozenset(("index", "relevance_score", "document"))


@dataclass(frozen=True, slots=True)
class Loss:
    """A part of a request that a provider does not receive as given.

    Attributes:
        field: the canonical field, or the extra field of the client's dialect.
        action: ``dropped`` (not sent), ``folded`` (written into another field), ``converted`` (sent in another form),
            ``cut`` (a document of which only the beginning is sent) or ``withheld`` (a document that is not sent).
        reason: why, in one sentence.
        indices: the documents that are affected, zero-based; empty where the loss affects no document in particular.
        affects_result: whether scores or rows may differ from those that the request describes.
    """

    field: str
    action: Action
    reason: str
    indices: tuple[int, ...] = ()
    affects_result: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """The score of one document.

    Attributes:
        index: the document's position in the request, zero-based.
        relevance_score: the provider's score, a finite number; `RerankResponse.score_kind` states its scale.
        document: the document as an object, ``{"text": str}`` for a string; None unless ``return_documents`` was true.
        extra: further fields of the provider for this row, such as ``relevant_spans`` or ``embedding``.

    Raises:
        InvalidRequestError: the index is negative or no integer, the score is not finite, or ``extra`` repeats one of
            the other fields.
    """

    index: int
    relevance_score: float
    document: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        for name, plain in (("index", int), ("relevance_score", float)):
            if type(getattr(self, name)) not in (plain, int, bool):  # numpy's, which JSON writers refuse
                object.__setattr__(self, name, without_arrays(getattr(self, name)))
        if type(self.index) is not int or self.index < 0:
            raise InvalidRequestError("index: expected an integer of 0 or more", field="index")
        score: Any = self.relevance_score
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not isfinite(score):
            raise InvalidRequestError("relevance_score: expected a finite number", field="relevance_score")
        if not _ROW_KEYS.isdisjoint(self.extra):
            raise InvalidRequestError(
                "extra: expected fields other than index, relevance_score and document", field="extra"
            )

    @property
    def text(self) -> str | None:
        """The document's text; None where there is no document or it has no text."""
        text = self.document.get("text") if self.document is not None else None
        return text if isinstance(text, str) else None


def _result_from(row: Row) -> Result:
    """Make a result of a row that is checked already.

    It skips the checks of the constructor, with which 1,000 results take 1.4 times as long.
    """
    result = object.__new__(Result)
    set_field = object.__setattr__
    set_field(result, "index", row["index"])
    set_field(result, "relevance_score", row["relevance_score"])
    set_field(result, "document", _copy_document(row.get("document")))
    has_extra = len(row) > (3 if "document" in row else 2)
    set_field(result, "extra", deepcopy({k: row[k] for k in row if k not in _ROW_KEYS}) if has_extra else {})
    return result


def _row_from(result: Result) -> Row:
    row: Row = {"index": result.index, "relevance_score": result.relevance_score}
    if result.document is not None:
        row["document"] = _copy_document(result.document)
    row.update(deepcopy(dict(result.extra)))
    return row


def _copy_document(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Copy a document; an object with one string, as of every plain text, needs no deep copy."""
    if document is None:
        return None
    return dict(document) if len(document) == 1 and type(document.get("text")) is str else deepcopy(dict(document))


class ResponseChanges(TypedDict, total=False):
    """The keywords of `RerankResponse.replace`, which are those of its constructor."""

    results: Sequence[Result]
    model: str | None
    usage: Usage | None
    id: str | None
    provider: str | None
    score_kind: ScoreKind
    warnings: Sequence[str]
    missing: Sequence[int]
    losses: Sequence[Loss]
    attempts: Sequence[AttemptRecord]
    cached: int


T = TypeVar("T")


class RerankResponse:
    """A rerank response in the canonical format: an immutable value, compared by value.

    ``response[0]`` is the best result; ``len()``, slices and iteration follow the ranked order. Pydantic accepts the
    class as a type: in ``TypeAdapter``, as a field of a model, and as request or response model of FastAPI. In JSON it
    is Jina's wire format.

    Args:
        results: in any order; they are sorted by score, highest first, and equal scores by index, lowest first.
        model: the model that ranked, as the provider names it.
        usage: what the call cost; None where nothing was reported.
        id: the provider's id of the response.
        provider: the provider's name.
        score_kind: the scale of the scores.
        warnings: sentences for the user.
        missing: the indices without a score.
        losses: what the provider did not receive.
        attempts: the attempts of a client.
        cached: how many documents have their score from a cache.

    Attributes:
        results (tuple[Result, ...]): the results in ranked order.
        model (str | None): the model that ranked, as the provider names it, else as it was sent.
        usage (Usage): what the provider reported; a figure that was not reported is None.
        id (str | None): the provider's id of the response.
        provider (str | None): the provider's name.
        score_kind (ScoreKind): the scale of the scores as declared for the model; never guessed from values. It is
            ``unknown`` where a score lies outside the range of the declared kind; then a warning says so.
        warnings (tuple[str, ...]): missing rows, checks that were not possible, and the provider's warnings.
        missing (tuple[int, ...]): indices of documents that were sent or withheld and have no score, ascending.
        losses (tuple[Loss, ...]): the parts of the request that the provider did not receive as given.
        attempts (tuple[AttemptRecord, ...]): the attempts that led to this response, where a client made it.
        cached (int): how many documents of the request have their score from a client's cache and were not sent;
            ``usage`` is the cost of the others.

    Raises:
        InvalidRequestError: an argument has a wrong type, or two results have the same index.
    """

    _fill: Callable[[list[Row]], object] | None
    _results: tuple[Result, ...] | None
    _rows: list[Row]
    attempts: tuple[AttemptRecord, ...]
    cached: int
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
        attempts: Sequence[AttemptRecord] = (),
        cached: int = 0,
    ) -> None:
        rows = [_row_from(result) for result in _check_results(results)]
        rows.sort(key=lambda row: (-row["relevance_score"], row["index"]))
        if score_kind not in get_args(ScoreKind):
            kinds = ", ".join(get_args(ScoreKind))
            raise InvalidRequestError(f"score_kind: expected one of {kinds}", field="score_kind")
        vars(self).update(
            _fill=None,
            _rows=rows,
            _results=None,
            model=_check("model", model, str),
            usage=_check("usage", usage, Usage) or NO_USAGE,
            id=_check("id", id, str),
            provider=_check("provider", provider, str),
            score_kind=score_kind,
            warnings=_check_each("warnings", warnings, str),
            missing=_check_each("missing", missing, int),
            losses=_check_each("losses", losses, Loss),
            attempts=_check_each("attempts", attempts, AttemptRecord),
            cached=_check("cached", cached, int) or 0,
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a RerankResponse is immutable: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a RerankResponse is immutable: {name} cannot be deleted")

    @property
    def results(self) -> tuple[Result, ...]:
        """The results in ranked order, built on first use."""
        if self._results is None:
            vars(self)["_results"] = tuple(map(_result_from, rows_of(self)))
        return cast("tuple[Result, ...]", self._results)

    @property
    def reranked(self) -> bool:
        """Whether a model ranked the documents; False for ``input-order``, whose score kind is ``none``."""
        return self.score_kind != "none"

    def pick(self, items: Sequence[T]) -> list[T]:
        """Return your items in ranked order: ``items[result.index]`` for each result.

        Args:
            items: as many as the request had documents, in the same order.

        Raises:
            InvalidRequestError: there are fewer items than the results refer to.

        Examples:
            >>> response = ru.RerankResponse([ru.Result(1, 0.8), ru.Result(0, 0.1)])
            >>> response.pick(["motor oil", "aloe vera"])
            ['aloe vera', 'motor oil']
        """
        highest = max((row["index"] for row in self._rows), default=-1)
        if highest >= len(items):
            raise InvalidRequestError(f"items: expected at least {highest + 1}, not {len(items)}", field="items")
        at: Any = getattr(items, "iloc", items)  # the positions of pandas' objects; their own keys are labels
        return [at[row["index"]] for row in self._rows]

    def unit_scores(self, kind: ScoreKind | None = None) -> RerankResponse:
        """Return a copy with scores mapped monotonically into 0..1, of kind ``unit``. No score is clipped.

        Args:
            kind: the scale of the scores, where `score_kind` is ``unknown`` or wrong.

        Raises:
            ScoreKindError: the scale is unknown, or a score lies outside its range.

        Examples:
            >>> response = ru.RerankResponse([ru.Result(0, 0.0)], score_kind="cosine")
            >>> response.unit_scores()[0].relevance_score
            0.5
        """
        kind = kind or self.score_kind
        if kind not in get_args(ScoreKind):
            raise ScoreKindError(f"kind: expected one of {', '.join(get_args(ScoreKind))}, not {kind!r}")
        if kind == "none":
            raise ScoreKindError("there are no scores: no model ranked the documents")
        if kind == "unknown":
            model = self.model or "this model"
            raise ScoreKindError(f"the scores of {model} are of unknown kind: pass it as unit_scores(kind=…)")
        rows = [{**row, "relevance_score": _to_unit(row["relevance_score"], kind)} for row in rows_of(self)]
        values: dict[str, Any] = {**_values(self), "score_kind": "unit"}
        return response_from_rows(rows, **values)

    def replace(self, **changes: Unpack[ResponseChanges]) -> RerankResponse:
        """Return a copy with some attributes changed.

        Args:
            changes: results, model, usage, id, provider, score_kind, warnings, missing, losses, attempts or cached, as
                in the constructor.

        Raises:
            InvalidRequestError: an argument has a wrong type, or two results have the same index.
        """
        values: dict[str, Any] = {"results": (), **_values(self), **changes}
        changed = RerankResponse(**values)
        if "results" not in changes:
            vars(changed).update(_rows=self._rows, _fill=self._fill, _results=self._results)
        return changed

    def to_dict(self) -> dict[str, Any]:
        """Return this response in Jina's wire format, as JSON values that are copies."""
        return deepcopy(_wire_body(self))

    def to_json(self) -> bytes:
        """Return this response in Jina's wire format: JSON in UTF-8.

        `Provider.encode_response` writes other dialects.

        Examples:
            >>> ru.RerankResponse([ru.Result(0, 0.5)], model="m").to_json()
            b'{"model":"m","object":"list","usage":{},"results":[{"index":0,"relevance_score":0.5}]}'
        """
        return dump(_wire_body(self))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Result, ...]: ...
    def __getitem__(self, index: int | slice) -> Result | tuple[Result, ...]:
        return self.results[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RerankResponse):
            return NotImplemented
        return rows_of(self) == rows_of(other) and _values(self) == _values(other)

    def __hash__(self) -> int:
        return hash((self.provider, self.model, self.id, len(self._rows)))

    def __repr__(self) -> str:
        fields = "".join(f", {name}={value!r}" for name, value in _values(self).items() if value)
        return f"RerankResponse({list(self.results)!r}{fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (rows_of(self), _values(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        wire = handler.generate_schema(JinaResponse)
        return core_schema.no_info_wrap_validator_function(
            _from_wire,
            wire,
            serialization=core_schema.plain_serializer_function_ser_schema(cls.to_dict, return_schema=wire),
        )


_VALUES: Final = (
    "model",
    "usage",
    "id",
    "provider",
    "score_kind",
    "warnings",
    "missing",
    "losses",
    "attempts",
    "cached",
)
_read_values = attrgetter(*_VALUES)


def _values(response: RerankResponse) -> dict[str, Any]:
    """All attributes but the results."""
    return dict(zip(_VALUES, _read_values(response), strict=True))


def response_from_rows(
    rows: list[Row],
    *,
    model: str | None = None,
    usage: Usage = NO_USAGE,
    id: str | None = None,  # noqa: A002 - the wire's name
    provider: str | None = None,
    score_kind: ScoreKind = "unknown",
    warnings: tuple[str, ...] = (),
    missing: tuple[int, ...] = (),
    losses: tuple[Loss, ...] = (),
    attempts: tuple[AttemptRecord, ...] = (),
    cached: int = 0,
    fill: Callable[[list[Row]], object] | None = None,
) -> RerankResponse:
    """Make a response over rows that are canonical, checked and sorted. The response takes the list over.

    ``fill`` completes the rows in place when they are first read, so that a router which reads only the order of the
    results builds no documents. It may be called more than once. The other arguments are those of `RerankResponse`.
    """
    response = RerankResponse.__new__(RerankResponse)
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
        cached=cached,
    )
    return response


def with_attempts(response: RerankResponse, attempts: tuple[AttemptRecord, ...]) -> RerankResponse:
    """Return a copy with other attempts, without the constructor's checks: every call of a client ends with it."""
    copy = RerankResponse.__new__(RerankResponse)
    vars(copy).update(vars(response), attempts=attempts)
    return copy


def rows_of(response: RerankResponse) -> list[Row]:
    """Return the response's rows in Jina's format. They are shared with the response: do not change them."""
    state = vars(response)
    if state["_fill"] is not None:
        state["_fill"](state["_rows"])
        state["_fill"] = None
    return cast("list[Row]", state["_rows"])


def _restore(rows: list[Row], values: dict[str, Any]) -> RerankResponse:
    return response_from_rows(rows, **values)


def _check(name: str, value: Any, kind: type[T]) -> T | None:
    if value is not None and not isinstance(value, kind):
        raise InvalidRequestError(f"{name}: expected {_named(kind)}, not {type(value).__name__}", field=name)
    return value


def _check_each(name: str, values: object, kind: type[T]) -> tuple[T, ...]:
    listed: tuple[Any, ...] = tuple(values) if is_sequence(values) else (None,)
    if not all(isinstance(value, kind) for value in listed):
        raise InvalidRequestError(f"{name}: expected a sequence of {_named(kind)}", field=name)
    return cast("tuple[T, ...]", listed)


def _check_results(results: Sequence[Result]) -> tuple[Result, ...]:
    checked = _check_each("results", results, Result)
    seen: set[int] = set()
    for result in checked:
        if result.index in seen:
            raise InvalidRequestError(f"results: index {result.index} occurs more than once", field="results")
        seen.add(result.index)
    return checked


def _named(kind: type) -> str:
    return {"str": "string", "int": "integer"}.get(kind.__name__, kind.__name__)


def _to_unit(score: float, kind: ScoreKind) -> float:
    if kind == "logit":
        return 1 / (1 + exp(-score)) if score >= 0 else exp(score) / (1 + exp(score))
    low, high = SCORE_RANGES[kind]
    if not low <= score <= high:
        raise ScoreKindError(f"a score of {score!r} lies outside {low:g}..{high:g}, the range of kind {kind}")
    return (score + 1) / 2 if kind == "cosine" else score


# --- Jina's wire format, for pydantic --------------------------------------------------------------------------------


class JinaUsage(TypedDict, total=False):
    """The cost of a call, as far as the provider reported it."""

    __pydantic_config__ = ConfigDict(extra="ignore")  # type: ignore[misc]  # how pydantic configures a TypedDict

    total_tokens: Annotated[int, Field(description="All tokens.")]
    prompt_tokens: Annotated[int, Field(description="Tokens of the query and the documents.")]
    completion_tokens: Annotated[int, Field(description="Tokens that the model generated; 0 for a reranker.")]
    prompt_tokens_details: Annotated[dict[str, Any], Field(description="Parts of prompt_tokens.")]
    completion_tokens_details: Annotated[dict[str, Any], Field(description="Parts of completion_tokens.")]
    search_units: Annotated[float, Field(description="Cohere's unit: a query with up to 100 documents.")]


class JinaResult(TypedDict):
    """The score of a document. Further fields of the provider are beside it."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]  # as above

    index: Annotated[int, Field(ge=0, strict=True, description="The document's position in the request, zero-based.")]
    relevance_score: Annotated[float, Field(allow_inf_nan=False, strict=True, description="The provider's score.")]
    document: NotRequired[
        Annotated[dict[str, Any] | None, Field(description='The document, {"text": …} for a string.')]
    ]


class JinaResponse(TypedDict):
    """A rerank response in Jina's format."""

    __pydantic_config__ = ConfigDict(extra="ignore")  # type: ignore[misc]  # as above

    model: NotRequired[Annotated[str | None, Field(description="The model that ranked.")]]
    object: NotRequired[Annotated[Literal["list"], Field(description="Always list.")]]
    usage: NotRequired[Annotated[JinaUsage | None, Field(description="The cost of the call.")]]
    results: Annotated[list[JinaResult], Field(description="The results, highest score first.")]
    id: NotRequired[Annotated[str | None, Field(description="The provider's id of the response.")]]


def _wire_body(response: RerankResponse) -> dict[str, Any]:
    """The response as Jina writes it. The rows are shared with the response."""
    body: dict[str, Any] = {} if response.model is None else {"model": response.model}
    body |= {"object": "list", "usage": response.usage.to_dict(), "results": rows_of(response)}
    if response.id is not None:
        body["id"] = response.id
    return body


def _from_wire(value: Any, parse: Callable[[Any], JinaResponse]) -> RerankResponse:
    """Make a response of Jina's JSON; a response passes as it is."""
    if isinstance(value, RerankResponse):
        return value
    body = parse(value)
    usage = cast("dict[str, Any]", body.get("usage") or {})
    return RerankResponse(
        [_checked_result(dict(row)) for row in body["results"]],
        model=body.get("model"),
        usage=Usage(**{name: usage[name] for name in USAGE_FIELDS if name in usage}) if usage else None,
        id=body.get("id"),
    )


def _checked_result(row: Row) -> Result:
    extra = {key: row[key] for key in row if key not in _ROW_KEYS}
    return Result(row["index"], row["relevance_score"], row.get("document"), extra)
