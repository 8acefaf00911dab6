"""The record of an attempt at a target."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import RerankError


class AttemptRecord(NamedTuple):
    """The record of an attempt, for ``response.attempts``.

    Attributes:
        provider: the provider's name.
        model: the target's model; None for the provider's default.
        seconds: the duration in seconds.
        error: the error; None for a response and for a cancelled attempt.
        cancelled: whether the attempt was cancelled, such as the slower attempt of a hedge.
    """

    provider: str
    model: str | None
    seconds: float
    error: RerankError | None = None
    cancelled: bool = False
