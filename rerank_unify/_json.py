"""JSON values: dotted paths into them, and writing them in UTF-8 with the fastest writer that is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, TypeAlias, TypeGuard

from pydantic_core import to_json

Path: TypeAlias = tuple[str, ...]

_OBJECT = (dict, Mapping)  # dict first: the check of an abstract class is ten times as slow
FIRST: Final = "0"  # the step to a list's first item: some providers take lists of one query
ABSENT: Final[Any] = object()  # what `dig` answers when nothing is there; None would be a JSON null


@cache
def compile_path(dotted: str) -> Path:
    """The steps of a dotted path. The empty string is the root and has no steps; "0" is the first item of a list."""
    return tuple(dotted.split(".")) if dotted else ()


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a JSON value is an object."""
    return isinstance(value, _OBJECT)


def is_list(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether a JSON value is a list."""
    return isinstance(value, (list, tuple))


def dig(value: Any, path: Path) -> Any:
    """What stands at the path, or ``ABSENT`` where a step leads nowhere."""
    for step in path:
        if isinstance(value, _OBJECT) and step in value:
            value = value[step]  # pyright: ignore[reportUnknownVariableType] - any JSON value
        elif step == FIRST and is_list(value) and value:  # pyright: ignore[reportUnknownArgumentType] - any JSON value
            value = value[0]
        else:
            return ABSENT
    return value  # pyright: ignore[reportUnknownVariableType]


def reach(body: dict[str, Any], path: Path) -> dict[str, Any]:
    """The object at the path, made with those on the way; a null on the way gives way to an object."""
    for at, step in enumerate(path):
        if step == FIRST:
            continue  # its list was made, and entered, with the step before
        inner: Any = body.get(step)
        if path[at + 1 : at + 2] == (FIRST,):
            if not is_list(inner):
                inner = body[step] = [{}]  # pyright: ignore[reportUnknownVariableType] - any JSON object
            body = inner[0]  # pyright: ignore[reportUnknownVariableType] - any JSON object
        else:
            if not isinstance(inner, dict):
                inner = body[step] = {}
            body = inner  # pyright: ignore[reportUnknownVariableType] - any JSON object
    return body


def put(body: dict[str, Any], path: Path, value: Any) -> None:
    """Set the value at the path, making the objects on the way."""
    if path[-1] == FIRST:
        path, value = path[:-1], [value]
    (body if len(path) == 1 else reach(body, path[:-1]))[path[-1]] = value


def merge(body: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Merge ``more`` into ``body`` in place, object by object; any other value replaces what was there."""
    for key, value in more.items():
        there = body.get(key)
        if isinstance(there, dict) and is_object(value):
            merge(there, value)  # pyright: ignore[reportUnknownArgumentType] - any JSON object
        else:
            body[key] = value


def dump(value: Any) -> bytes:
    """A JSON value as JSON in UTF-8; NaN and the infinities, for which JSON has no word, as null.

    orjson, where it is installed, writes long texts six times as fast as pydantic, byte for byte the same. What it
    refuses, such as an integer of more than 64 bits, pydantic writes.
    """
    quick = _quick()
    if quick is not None:
        try:
            return quick(value)
        except TypeError:
            pass
    return to_json(value, inf_nan_mode="null")


@cache
def _quick() -> Callable[[Any], bytes] | None:
    """Looked for with the first value, not on import."""
    try:
        from orjson import dumps
    except ImportError:
        return None
    return dumps
