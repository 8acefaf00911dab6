"""Rows for the hints, which only some vendors know: a place in the body, no place, or a way of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._json import ABSENT, compile_path, dig, put
from .context import EncodeContext

Write: TypeAlias = Callable[[EncodeContext, str, Any], None]
"""Writes a hint into a draft's body: the draft, the canonical field's name, its value."""

Read: TypeAlias = Callable[[Mapping[str, Any]], Any]
"""Reads a hint from a client's body: its value, or ``ABSENT``."""


def nowhere(_wire: Mapping[str, Any]) -> Any:
    """Reads a hint that clients of the dialect have no field for."""
    return ABSENT


@dataclass(frozen=True, slots=True)
class Hint:
    """How a dialect writes and reads one hint.

    Made by `Field` and `Unsupported`, or from two functions of a vendor's own.

    Attributes:
        write: towards the vendor.
        read: from a client.
        path: the dotted path that it writes; "" for none.
    """

    write: Write
    read: Read = nowhere
    path: str = ""


def Field(path: str, *, per_model: bool = False) -> Hint:  # noqa: N802 - reads as a row of the table
    """A hint that the vendor has a field for.

    Args:
        path: where it sits in the body, dotted.
        per_model: whether it is sent only to models that declare it in `Model.supports`.
    """
    steps = compile_path(path)

    def write(draft: EncodeContext, name: str, value: Any) -> None:
        if per_model and name not in draft.model_info.supports:
            draft.add_loss(name, "dropped", f"{draft.model} is not known to take it", affects_result=value is not False)
        else:
            put(draft.body, steps, value)

    return Hint(write, lambda wire: dig(wire, steps), path)


def Choice(path: str, values: Mapping[Any, Any]) -> Hint:  # noqa: N802 - reads as a row of the table
    """A hint that the provider has a field for, with values of its own.

    Args:
        path: where it sits in the body, dotted.
        values: the provider's value by canonical value.
    """
    steps = compile_path(path)
    canonical = {value: key for key, value in values.items()}

    def read(wire: Mapping[str, Any]) -> Any:
        found = dig(wire, steps)
        return canonical.get(found, found) if isinstance(found, (str, bool, int)) else found

    return Hint(lambda draft, _name, value: put(draft.body, steps, values[value]), read, path)


def Unsupported(reason: str = "", *, no_op_values: tuple[bool, ...] = ()) -> Hint:  # noqa: N802 - reads as a row of the table
    """A hint that the vendor has no field for.

    Args:
        reason: why that is, for the loss.
        no_op_values: values that ask for what the vendor does anyway.
    """

    def write(draft: EncodeContext, name: str, value: Any) -> None:
        why = reason or f"{draft.provider} has no such field"
        draft.add_loss(name, "dropped", why, affects_result=value not in no_op_values)

    return Hint(write)


def _fold(draft: EncodeContext, name: str, value: Any) -> None:
    if name not in draft.model_info.supports:
        draft.add_loss(name, "dropped", f"{draft.model} is not known to follow instructions")
        return
    draft.body["query"] = f"{value}\nQuery: {draft.body['query']}"
    draft.add_loss(name, "folded", "it is written into the query, as the vendor documents", affects_result=False)


folded_into_query = Hint(_fold)
"""An instruction that the vendor documents as part of the query, for models that take one."""
