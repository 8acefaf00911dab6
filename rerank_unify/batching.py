"""Split a request that is too large for one call, and merge the responses. Your code makes the calls.

    batch = ru.split_request(request, "voyage")
    response = batch.merge([call(part) for part in batch.parts])

Merging needs scores that do not depend on the other documents, so requests to listwise models are not split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
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
    estimate_tokens,
    fields_of,
    response_from_rows,
    rows_of,
)
from .dialect import Limits, strings_in
from .errors import InvalidRequestError, UnsupportedRequestError
from .registry import provider as provider_by_name

__all__ = ["Batch", "Estimate", "estimate_tokens", "fits", "split_request"]

Estimate: TypeAlias = Callable[[str], int]
"""A function that estimates the tokens of a text; too many is safe, too few is not."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A request, split into parts that each fit into one call.

    Attributes:
        request: the whole request.
        parts: the requests to send, each with consecutive documents and without ``top_n``; the request itself where it
            fits.
    """

    request: RerankRequest
    parts: tuple[RerankRequest, ...]

    def merge(self, responses: Sequence[RerankResponse]) -> RerankResponse:
        """Merge the responses to the parts into the response to the whole request.

        Usage is summed; a figure that one response lacks is None. Of equal scores the lower index comes first.

        Args:
            responses: one for each part, in the order of the parts.

        Returns:
            The response, with zero-based indices into the documents of the whole request.

        Raises:
            InvalidRequestError: there are more or fewer responses than parts.
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
            cached=sum(response.cached for response in responses),
        )

    def _placed(self, responses: Sequence[RerankResponse]) -> Iterator[tuple[int, RerankResponse]]:
        """Yield the index of each part's first document with the part's response."""
        offset = 0
        for part, response in zip(self.parts, responses, strict=True):
            yield offset, response
            offset += len(part.documents)

    def _losses(self, responses: Sequence[RerankResponse]) -> tuple[Loss, ...]:
        """Merge equal losses of the parts, with indices into the whole request."""
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
    """Split a request by the model's limits per call, in documents and tokens.

    Args:
        request: the whole request.
        provider: the provider to call, or its name.
        model: the model to send, if it is not the request's.
        base_model: the known model behind an alias.
        split: ``"always"`` splits for listwise models too, whose scores then depend on the documents of the same part.
        estimate: the function that estimates the tokens of a text.

    Returns:
        The parts to send; the request itself where it fits into one call.

    Raises:
        UnsupportedRequestError: the request does not fit, and the model scores the list as a whole.
        UnknownProviderError: no provider has such a name.

    Examples:
        >>> request = ru.RerankRequest(query="q", documents=[f"text {number}" for number in range(2_500)])
        >>> [len(part.documents) for part in ru.split_request(request, "voyage").parts]
        [1000, 1000, 500]
    """
    resolved = provider_by_name(provider) if isinstance(provider, str) else provider
    fields = fields_of(request)
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
    """Return whether the request fits into one call.

    Args:
        fields: the fields of the request.
        limits: the limits of one call, in documents and tokens.
        estimate: the function that estimates the tokens of a text.
    """
    if limits.total_tokens is None:
        return limits.documents is None or len(fields["documents"]) <= limits.documents
    return len(_cuts(fields, limits, estimate)) == 1


def _part(request: RerankRequest, start: int, end: int) -> RerankRequest:
    return request.model_copy(update={"documents": request.documents[start:end], "top_n": None})


def _cuts(fields: RequestFields, limits: Limits, estimate: Estimate) -> list[int]:
    """Return the end of each part, exclusive. A document over the limit is a part by itself."""
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
    """Return the tokens of each document, with the query counted for each; zeros where there is no limit."""
    if limits.total_tokens is None:
        return [0] * len(fields["documents"])
    query = sum(map(estimate, strings_in([fields["query"], fields["instruction"]])))
    longest = limits.document_tokens or limits.total_tokens  # longer documents are cut here
    max_tokens = limits.pair_tokens or limits.total_tokens  # the provider cuts longer texts
    costs = (min(sum(map(estimate, strings_in(document))), longest) for document in fields["documents"])
    return [min(query + cost, max_tokens) for cost in costs]


def _moved(row: Row, offset: int) -> Row:
    return {**row, "index": row["index"] + offset}


def _summed(usages: Sequence[Usage]) -> Usage:
    figures: dict[str, Any] = {}
    for name in USAGE_FIELDS:
        values = [getattr(usage, name) for usage in usages]
        if all(isinstance(value, (int, float)) for value in values):
            figures[name] = sum(values)
    return Usage(**figures) if figures else NO_USAGE
