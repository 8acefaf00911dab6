"""A request on its way to one vendor, and what it has become when it gets there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..canonical import Action, Loss, RequestFields
from .models import Model


@dataclass(slots=True)
class EncodeContext:
    """What is known of a request while its body is being written. The functions in a table's rows work on it.

    Attributes:
        fields: the canonical request; not to be changed.
        provider: the vendor's name, for messages.
        model: what is sent as model.
        model_info: what is declared of that model, or of the one behind it.
        echo_documents: whether to ask for documents in the answer.
        body: the vendor's JSON body, so far.
        losses: what has been lost, so far.
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
        """Note a loss; see `Loss`."""
        self.losses.append(Loss(name, action, reason, indices, affects_result))


@dataclass(frozen=True, slots=True)
class DecodeContext:
    """What is known of a request when its answer is read. Everything is None where nobody knows it.

    Attributes:
        fields: the canonical request.
        model: what was sent as model.
        model_info: what is declared of that model, or of the one behind it.
        sent_indices: for each document sent its index in the caller's list; None where all were sent.
        sent_count: how many documents were sent.
        losses: what the vendor did not get as asked.
    """

    fields: RequestFields | None
    model: str | None
    model_info: Model | None
    sent_indices: tuple[int, ...] | None
    sent_count: int | None
    losses: tuple[Loss, ...]


@dataclass(frozen=True, slots=True)
class EncodedRequest(DecodeContext):
    """A request in a vendor's words, of which everything is known.

    Attributes:
        body: the JSON body.
    """

    fields: RequestFields
    model: str
    model_info: Model
    sent_count: int
    body: dict[str, Any]
