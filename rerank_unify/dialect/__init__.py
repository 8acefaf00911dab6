"""A dialect is a wire format: how requests, responses and errors are encoded and decoded.

A provider module fills in a table for each of the three. A difference in data is a row of the table; a difference in
behaviour is a named function in a row.
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
        request: the format of requests.
        response: the format of responses.
        errors: the format of errors.
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
