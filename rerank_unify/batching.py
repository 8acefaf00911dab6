"""Split a request over what one call may hold, and merge the answers. Pure: the calls are yours.

    batch = ru.split_request(request, "voyage")
    response = batch.merge([call(part) for part in batch.parts])

Only scores that each document gets by itself can be merged. Models that read the list as a whole are not split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Literal, TypeAlias

from ._provider import Provider
from .canonical import (
    NO_USAGE,
    USAGE_FIELDS,
    Loss,
    RequestFields,
    RerankRequest,
    RerankResponse,
    Row,
    ScoreKind,
    Usage,
    fields_of,
    response_from_rows,
    rows_of,
)
from .dialect import Limits, strings_in
from .errors import InvalidRequestError, UnsupportedRequestError
from .registry import provider as provider_by_name

Estimate: TypeAlias = Callable[[str], int]
"""From a text to its tokens, rather too many than too few."""


def estimate_tokens(text: str) -> int:
    """Tokens of a text, rather too many: a third of its ASCII characters, and one and a half for each other one.

    English takes about a quarter of its characters, code and numbers more; other scripts about one each.
    """
    plain = len(text) if text.isascii() else sum(map(str.isascii, text))
    return ceil(plain / 3 + (len(text) - plain) * 1.5) + 2


@dataclass(frozen=True, slots=True)
class Batch:
    """A request in parts that each fit into one call.

    Attributes:
        request: the whole.
        parts: what to send, each with a run of the documents and without ``top_n``; the request itself where it fits.
    """

    request: RerankRequest
    parts: tuple[RerankRequest, ...]

    def merge(self, responses: Sequence[RerankResponse]) -> RerankResponse:
        """The answer to the whole, from the answers to the parts in their order.

        Usage is summed; what one part lacks is absent. Equal scores are in the order of their indices.

        Raises:
            InvalidRequestError: there are more or fewer answers than parts.
        """
        if len(responses) != len(self.parts):
            raise InvalidRequestError(f"responses: expected {len(self.parts)}, not {len(responses)}", field="responses")
        if len(responses) == 1:
            return responses[0]
        rows = [_moved(row, offset) for offset, response in self._placed(responses) for row in rows_of(response)]
        rows.sort(key=lambda row: (-row["relevance_score"], row["index"]))
        kinds: set[ScoreKind] = {response.score_kind for response in responses}
        warnings = tuple(dict.fromkeys(warning for response in responses for warning in response.warnings))
        return response_from_rows(
            rows[: self.request.top_n],
            model=responses[0].model,
            usage=_summed([response.usage for response in responses]),
            provider=responses[0].provider,
            score_kind=kinds.pop() if len(kinds) == 1 else "unknown",
            warnings=warnings,
            missing=tuple(index + offset for offset, response in self._placed(responses) for index in response.missing),
            losses=self._losses(responses),
            attempts=tuple(attempt for response in responses for attempt in response.attempts),
        )

    def _placed(self, responses: Sequence[RerankResponse]) -> Iterator[tuple[int, RerankResponse]]:
        """Each answer with where its part begins."""
        offset = 0
        for part, response in zip(self.parts, responses, strict=True):
            yield offset, response
            offset += len(part.documents)

    def _losses(self, responses: Sequence[RerankResponse]) -> tuple[Loss, ...]:
        """Losses of all parts, those that are the same told once, with the indices of the whole."""
        merged: dict[Loss, tuple[int, ...]] = {}
        for offset, response in self._placed(responses):
            for loss in response.losses:
                same = replace(loss, indices=())
                merged[same] = merged.get(same, ()) + tuple(index + offset for index in loss.indices)
        return tuple(replace(loss, indices=indices) for loss, indices in merged.items())


def split_request(
    request: RerankRequest,
    provider: Provider | str,
    *,
    model: str | None = None,
    base_model: str | None = None,
    split: Literal["pointwise", "always"] = "pointwise",
    estimate: Estimate = estimate_tokens,
) -> Batch:
    """Split a request by what the model takes in one call: documents, and tokens as far as the vendor documents them.

    Args:
        request: the whole.
        provider: whom it is for, or its name.
        model: what will be sent as model, where it is not the request's.
        base_model: the known model behind a name that says nothing.
        split: ``"always"`` splits for listwise models too, whose scores then depend on who else is in the part.
        estimate: counts the tokens of a text.

    Raises:
        UnsupportedRequestError: it must be split, and the model scores the list as a whole.
        UnknownProviderError: no provider is called so.
    """
    resolved, fields = provider_by_name(provider), fields_of(request)
    name = model or request.model or resolved.default_model
    model_info = resolved.model(name, base_model=base_model)
    ends = _cuts(fields, model_info.limits, estimate)
    if len(ends) == 1:
        return Batch(request, (request,))
    if model_info.listwise and split != "always":
        message = (
            f"documents: {resolved.name}'s {name} takes fewer in one call, and scores the list as a whole: parts of it "
            'would get other scores. split="always" splits it all the same'
        )
        raise UnsupportedRequestError(message, field="documents", index=ends[0])
    starts = (0, *ends[:-1])
    return Batch(request, tuple(_part(request, start, end) for start, end in zip(starts, ends, strict=True)))


def fits(fields: RequestFields, limits: Limits, estimate: Estimate = estimate_tokens) -> bool:
    """Whether one call takes the request, so that `split_request` would leave it whole."""
    if limits.total_tokens is None:
        return limits.documents is None or len(fields["documents"]) <= limits.documents
    return len(_cuts(fields, limits, estimate)) == 1


def _part(request: RerankRequest, start: int, end: int) -> RerankRequest:
    return request.model_copy(update={"documents": request.documents[start:end], "top_n": None})


def _cuts(fields: RequestFields, limits: Limits, estimate: Estimate) -> list[int]:
    """Where each part ends, exclusive. What fits nowhere has a part of its own: the vendor cuts it, or refuses."""
    costs = _costs(fields, limits, estimate)
    ends: list[int] = []
    count, spent = 0, 0
    for index, cost in enumerate(costs):
        full = limits.documents is not None and count >= limits.documents
        heavy = limits.total_tokens is not None and count > 0 and spent + cost > limits.total_tokens
        if full or heavy:
            ends.append(index)
            count, spent = 0, 0
        count, spent = count + 1, spent + cost
    return [*ends, len(costs)]


def _costs(fields: RequestFields, limits: Limits, estimate: Estimate) -> list[int]:
    """The tokens that each document costs: the query is counted once for each. No texts are read without a limit."""
    if limits.total_tokens is None:
        return [0] * len(fields["documents"])
    query = sum(map(estimate, strings_in([fields["query"], fields["instruction"]])))
    max_tokens = limits.pair_tokens or limits.total_tokens  # what is longer is cut by the vendor
    return [min(query + sum(map(estimate, strings_in(document))), max_tokens) for document in fields["documents"]]


def _moved(row: Row, offset: int) -> Row:
    return {**row, "index": row["index"] + offset}


def _summed(usages: Sequence[Usage]) -> Usage:
    figures: dict[str, Any] = {}
    for name in USAGE_FIELDS:
        values = [getattr(usage, name) for usage in usages]
        if all(isinstance(value, (int, float)) for value in values):
            figures[name] = sum(values)
    return Usage(**figures) if figures else NO_USAGE
