"""A dialect is a wire format: how requests, answers and errors are written and read, in both directions.

Each of the three is a table that a vendor module fills in. Where a vendor differs in data it is a row; where it differs
in behaviour it is a named function in a row.
"""

from __future__ import annotations

from dataclasses import dataclass

from .context import DecodeContext, EncodeContext, EncodedRequest
from .document_shapes import as_nested, as_object, as_string
from .documents import Content, Documents, as_objects, strings_in, texts_of, withheld_loss
from .errors import ErrorFormat
from .models import NO_LIMITS, Limits, Model
from .options import Field, Hint, Unsupported, folded_into_query
from .request import Flag, RequestFormat
from .response import UNCHECKED, ResponseFormat, fill_documents

_ERRORS = ErrorFormat()


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One wire format.

    Attributes:
        request: how requests are written and read.
        response: how answers are.
        errors: how errors are.
    """

    request: RequestFormat
    response: ResponseFormat
    errors: ErrorFormat = _ERRORS


__all__ = [
    "NO_LIMITS",
    "UNCHECKED",
    "Content",
    "DecodeContext",
    "Dialect",
    "Documents",
    "EncodeContext",
    "EncodedRequest",
    "ErrorFormat",
    "Field",
    "Flag",
    "Hint",
    "Limits",
    "Model",
    "RequestFormat",
    "ResponseFormat",
    "Unsupported",
    "as_nested",
    "as_object",
    "as_objects",
    "as_string",
    "fill_documents",
    "folded_into_query",
    "strings_in",
    "texts_of",
    "withheld_loss",
]
