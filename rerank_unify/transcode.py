"""Translate bytes to bytes between a client's dialect and a provider's, without building a pydantic model.

This is the hot path of a gateway. The result equals that of decoding and encoding one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ._http import Headers
from ._json import dump
from ._provider import Provider
from .canonical import Loss
from .dialect import DecodeContext
from .errors import RerankError
from .registry import provider as provider_by_name

__all__ = ["TranscodedRequest", "Transcoder", "transcoder"]

_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class TranscodedRequest:
    """A request in the provider's dialect, with the context to translate its response.

    Attributes:
        content: the provider's body, JSON in UTF-8.
        losses: the parts of the request that the provider does not receive as given.
        model: the model that is sent.
        context: the facts about the request that decoding its response needs.
        client_model: the model that the client named; None where it named none.
    """

    content: bytes
    losses: tuple[Loss, ...]
    model: str
    context: DecodeContext = field(repr=False)
    client_model: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Transcoder:
    """Translates between two dialects. Made by `transcoder`.

    Attributes:
        client: the provider whose dialect the client uses.
        provider: the provider to call.
        model: the model to send; None for the client's, else the provider's default.
        base_model: the known model behind an alias; None for none.
    """

    client: Provider
    provider: Provider
    model: str | None = None
    base_model: str | None = None

    def request(self, body: bytes | str) -> TranscodedRequest:
        """Translate a client's request body into the provider's.

        It does not make the provider return documents: `response` takes them from the client's request.

        Args:
            body: the client's body, JSON.

        Returns:
            The provider's body, with what `response` needs.

        Raises:
            InvalidRequestError: the client's request is wrong; the sentence uses the dialect's field name.
            UnsupportedRequestError: this provider cannot express the request.
        """
        fields = self.client.decode_fields(body)
        encoded = self.provider.encode_fields(
            fields, model=self.model, base_model=self.base_model, echo_documents=False
        )
        return TranscodedRequest(dump(encoded.body), encoded.losses, encoded.model, encoded, fields["model"])

    def response(
        self,
        status: int,
        headers: Headers,
        body: bytes,
        request: TranscodedRequest,
        now: float | None = None,
        *,
        relay: bool = False,
    ) -> tuple[int, dict[str, str], bytes]:
        """Translate the provider's response or error into the client's dialect.

        Args:
            status: the provider's HTTP status.
            headers: the provider's headers; their names may be in any case.
            body: the provider's body.
            request: the result of `request`.
            now: seconds since the epoch, for a Retry-After that is a date.
            relay: whether the upstream key came from the client; see `Provider.encode_error`.

        Returns:
            The client's HTTP status, headers by lower-case name, and body, JSON in UTF-8.
        """
        try:
            response = self.provider.decoder.decode_response(status, headers, body, request.context, now)
        except RerankError as error:
            return self.error(error, relay=relay)
        return 200, dict(_JSON), self.client.dump_response(response, request.client_model)

    def error(self, error: RerankError, *, relay: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Encode any error in the client's dialect, also one that `request` raised.

        Args:
            error: the error.
            relay: whether the upstream key came from the client; see `Provider.encode_error`.

        Returns:
            The client's HTTP status, headers by lower-case name, and body, JSON in UTF-8.
        """
        status, headers, body = self.client.encode_error(error, relay=relay)
        return status, headers, dump(body)


def transcoder(
    client: str | Provider, provider: str | Provider, model: str | None = None, *, base_model: str | None = None
) -> Transcoder:
    """Make a transcoder between a client's dialect and a provider's.

    Args:
        client: the provider, or its name, whose dialect the client uses.
        provider: the provider to call, or its name.
        model: the model to send; None for the client's, else the provider's default.
        base_model: the known model behind an alias.

    Returns:
        The transcoder. It holds no state, so requests may share it.

    Raises:
        UnknownProviderError: no provider has such a name.

    Examples:
        >>> import json
        >>> between = ru.transcoder("jina", "voyage", model="rerank-2.5")
        >>> request = between.request(b'{"model": "fast", "query": "cream", "documents": ["oil", "aloe"], "top_n": 1}')
        >>> request.model
        'rerank-2.5'
        >>> body = b'{"data": [{"index": 1, "relevance_score": 0.8}]}'
        >>> status, headers, content = between.response(200, {}, body, request)
        >>> json.loads(content)["results"]
        [{'index': 1, 'relevance_score': 0.8, 'document': {'text': 'aloe'}}]
    """
    return Transcoder(provider_by_name(client), provider_by_name(provider), model, base_model)
