"""The canonical format, Jina's: the request, the response, and their parts."""

from .attempt import AttemptRecord
from .document_text import as_text, has_data, is_data, select_fields, without_data
from .request import (
    ALIASES,
    FIELD_NAMES,
    DialectOptions,
    Document,
    Query,
    RequestChanges,
    RequestFields,
    RequestOptions,
    RerankRequest,
    checked_fields,
    fields_of,
    validate_fields,
)
from .response import (
    SCORE_RANGES,
    Action,
    Loss,
    RerankResponse,
    ResponseChanges,
    Result,
    Row,
    ScoreKind,
    response_from_rows,
    rows_of,
)
from .usage import NO_USAGE, USAGE_FIELDS, Usage
from .validation import check_number, validate_model

__all__ = [
    "ALIASES",
    "FIELD_NAMES",
    "NO_USAGE",
    "SCORE_RANGES",
    "USAGE_FIELDS",
    "Action",
    "AttemptRecord",
    "DialectOptions",
    "Document",
    "Loss",
    "Query",
    "RequestChanges",
    "RequestFields",
    "RequestOptions",
    "RerankRequest",
    "RerankResponse",
    "ResponseChanges",
    "Result",
    "Row",
    "ScoreKind",
    "Usage",
    "as_text",
    "check_number",
    "checked_fields",
    "fields_of",
    "has_data",
    "is_data",
    "response_from_rows",
    "rows_of",
    "select_fields",
    "validate_fields",
    "validate_model",
    "without_data",
]
