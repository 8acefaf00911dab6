"""All that a provider module imports: the declaration of a provider, the tables of its dialect, and error classes."""

from typing import TYPE_CHECKING, Any

from ._endpoint import Auth, Endpoint, bearer
from ._http import HttpRequest, HttpResponse
from ._json import ABSENT, dig, is_list, is_object
from ._progress import report_progress
from ._provider import Provider
from .canonical import RequestFields, RerankRequest, RerankResponse, as_text, select_fields
from .dialect import (
    SCORES_IN_ORDER,
    TOKEN_USAGE,
    Choice,
    Content,
    Dialect,
    Documents,
    EncodeContext,
    ErrorFormat,
    Field,
    Flag,
    Hint,
    Item,
    Limits,
    Model,
    RequestFormat,
    ResponseFormat,
    RowShape,
    Unsupported,
    answers_by_name,
    answers_in_order,
    as_nested,
    as_object,
    as_objects,
    as_string,
    error_unless_code,
    folded_into_query,
    positions_from_one,
    text_positions,
)
from .errors import (
    AllProvidersFailedError,
    AuthenticationError,
    BadRequestError,
    ConnectError,
    InvalidRequestError,
    InvalidResponseError,
    MissingApiKeyError,
    MissingExtraError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    ProviderOverloadedError,
    ProviderServerError,
    QuotaExceededError,
    RateLimitError,
    RequestError,
    RequestTooLargeError,
    RerankError,
    StatusError,
    TimeoutError,  # noqa: A004 - the term of the field; see errors.tree
    TransportError,
    UnsupportedRequestError,
    WrongEndpointError,
)

if TYPE_CHECKING:
    from ._auth import Baidu, Google, IbmIam, Oci, SigV4, Volcengine

__all__ = [
    "ABSENT",
    "SCORES_IN_ORDER",
    "TOKEN_USAGE",
    "AllProvidersFailedError",
    "Auth",
    "AuthenticationError",
    "BadRequestError",
    "Baidu",
    "Choice",
    "ConnectError",
    "Content",
    "Dialect",
    "Documents",
    "EncodeContext",
    "Endpoint",
    "ErrorFormat",
    "Field",
    "Flag",
    "Google",
    "Hint",
    "HttpRequest",
    "HttpResponse",
    "IbmIam",
    "InvalidRequestError",
    "InvalidResponseError",
    "Item",
    "Limits",
    "MissingApiKeyError",
    "MissingExtraError",
    "Model",
    "ModelNotFoundError",
    "NotFoundError",
    "Oci",
    "PermissionDeniedError",
    "Provider",
    "ProviderOverloadedError",
    "ProviderServerError",
    "QuotaExceededError",
    "RateLimitError",
    "RequestError",
    "RequestFields",
    "RequestFormat",
    "RequestTooLargeError",
    "RerankError",
    "RerankRequest",
    "RerankResponse",
    "ResponseFormat",
    "RowShape",
    "SigV4",
    "StatusError",
    "TimeoutError",
    "TransportError",
    "Unsupported",
    "UnsupportedRequestError",
    "Volcengine",
    "WrongEndpointError",
    "answers_by_name",
    "answers_in_order",
    "as_nested",
    "as_object",
    "as_objects",
    "as_string",
    "as_text",
    "bearer",
    "dig",
    "error_unless_code",
    "folded_into_query",
    "is_list",
    "is_object",
    "positions_from_one",
    "report_progress",
    "select_fields",
    "text_positions",
]


def __getattr__(name: str) -> Any:
    """Import what signs with its first use: most providers need none of it."""
    if name in {"Baidu", "Google", "IbmIam", "Oci", "SigV4", "Volcengine"}:
        from . import _auth

        return getattr(_auth, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
