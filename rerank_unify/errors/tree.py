"""The error tree, by whose fault it is.

    RerankError                     provider, status, code, message, request_id, retryable, retry_after, body
    ├── RequestError                yours, before anything is sent
    │   ├── InvalidRequestError         not a canonical request; .field
    │   ├── UnsupportedRequestError     this vendor cannot express it; .field, .index
    │   ├── UnknownProviderError        no provider of that name; .name
    │   ├── MissingApiKeyError          the vendor needs a key and none was given
    │   ├── MissingExtraError           an optional dependency is not installed
    │   └── ScoreKindError              scores whose scale is not known, or not kept, cannot be mapped
    ├── StatusError                 the vendor said no
    │   ├── BadRequestError             the request's fault at any vendor
    │   ├── AuthenticationError
    │   ├── PermissionDeniedError
    │   ├── QuotaExceededError
    │   ├── NotFoundError
    │   │   ├── ModelNotFoundError
    │   │   └── WrongEndpointError
    │   ├── RequestTooLargeError        another vendor may take it
    │   ├── RateLimitError
    │   └── ProviderServerError
    │       └── ProviderOverloadedError
    ├── InvalidResponseError        the vendor spoke nonsense; .path
    ├── TransportError              no answer came
    │   ├── ConnectError
    │   └── TimeoutError
    └── AllProvidersFailedError     also an ExceptionGroup of every attempt's cause

The four that only group others (``RerankError``, ``RequestError``, ``StatusError``) cannot be raised themselves.
"""

from __future__ import annotations

import sys
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

if sys.version_info >= (3, 11):
    from builtins import ExceptionGroup
else:  # pragma: no cover - only on Python 3.10
    from exceptiongroup import ExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

MESSAGE_LIMIT = 300  # characters of a vendor's sentence that `str(error)` repeats, and of one of its warnings
MODEL_LIMIT = 200  # characters of a vendor's word for its model
WARNING_COUNT_LIMIT = 10  # warnings of a vendor that a response repeats

LONGEST_WAIT: Final = 366 * 86_400.0
"""Seconds, a year: the longest `retry_after`. No provider means more, and `time.sleep` cannot take some of it."""


def bounded_wait(seconds: float | None) -> float | None:
    """The seconds within 0 and `LONGEST_WAIT`; None for None, and for what is no finite number."""
    if seconds is None or seconds != seconds or seconds in (inf, -inf):  # noqa: PLR0124 - NaN; an int may be too large for isnan
        return None
    return min(seconds, LONGEST_WAIT) if seconds > 0 else 0.0


class RerankError(Exception):
    """Base of everything this library raises on purpose.

    Attributes:
        provider: the provider's name, or None where none is involved.
        status: the HTTP status as an integer (498, 520 and 529 exist), or None.
        code: the vendor's own error code, as text, or None.
        request_id: the vendor's id of the call, or None.
        retryable: whether the same vendor may answer the same request later.
        retry_after: seconds to wait before that, 0 to `LONGEST_WAIT` (366 days), or None where nobody said.
        body: the vendor's raw body. It may repeat your query and documents: do not log it.
        attempts: what a client tried before it raised this, as in ``response.attempts``; else empty.
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
            raise TypeError(f"{type(self).__name__} only groups other errors: raise one of its subclasses")
        Exception.__init__(self, message)  # not super(): in a group that would be the group's own, with two arguments
        self.provider = provider
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = bounded_wait(retry_after)
        self.body = body
        self.attempts: tuple[Any, ...] = ()
        if retryable is not None:
            self.retryable = retryable

    @property
    def message(self) -> str:
        """The sentence alone, without provider, class and status."""
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
    """The caller's own mistake, found before anything was sent."""

    abstract: ClassVar[bool] = True


class InvalidRequestError(RequestError, ValueError):
    """Not a canonical request. ``field`` names the place, such as ``documents[3]``; None for the whole body."""

    def __init__(self, message: str, *, field: str | None = None, **about: Any) -> None:
        super().__init__(message, **about)
        self.field = field


class UnsupportedRequestError(RequestError):
    """This vendor cannot express the request. ``field`` names what, ``index`` the document (zero-based), if one."""

    def __init__(self, message: str, *, field: str | None = None, index: int | None = None, **about: Any) -> None:
        super().__init__(message, **about)
        self.field = field
        self.index = index


class UnknownProviderError(RequestError, LookupError):
    """No provider of that name is installed. ``name`` is what was asked for."""

    def __init__(self, message: str, *, name: str | None = None, **about: Any) -> None:
        super().__init__(message, **about)
        self.name = name


class MissingApiKeyError(RequestError):
    """The vendor needs a key and none was given; the message names its environment variable."""


class MissingExtraError(RequestError, ImportError):
    """A part of this library needs an optional dependency; the message says what to install."""


class ScoreKindError(RequestError):
    """Scores of an unknown kind, or outside the range that their kind promises, cannot be mapped into 0..1."""


class StatusError(RerankError):
    """The vendor answered, and the answer was no."""

    abstract: ClassVar[bool] = True


class BadRequestError(StatusError):
    """The request's own fault, at any vendor."""


class AuthenticationError(StatusError):
    """The key is missing, wrong or expired."""


class PermissionDeniedError(StatusError):
    """The key is right and may not do this (model, plan, region, address)."""


class QuotaExceededError(StatusError):
    """No money or no quota left; waiting does not help."""


class NotFoundError(StatusError):
    """Something named in the call does not exist there."""


class ModelNotFoundError(NotFoundError):
    """The vendor does not know the model, or it is no reranker."""


class WrongEndpointError(NotFoundError):
    """The address serves no rerank API: a wrong path, host or method, or a redirect."""


class RequestTooLargeError(StatusError):
    """More tokens or bytes than this vendor takes; another may take them."""


class RateLimitError(StatusError):
    """Too many requests or tokens in too short a time."""

    retryable = True


class ProviderServerError(StatusError):
    """The vendor failed."""

    retryable = True


class ProviderOverloadedError(ProviderServerError):
    """The vendor is up and too busy, or still loading the model."""


class InvalidResponseError(RerankError):
    """The answer breaks the contract. ``path`` names the place, such as ``data[3].relevance_score``; "" is all."""

    def __init__(self, message: str, *, path: str = "", **about: Any) -> None:
        super().__init__(message, **about)
        self.path = path


class TransportError(RerankError):
    """No answer came: the connection failed or was lost."""

    retryable = True


class ConnectError(TransportError):
    """No connection to the vendor: name not found, refused, TLS."""


class TimeoutError(TransportError):  # noqa: A001 - the field's word; asyncio and httpx have theirs too
    """The vendor did not answer in time."""


class AllProvidersFailedError(RerankError, ExceptionGroup[RerankError]):
    """Every target failed. ``exceptions`` holds each attempt's cause, in order; ``except*`` works on it."""

    def __new__(cls, message: str, causes: Sequence[RerankError]) -> Self:
        """As `ExceptionGroup` has it: a message and at least one cause."""
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
        """Every cause in order; those of a group inside in its place."""
        found: list[RerankError] = []
        for cause in self.exceptions:
            found.extend(cause.causes if isinstance(cause, AllProvidersFailedError) else (cast("RerankError", cause),))
        return tuple(found)

    @property
    def leading(self) -> RerankError:
        """The cause that says best what a client should do: the one with the shortest wait, else the last one."""
        waits = [cause for cause in self.causes if cause.retryable and cause.retry_after is not None]
        return min(waits, key=lambda cause: cause.retry_after or 0.0) if waits else self.causes[-1]

    def derive(self, excs: Sequence[RerankError]) -> AllProvidersFailedError:  # type: ignore[override]
        """A group of the same kind over some of the causes, as ``split`` and ``except*`` ask for."""
        return AllProvidersFailedError(self.message, excs)
