"""Choose the error class: by the provider's code, a common code, the status, then the message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from . import tree
from .tree import StatusError

Codes: TypeAlias = Mapping[str, type[StatusError]]
"""Error class by provider code, compared without case; ``name*`` matches every code that starts with ``name``."""

_BY_STATUS: Mapping[int, type[StatusError]] = {
    400: tree.BadRequestError,
    401: tree.AuthenticationError,
    402: tree.QuotaExceededError,
    403: tree.PermissionDeniedError,
    404: tree.WrongEndpointError,  # unless a code names the model; see COMMON_CODES
    405: tree.WrongEndpointError,
    408: tree.ProviderServerError,
    409: tree.ProviderOverloadedError,
    410: tree.WrongEndpointError,
    413: tree.RequestTooLargeError,
    424: tree.ProviderServerError,
    425: tree.ProviderOverloadedError,
    429: tree.RateLimitError,
    499: tree.ProviderServerError,
    503: tree.ProviderOverloadedError,
    529: tree.ProviderOverloadedError,
}

# Codes that mean the same at the many servers that copied OpenAI's error object. Read in LiteLLM 1.106.10, vLLM 0.32
# and llama.cpp (2026-10). A provider's codes are in its module and count first.
COMMON_CODES: Codes = {
    "model_not_found": tree.ModelNotFoundError,
    "modelnotfound": tree.ModelNotFoundError,
    "model_not_exist": tree.ModelNotFoundError,
    "context_length_exceeded": tree.RequestTooLargeError,
    "request_too_large": tree.RequestTooLargeError,
    "insufficient_quota": tree.QuotaExceededError,
    "billing_hard_limit_reached": tree.QuotaExceededError,
    "invalid_api_key": tree.AuthenticationError,
    "invalidapikey": tree.AuthenticationError,
    "authentication_error": tree.AuthenticationError,
    "permission_denied": tree.PermissionDeniedError,
    "permission_error": tree.PermissionDeniedError,
    "accessdenied*": tree.PermissionDeniedError,
    "rate_limit*": tree.RateLimitError,
    "throttling*": tree.RateLimitError,
    "too_many_requests": tree.RateLimitError,
    "overloaded*": tree.ProviderOverloadedError,
    "unavailable_error": tree.ProviderOverloadedError,
    "service_unavailable": tree.ProviderOverloadedError,
    "server_error": tree.ProviderServerError,
    "internal_error": tree.ProviderServerError,
    "internal_server_error": tree.ProviderServerError,
    "invalid_request_error": tree.BadRequestError,
    "invalid_argument": tree.BadRequestError,
    "invalidparameter*": tree.BadRequestError,
    "validation": tree.BadRequestError,
}

# Messages that are more exact than the status and code beside them. Measured on 2026-11-25: llama.cpp of
# October 2026 (500 `server_error`) and vLLM 0.32.0 (400 `BadRequestError`), which many dialects are pointed at.
COMMON_SENTENCES: Sequence[tuple[re.Pattern[str], type[StatusError]]] = (
    (re.compile(r"input \(\d+ tokens\) is too large to process"), tree.RequestTooLargeError),
    (re.compile(r"maximum context length is \d+ tokens"), tree.RequestTooLargeError),
)

_STATUS = re.compile("[345][0-9][0-9]")

# Too general to override a status: vLLM writes `invalid_request_error` beside 404 too.
_GENERAL = (tree.BadRequestError, tree.ProviderServerError)


def by_status(status: int) -> type[StatusError]:
    """Return the class for a status alone, any integer that is not a success."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:
        return tree.WrongEndpointError
    return tree.BadRequestError if 400 <= status < 500 else tree.ProviderServerError


def by_code(code: str | None, codes: Codes) -> type[StatusError] | None:
    """Return the class for a code from the table, or None where the table lacks the code."""
    if code is None:
        return None
    word = code.lower()
    for key, kind in codes.items():
        name = key.lower()
        if word == name or (name.endswith("*") and word.startswith(name[:-1])):
            return kind
    return None


def by_sentence(message: str | None) -> type[StatusError] | None:
    """Return the class for a message that many servers share, or None."""
    matches = (kind for pattern, kind in COMMON_SENTENCES if pattern.search(message or ""))
    return next(matches, None)


def classify_error(status: int, code: str | None, codes: Codes, message: str | None = None) -> type[StatusError]:
    """Return the class of an error response: by the provider's code, a common code, then the status.

    The message counts only where these say no more than that the request or the server is wrong.
    """
    by_table = by_code(code, codes)
    if by_table is not None:
        return by_table
    common = by_code(code, COMMON_CODES)
    kind = common if common is not None and common not in _GENERAL else by_status(status)
    return (by_sentence(message) or kind) if kind in _GENERAL else kind


def classify_success_body(code: str | None, codes: Codes) -> type[StatusError] | None:
    """Return the class of an error under a success status; None where no code is known."""
    found = by_code(code, codes) or by_code(code, COMMON_CODES)
    if found is None and code is not None and _STATUS.fullmatch(code):
        return by_status(int(code))
    return found
