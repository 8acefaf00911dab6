"""The declaration of a model: its kind of scores, its abilities and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..canonical import ScoreKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one call, as the provider documents them; None where it documents none.

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
        score_kind: the kind of its scores.
        images: whether it accepts images.
        supports: the canonical hints it supports, of those that the dialect sends to some models only.
        listwise: whether a document's score depends on the other documents, so that a list must not be split.
        limits: the limits of one call.
    """

    score_kind: ScoreKind = "unknown"
    images: bool = False
    supports: frozenset[str] = field(default_factory=frozenset[str])
    listwise: bool = False
    limits: Limits = NO_LIMITS
