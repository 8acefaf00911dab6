"""The context of encoding a request and of decoding its response, and the encoded request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..canonical import Action, Loss, RequestFields
from .models import Model


@dataclass(slots=True)
class EncodeContext:
    """A request while its body is being written. The functions in a table's rows receive it and change it.

    Attributes:
        fields: the canonical request; do not change it.
        provider: the provider's name, for messages.
        model: the model to send.
        model_info: the declaration of that model, or of its base model.
        echo_documents: whether to ask the provider to return documents.
        body: the provider's JSON body so far.
        losses: the losses so far.
    """

    fields: RequestFields
    provider: str
    model: str
    model_info: Model
    echo_documents: bool
    body: dict[str, Any]
    losses: list[Loss]

    def add_loss(
        self, name: str, action: Action, reason: str, indices: tuple[int, ...] = (), *, affects_result: bool = True
    ) -> None:
        """Add a loss; see `Loss`.

        Args:
            name: the canonical field.
            action: ``dropped``, ``folded``, ``converted``, ``cut`` or ``withheld``.
            reason: the reason, a clause.
            indices: the documents concerned, zero-based; empty where the loss is of the whole request.
            affects_result: whether scores or rows may differ from those that the request describes.
        """
        self.losses.append(Loss(name, action, reason, indices, affects_result))


@dataclass(frozen=True, slots=True)
class DecodeContext:
    """The facts about a request that decoding its response needs. An unknown fact is None.

    Attributes:
        fields: the canonical request.
        model: the model that was sent.
        model_info: the declaration of that model, or of its base model.
        sent_indices: for each document sent, its zero-based index in the request; None where all were sent.
        sent_count: the number of documents sent.
        losses: the parts of the request that the provider did not receive as given.
    """

    fields: RequestFields | None
    model: str | None
    model_info: Model | None
    sent_indices: tuple[int, ...] | None
    sent_count: int | None
    losses: tuple[Loss, ...]


@dataclass(frozen=True, slots=True)
class EncodedRequest(DecodeContext):
    """A request in a provider's dialect, with the complete context for its response.

    Attributes:
        body: the provider's JSON body.
    """

    fields: RequestFields
    model: str
    model_info: Model
    sent_count: int
    body: dict[str, Any]
