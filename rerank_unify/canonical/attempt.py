"""What became of one attempt at one target."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import RerankError


class AttemptRecord(NamedTuple):
    """One attempt as it went, for ``response.attempts``.

    Attributes:
        provider: the provider's name.
        model: the target's model, None for the provider's default.
        seconds: how long it took.
        error: what went wrong; None for the answer, and where it was cancelled.
        cancelled: whether it was given up, such as the slower one of a hedge.
    """

    provider: str
    model: str | None
    seconds: float
    error: RerankError | None = None
    cancelled: bool = False
