"""A dialect is a wire format: how requests, answers and errors are written and read, in both directions.

Each of the three is a table that a vendor module fills in. Where a vendor differs in data it is a row; where it differs
in behaviour it is a named function in a row.
"""

from __future__ import annotations

from dataclasses import dataclass

from .context import Asked, Draft, Encoded
from .document_shapes import as_nested, as_object, as_string
from .documents import Content, Texts, as_objects, strings_in, texts_of, withheld
from .errors import Errors
from .models import NO_LIMITS, Limits, Model
from .options import Hint, Plain, Unsent, folded_into_query
from .request import Fields, Flag
from .response import UNCHECKED, Rows, fill_documents

_ERRORS = Errors()


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
    errors: Errors = _ERRORS


__all__ = [
    "NO_LIMITS",
    "UNCHECKED",
    "Asked",
    "Content",
    "Dialect",
    "Draft",
    "Encoded",
    "Errors",
    "Fields",
    "Flag",
    "Hint",
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
    "strings_in",
    "texts_of",
    "withheld",
]
