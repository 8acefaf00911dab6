"""From bytes to bytes: a client's dialect on one side, a vendor's on the other, and no model in between.

This is the hot path of a gateway. What it gives is what decoding and encoding give, one after the other.
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

_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class TranscodedRequest:
    """A request in the vendor's words, with what the way back needs.

    Attributes:
        content: the vendor's body, JSON in UTF-8.
        losses: what of the request the vendor does not get as asked.
        model: the model that is sent.
    """

    content: bytes
    losses: tuple[Loss, ...]
    model: str
    context: DecodeContext = field(repr=False)
    client_model: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Transcoder:
    """Two dialects, and the model to send instead of the client's, if one. Made by `transcoder`."""

    client: Provider
    provider: Provider
    model: str | None = None
    base_model: str | None = None

    def request(self, body: bytes | str) -> TranscodedRequest:
        """Turn a client's body into the vendor's.

        The vendor is asked not to echo documents: the way back has them.

        Raises:
            InvalidRequestError: the client's own mistake, in its words.
            UnsupportedRequestError: this vendor cannot express the request.
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
        """Turn the vendor's answer, or its error, into the client's.

        Args:
            status: the vendor's HTTP status.
            headers: the vendor's headers, in any case.
            body: the vendor's body.
            request: what `request` returned.
            now: seconds since the epoch, for a Retry-After that is a date.
            relay: whether the key upstream is the client's own; see `Provider.encode_error`.
        """
        try:
            response = self.provider.decoder.decode_response(status, headers, body, request.context, now)
        except RerankError as error:
            return self.error(error, relay=relay)
        return 200, dict(_JSON), self.client.dump_response(response, request.client_model)

    def error(self, error: RerankError, *, relay: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Any error in the client's dialect, one of `request` too."""
        status, headers, body = self.client.encode_error(error, relay=relay)
        return status, headers, dump(body)


def transcoder(
    client: str | Provider, provider: str | Provider, model: str | None = None, *, base_model: str | None = None
) -> Transcoder:
    """A transcoder between a client's dialect and a vendor's, both as providers or their names.

    Args:
        client: what the client speaks.
        provider: who answers.
        model: what to send as model; None for the client's, else the vendor's default.
        base_model: the known model behind a name that says nothing.

    Raises:
        UnknownProviderError: no provider is called so.
    """
    return Transcoder(provider_by_name(client), provider_by_name(provider), model, base_model)
