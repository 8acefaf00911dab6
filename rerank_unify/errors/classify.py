"""Choose the error class: by the provider's code, a common code, the status, then the field and the message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from . import tree
from .parse import ParsedError
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
    "input_token_limit_exceeded": tree.RequestTooLargeError,  # Jina
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

# Messages that are more exact than the status and code beside them. Many dialects are pointed at these servers, and
# gateways repeat their sentences. A group `documents` is the number of documents that one call may have.
_TOO_LARGE: Sequence[re.Pattern[str]] = tuple(
    map(
        re.compile,
        (
            r"input \(\d+ tokens\) is too large to process",  # llama.cpp, 500, measured 2026-11-25
            r"maximum context length is \d+ tokens",  # vLLM 0.32.0, 400, measured 2026-11-25; Xinference with vLLM
            r"must have less than \d+ tokens",  # TEI 0d124dc, `core/src/`
            r"maximum allowed batch size (?P<documents>\d+)",  # TEI 0d124dc, `router/src/http/`
            r"exceeds maximum allowed token size",  # NIM, nim-anywhere#58
            r"max allowed tokens per submitted batch",  # Voyage, in many issues since rerank-1
            r"number of total max chunks",  # Cohere, docs.cohere.com/reference/errors
            r"input list can contain at most (?P<documents>\d+) items",  # Jina, dify-official-plugins issues
            r"it should not be empty or larger than (?P<documents>\d+)",  # DashScope, WeKnora#3458
            r"it should not be larger than \d+: input\.documents",  # DashScope, ApeRAG#1071
            r"max number of documents is (?P<documents>\d+)",  # Baidu, FastGPT#1968
        ),
    )
)
_UNKNOWN_MODEL: Sequence[re.Pattern[str]] = tuple(
    map(
        re.compile,
        (
            r"[Mm]odel [`'\"].{1,200}?[`'\"] (?:does not exist|not found)",  # vLLM, measured; Cohere; Jina
            r"Model does not exist",  # SiliconFlow, blinko#587
            r"Model not found in the model list",  # Xinference 4.1.0 and 1.7.1, measured
            r"supplied for argument 'model' is not valid",  # Voyage, OmniRoute#7809
            r"Invalid model name passed in model=",  # LiteLLM's proxy, `proxy/route_llm_request.py`
            r"found using 'model' does not match",  # pydantic's union by model, as Jina's API has it
            r"model does not support Rerank",  # vLLM before 2026, vllm#14693
            r"ModelNotDeployedError",  # Infinity 0.0.78, measured
        ),
    )
)

_READ = 2_000  # characters of a message that are searched: some servers repeat the whole input

_STATUS = re.compile("[345][0-9][0-9]")
_NO_ERROR = re.compile("2[0-9][0-9]|ok|success|succeeded", re.IGNORECASE)  # codes of a body that is a response

# Too general to override a status: vLLM writes `invalid_request_error` beside 404 too.
_GENERAL = (tree.BadRequestError, tree.ProviderServerError)
# What a field or a message may make more exact. A 404 may be an unknown path or an unknown model.
_VAGUE = (*_GENERAL, tree.WrongEndpointError)

# pydantic's codes for a list or a text that is too long, in its versions 2 and 1.
_TOO_LONG = ("too_long", "string_too_long", "value_error.list.max_items", "value_error.any_str.max_length")
_TOO_MANY = ("too_long", "value_error.list.max_items")
_LISTS = frozenset(("documents", "docs", "texts", "passages", "items", "input", "inputs"))
_TEXTS = _LISTS | {"query", "queries", "text_1", "text_2"}


def by_status(status: int) -> type[StatusError]:
    """Return the error class for a status alone.

    Args:
        status: the HTTP status, any integer that is not a success.

    Examples:
        >>> ru.errors.by_status(429).__name__
        'RateLimitError'
    """
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


def by_details(parsed: ParsedError) -> type[StatusError] | None:
    """Return the class by the fields that the error names, else by a message that many servers share, or None."""
    if parsed.fields and set(parsed.fields) == {"model"}:
        return tree.ModelNotFoundError
    if parsed.code in _TOO_LONG and parsed.fields and parsed.fields[0].split(".")[0] in _TEXTS:
        return tree.RequestTooLargeError
    message = (parsed.message or "")[:_READ]
    if any(pattern.search(message) for pattern in _TOO_LARGE):
        return tree.RequestTooLargeError
    return tree.ModelNotFoundError if any(pattern.search(message) for pattern in _UNKNOWN_MODEL) else None


def document_limit(parsed: ParsedError) -> int | None:
    """Return how many documents one call may have, as the error says, 1 or more; None where it does not.

    Args:
        parsed: the parsed body.
    """
    if parsed.code in _TOO_MANY and parsed.fields and parsed.fields[0] in _LISTS:
        return parsed.limit
    message = (parsed.message or "")[:_READ]
    matches = (pattern.search(message) for pattern in _TOO_LARGE if pattern.groups)
    number = next((match["documents"] for match in matches if match), "")
    return int(number) if len(number) < 10 and number.strip("0") else None


def classify_error(status: int, parsed: ParsedError, codes: Codes) -> type[StatusError]:
    """Return the class of an error response: by the provider's code, a common code, then the status.

    Fields and message count only where these say no more than that the request, the path or the server is wrong.

    Args:
        status: the HTTP status, any integer that is not a success.
        parsed: the parsed body.
        codes: error class by the provider's code.

    Examples:
        >>> parsed = ru.errors.parse_error({"detail": "no such model", "code": "model_not_found"})
        >>> ru.errors.classify_error(400, parsed, {}).__name__
        'ModelNotFoundError'
    """
    by_table = by_code(parsed.code, codes)
    if by_table is not None and by_table not in _VAGUE:
        return by_table
    common = by_code(parsed.code, COMMON_CODES)
    kind = by_table or (common if common is not None and common not in _GENERAL else by_status(status))
    return (by_details(parsed) or kind) if kind in _VAGUE else kind


def classify_success_body(parsed: ParsedError, codes: Codes) -> type[StatusError] | None:
    """Return the class of an error under a success status; None where the body has no code of an error.

    A code that no table has, with a message beside it, is the provider's error all the same: `ProviderServerError`.

    Args:
        parsed: the parsed body.
        codes: error class by the provider's code.
    """
    code = parsed.code
    if code is None or _NO_ERROR.fullmatch(code):
        return None
    by_table = by_code(code, codes) or by_code(code, COMMON_CODES)
    if by_table is None and _STATUS.fullmatch(code):
        by_table = by_status(int(code))
    if by_table is not None and by_table not in _VAGUE:
        return by_table
    return by_details(parsed) or by_table or (tree.ProviderServerError if parsed.message else None)


def is_declared(code: str | None, codes: Codes) -> bool:
    """Return whether the code is a provider's, a common one or an HTTP status.

    Args:
        code: the code in a body; None for none.
        codes: error class by the provider's code.
    """
    return code is not None and bool(by_code(code, codes) or by_code(code, COMMON_CODES) or _STATUS.fullmatch(code))
