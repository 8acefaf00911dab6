"""Shapes of a provider's rows that are no objects with an index and a score.

Each is a pair of functions. Reading makes objects with the table's keys out of what was found, and leaves alone what it
does not understand: the table names the fault. Writing is the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .._json import is_list, is_object


@dataclass(frozen=True, slots=True)
class RowShape:
    """A shape of rows.

    Attributes:
        read: from what stands where the rows are to a list of objects; None, or what it got, where it is no such shape.
        write: from a list of objects, best first, to what a client of the dialect finds.
        extra: whether a row has room for further fields.
    """

    read: Callable[[Any], Any]
    write: Callable[[list[dict[str, Any]]], Any]
    extra: bool = True


def _read_scores(found: Any) -> Any:
    if not is_list(found):
        return None
    return [{"index": at, "relevance_score": score} for at, score in enumerate(found) if score is not None]


def _write_scores(rows: list[dict[str, Any]]) -> Any:
    scores = {row["index"]: row["relevance_score"] for row in rows}
    return [scores.get(at) for at in range(max(scores, default=-1) + 1)]


SCORES_IN_ORDER: Final = RowShape(_read_scores, _write_scores, extra=False)
"""Bare numbers in the order of the request; null for a document without a score."""


def answers_in_order(score: str) -> RowShape:
    """Declare rows in the order of the request, without an index; what has no score, such as a refusal, has none.

    Args:
        score: the key of the score.

    Returns:
        The shape, for `ResponseFormat.shape`.
    """

    def read(found: Any) -> Any:
        if not is_list(found):
            return None
        listed = enumerate(found)
        return [
            {**row, "index": at} if is_object(row) else row for at, row in listed if not is_object(row) or score in row
        ]

    def write(rows: list[dict[str, Any]]) -> Any:
        by_index = {row["index"]: {key: value for key, value in row.items() if key != "index"} for row in rows}
        return [by_index.get(at, {}) for at in range(max(by_index, default=-1) + 1)]

    return RowShape(read, write)


def answers_by_name(index: str, score: str, prefix: str, fixed: Mapping[str, Any]) -> RowShape:
    """Declare rows that are an object, with each document's row under the document's name.

    Args:
        index: the table's key of the index.
        score: the key of the score within a row.
        prefix: the part of a name before the position.
        fixed: constants of every row.

    Returns:
        The shape, for `ResponseFormat.shape`.
    """

    def read(found: Any) -> Any:
        if not is_object(found):
            return None
        named = ((_position(name.removeprefix(prefix)), row) for name, row in found.items())
        return [{score: row.get(score), index: position} if is_object(row) else row for position, row in named]

    def write(rows: list[dict[str, Any]]) -> Any:
        return {f"{prefix}{row[index]}": {**fixed, score: row[score]} for row in rows}

    return RowShape(read, write, extra=False)


def text_positions(key: str) -> RowShape:
    """Declare rows that carry the position as text, as providers do that take an id with each document.

    Args:
        key: the key of the position.

    Returns:
        The shape, for `ResponseFormat.shape`.
    """
    return _with_positions(key, _position, str)


def positions_from_one(key: str) -> RowShape:
    """Declare rows that count from 1.

    Args:
        key: the key of the position.

    Returns:
        The shape, for `ResponseFormat.shape`.
    """
    return _with_positions(key, lambda found: found - 1 if type(found) is int else found, lambda index: index + 1)


def _with_positions(key: str, read_one: Callable[[Any], Any], write_one: Callable[[int], Any]) -> RowShape:
    def read(found: Any) -> Any:
        if not is_list(found):
            return None
        return [{**row, key: read_one(row[key])} if is_object(row) and key in row else row for row in found]

    def write(rows: list[dict[str, Any]]) -> Any:
        return [{**row, key: write_one(row[key])} for row in rows]

    return RowShape(read, write)


def _position(name: Any) -> Any:
    return int(name) if isinstance(name, str) and name.isdecimal() and len(name) < 10 else name
