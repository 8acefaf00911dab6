"""The canonical format, Jina's: the request, the answer, and their parts."""

from .attempt import Tried
from .document_text import as_text, chosen_fields
from .request import (
    ALIASES,
    FIELD_NAMES,
    Document,
    Query,
    RequestFields,
    RerankRequest,
    checked_fields,
    fields_of,
    validate_fields,
)
from .response import Action, Loss, RerankResponse, Result, Row, ScoreKind
from .usage import NO_USAGE, USAGE_FIELDS, Usage, usage_of
from .validation import check_number, checked_model

__all__ = [
    "ALIASES",
    "FIELD_NAMES",
    "NO_USAGE",
    "USAGE_FIELDS",
    "Action",
    "Document",
    "Loss",
    "Query",
    "RequestFields",
    "RerankRequest",
    "RerankResponse",
    "Result",
    "Row",
    "ScoreKind",
    "Tried",
    "Usage",
    "as_text",
    "check_number",
    "checked_fields",
    "checked_model",
    "chosen_fields",
    "fields_of",
    "usage_of",
    "validate_fields",
]
