"""The declaration of a model: its kind of scores, its abilities and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from ..canonical import ScoreKind
from ..errors import InvalidRequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one call, as the provider documents them or as a target sets them; None for no known limit.

    Only ``documents`` and ``document_tokens`` are enforced before sending. Tokens are estimated, erring high:
    they cannot be counted without the model's tokenizer.

    Attributes:
        documents: documents in one call.
        document_tokens: tokens of one document. A longer document is cut after a word, which is a loss. No provider
            declares it: it is for servers that refuse what is too long.
        query_tokens: tokens of the query.
        pair_tokens: tokens of the query and one document together.
        total_tokens: tokens of the whole call, the query counted once for each document.

    Raises:
        InvalidRequestError: a limit is no integer of 1 or more.
    """

    documents: int | None = None
    document_tokens: int | None = None
    query_tokens: int | None = None
    pair_tokens: int | None = None
    total_tokens: int | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            limit = getattr(self, one.name)
            if limit is not None and (type(limit) is not int or limit < 1):
                raise InvalidRequestError(f"limits.{one.name}: expected an integer of 1 or more", field="limits")

    def over(self, base: Limits) -> Limits:
        """Return these limits, with those of ``base`` where these have none.

        Args:
            base: the limits for what is None here.

        Examples:
            >>> ru.Limits(documents=10).over(ru.Limits(documents=50, query_tokens=512))
            Limits(documents=10, document_tokens=None, query_tokens=512, pair_tokens=None, total_tokens=None)
        """
        pairs = ((one.name, getattr(self, one.name)) for one in fields(self))
        return replace(base, **{name: limit for name, limit in pairs if limit is not None})


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of a provider.

    Attributes:
        score_kind: the kind of its scores.
        images: whether it accepts images.
        supports: the canonical hints it supports, of those that the dialect sends to some models only.
        listwise: whether a document's score depends on the other documents, so that a list must not be split.
        pointwise: whether a source states that a score depends on the query and that document alone. Only such scores
            are cached; a model that is neither listwise nor pointwise is split, but not cached.
        limits: the limits of one call.
    """

    score_kind: ScoreKind = "unknown"
    images: bool = False
    supports: frozenset[str] = field(default_factory=frozenset[str])
    listwise: bool = False
    pointwise: bool = False
    limits: Limits = NO_LIMITS
