"""Declare a provider (its dialect, endpoint, authentication and models), and prepare one call to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Final, TypeAlias, cast

from pydantic_core import from_json

from ._decode import NO_CONTEXT, Body, Decoder, parse_request_body, plain_body
from ._endpoint import Auth, Endpoint, Key, plain_key, with_query
from ._http import MASK, PLACEHOLDER, Headers, HttpRequest, HttpResponse, MaskedHeaders, validate_headers
from ._json import dump, is_list, is_object
from .canonical import (
    Loss,
    RequestFields,
    RerankRequest,
    RerankResponse,
    ScoreKind,
    checked_options,
    fields_of,
    rows_of,
    validate_model,
    with_options,
)
from .dialect import DecodeContext, Dialect, EncodeContext, EncodedRequest, Limits, Model, withheld_loss
from .errors import InvalidRequestError, RerankError, UnsupportedRequestError
from .registry import provider as provider_by_name
from .registry import provider_names

SdkRoute: TypeAlias = Callable[[str | None, bool], Any]
"""A function of a model's name, and of whether the gateway requires keys, that returns a JSON value."""

_HEADERS: Final = {"content-type": "application/json", "accept": "application/json", "user-agent": "rerank-unify"}
_NOTHING_KNOWN: Final = Model()


@dataclass(frozen=True, kw_only=True, repr=False)
class Provider:
    """Declare one provider: a company's API or a server. Every method is a pure function of its arguments.

    Attributes:
        name: the name under which it is looked up, such as ``voyage``.
        dialect: the wire format of its requests, responses and errors.
        endpoint: its URL.
        auth: how the key is sent, and the environment variables that hold it.
        default_model: the model to send where none is given; None where there is no sensible default.
        models: the declared models, by name. Other names are sent unchanged; nothing is assumed about them.
        unknown_model: the declaration for every model that is not in ``models``.
        docs: the URL of its documentation.
        organizations: lower-case names of its company that may stand before a model's name, as in
            ``voyage-ai/rerank-2.5``.
        sdk_routes: further GET routes that its official client calls, so that the gateway can serve that client: paths,
            with ``{model}`` for a name, each with the function that returns the JSON response.
        sender: the function that handles an `HttpRequest` inside this process; None to send it by HTTP.
        required_options: body fields of which the provider requires one, such as a project; a request has it in
            ``provider_options``, or a target in its ``options``.
        option_variables: the environment variable that holds a body field, by its name.
        options: body fields of every request, which a request's ``provider_options`` override; see `with_options`.
    """

    name: str
    dialect: Dialect
    endpoint: Endpoint
    auth: Auth
    default_model: str | None = None
    models: Mapping[str, Model] = field(default_factory=dict[str, Model])
    unknown_model: Model = _NOTHING_KNOWN
    docs: str = ""
    organizations: tuple[str, ...] = ()
    sdk_routes: Mapping[str, SdkRoute] = field(default_factory=dict[str, "SdkRoute"])
    sender: Callable[[HttpRequest], HttpResponse] | None = None
    required_options: tuple[str, ...] = ()
    option_variables: Mapping[str, str] = field(default_factory=dict[str, str])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __repr__(self) -> str:
        return f"Provider({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...] | str:
        """Pickle an installed provider by its name: its tables hold functions, which cannot be pickled."""
        if "_made_by" in vars(self):
            return cast("tuple[Any, ...]", vars(self)["_made_by"])
        if self.name in provider_names() and provider_by_name(self.name) is self:
            return provider_by_name, (self.name,)
        return cast("tuple[Any, ...]", super().__reduce__())

    # --- before a call

    def model(self, name: str | None = None, *, base_model: str | None = None) -> Model:
        """Return the declaration of ``base_model`` where given, else of ``name``, else of the default model.

        Args:
            name: the model's name; None for the default model.
            base_model: the known model behind an alias.
        """
        return self.models.get(base_model or name or self.default_model or "", self.unknown_model)

    def limits(self, model: str | None = None) -> Limits:
        """Return the limits of one call, in documents and tokens.

        Args:
            model: the model's name; None for the default model.

        Examples:
            >>> ru.provider("voyage").limits().documents
            1000
        """
        return self.model(model).limits

    def with_limits(self, limits: Limits) -> Provider:
        """Return this provider with other limits for every model; those that are None stay as declared.

        Args:
            limits: the limits of one call.
        """
        models = {name: replace(model, limits=limits.over(model.limits)) for name, model in self.models.items()}
        unknown_model = replace(self.unknown_model, limits=limits.over(self.unknown_model.limits))
        made = replace(self, models=models, unknown_model=unknown_model)
        vars(made)["_made_by"] = (Provider.with_limits, (self, limits))
        return made

    def with_options(self, options: Mapping[str, Any]) -> Provider:
        """Return this provider with body fields for every request, under those of its ``provider_options``.

        Args:
            options: body fields by name, as in ``provider_options``.

        Raises:
            InvalidRequestError: they are no object of JSON values, or one is a field that the library writes itself.
        """
        checked = checked_options(options)
        self.dialect.request.check_options(checked)
        made = replace(self, options=checked)
        vars(made)["_made_by"] = (Provider.with_options, (self, checked))
        return made

    def options_in(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the first of the required body fields that an environment variable holds; empty where none does.

        Args:
            environ: the environment variables by name, such as ``os.environ``.
        """
        for name, variable in self.option_variables.items():
            if value := environ.get(variable, "").strip():
                return {name: value}
        return {}

    def modalities(self, model: str | None = None) -> tuple[str, ...]:
        """Return what the model ranks: ``("text",)`` or ``("text", "image")``.

        Args:
            model: the model's name; None for the default model.
        """
        return ("text", "image") if self.model(model).images else ("text",)

    @property
    def ranks(self) -> bool:
        """Whether it ranks documents; False for ``input-order``."""
        return self.unknown_model.score_kind != "none"

    def score_kind(self, model: str | None = None) -> ScoreKind:
        """Return the kind of the model's scores, such as ``probability``.

        Args:
            model: the model's name; None for the default model.
        """
        return self.model(model).score_kind

    @property
    def env(self) -> tuple[str, ...]:
        """The environment variables that may hold the key."""
        return self.auth.variables

    def key(self, environ: Mapping[str, str]) -> str | None:
        """Return the key in an environment, else None.

        Args:
            environ: variables by name, such as ``os.environ``.
        """
        return self.auth.key(environ)

    def check(
        self, request: RerankRequest, model: str | None = None, *, base_model: str | None = None
    ) -> UnsupportedRequestError | None:
        """Return the error that `prepare` would raise because this provider cannot express the request, else None.

        Args:
            request: the canonical request.
            model: the model to send; None for the request's, else the provider's default.
            base_model: the known model behind an alias.

        Raises:
            InvalidRequestError: every provider would refuse the request, such as ``rank_fields`` that a document lacks.
        """
        try:
            self.encode_fields(fields_of(request), model=model, base_model=base_model)
        except UnsupportedRequestError as error:
            return error
        return None

    # --- requests and responses of the provider

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
        """Prepare one call: the HTTP request, the losses, and the context to decode its response.

        Args:
            request: the canonical request.
            model: the model to send; None for the request's, else the provider's default.
            api_key: a string or a ``SecretStr``; None, empty or blank is no key.
            base_url: a root, version root, prefix or full path to call instead of the provider's URL.
            url: the exact URL to call.
            headers: further headers.
            auth_header: the header that carries the key, in place of the provider's own; without a scheme unless it is
                ``authorization``.
            echo_documents: whether the provider shall return documents; results take theirs from the request anyway.
            base_model: the known model behind an alias, such as a Xinference UID.

        Returns:
            The call. Send its ``http``, then give status, headers and body of the response to its `decode`.

        Raises:
            InvalidRequestError: a provider option, header, key or URL is wrong.
            UnsupportedRequestError: this provider cannot express the request.
            MissingApiKeyError: no key is given, and the provider's hosts require one.

        Examples:
            >>> request = ru.RerankRequest(query="skin cream", documents=["motor oil", "aloe vera"], truncation=False)
            >>> call = ru.provider("jina").prepare(request, api_key="jina_123")
            >>> call.http.url
            'https://api.jina.ai/v1/rerank'
            >>> [(loss.field, loss.action) for loss in call.losses]
            [('truncation', 'dropped')]
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
        """Build the HTTP request alone; see `prepare`.

        Args:
            request: the canonical request.
            model: the model to send; None for the request's, else the provider's default.
            api_key: a string or a ``SecretStr``.
            base_url: a root, version root, prefix or full path to call instead of the provider's URL.
            headers: further headers.

        Returns:
            The request to send, with its method, url, headers and content.

        Raises:
            RequestError: as `prepare`.
        """
        return self.prepare(request, model=model, api_key=api_key, base_url=base_url, headers=headers).http

    def encode_request(self, request: RerankRequest, model: str | None = None) -> dict[str, Any]:
        """Encode a canonical request as this provider's JSON body; see `prepare`.

        Args:
            request: the canonical request.
            model: the model to send; None for the request's, else the provider's default.

        Returns:
            The body as JSON values. The request shares some of them, so do not change it.

        Raises:
            RequestError: as `prepare`.

        Examples:
            >>> request = ru.RerankRequest(query="skin cream", documents=["aloe vera"], top_n=1)
            >>> ru.provider("voyage").encode_request(request)["top_k"]
            1
        """
        return self.encode_fields(fields_of(request), model=model).body

    def losses(self, request: RerankRequest, model: str | None = None) -> tuple[Loss, ...]:
        """Return the parts of the request that this provider would not receive as given.

        Args:
            request: the canonical request.
            model: the model to send; None for the request's, else the provider's default.

        Raises:
            UnsupportedRequestError: this provider cannot express the request.
        """
        return self.encode_fields(fields_of(request), model=model).losses

    def encode_fields(
        self,
        fields: RequestFields,
        *,
        model: str | None = None,
        base_model: str | None = None,
        echo_documents: bool = True,
    ) -> EncodedRequest:
        """Encode canonical fields, for `prepare` and the transcoder.

        Args:
            fields: the fields of the request, as `decode_fields` returns them.
            model: the model to send; None for the request's, else the provider's default.
            base_model: the known model behind an alias.
            echo_documents: whether the provider shall return documents.

        Returns:
            The JSON body, with the losses and what decoding the response needs.

        Raises:
            InvalidRequestError: the model is no name, or a provider option is wrong.
            UnsupportedRequestError: this provider cannot express the request, or needs a model's name.
        """
        sent_model = fields["model"] or self.default_model if model is None else validate_model(model)
        if sent_model is None:
            # Not invalid: in a chain the next provider may have a default model.
            message = f"model: {self.name} has no default model, so name one"
            raise UnsupportedRequestError(message, field="model", provider=self.name)
        if self.options:
            fields = with_options(fields, self.name, self._options_beside(fields))
        draft = EncodeContext(
            fields, self.name, sent_model, self.model(sent_model, base_model=base_model), echo_documents, {}, []
        )
        return self.dialect.request.encode(draft)

    def _options_beside(self, fields: RequestFields) -> Mapping[str, Any]:
        """Return the options, without a required one that the request names in another way."""
        sent = fields["provider_options"].get(self.name, {})
        if not any(name in sent for name in self.required_options):
            return self.options
        return {name: value for name, value in self.options.items() if name not in self.required_options}

    @cached_property
    def decoder(self) -> Decoder:
        """Decodes this provider's responses."""
        return Decoder(self.name, self.dialect, self.models, self.unknown_model)

    def decode(
        self,
        status: int,
        headers: Headers,
        body: bytes | str,
        request: RerankRequest | None = None,
        now: float | None = None,
    ) -> RerankResponse:
        """Decode this provider's HTTP response into a `RerankResponse`, or raise its error.

        Args:
            status: the HTTP status.
            headers: the HTTP headers; their names may be in any case.
            body: the raw body.
            request: the canonical request. With it, indices are checked and results get their documents.
            now: seconds since the epoch, for a Retry-After that is a date; None for the response's Date header.

        Returns:
            The canonical response. `Call.decode` knows more of the request, such as the documents that were withheld.

        Raises:
            StatusError: the provider returned an error.
            InvalidResponseError: the response breaks the contract. No body raises anything else.
        """
        return self.decoder.decode_response(status, headers, body, self._decode_context(request), now)

    def decode_response(self, body: Body, request: RerankRequest | None = None) -> RerankResponse:
        """Decode a body that came with a success status; see `decode`.

        Args:
            body: the body, raw or as JSON values.
            request: the canonical request. With it, indices are checked and results get their documents.

        Returns:
            The canonical response.

        Raises:
            StatusError: the body holds an error.
            InvalidResponseError: the response breaks the contract.
        """
        return self.decoder.decode_response(200, (), body, self._decode_context(request), None)

    def decode_error(self, status: int, headers: Headers, body: bytes | str, now: float | None = None) -> RerankError:
        """Return the error in a response. Under a success status, the response counts as one without rows.

        Args:
            status: the HTTP status.
            headers: the HTTP headers; their names may be in any case.
            body: the raw body.
            now: seconds since the epoch, for a Retry-After that is a date; None for the response's Date header.

        Examples:
            >>> ru.provider("cohere").decode_error(429, {"retry-after": "7"}, b'{"message": "slow down"}').retry_after
            7.0
        """
        return self.decoder.decode_error(status, headers, body, NO_CONTEXT, now)

    def _decode_context(self, request: RerankRequest | None) -> DecodeContext:
        """Rebuild the decode context from a request whose `Call` is not at hand."""
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

    # --- requests and responses of a client of this dialect

    def decode_request(self, body: Body) -> RerankRequest:
        """Decode the request body of a client of this dialect.

        Args:
            body: the client's body, raw or as JSON values.

        Returns:
            The canonical request.

        Raises:
            InvalidRequestError: a field is wrong; the sentence uses the dialect's field name.

        Examples:
            >>> ru.provider("voyage").decode_request(b'{"query": "q", "documents": ["a"], "top_k": 1}').top_n
            1
        """
        return RerankRequest.model_construct(**self.decode_fields(body))

    def decode_fields(self, body: Body) -> RequestFields:
        """Decode a client's body into canonical fields, for `decode_request` and the transcoder.

        Args:
            body: the client's body, raw or as JSON values.

        Returns:
            The fields of `RerankRequest` as a plain dictionary, every one present.

        Raises:
            InvalidRequestError: it is no JSON object, or a field is wrong; the sentence uses the dialect's field name.
        """
        body = plain_body(body)
        wire: Any
        # Only a plain parser's values are free of lone surrogates.
        wire, may_be_odd = parse_request_body(body) if isinstance(body, (bytes, str)) else (body, True)
        if not is_object(wire):
            kind = "a list" if is_list(wire) else "another JSON value"
            raise InvalidRequestError(f"the body: expected a JSON object, not {kind}")
        return self.dialect.request.decode(wire, self.name, from_json=not may_be_odd)

    def encode_response(self, response: RerankResponse, request: RerankRequest | None = None) -> dict[str, Any] | Any:
        """Encode a canonical response in this dialect.

        Args:
            response: the canonical response.
            request: the client's request, whose model name is returned; None for the response's model name.

        Returns:
            A JSON object, or a list of rows for the dialects (such as TEI's) whose response is a bare list.
        """
        body: Any = self.dialect.response.write(response, request.model if request is not None else None)
        if is_list(body):
            return _copies(body)
        return {key: _copies(value) if value is rows_of(response) else value for key, value in body.items()}

    def dump_response(self, response: RerankResponse, model: str | None = None) -> bytes:
        """Encode a response in this dialect as bytes.

        Args:
            response: the canonical response.
            model: the model name in the client's request, which is returned; None for the response's model name.

        Returns:
            JSON in UTF-8.
        """
        return dump(self.dialect.response.write(response, model))

    def encode_error(self, error: RerankError, relay: bool = False) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Encode an error for a client of this dialect.

        Args:
            error: the error.
            relay: whether the upstream key came from the client. If not, its rejection is a 502, not the client's 401.

        Returns:
            HTTP status, headers by lower-case name, and the JSON body.

        Examples:
            >>> ru.provider("jina").encode_error(ru.RateLimitError("slow down", retry_after=7.0))
            (429, {'content-type': 'application/json', 'retry-after': '7'}, {'detail': 'slow down'})
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
    """Return URL and headers of a call, which do not depend on the request's content."""
    key = plain_key(api_key)
    send = MaskedHeaders(
        {**_HEADERS, **provider.endpoint.headers, **validate_headers(headers)},
        (auth_header or provider.auth.header).lower(),
    )
    target = provider.endpoint.resolve(base_url=base_url, url=url, api_key=key, model=model)
    at_provider = (base_url is None and url is None) or provider.endpoint.serves(target)
    provider.auth.write(send, key, provider.name, header=auth_header, at_provider=at_provider)
    return provider.auth.in_url(target, key, header=auth_header), send


def make_call(provider: Provider, encoded: EncodedRequest, url: str, headers: Mapping[str, str]) -> Call:
    """Make the call that sends an encoded request to a URL.

    Raises:
        UnsupportedRequestError: a body field is missing that the provider requires.
    """
    required = provider.required_options
    if required and not any(encoded.body.get(name) for name in required):
        raise _missing_option(provider)
    return Call(provider, HttpRequest("POST", url, headers, dump(encoded.body)), encoded)


def _missing_option(provider: Provider) -> UnsupportedRequestError:
    names = " or ".join(provider.required_options)
    variables = "".join(f", or {variable}" for variable in provider.option_variables.values())
    message = f"{provider.required_options[0]}: {provider.name} needs {names}"
    places = f"provider_options of the request, options of the target{variables}"
    return UnsupportedRequestError(
        f"{message}: set {places}", field=provider.required_options[0], provider=provider.name
    )


def _copies(rows: Any) -> Any:
    """Copy rows and their documents, so that the copies may be changed."""
    return [{**row, "document": dict(row["document"])} if "document" in row else dict(row) for row in rows]


@dataclass(frozen=True)
class Call:
    """One prepared call: the HTTP request to send, and the method that decodes its response.

    Attributes:
        provider: the provider to call.
        http: the HTTP request. Its `repr` masks the key.
        encoded: the request in the provider's dialect.
    """

    provider: Provider
    http: HttpRequest
    encoded: EncodedRequest = field(repr=False)

    @cached_property
    def request(self) -> RerankRequest:
        """The canonical request."""
        return RerankRequest.model_construct(**self.encoded.fields)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The parts of the request that the provider does not receive as given."""
        return self.encoded.losses

    @property
    def model(self) -> str:
        """The model that is sent."""
        return self.encoded.model

    def describe(self, *, signed: bool = False) -> dict[str, Any]:
        """Return what is sent, and what is lost, as JSON values with a mask for each key.

        Args:
            signed: whether a mask stands where `sign` writes a signature or a token, right before a call is sent.
        """
        http, auth = self.http, self.provider.auth
        headers = cast("MaskedHeaders", http.headers).masked()
        if signed and auth.signs and auth.query:
            http = replace(http, url=with_query(http.url, auth.query, PLACEHOLDER))
        elif signed and auth.signs:
            headers[auth.header] = MASK
        return {
            "provider": self.provider.name,
            "model": self.model,
            "method": http.method,
            "url": http.masked_url,
            "headers": headers,
            "body": from_json(http.content),
            "losses": [asdict(loss) for loss in self.losses],
        }

    def sign(self, credentials: Key | None, now: float) -> Call:
        """Return this call with its signature, for providers whose key is no plain header; else this call.

        Args:
            credentials: the key, or the token in place of it; see `Auth.sign` and `Auth.token_request`.
            now: seconds since the epoch.

        Raises:
            InvalidRequestError: as `Auth.sign`.
            MissingExtraError: as `Auth.sign`.
        """
        http = self.provider.auth.sign(self.http, plain_key(credentials), now)
        return self if http is self.http else replace(self, http=http)

    def decode(self, status: int, headers: Headers, body: bytes | str, now: float | None = None) -> RerankResponse:
        """Decode the response to this call, or raise its error; see `Provider.decode`.

        Args:
            status: the HTTP status.
            headers: the HTTP headers; their names may be in any case.
            body: the raw body.
            now: seconds since the epoch, for a Retry-After that is a date; None for the response's Date header.

        Returns:
            The canonical response, with the documents of the request.

        Raises:
            StatusError: the provider returned an error.
            InvalidResponseError: the response breaks the contract. No body raises anything else.

        Examples:
            >>> request = ru.RerankRequest(query="skin cream", documents=["motor oil", "aloe vera"], top_n=1)
            >>> call = ru.provider("voyage").prepare(request, api_key="pa-123")
            >>> body = b'{"data": [{"index": 1, "relevance_score": 0.8}, {"index": 0, "relevance_score": 0.1}]}'
            >>> call.decode(200, {}, body)[0].document
            {'text': 'aloe vera'}
        """
        return self.provider.decoder.decode_response(status, headers, body, self.encoded, now, self.http)
