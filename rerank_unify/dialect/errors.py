"""The format of a dialect's errors: encode errors for clients, decode those of providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, isfinite
from typing import Any
from urllib.parse import urlsplit

from .. import errors as e
from .._http import Headers, lowercase_headers, request_id_of, retry_after_seconds
from .._json import ABSENT, compile_path, is_object, parse_json, put
from ..errors import Codes, ParsedError, RerankError, StatusError

ClassifyMessage = Callable[[int, str, str | None], type[StatusError] | None]
"""A function of status, body text and message that returns an error class, or None for the usual class."""

UPSTREAM_CREDENTIALS = "upstream_credentials"
_CODE = 64  # characters of a provider's code, at most
_LONGEST_CLIENT_WAIT = (
    86_400  # seconds, a day: some clients sleep for any time they receive, and others refuse a longer one
)

# The status that a client gets for each error class. An upstream key is not the client's: see `ErrorFormat.encode`.
_CLIENT_STATUS: Sequence[tuple[type[RerankError], int]] = (
    (e.AuthenticationError, 401),
    (e.QuotaExceededError, 402),
    (e.PermissionDeniedError, 403),
    (e.UnknownProviderError, 404),
    (e.WrongEndpointError, 502),
    (e.NotFoundError, 404),
    (e.RateLimitError, 429),
    (e.ProviderOverloadedError, 503),
    (e.MissingApiKeyError, 502),
    (e.MissingExtraError, 500),
    (e.ScoreKindError, 500),
    (e.TimeoutError, 504),
    (e.TransportError, 502),
    (e.InvalidResponseError, 502),
)
_CREDENTIALS = (e.AuthenticationError, e.QuotaExceededError, e.PermissionDeniedError, e.MissingApiKeyError)


def error_unless_code(*fine: Any) -> Callable[[Any], bool]:
    """Make an ``is_error_body`` for providers that put a ``code`` into bodies under 200, errors as well as responses.

    Args:
        fine: the codes of a response. No code, null and the empty string are one too.

    Returns:
        A function of a parsed body that returns whether it is an error.

    Examples:
        >>> from rerank_unify.declaration import error_unless_code
        >>> is_error_body = error_unless_code("0")
        >>> is_error_body({"code": "0"}), is_error_body({"code": "1302"})
        (False, True)
    """
    fine = (None, "", *fine)
    return lambda body: is_object(body) and body.get("code") not in fine


@dataclass(frozen=True, kw_only=True)
class ErrorFormat:
    """The error format of a dialect. One tolerant parser reads every provider's errors; this table adds to it.

    Attributes:
        message: the dotted path at which clients of this dialect read the message.
        code: the dotted path at which they read the code; "" for none.
        request_id: the dotted path at which they read the id of the call; "" for none.
        code_header: the header that holds the provider's code where its body has none, in lower case; "" for none.
        codes: error class by the provider's code; ``name*`` matches every code that starts with ``name``.
        classify_message: returns the class by the message, where status and code leave several.
        non_retryable_statuses: statuses of server errors after which the same request fails again.
        error_statuses: success statuses that are never a response of this provider.
        is_error_body: returns whether a parsed body under a success status is an error; None where none is.
        bad_request: the HTTP status for wrong requests.
        model_not_found: the HTTP status for unknown models.
        too_large: the HTTP status for more tokens or bytes than the provider accepts.
    """

    message: str = "detail"
    code: str = ""
    request_id: str = ""
    code_header: str = ""
    codes: Codes = field(default_factory=dict[str, type[StatusError]])
    classify_message: ClassifyMessage | None = None
    non_retryable_statuses: frozenset[int] = frozenset()
    error_statuses: frozenset[int] = frozenset()
    is_error_body: Callable[[Any], bool] | None = None
    bad_request: int = 400
    model_not_found: int = 404
    too_large: int = 413

    # --- errors of a provider

    def decode(
        self,
        status: int,
        headers: Headers,
        body: bytes,
        *,
        provider: str,
        now: float | None = None,
        texts: Sequence[str] = (),
        secrets: Sequence[str] = (),
        url: str = "",
    ) -> StatusError:
        """Decode the error of a response with an error status.

        Args:
            status: the HTTP status.
            headers: the HTTP headers; their names may be in any case.
            body: the raw body.
            provider: the provider's name.
            now: seconds since the epoch, for a Retry-After that is a date; None for the response's Date header.
            texts: the texts of the request, which the message must not repeat.
            secrets: the keys of the request, likewise.
            url: the URL that was called; of it the message has the path alone.

        Returns:
            The error, not raised.
        """
        parsed, folded = e.parse_error(parse_json(body), body), lowercase_headers(headers)
        if self.code_header and parsed.code is None:
            # AWS writes `ValidationException:http://…` there.
            parsed = parsed._replace(code=folded.get(self.code_header, "").partition(":")[0] or None)
        kind = self.classify_message(status, e.text_of(body[:4096]), parsed.message) if self.classify_message else None
        kind = kind or e.classify_error(status, parsed, self.codes)
        sentence = self._sentence(parsed.message, texts, secrets) or "the provider gave no reason"
        if 300 <= status < 400:
            target = self._sentence(_without_query(folded.get("location", "")), texts, secrets)
            sentence = f"a redirect to {target or 'no address'}, and redirects are not followed"
        return kind(
            self._with_path(kind, sentence, url, texts, secrets),
            retryable=False if status in self.non_retryable_statuses else None,
            retry_after=retry_after_seconds(folded, now),
            code=self._sentence(parsed.code, texts, secrets, _CODE),
            **_about(kind, parsed, folded, provider, status, body, texts, secrets),
        )

    def decode_success_body(
        self,
        status: int,
        headers: Headers,
        value: Any,
        body: bytes,
        *,
        rows: str,
        provider: str,
        now: float | None = None,
        texts: Sequence[str] = (),
        secrets: Sequence[str] = (),
        url: str = "",
    ) -> RerankError:
        """Decode the error of a body without rows under a success status.

        An error with a code that no table has is not retryable: it does not say whether the server or the request is
        at fault, so that another target is tried and the breaker does not count it.

        Args:
            status: the HTTP status.
            headers: the HTTP headers; their names may be in any case.
            value: the parsed body.
            body: the raw body.
            rows: the dotted path at which rows were expected.
            provider: the provider's name.
            now: seconds since the epoch, for a Retry-After that is a date; None for the response's Date header.
            texts: the texts of the request, which the message must not repeat.
            secrets: the keys of the request, likewise.
            url: the URL that was called; of it the message has the path alone.

        Returns:
            The error, not raised.
        """
        parsed, folded = e.parse_error(value, body), lowercase_headers(headers)
        sentence = self._sentence(parsed.message, texts, secrets)
        kind = e.classify_success_body(parsed, self.codes)
        about = _about(kind, parsed, folded, provider, status, body, texts, secrets)
        about["code"] = self._sentence(parsed.code, texts, secrets, _CODE)
        if kind is None:
            return e.InvalidResponseError(_no_response(value, body, rows, sentence), path=rows, **about)
        return kind(
            self._with_path(kind, sentence or "an error without a reason", url, texts, secrets),
            retry_after=retry_after_seconds(folded, now),
            retryable=None if e.is_declared(parsed.code, self.codes) else False,
            **about,
        )

    def _with_path(
        self, kind: type[RerankError], sentence: str, url: str, texts: Sequence[str], secrets: Sequence[str]
    ) -> str:
        """Add the path that was tried to the sentence of a wrong endpoint; never the query string."""
        path = self._sentence(urlsplit(url).path, texts, secrets) if issubclass(kind, e.WrongEndpointError) else None
        return f"{sentence} (the path was {path})" if path else sentence

    def _sentence(
        self, text: str | None, texts: Sequence[str], secrets: Sequence[str], limit: int = e.MESSAGE_LIMIT
    ) -> str | None:
        """Return the provider's text for logs: redacted, on one line, of at most ``limit`` characters."""
        if text is None:
            return None
        return e.cut(e.redact_message(text, texts, secrets), limit) or None

    # --- errors for a client

    def encode(self, error: RerankError, *, relay: bool) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Encode an error for a client of this dialect.

        Args:
            error: the error.
            relay: whether the upstream key came from the client, so that 401, 402 and 403 are passed on.

        Returns:
            HTTP status, headers by lower-case name, and the JSON body.
        """
        if isinstance(error, e.AllProvidersFailedError):
            error = error.leading
        hide = isinstance(error, _CREDENTIALS) and (not relay or isinstance(error, e.MissingApiKeyError))
        status = 502 if hide else self.client_status(error)
        if relay and not hide and isinstance(error, _CREDENTIALS):
            status = error.status if error.status in (401, 402, 403) else status
        code = UPSTREAM_CREDENTIALS if hide else error.code
        message = "the gateway's credentials were not accepted upstream" if hide else error.message
        headers = {"content-type": "application/json"}
        wait = error.retry_after
        if wait is not None and isfinite(wait) and status in (429, 503):
            headers["retry-after"] = str(max(ceil(min(wait, _LONGEST_CLIENT_WAIT)), 0))
        body: dict[str, Any] = {}
        put(body, compile_path(self.message), message)
        # Our code for credentials is in every dialect, a provider's code only in dialects with a path for it.
        for path, value in ((self.code or ("code" if hide else ""), code), (self.request_id, error.request_id)):
            if path and value:
                put(body, compile_path(path), value)
        return status, headers, body

    def client_status(self, error: RerankError) -> int:
        """Return the HTTP status for a client whose key is the upstream key.

        Args:
            error: the error.
        """
        by_dialect = ((e.ModelNotFoundError, self.model_not_found), (e.RequestTooLargeError, self.too_large))
        for kind, status in (*by_dialect, *_CLIENT_STATUS):
            if isinstance(error, kind):
                return status
        if isinstance(error, e.ProviderServerError):
            return error.status if error.status in (500, 502, 504) else 502
        return self.bad_request


def _about(
    kind: type[RerankError] | None,
    parsed: ParsedError,
    folded: Mapping[str, str],
    provider: str,
    status: int,
    body: bytes,
    texts: Sequence[str],
    secrets: Sequence[str],
) -> dict[str, Any]:
    """Return the attributes of an error about its response."""
    ids = [e.safe_id(found, lambda: texts, secrets) for found in (parsed.request_id, request_id_of(folded)) if found]
    request_id = next(filter(None, ids), None)
    about: dict[str, Any] = {"provider": provider, "status": status, "request_id": request_id, "body": body}
    if kind is e.RequestTooLargeError:
        about["document_limit"] = e.document_limit(parsed)
    return about


def _without_query(location: str) -> str | None:
    """Return a URL without user, query and fragment, which may hold keys; None where there is none."""
    try:
        parts = urlsplit(location)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return None
    return (f"{parts.scheme}://{host}{parts.path}" if host else parts.path) or None


def _no_response(value: Any, body: bytes, rows: str, sentence: str | None) -> str:
    where = rows or "the response"
    if value is ABSENT and not body.strip():
        return "the response is empty"
    if value is ABSENT:
        # Other text is not repeated: it may hold a document.
        page = sentence is not None and sentence.startswith("an HTML page")
        return f"the response is not JSON: {sentence}" if page else "the response is not JSON"
    if not is_object(value) and rows:
        return f"the response is not an object with {where}"
    return f"the response has no list at {where}: {sentence}" if sentence else f"the response has no list at {where}"
