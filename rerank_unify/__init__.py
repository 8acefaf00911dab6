"""rerank-unify: any rerank client, any rerank provider, one format in the middle.

    import rerank_unify as ru

    request = ru.RerankRequest(query="organic skincare", documents=["aloe vera cream", "motor oil"])
    call = ru.provider("voyage").prepare(request, api_key="…")
    ...                                                  # send call.http with any HTTP client
    response = call.decode(status, headers, body)        # the canonical response, or raises the typed error

Everything here is a pure function of its arguments: no network, no clock, no environment.
"""

from typing import TYPE_CHECKING, Any

from ._http import HttpRequest, HttpResponse
from ._provider import Call, Provider
from .canonical import Loss, RerankRequest, RerankResponse, Result, ScoreKind, Usage
from .dialect import Limits
from .errors import (
    AllProvidersFailedError,
    AuthenticationError,
    BadRequestError,
    CallLimitError,
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
    ScoreKindError,
    StatusError,
    TimeoutError,  # noqa: A004 - the field's word; see errors.tree
    TransportError,
    UnknownProviderError,
    UnsupportedRequestError,
    WrongEndpointError,
)
from .registry import provider, provider_names, register
from .transcode import TranscodedRequest, Transcoder, transcoder

__version__ = "0.2.0"

__all__ = [
    "AllProvidersFailedError",
    "AsyncClient",
    "Attempt",
    "AttemptEnded",
    "AttemptRecord",
    "AttemptStarted",
    "AuthenticationError",
    "BadRequestError",
    "Batch",
    "Call",
    "CallLimitError",
    "Client",
    "Completed",
    "ConnectError",
    "FallbackPlan",
    "FallbackPolicy",
    "Finished",
    "Health",
    "HttpRequest",
    "HttpResponse",
    "InvalidRequestError",
    "InvalidResponseError",
    "Limits",
    "Loss",
    "MemoryScoreCache",
    "MissingApiKeyError",
    "MissingExtraError",
    "ModelNotFoundError",
    "NotFoundError",
    "PermissionDeniedError",
    "Progress",
    "Provider",
    "ProviderOverloadedError",
    "ProviderServerError",
    "QuotaExceededError",
    "RateLimitError",
    "RedisScoreCache",
    "RequestError",
    "RequestTooLargeError",
    "RerankError",
    "RerankRequest",
    "RerankResponse",
    "Result",
    "Rule",
    "ScoreCache",
    "ScoreKind",
    "ScoreKindError",
    "StatusError",
    "Target",
    "TimeoutError",
    "TranscodedRequest",
    "Transcoder",
    "TransportError",
    "UnknownProviderError",
    "UnsupportedRequestError",
    "Usage",
    "Wait",
    "WrongEndpointError",
    "provider",
    "provider_names",
    "register",
    "split_request",
    "transcoder",
]


if TYPE_CHECKING:
    from .batching import Batch, split_request
    from .cache import MemoryScoreCache, RedisScoreCache, ScoreCache
    from .client import AsyncClient, AttemptEnded, AttemptStarted, Client, Completed, Progress
    from .fallback import Attempt, AttemptRecord, FallbackPlan, FallbackPolicy, Finished, Health, Rule, Target, Wait

# Loaded on first use, so that users who only translate do not pay for them.
_LATE = {
    **dict.fromkeys(("Batch", "split_request"), "batching"),
    **dict.fromkeys(("MemoryScoreCache", "RedisScoreCache", "ScoreCache"), "cache"),
    **dict.fromkeys(("AsyncClient", "AttemptEnded", "AttemptStarted", "Client", "Completed", "Progress"), "client"),
    **dict.fromkeys(
        ("Attempt", "FallbackPlan", "FallbackPolicy", "Finished", "Health", "Rule", "Target", "AttemptRecord", "Wait"),
        "fallback",
    ),
}


def __getattr__(name: str) -> Any:
    """Load a name of ``_LATE``."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    return found
