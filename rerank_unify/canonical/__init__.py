"""The canonical format, Jina's: the request, the answer, and their parts."""

from .faults import check_number, checked_model
from .ranked import as_text, chosen_fields
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
from .response import RerankResponse
from .result import Action, Loss, Result, Row, ScoreKind
from .usage import NO_USAGE, USAGE_FIELDS, Usage, usage_of

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
