"""Decode a provider's HTTP response into a `RerankResponse`, in the context of its request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from pydantic_core import from_json

from ._http import Headers, HttpRequest
from ._json import ABSENT, parse_json, parse_odd_json
from .canonical import SCORE_RANGES, RequestFields, RerankResponse, Row, ScoreKind, response_from_rows
from .dialect import UNCHECKED, DecodeContext, Dialect, Model, fill_documents, texts_of
from .errors import (
    MESSAGE_LIMIT,
    MODEL_LIMIT,
    WARNING_COUNT_LIMIT,
    InvalidRequestError,
    InvalidResponseError,
    RerankError,
    cut,
    redact_message,
    redact_name,
    safe_id,
)

Body: TypeAlias = bytes | str | Mapping[str, Any] | Sequence[Any]
"""A body, raw or already parsed."""


NO_CONTEXT = DecodeContext(None, None, None, None, None, ())


def restore_indices(
    rows: list[Row], fields: RequestFields, context: DecodeContext
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Map the rows' indices back to the request's documents and cut the rows to ``top_n``, in place.

    Returns:
        The indices of the documents without a score, and the warnings.
    """
    given, top_n = len(fields["documents"]), fields["top_n"]
    sent_count = given if context.sent_indices is None else len(context.sent_indices)
    if context.sent_indices is not None:
        for row in rows:
            row["index"] = context.sent_indices[row["index"]]
    expected = sent_count if top_n is None else min(top_n, sent_count)
    del rows[expected:]
    if len(rows) == expected and context.sent_indices is None:
        return (), ()
    unscored = set(range(given)).difference(row["index"] for row in rows)
    if expected < sent_count:  # top_n cut, so that only what was never sent is known to have no score
        unscored -= set(context.sent_indices or range(given))
    lacking = expected - len(rows)
    return tuple(sorted(unscored)), (f"{lacking} of {expected} rows are missing",) if lacking else ()


def score_out_of_range(rows: Sequence[Row], kind: ScoreKind) -> str | None:
    """Return a warning if a score of the ranked rows lies outside the range of its kind, else None."""
    if kind not in SCORE_RANGES or not rows:
        return None
    low, high = SCORE_RANGES[kind]
    best, worst = rows[0]["relevance_score"], rows[-1]["relevance_score"]
    if low <= worst and best <= high:
        return None
    odd = best if best > high else worst
    return f"a score of {odd:.6g} lies outside {low:g}..{high:g}, the range of kind {kind}: the kind is unknown"


@dataclass(frozen=True, slots=True)
class Decoder:
    """Decodes the responses of one provider.

    Attributes:
        provider: the provider's name.
        dialect: its wire format.
        models: the declared models, by name.
        unknown_model: the declaration for every other model.
    """

    provider: str
    dialect: Dialect
    models: Mapping[str, Model]
    unknown_model: Model

    def decode_response(
        self,
        status: int,
        headers: Headers,
        body: Body,
        context: DecodeContext,
        now: float | None = None,
        http: HttpRequest | None = None,
    ) -> RerankResponse:
        """Decode an HTTP response, or raise the error that it holds.

        Args:
            status: the HTTP status.
            headers: the HTTP headers; their names may be in any case.
            body: the body, raw or parsed.
            context: the facts about the request; `NO_CONTEXT` where it is not at hand.
            now: seconds since the epoch, for a Retry-After that is a date.
            http: the request that was sent; its keys are redacted from messages.

        Raises:
            StatusError, InvalidResponseError: and no other exception, whatever the body holds.
        """
        body = plain_body(body)
        if not 200 <= status < 300 or status in self.dialect.errors.error_statuses:
            raise self.decode_error(status, headers, body, context, now, http)
        table = self.dialect.response
        raw = isinstance(body, (bytes, str))
        value: Any = parse_json(body) if isinstance(body, (bytes, str)) else body
        found = table.find_rows(value)
        is_error_body = self.dialect.errors.is_error_body
        if found is None or (is_error_body is not None and is_error_body(value)):
            raise self._success_body_error(
                status, headers, value, as_bytes(body), self._error_details(context, now, http)
            )
        try:
            rows = table.read_rows(found, context.sent_count, owned=raw, echo=context.fields is None)
        except InvalidResponseError as error:
            error.provider, error.status, error.body = self.provider, status, as_bytes(body)
            raise
        response = self._response(value, rows, context, http)
        if not table.usage_headers:
            return response
        return response.replace(usage=table.usage_in(headers, response.usage))

    def _response(
        self, value: Any, rows: list[Row], context: DecodeContext, http: HttpRequest | None
    ) -> RerankResponse:
        table = self.dialect.response
        model, id, details = table.read_model(value), table.read_id(value), table.read_warnings(value)  # noqa: A001 - the wire's
        # What was sent, and what is declared, needs no redacting: nearly every response names one of these.
        if model is not None and model != context.model and model not in self.models:
            model = cut(redact_name(model, _texts(context), _secrets(http)), MODEL_LIMIT)
        missing: tuple[int, ...] = ()
        warnings: tuple[str, ...] = (UNCHECKED,)
        kind = self._score_kind(context, model)
        out_of_range = score_out_of_range(rows, kind)
        fill: Callable[[list[Row]], object] | None = None
        if context.fields is not None:
            missing, warnings = restore_indices(rows, context.fields, context)
            fill = partial(fill_documents, context.fields)
        if out_of_range:
            warnings = (*warnings, out_of_range)
        return response_from_rows(
            rows,
            model=model or context.model,
            usage=table.read_usage(value),
            id=id and safe_id(id, partial(_texts, context), _secrets(http)),
            provider=self.provider,
            score_kind="unknown" if out_of_range else kind,
            warnings=_redacted(details, context, http) + warnings if details else warnings,
            missing=missing,
            losses=context.losses,
            fill=fill,
        )

    def _score_kind(self, context: DecodeContext, model: str | None) -> ScoreKind:
        """Return the kind declared for the model named in the response, else for the model that was sent."""
        named = self.models.get(model or "")
        return (named or context.model_info or self.unknown_model).score_kind

    def decode_error(
        self,
        status: int,
        headers: Headers,
        body: Body,
        context: DecodeContext,
        now: float | None = None,
        http: HttpRequest | None = None,
    ) -> RerankError:
        """Return the error in a response; under a success status, the response counts as one without rows."""
        body = plain_body(body)
        raw, details = as_bytes(body), self._error_details(context, now, http)
        if not 200 <= status < 300 or status in self.dialect.errors.error_statuses:
            return self.dialect.errors.decode(status, headers, raw, **details)
        return self._success_body_error(
            status, headers, parse_json(body) if isinstance(body, (bytes, str)) else body, raw, details
        )

    def _success_body_error(
        self, status: int, headers: Headers, value: Any, raw: bytes, details: dict[str, Any]
    ) -> RerankError:
        rows = self.dialect.response.rows_path
        return self.dialect.errors.decode_success_body(status, headers, value, raw, rows=rows, **details)

    def _error_details(self, context: DecodeContext, now: float | None, http: HttpRequest | None) -> dict[str, Any]:
        """Return the arguments for decoding an error, with the texts and keys that its message must not repeat.

        Of the URL, the message names the path alone.
        """
        url = http.url if http is not None else ""
        return {"now": now, "texts": _texts(context), "secrets": _secrets(http), "provider": self.provider, "url": url}


def _texts(context: DecodeContext) -> Sequence[str]:
    return texts_of(context.fields) if context.fields is not None else ()


def _secrets(http: HttpRequest | None) -> tuple[str, ...]:
    return http.secrets if http is not None else ()


def _redacted(warnings: tuple[str, ...], context: DecodeContext, http: HttpRequest | None) -> tuple[str, ...]:
    """Redact, shorten and limit the provider's warnings."""
    texts, secrets = _texts(context), _secrets(http)
    shown = [cut(redact_message(warning, texts, secrets), MESSAGE_LIMIT) for warning in warnings[:WARNING_COUNT_LIMIT]]
    more = len(warnings) - WARNING_COUNT_LIMIT
    return (*filter(None, shown), *([f"{more:,} further warnings of the provider"] if more > 0 else []))


def plain_body(body: Any) -> Any:
    """Convert a bytearray or memoryview to bytes; return everything else unchanged."""
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)  # pyright: ignore[reportUnknownArgumentType] - a view of any format
    return body


def parse_request_body(body: bytes | str) -> tuple[Any, bool]:
    """Parse the JSON body of a client's request. A byte order mark is skipped.

    Returns:
        The value, and whether it may have lone surrogates, which JSON can write as escapes.

    Raises:
        InvalidRequestError: it is not JSON in UTF-8; NaN and Infinity are not JSON.
    """
    try:
        return from_json(body, allow_inf_nan=False), False
    except (ValueError, TypeError) as error:  # a str with a lone surrogate is a TypeError
        value = parse_odd_json(body, error, constants=False)
        if value is ABSENT:
            raise InvalidRequestError(f"the body: not JSON in UTF-8 ({error})") from None
        return value, True


def as_bytes(body: Body) -> bytes:
    """Return a raw body as bytes, and no bytes for a parsed one."""
    if isinstance(body, bytes):
        return body
    return body.encode("utf-8", "replace") if isinstance(body, str) else b""
