"""The error tree, ordered by the side that has to act.

    RerankError                     provider, status, code, message, request_id, retryable, retry_after, body
    ├── RequestError                a mistake in the request or the settings; nothing was sent
    │   ├── InvalidRequestError         not a canonical request; .field
    │   ├── UnsupportedRequestError     the provider cannot express it; .field, .index
    │   ├── UnknownProviderError        no provider has this name; .name
    │   ├── MissingApiKeyError          the provider needs a key
    │   ├── MissingExtraError           an optional dependency is not installed
    │   └── ScoreKindError              the scores cannot be mapped into 0..1
    ├── StatusError                 the provider returned an error
    │   ├── BadRequestError             the request is wrong for every provider
    │   ├── AuthenticationError
    │   ├── PermissionDeniedError
    │   ├── QuotaExceededError
    │   ├── NotFoundError
    │   │   ├── ModelNotFoundError
    │   │   └── WrongEndpointError
    │   ├── RequestTooLargeError        another provider may accept it; .document_limit
    │   ├── RateLimitError
    │   │   └── CallLimitError          the target's requests_per_minute; nothing was sent
    │   └── ProviderServerError
    │       └── ProviderOverloadedError
    ├── InvalidResponseError        the response breaks the contract; .path
    ├── TransportError              no response arrived
    │   ├── ConnectError
    │   └── TimeoutError
    └── AllProvidersFailedError     also an ExceptionGroup of every attempt's error

Base classes, never raised themselves: ``RerankError``, ``RequestError``, ``StatusError``.
"""

from __future__ import annotations

import sys
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from typing_extensions import TypedDict

if sys.version_info >= (3, 11):
    from builtins import ExceptionGroup
else:  # pragma: no cover - only on Python 3.10
    from exceptiongroup import ExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self, Unpack

    from ..canonical import AttemptRecord

MESSAGE_LIMIT = 300  # characters of a provider's message or warning that this library repeats
MODEL_LIMIT = 200  # characters of a provider's model name that this library repeats
WARNING_COUNT_LIMIT = 10  # warnings of a provider that a response repeats

LONGEST_WAIT: Final = 366 * 86_400.0
"""Seconds in a leap year: the longest `retry_after`. ``time.sleep`` refuses much longer waits."""


def bounded_wait(seconds: float | None) -> float | None:
    """Clamp a time to wait to the range that every error has.

    Args:
        seconds: seconds, any number; None for none.

    Returns:
        Seconds from 0 to `LONGEST_WAIT`; None for None, NaN and the infinities.

    Examples:
        >>> ru.errors.bounded_wait(-3.0), ru.errors.bounded_wait(1e12), ru.errors.bounded_wait(float("nan"))
        (0.0, 31622400.0, None)
    """
    if seconds is None or seconds != seconds or seconds in (inf, -inf):  # noqa: PLR0124 - NaN; an int may be too large for isnan
        return None
    return min(seconds, LONGEST_WAIT) if seconds > 0 else 0.0


class ErrorFields(TypedDict, total=False):
    """The keywords that every error takes; see `RerankError`."""

    provider: str | None
    status: int | None
    code: str | None
    request_id: str | None
    retryable: bool | None
    retry_after: float | None
    body: bytes | None


class RerankError(Exception):
    """Base class of all errors of this library.

    Args:
        message: one sentence.
        provider, status, code, request_id, retry_after, body: see the attributes.
        retryable: see the attributes; None for the class's default.

    Attributes:
        provider (str | None): the provider's name; None where no provider is involved.
        status (int | None): the HTTP status; it may be unregistered, such as 498, 520 or 529.
        code (str | None): the provider's error code, as text.
        request_id (str | None): the provider's id of the call.
        retryable (bool): whether the same provider may accept the same request later.
        retry_after (float | None): seconds to wait before a retry, 0 to `LONGEST_WAIT` (366 days); None where the
            provider did not state it.
        body (bytes | None): the provider's raw body. It may repeat the query and the documents: do not log it.
        attempts (tuple[AttemptRecord, ...]): the attempts of a client before it raised this error, else empty.

    Examples:
        >>> error = ru.RateLimitError("slow down", provider="jina", status=429, retry_after=7.0)
        >>> str(error), error.retryable
        ('jina: RateLimitError (HTTP 429): slow down', True)
    """

    abstract: ClassVar[bool] = True
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        body: bytes | None = None,
    ) -> None:
        if "abstract" in vars(type(self)):
            raise TypeError(f"{type(self).__name__} is a base class: raise one of its subclasses")
        Exception.__init__(self, message)  # not super(): in a group that would be the group's own, with two arguments
        self.provider = provider
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = bounded_wait(retry_after)
        self.body = body
        self.attempts: tuple[AttemptRecord, ...] = ()
        if retryable is not None:
            self.retryable = retryable

    @property
    def message(self) -> str:
        """The sentence without provider, class and status."""
        return str(self.args[0])

    def __str__(self) -> str:
        parts = [f"HTTP {self.status}" if self.status is not None else "", self.code or ""]
        details = ", ".join(filter(None, parts))
        if self.provider is None and not details:
            return self.message
        head = f"{self.provider}: {type(self).__name__}" if self.provider else type(self).__name__
        return f"{head} ({details}): {self.message}" if details else f"{head}: {self.message}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, vars(self))


def _rebuild(kind: type[RerankError], args: tuple[Any, ...], state: dict[str, Any]) -> RerankError:
    error = kind.__new__(kind, *args)
    Exception.__init__(error, *args)
    vars(error).update(state)
    return error


class RequestError(RerankError):
    """A mistake in the request or the settings, found before anything is sent."""

    abstract: ClassVar[bool] = True


class InvalidRequestError(RequestError, ValueError):
    """The request is not canonical.

    Args:
        message: one sentence.
        field: see the attributes.
        details: the keywords of `RerankError`.

    Attributes:
        field (str | None): the field at fault, such as ``documents[3]``; None for the whole body.
    """

    def __init__(self, message: str, *, field: str | None = None, **details: Unpack[ErrorFields]) -> None:
        super().__init__(message, **details)
        self.field = field


class UnsupportedRequestError(RequestError):
    """The provider cannot express the request.

    Args:
        message: one sentence.
        field, index: see the attributes.
        details: the keywords of `RerankError`.

    Attributes:
        field (str | None): the canonical field.
        index (int | None): the document, zero-based, where a single document is at fault.
    """

    def __init__(
        self, message: str, *, field: str | None = None, index: int | None = None, **details: Unpack[ErrorFields]
    ) -> None:
        super().__init__(message, **details)
        self.field = field
        self.index = index


class UnknownProviderError(RequestError, LookupError):
    """No provider has this name.

    Args:
        message: one sentence.
        name: see the attributes.
        details: the keywords of `RerankError`.

    Attributes:
        name (str | None): the unknown name.
    """

    def __init__(self, message: str, *, name: str | None = None, **details: Unpack[ErrorFields]) -> None:
        super().__init__(message, **details)
        self.name = name


class MissingApiKeyError(RequestError):
    """The provider needs an API key and none was given."""


class MissingExtraError(RequestError, ImportError):
    """An optional dependency is not installed; the message contains the command that installs it."""


class ScoreKindError(RequestError):
    """The scores are of unknown kind, or outside the range of their kind, and cannot be mapped into 0..1."""


class StatusError(RerankError):
    """The provider returned an error."""

    abstract: ClassVar[bool] = True


class BadRequestError(StatusError):
    """The request is wrong for every provider."""


class AuthenticationError(StatusError):
    """The API key is missing, wrong or expired."""


class PermissionDeniedError(StatusError):
    """The API key is valid and lacks a permission: for the model, the plan, the region or the network address."""


class QuotaExceededError(StatusError):
    """The budget or quota is used up; waiting does not help."""


class NotFoundError(StatusError):
    """The provider does not know something that the call names."""


class ModelNotFoundError(NotFoundError):
    """The provider does not know the model, or the model is no reranker."""


class WrongEndpointError(NotFoundError):
    """The URL serves no rerank API: a wrong path, host or method, or a redirect. The message has the path."""


class RequestTooLargeError(StatusError):
    """The request has more documents, tokens or bytes than this provider accepts; another provider may accept it.

    Args:
        message: one sentence.
        document_limit: see the attributes.
        details: the keywords of `RerankError`.

    Attributes:
        document_limit (int | None): how many documents one call may have, where the provider's error says so.
    """

    def __init__(self, message: str, *, document_limit: int | None = None, **details: Unpack[ErrorFields]) -> None:
        super().__init__(message, **details)
        self.document_limit = document_limit


class RateLimitError(StatusError):
    """Too many requests or tokens in a period of time."""

    retryable = True


class CallLimitError(RateLimitError):
    """The target's ``requests_per_minute`` allows no call now, so none was made. ``retry_after`` says when."""


class ProviderServerError(StatusError):
    """The provider failed."""

    retryable = True


class ProviderOverloadedError(ProviderServerError):
    """The provider is too busy, or is still loading the model."""


class InvalidResponseError(RerankError):
    """The response breaks the contract.

    Args:
        message: one sentence.
        path: see the attributes.
        details: the keywords of `RerankError`.

    Attributes:
        path (str): the position in the body, such as ``data[3].relevance_score``; "" for the whole body.
    """

    def __init__(self, message: str, *, path: str = "", **details: Unpack[ErrorFields]) -> None:
        super().__init__(message, **details)
        self.path = path


class TransportError(RerankError):
    """No response arrived: the connection failed or was lost."""

    retryable = True


class ConnectError(TransportError):
    """No connection to the provider: unknown host name, refused connection, or TLS failure."""


class TimeoutError(TransportError):  # noqa: A001 - the standard term; asyncio and httpx use it too
    """The provider did not respond in time."""


class AllProvidersFailedError(RerankError, ExceptionGroup[RerankError]):
    """Every target failed.

    Args:
        message: one sentence.
        causes: one or more errors.

    Attributes:
        exceptions (tuple[RerankError, ...]): the error of each attempt, in order; ``except*`` works on them.
    """

    def __new__(cls, message: str, causes: Sequence[RerankError]) -> Self:
        """Make a group, as `ExceptionGroup` does."""
        return ExceptionGroup.__new__(cls, message, list(causes))

    def __init__(self, message: str, causes: Sequence[RerankError]) -> None:
        last = causes[-1]
        super().__init__(
            message,
            status=last.status,
            code=last.code,
            request_id=last.request_id,
            retryable=any(cause.retryable for cause in causes),
            retry_after=min((c.retry_after for c in causes if c.retry_after is not None), default=None),
        )
        self.args = (message, list(causes))

    @property
    def causes(self) -> tuple[RerankError, ...]:
        """All errors in order; a group among them is replaced by its errors."""
        found: list[RerankError] = []
        for cause in self.exceptions:
            found.extend(cause.causes if isinstance(cause, AllProvidersFailedError) else (cast("RerankError", cause),))
        return tuple(found)

    @property
    def leading(self) -> RerankError:
        """The error to act on, which is the retryable error with the shortest wait, else the last error."""
        waits = [cause for cause in self.causes if cause.retryable and cause.retry_after is not None]
        return min(waits, key=lambda cause: cause.retry_after or 0.0) if waits else self.causes[-1]

    def derive(self, excs: Sequence[RerankError]) -> AllProvidersFailedError:  # type: ignore[override]
        """Make a group of some of the errors, for ``split`` and ``except*``.

        Args:
            excs: the errors, one or more.

        Returns:
            A group with the same message.
        """
        return AllProvidersFailedError(self.message, excs)
