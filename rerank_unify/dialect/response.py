"""The format of a dialect's responses, as a table.

Decoding is one pass over the parsed rows. Measured on CPython 3.11, that loop costs less than a schema that validates
the bytes (1.3 against 1.5 times parsing and writing the same bytes, 1,000 rows). It also retains further fields at no
cost, and its errors name the exact row and field.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf, isfinite
from typing import Any, Final, TypeAlias

from .._http import Headers, lowercase_headers
from .._json import ABSENT, Path, compile_path, dig, is_list, is_object, put, reach
from ..canonical import NO_USAGE, RequestFields, RerankResponse, Row, Usage, rows_of
from ..errors import InvalidResponseError
from .document_shapes import Form, as_object, normal_document
from .row_shapes import RowShape

_HUGE = sys.float_info.max
UNCHECKED = "read without its request: missing rows and indices beyond the caller's list could not be noticed"


# --- single values ---------------------------------------------------------------------------------------------------

Read: TypeAlias = Callable[[Any], Any]
"""From the value at a path to the figure; None for a value that is not one."""

_MAX_FIGURE: Final = 2**63  # no bill is larger, and programs with 64-bit integers could not read it


def _text_at(value: Any, path: Path) -> str | None:
    """Return the text at a path; None where there is none, or an empty one."""
    found = dig(value, path) if path else None
    return found if isinstance(found, str) and found else None


def _units(found: Any) -> float | None:
    """Return a number of 0 or more, fractions included."""
    number = type(found) in (int, float) and 0 <= found < _MAX_FIGURE
    return found if number else None


def _count(found: Any) -> int | None:
    """Return a whole number of 0 or more; 3.0 is one."""
    if type(found) is float and found.is_integer() and 0 <= found < _MAX_FIGURE:
        return int(found)
    return found if type(found) is int and 0 <= found < _MAX_FIGURE else None


def _details(found: Any) -> Mapping[str, Any] | None:
    return found if is_object(found) else None


TOKEN_USAGE: Final[Mapping[str, str]] = {"total_tokens": "usage.total_tokens", "prompt_tokens": "usage.prompt_tokens"}
"""The paths of tokens that most servers share, for `ResponseFormat.usage`."""

# Servers, gateways and SDKs mix the two families: usage at the top, as OpenAI and Jina have it, and Cohere's `meta`. So
# each dialect reads both, its own paths first. `billed_units.total_tokens`: LiteLLM's proxy 1.106.2, measured;
# `text_tokens`: Cohere's SDK 7.3.1.
_COMMON_USAGE: Final[Mapping[str, Sequence[str]]] = {
    "total_tokens": ("usage.total_tokens", "meta.tokens.total_tokens", "meta.billed_units.total_tokens"),
    "prompt_tokens": (
        *("usage.prompt_tokens", "usage.input_tokens", "meta.tokens.input_tokens"),
        *("meta.billed_units.input_tokens", "meta.billed_units.text_tokens"),
    ),
    "completion_tokens": ("usage.completion_tokens", "usage.output_tokens", "meta.tokens.output_tokens"),
    "search_units": ("meta.billed_units.search_units", "usage.search_units"),
}

_READS: Final[Mapping[str, Read]] = {
    "search_units": _units,
    "prompt_tokens_details": _details,
    "completion_tokens_details": _details,
}
"""How a field of `Usage` is read; every other field is a `_count`."""


# --- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ResponseFormat:
    """The response format of a dialect.

    Attributes:
        rows: dotted path of the list of rows; "" where the response itself is the list. Of several paths
            the first with a list is read, and the first is written.
        index: the key of a row's index.
        score: the key of a row's score; of several keys the first in the first row is read, and the first is written.
        shape: reads and writes rows that are no objects with an index and a score.
        document: the key of a row's returned document; "" for none.
        form: writes a document in the shape that clients expect.
        null_document: whether clients of this dialect expect ``document: null`` in rows without a document.
        ignored: further keys of a row that are dropped.
        model: dotted path of the model's name; "" where the dialect has none.
        id: dotted path of the response's id; "" where the dialect has none.
        warnings: dotted path of a list of sentences; "" where the dialect has none.
        next_page: dotted path of a value that says that the provider has more rows; "" for none.
        usage: dotted paths by field of `Usage`; the first path with a value is read, and the first path is written.
        usage_headers: HTTP headers in lower case by field of `Usage`, for counts that the body has no place for.
        usage_copies: `Usage` fields by further dotted paths that are written, never read.
        usage_warning: why the provider's usage is no tokens, so that it is left out with this warning; "" to read it.
        fixed: constants by dotted path in every response to a client.
    """

    rows: str | Sequence[str] = "results"
    index: str = "index"
    score: str | Sequence[str] = "relevance_score"
    shape: RowShape | None = None
    document: str = "document"
    form: Form = as_object
    null_document: bool = False
    ignored: frozenset[str] = frozenset()
    model: str = ""
    id: str = ""
    warnings: str = ""
    next_page: str = ""
    usage: Mapping[str, str | Sequence[str]] = field(default_factory=dict[str, Any])
    usage_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    usage_copies: Mapping[str, str] = field(default_factory=dict[str, str])
    usage_warning: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])

    # Compiled once, on first use.

    @cached_property
    def rows_path(self) -> str:
        """Where rows are written, and named in messages."""
        return self.rows if isinstance(self.rows, str) else self.rows[0]

    @cached_property
    def score_keys(self) -> tuple[str, ...]:
        """The keys that a score may have, the one that is written first."""
        return (self.score,) if isinstance(self.score, str) else tuple(self.score)

    @cached_property
    def _rows_paths(self) -> tuple[Path, ...]:
        return tuple(map(compile_path, (self.rows,) if isinstance(self.rows, str) else self.rows))

    @cached_property
    def _usage_paths(self) -> tuple[tuple[str, tuple[Path, ...]], ...]:
        listed = {name: (paths,) if isinstance(paths, str) else paths for name, paths in self.usage.items()}
        return tuple((name, tuple(map(compile_path, paths))) for name, paths in listed.items())

    @cached_property
    def _model_path(self) -> Path:
        return compile_path(self.model)

    @cached_property
    def _id_path(self) -> Path:
        return compile_path(self.id)

    @cached_property
    def _warnings_path(self) -> Path:
        return compile_path(self.warnings)

    @cached_property
    def _fixed_paths(self) -> tuple[tuple[Path, Any], ...]:
        plain = {path: dict(constant) if is_object(constant) else constant for path, constant in self.fixed.items()}
        return tuple((compile_path(path), constant) for path, constant in plain.items())

    @cached_property
    def _usage_reads(self) -> tuple[tuple[Path, tuple[tuple[str, str, Read], ...]], ...]:
        """By the path of each object with figures: its keys, with the `Usage` field and the reader of each."""
        declared = [(path, name) for name, paths in self._usage_paths for path in paths]
        known = {path for path, _ in declared} | set(map(compile_path, self.usage_copies))
        common = [(compile_path(path), name) for name, paths in _COMMON_USAGE.items() for path in paths]
        grouped: dict[Path, list[tuple[str, str, Read]]] = {}
        for path, name in (*declared, *(one for one in common if one[0] not in known)):
            grouped.setdefault(path[:-1], []).append((path[-1], name, _READS.get(name, _count)))
        return tuple((parent, tuple(leaves)) for parent, leaves in grouped.items())

    @cached_property
    def _usage_writes(self) -> tuple[tuple[Path, tuple[tuple[str, str], ...]], ...]:
        """By the path of each object with figures: the keys to write, with the `Usage` field of each."""
        placed = [(paths[0], name) for name, paths in self._usage_paths]
        placed += [(compile_path(path), name) for path, name in self.usage_copies.items()]
        grouped: dict[Path, list[tuple[str, str]]] = {}
        for path, name in placed:
            grouped.setdefault(path[:-1], []).append((path[-1], name))
        return tuple((parent, tuple(leaves)) for parent, leaves in grouped.items())

    @cached_property
    def _canonical_keys(self) -> bool:
        """Whether a row of this dialect, with its document replaced, is a canonical row."""
        same = (self.index, self.score_keys[0]) == ("index", "relevance_score")
        return same and self.document in ("document", "") and not self.ignored

    @cached_property
    def _known_keys(self) -> frozenset[str]:
        """Keys of a row, in this dialect or canonical, that are not further fields."""
        return self.ignored | {"index", "relevance_score", "document", self.index, self.document, *self.score_keys}

    # --- responses of a provider

    def find_rows(self, value: Any) -> Sequence[Any] | None:
        """Return the list of rows, not checked yet; None where there is none, or an error beside it.

        Args:
            value: the parsed body.
        """
        if is_object(value) and value.get("error"):
            return None
        for path in self._rows_paths:
            found: Any = dig(value, path)
            if self.shape is not None:
                found = self.shape.read(found)
            if is_list(found):
                return found
        return None

    def read_rows(self, found: Sequence[Any], count: int | None, *, owned: bool, echo: bool) -> list[Row]:
        """Return the canonical rows, checked and sorted: by score, highest first, and equal scores by index.

        Args:
            found: the provider's rows.
            count: the number of documents sent; None where it is unknown.
            owned: whether the rows may be changed and returned; False for rows that belong to the calling code.
            echo: whether to return the provider's documents; if not, the rows may still hold some of them.

        Raises:
            InvalidResponseError: a row is wrong; the message has its path.
        """
        score_key = self._score_key(found)
        in_order, floats = self._check(found, count, score_key)
        if owned and self._canonical_keys and score_key == "relevance_score" and not echo:
            rows: list[Row] = found  # type: ignore[assignment]  # `_check` saw objects, and a JSON parser made them
            if not floats:
                for row in rows:
                    row["relevance_score"] = float(row["relevance_score"])
        else:
            rows = [self._canonical_row(row, score_key) for row in found]
        if not in_order:
            rows.sort(key=lambda row: (-row["relevance_score"], row["index"]))
        return rows

    def _check(self, rows: Sequence[Any], count: int | None, score_key: str) -> tuple[bool, bool]:
        """Check every row. Return whether the rows are sorted, and whether every score is a float."""
        index_key = self.index
        in_order = floats = True
        last, last_index = _HUGE, -1
        seen: Any = {} if count is None else [False] * count  # by index; a list ends where the documents do
        row: Any = None
        try:
            for row in rows:
                index, score = row[index_key], row[score_key]
                if type(index) is not int or type(score) is not float or index < 0:
                    score = self._odd_score(rows, row, score_key)
                    floats = False
                if not score < last:  # equal, higher or NaN
                    if not isfinite(score):
                        raise self._row_error(_position(rows, row), score_key, "is not a finite number")
                    in_order = in_order and score == last and index > last_index
                seen[index] = True
                last, last_index = score, index
        except (KeyError, TypeError):
            raise self._unreadable(_position(rows, row), row, score_key) from None
        except IndexError:  # of the list of what was seen
            sentence = f"is out of range: {count:,} documents were sent"
            raise self._row_error(_position(rows, row), self.index, sentence) from None
        if not in_order or last == -inf:
            self._refuse_infinite(rows, score_key)
        self._refuse_duplicates(rows, len(seen) if count is None else seen.count(True))
        return in_order, floats

    def _score_key(self, rows: Sequence[Any]) -> str:
        """Return the key of the score in these rows."""
        first: Any = rows[0] if rows else None
        if is_object(first):
            for key in self.score_keys:
                if key in first:
                    return key
        return self.score_keys[0] if self.score_keys else ""

    def _odd_score(self, rows: Sequence[Any], row: Any, score_key: str) -> float:
        """Check a row that failed the fast test, and return its score as a float."""
        index, score = row[self.index], row[score_key]
        if type(index) is not int:
            raise self._row_error(_position(rows, row), self.index, "is not an integer")
        if index < 0:
            raise self._row_error(_position(rows, row), self.index, "is out of range: an index is never negative")
        if type(score) not in (int, float):
            raise self._row_error(_position(rows, row), score_key, "is not a number")
        try:
            return float(score)
        except OverflowError:
            raise self._row_error(_position(rows, row), score_key, "is not a finite number") from None

    def _refuse_infinite(self, rows: Sequence[Any], score_key: str) -> None:
        for at, row in enumerate(rows):
            if not isfinite(row[score_key]):
                raise self._row_error(at, score_key, "is not a finite number")

    def _unreadable(self, at: int, row: Any, score_key: str) -> InvalidResponseError:
        if not is_object(row):
            return self._row_error(at, "", "is not an object")
        key = self.index if self.index not in row else score_key
        return self._row_error(at, key, "is missing")

    def _refuse_duplicates(self, rows: Sequence[Any], different: int) -> None:
        if different == len(rows):
            return
        seen: set[int] = set()
        for at, row in enumerate(rows):
            if row[self.index] in seen:
                raise self._row_error(at, self.index, "stands in an earlier row too")
            seen.add(row[self.index])

    def _row_error(self, at: int, key: str, sentence: str) -> InvalidResponseError:
        path = f"{self.rows_path}[{at}]{'.' if key else ''}{key}"
        return InvalidResponseError(f"{path} {sentence}", path=path)

    def _canonical_row(self, row: Mapping[str, Any], score_key: str) -> Row:
        made: Row = {"index": row[self.index], "relevance_score": float(row[score_key])}
        echo = row.get(self.document) if self.document else None
        if echo is not None:
            document = normal_document(echo)
            if document is not None:
                made["document"] = document
        if not self._known_keys.issuperset(row):
            made.update((key, row[key]) for key in row if key not in self._known_keys)
        return made

    def read_model(self, value: Any) -> str | None:
        """Return the model that the provider names, not redacted yet; None where it names none.

        Args:
            value: the parsed body.
        """
        return _text_at(value, self._model_path)

    def read_id(self, value: Any) -> str | None:
        """Return the provider's id of the response, not checked yet; None where there is none.

        Args:
            value: the parsed body.
        """
        return _text_at(value, self._id_path)

    def read_warnings(self, value: Any) -> tuple[str, ...]:
        """Return the provider's warnings, not redacted yet.

        Args:
            value: the parsed body.
        """
        found = dig(value, self._warnings_path) if self.warnings else None
        given = tuple(item for item in found if isinstance(item, str)) if is_list(found) else ()
        if self.usage_warning and is_object(value) and is_object(value.get("usage")):
            given = (*given, self.usage_warning)
        if self.next_page and _text_at(value, compile_path(self.next_page)):
            return (*given, f"the provider has more rows, on another page ({self.next_page})")
        return given

    def read_usage(self, value: Any) -> Usage:
        """Return the usage that the provider reports; a value that is not a valid figure counts as not reported.

        Args:
            value: the parsed body.
        """
        if self.usage_warning:
            return NO_USAGE
        figures: dict[str, Any] = {}
        for parent, leaves in self._usage_reads:
            found = dig(value, parent)
            if found is not ABSENT and is_object(found):
                for key, name, read in leaves:
                    if key in found and name not in figures:
                        figure = read(found[key])
                        if figure is not None:
                            figures[name] = figure
        return Usage(**figures) if figures else NO_USAGE

    def usage_in(self, headers: Headers, usage: Usage) -> Usage:
        """Return the usage with the counts of HTTP headers, where the body has none.

        Args:
            headers: the HTTP headers; their names may be in any case.
            usage: the usage that the body reports.
        """
        folded = lowercase_headers(headers)
        digits = {name: folded.get(header, "") for name, header in self.usage_headers.items()}
        counts: dict[str, Any] = {
            name: int(text) for name, text in digits.items() if text.isdecimal() and len(text) < 19
        }
        return replace(usage, **{name: count for name, count in counts.items() if getattr(usage, name) is None})

    # --- responses to a client

    def write(self, response: RerankResponse, model: str | None) -> Any:
        """Write a response in this dialect. Its rows may be shared with the response: do not change them.

        Args:
            response: the canonical response.
            model: the model name in the client's request; None for the response's model.

        Returns:
            An object, or the list of rows where ``rows`` is "".
        """
        rows = self._write_rows(rows_of(response))
        if not self.rows_path:
            return rows
        body: dict[str, Any] = {}
        model = model or response.model
        if self._model_path and model is not None:
            put(body, self._model_path, model)
        for path, value in self._fixed_paths:
            # An object may be written into.
            put(body, path, dict(value) if isinstance(value, dict) else value)  # pyright: ignore[reportUnknownArgumentType] - any JSON object
        if response.usage is not NO_USAGE:
            self._write_usage(body, response.usage)
        put(body, self._rows_paths[0], rows)
        if self._id_path and response.id is not None:
            put(body, self._id_path, response.id)
        if self.warnings and response.warnings:
            put(body, self._warnings_path, list(response.warnings))
        return body

    def _write_usage(self, body: dict[str, Any], usage: Usage) -> None:
        for parent, leaves in self._usage_writes:
            figures = {key: figure for key, name in leaves if (figure := getattr(usage, name)) is not None}
            if figures:
                reach(body, parent).update(figures)

    def _write_rows(self, rows: list[Row]) -> Any:
        plain_echo = self.document and self.form is as_object and not self.null_document
        if self._canonical_keys and self.shape is None and plain_echo:
            return rows
        made = [self._client_row(row) for row in rows]
        return made if self.shape is None else self.shape.write(made)

    def _client_row(self, row: Row) -> dict[str, Any]:
        made: dict[str, Any] = {self.index: row["index"], self.score_keys[0]: row["relevance_score"]}
        document = row.get("document")
        if document is not None and self.document:
            made[self.document] = self.form(document)
        elif self.null_document:
            made[self.document] = None
        if len(row) > 3 or (len(row) == 3 and document is None):
            made.update((key, row[key]) for key in row if key not in self._known_keys)
        return made


def _position(rows: Sequence[Any], row: Any) -> int:
    """Return the index of a row. Called for errors alone, so that the loop over rows need not count."""
    return next(at for at, other in enumerate(rows) if other is row)


def fill_documents(fields: RequestFields, rows: list[Row]) -> None:
    """Set each row's document from the request, or remove it, whatever the provider returned."""
    if fields["return_documents"]:
        documents: Sequence[Any] = fields["documents"]
        for row in rows:
            document = documents[row["index"]]
            row["document"] = {"text": document} if type(document) is str else dict(document)
    elif set(map(len, rows)) != {2}:
        for row in rows:
            row.pop("document", None)
