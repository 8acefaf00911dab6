"""A dialect is a wire format: how requests, answers and errors are written and read, in both directions.

Each of the three is a table that a vendor module fills in. Where a vendor differs in data it is a row; where it differs in
behaviour it is a named function in a row.
"""

from __future__ import annotations

from dataclasses import dataclass

from .error import Errors
from .request import (
    Content,
    Custom,
    Draft,
    Encoded,
    Fields,
    Flag,
    Plain,
    Texts,
    Unsent,
    as_objects,
    folded_into_query,
    texts_of,
)
from .response import UNCHECKED, Rows, as_nested, as_object, as_string, fill_documents
from .traits import NO_LIMITS, Limits, Model


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One wire format.

    Attributes:
        request: how requests are written and read.
        response: how answers are.
        errors: how errors are.
    """

    request: Fields
    response: Rows
    errors: Errors = Errors()


__all__ = [
    "NO_LIMITS",
    "UNCHECKED",
    "Content",
    "Custom",
    "Dialect",
    "Draft",
    "Encoded",
    "Errors",
    "Fields",
    "Flag",
    "Limits",
    "Model",
    "Plain",
    "Rows",
    "Texts",
    "Unsent",
    "as_nested",
    "as_object",
    "as_objects",
    "as_string",
    "fill_documents",
    "folded_into_query",
    "texts_of",
]
