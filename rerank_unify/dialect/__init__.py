"""A dialect is a wire format: how requests, responses and errors are encoded and decoded.

A provider module fills in a table for each of the three. A difference in data is a row of the table; a difference in
behaviour is a named function in a row.
"""

from __future__ import annotations

from dataclasses import dataclass

from .context import DecodeContext, EncodeContext, EncodedRequest
from .document_shapes import as_nested, as_object, as_string
from .documents import Content, Documents, Item, as_objects, strings_in, texts_of, withheld_loss
from .errors import ErrorFormat, error_unless_code
from .models import NO_LIMITS, Limits, Model
from .options import Choice, Field, Hint, Unsupported, folded_into_query
from .request import Flag, RequestFormat
from .response import TOKEN_USAGE, UNCHECKED, ResponseFormat, fill_documents
from .row_shapes import SCORES_IN_ORDER, RowShape, answers_by_name, answers_in_order, positions_from_one, text_positions

_ERRORS = ErrorFormat()


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One wire format.

    Attributes:
        request: the format of requests.
        response: the format of responses.
        errors: the format of errors.
    """

    request: RequestFormat
    response: ResponseFormat
    errors: ErrorFormat = _ERRORS


__all__ = [
    "NO_LIMITS",
    "SCORES_IN_ORDER",
    "TOKEN_USAGE",
    "UNCHECKED",
    "Choice",
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
    "Item",
    "Limits",
    "Model",
    "RequestFormat",
    "ResponseFormat",
    "RowShape",
    "Unsupported",
    "answers_by_name",
    "answers_in_order",
    "as_nested",
    "as_object",
    "as_objects",
    "as_string",
    "error_unless_code",
    "fill_documents",
    "folded_into_query",
    "positions_from_one",
    "strings_in",
    "text_positions",
    "texts_of",
    "withheld_loss",
]
