"""Hints, which only some providers support: a field of the body, unsupported, or a pair of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._json import ABSENT, compile_path, dig, put
from .context import EncodeContext

Write: TypeAlias = Callable[[EncodeContext, str, Any], None]
"""A function that writes a hint into the body: the context, the canonical field's name, its value."""

Read: TypeAlias = Callable[[Mapping[str, Any]], Any]
"""A function that reads a hint from a client's body: its value, or ``ABSENT``."""


def nowhere(_wire: Mapping[str, Any]) -> Any:
    """Read no hint, for dialects without a field for it."""
    return ABSENT


@dataclass(frozen=True, slots=True)
class Hint:
    """How a dialect writes and reads one hint.

    Made by `Field` and `Unsupported`, or from two functions in a provider module.

    Attributes:
        write: writes the hint into the provider's body.
        read: reads the hint from a client's body.
        path: the dotted path that ``write`` sets; "" for none.
    """

    write: Write
    read: Read = nowhere
    path: str = ""


def Field(path: str, *, per_model: bool = False) -> Hint:  # noqa: N802 - reads as a row of the table
    """Declare the field of the body that carries a hint.

    Args:
        path: dotted path in the body.
        per_model: whether the hint is sent only to models that declare it in `Model.supports`.

    Returns:
        The hint, for a row of `RequestFormat`.
    """
    steps = compile_path(path)

    def write(draft: EncodeContext, name: str, value: Any) -> None:
        if per_model and name not in draft.model_info.supports:
            draft.add_loss(name, "dropped", f"{draft.model} is not known to take it", affects_result=value is not False)
        else:
            put(draft.body, steps, value)

    return Hint(write, lambda wire: dig(wire, steps), path)


def Choice(path: str, values: Mapping[Any, Any]) -> Hint:  # noqa: N802 - reads as a row of the table
    """Declare the field of the body that carries a hint, with values of the provider's own.

    Args:
        path: dotted path in the body.
        values: the provider's value by canonical value.

    Returns:
        The hint, for a row of `RequestFormat`.
    """
    steps = compile_path(path)
    canonical = {value: key for key, value in values.items()}

    def read(wire: Mapping[str, Any]) -> Any:
        found = dig(wire, steps)
        return canonical.get(found, found) if isinstance(found, (str, bool, int)) else found

    return Hint(lambda draft, _name, value: put(draft.body, steps, values[value]), read, path)


def Unsupported(reason: str = "", *, no_op_values: tuple[bool, ...] = ()) -> Hint:  # noqa: N802 - reads as a row of the table
    """Declare that the provider has no field for a hint.

    Args:
        reason: the reason, for the loss.
        no_op_values: values that change nothing, because the provider acts like that anyway.

    Returns:
        The hint, for a row of `RequestFormat`.
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
    draft.add_loss(name, "folded", "it is written into the query, as the provider documents", affects_result=False)


folded_into_query = Hint(_fold)
"""An instruction that the provider documents as part of the query, for models that support instructions."""
