"""What is declared about a model: what its scores mean, what it takes, how much of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..canonical import ScoreKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one call may hold, as the vendor documents it; None where it does not say.

    Only ``documents`` is enforced before sending: tokens cannot be counted without the model's tokenizer.

    Attributes:
        documents: documents in one call.
        query_tokens: tokens of the query.
        pair_tokens: tokens of the query and one document together.
        total_tokens: tokens of the whole call, the query counted once for each document.
    """

    documents: int | None = None
    query_tokens: int | None = None
    pair_tokens: int | None = None
    total_tokens: int | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of a provider.

    Attributes:
        score_kind: what its scores are.
        images: whether it ranks images.
        supports: the canonical hints it takes, of those that the dialect sends to some models only.
        listwise: whether a document's score depends on the other documents, so that a list must not be split.
        limits: what one call may hold.
    """

    score_kind: ScoreKind = "unknown"
    images: bool = False
    supports: frozenset[str] = field(default_factory=frozenset[str])
    listwise: bool = False
    limits: Limits = NO_LIMITS
