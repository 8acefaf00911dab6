"""Providers: a dialect, an endpoint, a way to authenticate, and models; and one prepared call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeAlias, cast

from ._decode import NO_CONTEXT, Body, Decoder, parse_request_body, plain_body
from ._endpoint import Auth, Endpoint, Key, plain_key
from ._http import Headers, HttpRequest, HttpResponse, MaskedHeaders, validate_headers
from ._json import dump, is_list, is_object
from .canonical import (
    Loss,
    RequestFields,
    RerankRequest,
    RerankResponse,
    ScoreKind,
    fields_of,
    rows_of,
    validate_model,
)
from .dialect import DecodeContext, Dialect, EncodeContext, EncodedRequest, Limits, Model, withheld_loss
from .errors import InvalidRequestError, RerankError, UnsupportedRequestError
from .registry import provider as provider_by_name
from .registry import provider_names

SdkRoute: TypeAlias = Callable[[str | None, bool], Any]
"""From a model's name, and whether keys are needed, to a JSON value."""

_HEADERS: Final = {"content-type": "application/json", "accept": "application/json", "user-agent": "rerank-unify"}
_NOTHING_KNOWN: Final = Model()


@dataclass(frozen=True, kw_only=True, repr=False)
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
        sdk_routes: what the vendor's official client asks beside reranking, for a gateway that stands in for the
            vendor:
            GET paths, with ``{model}`` for a name, each with what makes the answer.
        sender: for a provider inside this process, what takes its `HttpRequest`; None for HTTP.
    """

    name: str
    dialect: Dialect
    endpoint: Endpoint
    auth: Auth
    default_model: str | None = None
    models: Mapping[str, Model] = field(default_factory=dict[str, Model])
    unknown_model: Model = _NOTHING_KNOWN
    docs: str = ""
    sdk_routes: Mapping[str, SdkRoute] = field(default_factory=dict[str, "SdkRoute"])
    sender: Callable[[HttpRequest], HttpResponse] | None = None

    def __repr__(self) -> str:
        return f"Provider({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...] | str:
        """By name, where it is the installed one: a table holds functions, which cannot be pickled."""
        if self.name in provider_names() and provider_by_name(self.name) is self:
            return provider_by_name, (self.name,)
        return cast("tuple[Any, ...]", super().__reduce__())

    # --- what a router asks before the call

    def model(self, name: str | None = None, *, base_model: str | None = None) -> Model:
        """What is known of a model: of ``base_model`` where given, else of ``name``, else of the default model."""
        return self.models.get(base_model or name or self.default_model or "", self.unknown_model)

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
        self, request: RerankRequest, model: str | None = None, *, base_model: str | None = None
    ) -> UnsupportedRequestError | None:
        """Why this vendor cannot express the request, or None. Nothing is sent.

        Raises:
            InvalidRequestError: the request is wrong for every vendor, such as ``rank_fields`` that a document lacks.
        """
        try:
            self.encode_fields(fields_of(request), model=model, base_model=base_model)
        except UnsupportedRequestError as error:
            return error
        return None

    # --- towards the vendor

    def prepare(
        self,
        request: RerankRequest,
        *,
        model: str | None = None,
        api_key: Key | None = None,
        base_url: str | None = None,
        url: str | None = None,
        headers: Headers | None = None,
        auth_header: str | None = None,
        echo_documents: bool = True,
        base_model: str | None = None,
    ) -> Call:
        """One call: what to send, what is lost, and how to read the answer.

        Args:
            request: what is asked.
            model: what to send as model; None for the request's, else the provider's default.
            api_key: a string or a ``SecretStr``; None, empty or blank is no key.
            base_url: a root, version root, prefix or full path to call instead of the vendor's own.
            url: the whole URL to call; it is not changed.
            headers: further headers.
            auth_header: the header that carries the key, in place of the provider's own; without a scheme unless it is
                ``authorization``.
            echo_documents: whether to ask the vendor for documents; they come from the request either way.
            base_model: the known model behind a name that says nothing, such as a Xinference UID.

        Raises:
            InvalidRequestError: a provider option, header, key or URL is wrong.
            UnsupportedRequestError: this vendor cannot express the request.
            MissingApiKeyError: the provider's own host is called, which needs a key.
        """
        encoded = self.encode_fields(
            fields_of(request), model=model, base_model=base_model, echo_documents=echo_documents
        )
        address = address_of_call(
            self, encoded.model, api_key=api_key, base_url=base_url, url=url, headers=headers, auth_header=auth_header
        )
        return make_call(self, encoded, *address)

    def build_request(
        self,
        request: RerankRequest,
        model: str | None = None,
        api_key: Key | None = None,
        base_url: str | None = None,
        headers: Headers | None = None,
    ) -> HttpRequest:
        """The HTTP request alone; see `prepare`."""
        return self.prepare(request, model=model, api_key=api_key, base_url=base_url, headers=headers).http

    def encode_request(self, request: RerankRequest, model: str | None = None) -> dict[str, Any]:
        """The vendor's JSON body; see `prepare`."""
        return self.encode_fields(fields_of(request), model=model).body

    def losses(self, request: RerankRequest, model: str | None = None) -> tuple[Loss, ...]:
        """What of the request the vendor would not get as asked."""
        return self.encode_fields(fields_of(request), model=model).losses

    def encode_fields(
        self,
        fields: RequestFields,
        *,
        model: str | None = None,
        base_model: str | None = None,
        echo_documents: bool = True,
    ) -> EncodedRequest:
        """Encode plain canonical fields: what `prepare` and the transcoder have in common."""
        sent_model = validate_model(model) or fields["model"] or self.default_model
        if sent_model is None:
            raise InvalidRequestError(f"model: {self.name} has no default model, so name one", field="model")
        draft = EncodeContext(
            fields, self.name, sent_model, self.model(sent_model, base_model=base_model), echo_documents, {}, []
        )
        return self.dialect.request.encode(draft)

    # --- from the vendor

    @cached_property
    def decoder(self) -> Decoder:
        """Reads this vendor's answers."""
        return Decoder(self.name, self.dialect, self.models, self.unknown_model)

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
        return self.decoder.decode_response(status, headers, body, self._decode_context(request), now)

    def decode_response(self, body: Body, request: RerankRequest | None = None) -> RerankResponse:
        """The answer in a body that came with a success status; see `decode`."""
        return self.decoder.decode_response(200, (), body, self._decode_context(request), None)

    def decode_error(self, status: int, headers: Headers, body: bytes | str, now: float | None = None) -> RerankError:
        """The error in an answer, returned. Under a success status it is taken for an answer without rows."""
        return self.decoder.decode_error(status, headers, body, NO_CONTEXT, now)

    def _decode_context(self, request: RerankRequest | None) -> DecodeContext:
        """What is known of a request of which nobody kept the call."""
        if request is None:
            return NO_CONTEXT
        fields = fields_of(request)
        sent_indices = self.dialect.request.documents.sent_indices(fields)
        count = len(fields["documents"])
        losses = () if sent_indices is None else (withheld_loss(self.name, sent_indices, count),)
        model = fields["model"] or self.default_model
        return DecodeContext(
            fields, model, self.model(model), sent_indices, count if sent_indices is None else len(sent_indices), losses
        )

    # --- towards a client that speaks this vendor's dialect

    def decode_request(self, body: Body) -> RerankRequest:
        """A client's request in this dialect.

        Raises:
            InvalidRequestError: names the field, in the client's words.
        """
        return RerankRequest.model_construct(**self.decode_fields(body))

    def decode_fields(self, body: Body) -> RequestFields:
        """The same as plain canonical fields: what `decode_request` and the transcoder have in common."""
        body = plain_body(body)
        raw = isinstance(body, (bytes, str))
        wire: Any = parse_request_body(body) if isinstance(body, (bytes, str)) else body
        if not is_object(wire):
            kind = "a list" if is_list(wire) else "another JSON value"
            raise InvalidRequestError(f"the body: expected a JSON object, not {kind}")
        return self.dialect.request.decode(wire, self.name, from_json=raw)

    def encode_response(self, response: RerankResponse, request: RerankRequest | None = None) -> dict[str, Any]:
        """The answer as this vendor would write it for its client. ``request`` gives the model's name as asked for."""
        body: dict[str, Any] | list[Any] = self.dialect.response.write(
            response, request.model if request is not None else None
        )
        if isinstance(body, list):  # such a dialect's whole answer; a dict for all the others, as the signature says
            return cast("dict[str, Any]", _copies(body))
        return {key: _copies(value) if value is rows_of(response) else value for key, value in body.items()}

    def dump_response(self, response: RerankResponse, model: str | None = None) -> bytes:
        """The same as JSON in UTF-8; ``model`` is the name that the client asked for."""
        return dump(self.dialect.response.write(response, model))

    def encode_error(self, error: RerankError, relay: bool = False) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Status, headers and body by which a client of this dialect understands the error.

        Args:
            error: what went wrong.
            relay: whether the key upstream is the client's own; else its rejection is our 502, not the client's 401.
        """
        return self.dialect.errors.encode(error, relay=relay)


def address_of_call(
    provider: Provider,
    model: str,
    *,
    api_key: Key | None,
    base_url: str | None = None,
    url: str | None = None,
    headers: Headers | None = None,
    auth_header: str | None = None,
) -> tuple[str, MaskedHeaders]:
    """The URL and the headers of a call: all that its request does not decide."""
    key = plain_key(api_key)
    send = MaskedHeaders(
        {**_HEADERS, **provider.endpoint.headers, **validate_headers(headers)},
        (auth_header or provider.auth.header).lower(),
    )
    target = provider.endpoint.resolve(base_url=base_url, url=url, api_key=key, model=model)
    at_provider = (base_url is None and url is None) or provider.endpoint.serves(target)
    provider.auth.write(send, key, provider.name, header=auth_header, at_provider=at_provider)
    return target, send


def make_call(provider: Provider, encoded: EncodedRequest, url: str, headers: Mapping[str, str]) -> Call:
    """The call of an encoded request to an address."""
    return Call(provider, HttpRequest("POST", url, headers, dump(encoded.body)), encoded)


def _copies(rows: Any) -> Any:
    """Rows of the caller's own, which may be changed."""
    return [{**row, "document": dict(row["document"])} if "document" in row else dict(row) for row in rows]


@dataclass(frozen=True)
class Call:
    """One prepared call: what to send, and how to read what comes back.

    Attributes:
        provider: whom it is for.
        http: what to send. Its `repr` masks the key.
        encoded: the request in the vendor's words.
    """

    provider: Provider
    http: HttpRequest
    encoded: EncodedRequest = field(repr=False)

    @cached_property
    def request(self) -> RerankRequest:
        """What is asked."""
        return RerankRequest.model_construct(**self.encoded.fields)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What of the request the vendor does not get as asked."""
        return self.encoded.losses

    @property
    def model(self) -> str:
        """The model that is sent."""
        return self.encoded.model

    def decode(self, status: int, headers: Headers, body: bytes | str, now: float | None = None) -> RerankResponse:
        """The answer to this call, or the error that it is, raised; see `Provider.decode`."""
        return self.provider.decoder.decode_response(status, headers, body, self.encoded, now, self.http)
