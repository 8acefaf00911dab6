"""Providers: a dialect, where it is spoken, with which key, by which models. Found by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, TypeAlias

from pydantic_core import from_json, to_json

from . import names
from .canonical import NO_USAGE, Loss, RequestFields, RerankRequest, RerankResponse, ScoreKind
from .dialect import UNCHECKED, Dialect, Draft, Encoded, Limits, Model, fill_documents, texts_of
from .endpoint import Auth, Endpoint, HttpRequest, checked_headers
from .errors import (
    Headers,
    InvalidRequestError,
    RerankError,
    StatusError,
    UnknownProviderError,
    UnsupportedRequestError,
)
from .paths import is_list, is_object

Answer: TypeAlias = tuple[int, Headers, bytes]
"""Status, headers and body of an HTTP answer."""

Body: TypeAlias = bytes | str | Mapping[str, Any] | Sequence[Any]
"""A body, raw or already parsed."""

_USER_AGENT = "rerank-unify"


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One vendor, as a declaration. Every method is a pure function of its arguments.

    Attributes:
        name: how it is called here.
        dialect: what it speaks.
        endpoint: where.
        auth: with which key.
        default_model: what is sent where nobody names a model; None where there is no sensible default.
        models: what is known of its models, by name. Names that are not here pass, and nothing is guessed of them.
        unknown_model: what holds for every other model.
        docs: where the vendor documents it.
        sender: for a provider inside this process, what takes its `HttpRequest`; None for HTTP.
    """

    name: str
    dialect: Dialect
    endpoint: Endpoint
    auth: Auth
    default_model: str | None = None
    models: Mapping[str, Model] = field(default_factory=dict[str, Model])
    unknown_model: Model = Model()
    docs: str = ""
    sender: Callable[[HttpRequest], Answer] | None = None

    def __post_init__(self) -> None:
        names.declare(self.name)

    def __repr__(self) -> str:
        return f"Provider({self.name!r})"

    # --- what a router asks before the call

    def model(self, name: str | None = None, *, like: str | None = None) -> Model:
        """What is known of a model: of ``like`` where given, else of ``name``, else of the default model."""
        return self.models.get(like or name or self.default_model or "", self.unknown_model)

    def limits(self, model: str | None = None) -> Limits:
        """How much one call may hold."""
        return self.model(model).limits

    def modalities(self, model: str | None = None) -> tuple[str, ...]:
        """What the model ranks: ``("text",)`` or ``("text", "image")``."""
        return ("text", "image") if self.model(model).images else ("text",)

    def score_kind(self, model: str | None = None) -> ScoreKind:
        """What the model's scores are."""
        return self.model(model).score_kind

    @property
    def env(self) -> tuple[str, ...]:
        """The environment variables that may hold the key."""
        return self.auth.variables

    def key(self, environ: Mapping[str, str]) -> str | None:
        """The key in an environment, such as ``os.environ``, or None."""
        return self.auth.key(environ)

    def check(
        self, request: RerankRequest, model: str | None = None, *, like: str | None = None
    ) -> UnsupportedRequestError | None:
        """Why this vendor cannot express the request, or None. Nothing is sent."""
        try:
            self.encode_fields(request.fields, model=model, like=like)
        except UnsupportedRequestError as error:
            return error
        return None

    # --- towards the vendor

    def prepare(
        self,
        request: RerankRequest,
        *,
        model: str | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        headers: Headers | None = None,
        echo: bool = True,
        like: str | None = None,
    ) -> Call:
        """One call: what to send, what is lost, and how to read the answer.

        Args:
            request: what is asked.
            model: what to send as model; None for the request's, else the provider's default.
            api_key: None, empty or blank is no key.
            base_url: a root, version root, prefix or full path to call instead of the vendor's own.
            headers: further headers.
            echo: whether to ask the vendor for documents; they come from the request either way.
            like: the known model behind a name that says nothing, such as a Xinference UID.

        Raises:
            InvalidRequestError: a provider option, header or base URL is wrong.
            UnsupportedRequestError: this vendor cannot express the request.
            MissingApiKeyError: the vendor needs a key.
        """
        encoded = self.encode_fields(request.fields, model=model, like=like, echo=echo)
        http = self._http(encoded, api_key=api_key, base_url=base_url, headers=headers)
        return Call(provider=self, request=request, http=http, encoded=encoded, api_key=api_key)

    def build_request(
        self,
        request: RerankRequest,
        model: str | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        headers: Headers | None = None,
    ) -> HttpRequest:
        """The HTTP request alone; see `prepare`."""
        return self.prepare(request, model=model, api_key=api_key, base_url=base_url, headers=headers).http

    def encode_request(self, request: RerankRequest, model: str | None = None) -> dict[str, Any]:
        """The vendor's JSON body; see `prepare`."""
        return self.encode_fields(request.fields, model=model).body

    def losses(self, request: RerankRequest, model: str | None = None) -> tuple[Loss, ...]:
        """What of the request the vendor would not get as asked."""
        return self.encode_fields(request.fields, model=model).losses

    def encode_fields(
        self, fields: RequestFields, *, model: str | None = None, like: str | None = None, echo: bool = True
    ) -> Encoded:
        """Encode plain canonical fields: what `prepare` and the transcoder have in common."""
        sent = model or fields["model"] or self.default_model
        if sent is None:
            raise InvalidRequestError(f"model: {self.name} has no default model, so name one", field="model")
        draft = Draft(fields, self.name, sent, self.model(sent, like=like), echo)
        return self.dialect.request.encode(draft)

    def _http(
        self, encoded: Encoded, *, api_key: str | None, base_url: str | None, headers: Headers | None
    ) -> HttpRequest:
        send = {"content-type": "application/json", "accept": "application/json", "user-agent": _USER_AGENT}
        send.update(checked_headers(headers))
        self.auth.write(send, api_key, self.name)
        url = self.endpoint.resolve(base_url=base_url, api_key=api_key, model=encoded.draft.model)
        return HttpRequest("POST", url, send, to_json(encoded.body))

    # --- from the vendor

    def decode(
        self,
        status: int,
        headers: Headers,
        body: bytes | str,
        request: RerankRequest | None = None,
        now: float | None = None,
    ) -> RerankResponse:
        """An answer, or the error that it is, raised.

        Args:
            status: the HTTP status.
            headers: in any case.
            body: raw.
            request: what was asked; with it indices are checked and documents filled in.
            now: seconds since the epoch, for a Retry-After that is a date; None for the answer's own Date.

        Raises:
            StatusError, InvalidResponseError: and no other exception, whatever the body holds.
        """
        return self.decode_asked(status, headers, body, self._asked(request), now)

    def decode_response(self, body: Body, request: RerankRequest | None = None) -> RerankResponse:
        """The answer in a body that came with a success status; see `decode`."""
        return self._read(body, self._asked(request), 200, (), None)

    def decode_error(
        self, status: int, headers: Headers, body: bytes | str, now: float | None = None
    ) -> RerankError:
        """The error in an answer, returned; an answer without one is an `InvalidResponseError`."""
        if 200 <= status < 300:
            value = _parse(body)
            return self.dialect.errors.decode_hidden(
                status, headers, value, _bytes(body), rows=self.dialect.response.rows, provider=self.name, now=now
            )
        return self.dialect.errors.decode(status, headers, body, provider=self.name, now=now)

    def _asked(self, request: RerankRequest | None) -> Asked:
        if request is None:
            return NOBODY
        fields = request.fields
        model = fields["model"] or self.default_model
        kept = self.dialect.request.kept(fields)
        sent = len(fields["documents"]) if kept is None else len(kept)
        return Asked(fields, model, self.model(model), kept, sent, _withheld_losses(kept, fields, self.name))

    def decode_asked(
        self,
        status: int,
        headers: Headers,
        body: bytes | str,
        asked: Asked,
        now: float | None,
        secrets: Sequence[str] = (),
    ) -> RerankResponse:
        """Read an answer by what is known of its request: what `decode`, `Call` and the transcoder have in common."""
        if 200 <= status < 300:
            return self._read(body, asked, status, headers, now, secrets)
        texts = texts_of(asked.fields) if asked.fields is not None else ()
        raise self.dialect.errors.decode(
            status, headers, body, provider=self.name, now=now, texts=texts, secrets=secrets
        )

    def _read(
        self,
        body: Body,
        asked: Asked,
        status: int,
        headers: Headers,
        now: float | None,
        secrets: Sequence[str] = (),
    ) -> RerankResponse:
        table = self.dialect.response
        raw = isinstance(body, (bytes, str))
        value = _parse(body) if raw else body
        hidden = self.dialect.errors.hidden
        found = table.find_rows(value)
        if found is None or (hidden is not None and hidden(value)):
            raise self.dialect.errors.decode_hidden(
                status,
                headers,
                value,
                _bytes(body),
                rows=table.rows,
                provider=self.name,
                now=now,
                texts=texts_of(asked.fields) if asked.fields is not None else (),
                secrets=secrets,
            )
        try:
            rows = table.read_rows(found, asked.sent, own=raw, echo=asked.fields is None)
        except RerankError as error:
            error.provider, error.status, error.body = self.name, status, _bytes(body)
            raise
        return self._answer(value, rows, asked)

    def _answer(self, value: Any, rows: list[dict[str, Any]], asked: Asked) -> RerankResponse:
        table = self.dialect.response
        model = table.read_model(value)
        warnings = table.read_warnings(value)
        missing: tuple[int, ...] = ()
        fields = asked.fields
        if fields is None:
            warnings += (UNCHECKED,)
        else:
            rows, missing, more = asked.settle(rows)
            warnings += more
            fill_documents(rows, fields)
        traits = asked.traits or self.model(model) if model or asked.traits else self.unknown_model
        return RerankResponse.from_rows(
            rows,
            model=model or asked.model,
            usage=table.read_usage(value) if table.usage else NO_USAGE,
            id=table.read_id(value),
            provider=self.name,
            score_kind=traits.score_kind,
            warnings=warnings,
            missing=missing,
            losses=asked.losses,
        )

    # --- towards a client that speaks this vendor's dialect

    def decode_request(self, body: Body) -> RerankRequest:
        """A client's request in this dialect.

        Raises:
            InvalidRequestError: names the field, in the client's words.
        """
        return RerankRequest.model_construct(**self.read_request(body))

    def read_request(self, body: Body) -> RequestFields:
        """The same as plain canonical fields, for the hot path."""
        raw = isinstance(body, (bytes, str))
        wire = _parse_request(body) if isinstance(body, (bytes, str)) else body
        if not is_object(wire):
            kind = "a list" if is_list(wire) else "another JSON value"
            raise InvalidRequestError(f"the body: expected a JSON object, not {kind}")
        return self.dialect.request.decode(wire, self.name, from_json=raw)

    def encode_response(self, response: RerankResponse, request: RerankRequest | None = None) -> dict[str, Any]:
        """The answer as this vendor would write it for its client. ``request`` gives the model's name as asked for."""
        body = self.dialect.response.write(response, request.model if request is not None else None)
        return _unshared(body, response.rows)

    def dump_response(self, response: RerankResponse, model: str | None = None) -> bytes:
        """The same as JSON in UTF-8; ``model`` is the name that the client asked for."""
        return to_json(self.dialect.response.write(response, model))

    def encode_error(self, error: RerankError, relay: bool = False) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Status, headers and body by which a client of this dialect understands the error.

        Args:
            error: what went wrong.
            relay: whether the key upstream is the client's own; else its rejection is our 502, not the client's 401.
        """
        return self.dialect.errors.encode(error, relay=relay)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of the request when its answer is read."""

    fields: RequestFields | None
    model: str | None
    traits: Model | None
    kept: tuple[int, ...] | None
    sent: int | None
    losses: tuple[Loss, ...] = ()

    def settle(self, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], tuple[int, ...], tuple[str, ...]]:
        """Rows with the caller's indices and cut to ``top_n``; which documents have no score; what to warn of."""
        assert self.fields is not None and self.sent is not None  # noqa: S101 - only called with a request at hand
        top_n = self.fields["top_n"]
        if self.kept is not None:
            for row in rows:
                row["index"] = self.kept[row["index"]]
        expected = self.sent if top_n is None else min(top_n, self.sent)
        count = len(rows)
        if count > expected:
            del rows[expected:]
        if count >= expected and self.kept is None:
            return rows, (), ()
        given = len(self.fields["documents"])
        unscored = set(range(given)) - {row["index"] for row in rows}
        if expected < self.sent:  # top_n cut, so only what was never sent is known to have no score
            unscored -= set(self.kept or range(given))
        warnings = (f"{expected - count} of {expected} rows are missing",) if count < expected else ()
        return rows, tuple(sorted(unscored)), warnings


NOBODY = Asked(None, None, None, None, None)


@dataclass(frozen=True)
class Call:
    """One prepared call: what to send, and how to read what comes back.

    Attributes:
        provider: whom it is for.
        request: what is asked.
        http: what to send. Its `repr` masks the key.
    """

    provider: Provider
    request: RerankRequest
    http: HttpRequest
    encoded: Encoded = field(repr=False)
    api_key: str | None = field(repr=False, default=None)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What of the request the vendor does not get as asked."""
        return self.encoded.losses

    @property
    def model(self) -> str:
        """The model that is sent."""
        return self.encoded.draft.model

    @cached_property
    def asked(self) -> Asked:
        """What is known when the answer is read."""
        return asked_of(self.encoded)

    def decode(self, status: int, headers: Headers, body: bytes | str, now: float | None = None) -> RerankResponse:
        """The answer to this call, or the error that it is, raised; see `Provider.decode`."""
        secrets = (self.api_key,) if self.api_key else ()
        return self.provider.decode_asked(status, headers, body, self.asked, now, secrets)


def asked_of(encoded: Encoded) -> Asked:
    """What is known of an encoded request when its answer is read."""
    draft = encoded.draft
    return Asked(draft.fields, draft.model, draft.traits, encoded.kept, encoded.sent, encoded.losses)


def _withheld_losses(kept: tuple[int, ...] | None, fields: RequestFields, provider: str) -> tuple[Loss, ...]:
    if kept is None:
        return ()
    withheld = tuple(sorted(set(range(len(fields["documents"]))) - set(kept)))
    return (Loss("documents", "withheld", f"{provider} refuses empty texts", withheld),)


def _parse(body: Any) -> Any:
    try:
        return from_json(body)
    except ValueError:
        return None


def _parse_request(body: bytes | str) -> Any:
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequestError(f"the body: not JSON in UTF-8 ({error})") from None


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return body.encode("utf-8", "replace") if isinstance(body, str) else b""


def _unshared(body: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The body with rows of its own, so that the caller may change it."""
    return {key: [dict(row) for row in rows] if value is rows else value for key, value in body.items()}


# --- by name ---------------------------------------------------------------------------------------------------------


@cache
def provider(name: str) -> Provider:
    """The provider of that name, built in or from any installed package.

    Raises:
        UnknownProviderError: nobody is called so; the message suggests the nearest name.
    """
    point = names.entry_points().get(name)
    if point is None:
        raise UnknownProviderError(names.unknown_provider(name), name=name)
    found: Provider = point.load()
    return found


def provider_names() -> list[str]:
    """The names of all installed providers, sorted."""
    return [*names.entry_points()]
