"""The decisions of one `rerank`, as a generator without I/O: it yields calls to send or seconds to wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from random import random
from typing import Final, TypeAlias

from .._http import HttpResponse
from .._provider import Call, make_call
from ..batching import fits, split_request
from ..canonical import (
    Document,
    Query,
    RequestFields,
    RequestOptions,
    RerankRequest,
    RerankResponse,
    checked_fields,
    fields_of,
)
from ..errors import InvalidRequestError, RerankError
from ..fallback import Attempt, FallbackPlan, Outcome, Target, Wait, check_must_keep
from ..registry import check_option_names
from .config import MustKeep, Settings, address_of
from .events import Observation


@dataclass(slots=True)
class Start:
    """Send these calls, all to one target. ``dropped`` is set when their responses are not needed any more."""

    id: int
    calls: Sequence[Call]
    timeout: float
    dropped: bool = False


@dataclass(slots=True)
class Await:
    """Wait for these seconds, or until calls that were sent have ended; `inf` for no time limit."""

    seconds: float


@dataclass(slots=True)
class Landed:
    """The outcome of a `Start`: a response or an error for each call, or another exception of a sender."""

    id: int
    responses: Sequence[HttpResponse | RerankError] | Exception


Work: TypeAlias = Generator[Start | Await, Landed | None, RerankResponse]


_ADDRESSES: Final = 1024  # a URL may contain the model, and requests may name any model
Merge: TypeAlias = Callable[[Sequence[RerankResponse]], RerankResponse]


@dataclass(slots=True)
class _Flight:
    attempt: Attempt
    calls: Sequence[Call]
    merge: Merge
    observation: Observation


def as_fields(
    query: RerankRequest | Query, documents: Sequence[Document] | None, fields: RequestOptions
) -> RequestFields:
    """Return the fields of the request that `rerank` received, whole or as arguments.

    Raises:
        InvalidRequestError: it is no request, or the documents are given twice.
    """
    if not isinstance(query, RerankRequest):
        return checked_fields({"query": query, "documents": documents, **fields})
    if documents is not None:
        raise InvalidRequestError("documents: expected none beside a whole request", field="documents")
    return fields_of(query.replace(**fields) if fields else query)


def noted(response: RerankResponse, model: str | None, settings: Settings) -> RerankResponse:
    """Return the response, with a warning where the request names a model that no target of a chain has."""
    if model is None or len(settings.targets) == 1 or model in {target.model for target in settings.targets}:
        return response
    warning = f"model: {model} was not sent, as each target of a chain names its model"
    return response.replace(warnings=(*response.warnings, warning))


def work(settings: Settings, fields: RequestFields, must_keep: MustKeep) -> Work:
    """Rerank one request with its targets: the generator that both clients drive."""
    if fields["provider_options"]:
        check_option_names(fields["provider_options"], settings.providers)
    ends = None if settings.deadline is None else time.monotonic() + settings.deadline
    plan = FallbackPlan(settings.targets, settings.policy, settings.health, ends, random=random)
    under_way: dict[int, _Flight] = {}
    response: RerankResponse | None = None
    try:
        while isinstance(step := plan.next(time.monotonic()), (Attempt, Wait)):
            if isinstance(step, Attempt):
                start = _set_out(settings, plan, step, fields, must_keep, under_way)
                landed = None if start is None else (yield start)
            else:
                landed = yield Await(step.seconds)
            if landed is not None:
                flight = under_way.pop(landed.id)
                response, landed = _arrived(plan, flight, landed), None  # a key may be in it, and errors hold frames
                if response is not None:
                    break
    finally:
        for flight in under_way.values():
            plan.cancel(flight.attempt, time.monotonic())
            flight.observation.cancelled()
    if response is None:
        error = plan.error()
        error.attempts = tuple(plan.attempts)
        raise error
    return response.replace(attempts=plan.attempts)


def _set_out(
    settings: Settings,
    plan: FallbackPlan,
    attempt: Attempt,
    fields: RequestFields,
    must_keep: MustKeep,
    under_way: dict[int, _Flight],
) -> Start | None:
    """Start an attempt. A target that cannot express the request fails without a call."""
    try:
        calls, merge = _prepared(settings, attempt.target, fields, must_keep)
    except RerankError as error:
        error.provider = error.provider or attempt.target.name
        plan.record(attempt, error, time.monotonic())
        return None
    except BaseException:
        plan.cancel(attempt, time.monotonic())
        raise
    timeout = settings.timeout if attempt.timeout is None else min(attempt.timeout, settings.timeout)
    observation = Observation(settings.observers, attempt, calls, timeout)
    under_way[attempt.id] = _Flight(attempt, calls, merge, observation)
    return Start(attempt.id, calls, timeout)


def _prepared(
    settings: Settings, target: Target, fields: RequestFields, must_keep: MustKeep
) -> tuple[list[Call], Merge]:
    """Return the calls that a request needs at a target, and the function that merges their responses.

    Raises:
        RerankError: the target cannot express the request, or would lose a field of ``must_keep``.
    """
    model = target.sends(chained=len(settings.targets) > 1)
    parts, merge = _parts(settings, target, fields, model)
    calls = [_call(settings, target, part, model) for part in parts]
    for call in calls:
        refused = check_must_keep(call.losses, must_keep, target.name)
        if refused is not None:
            raise refused
    return calls, merge


def _call(settings: Settings, target: Target, fields: RequestFields, model: str | None) -> Call:
    """Prepare a call as `Provider.prepare` does, with URL and headers from the cache."""
    provider = target.resolved_provider
    encoded = provider.encode_fields(fields, model=model, base_model=target.base_model, echo_documents=False)
    key = (target.identity, encoded.model if "{model}" in provider.endpoint.url else None)
    address = settings.addresses.get(key)
    if address is None:
        url, headers = address_of(target, encoded.model, settings.headers)
        address = (url, headers)
        if len(settings.addresses) < _ADDRESSES:
            settings.addresses[key] = address
    return make_call(provider, encoded, *address)


def _parts(
    settings: Settings, target: Target, fields: RequestFields, model: str | None
) -> tuple[Sequence[RequestFields], Merge]:
    """Return the fields unchanged where one call takes them, else split."""
    name = model or fields["model"]
    if fits(fields, target.resolved_provider.model(name, base_model=target.base_model).limits, settings.estimate):
        return (fields,), itemgetter(0)
    batch = split_request(
        RerankRequest.model_construct(**fields),
        target.resolved_provider,
        model=model,
        base_model=target.base_model,
        split=settings.split,
        estimate=settings.estimate,
    )
    return [fields_of(part) for part in batch.parts], batch.merge


def _arrived(plan: FallbackPlan, flight: _Flight, landed: Landed) -> RerankResponse | None:
    """Record the outcome; return the response where the policy accepts it."""
    if isinstance(landed.responses, Exception):
        plan.cancel(flight.attempt, time.monotonic())
        flight.observation.ended(landed.responses, None)
        raise landed.responses
    outcome = _outcome(flight, landed.responses)
    refused = plan.record(flight.attempt, outcome, time.monotonic())
    flight.observation.ended(refused, outcome if isinstance(outcome, RerankResponse) else None)
    if refused is not None or not isinstance(outcome, RerankResponse):
        return None
    first = plan.targets[0]
    return outcome if flight.attempt.target is first else _warned(outcome, first)


def _outcome(flight: _Flight, responses: Sequence[HttpResponse | RerankError]) -> Outcome:
    """Decode and merge the responses of an attempt, or return the first error among them."""
    try:
        decoded: list[RerankResponse] = []
        for call, http_response in zip(flight.calls, responses, strict=True):
            if isinstance(http_response, RerankError):
                raise http_response
            decoded.append(call.decode(*http_response, now=time.time()))
        return flight.merge(decoded)
    except RerankError as error:
        error.provider = error.provider or flight.attempt.target.name
        return error.with_traceback(None)  # its frames hold the raw response, which may repeat a key


def _warned(response: RerankResponse, first: Target) -> RerankResponse:
    """Return the response, with a warning where its scores are of another kind than the first target's."""
    expected = first.resolved_provider.model(first.model, base_model=first.base_model).score_kind
    if response.score_kind == expected:
        return response
    warning = f"scores are of kind {response.score_kind}, not {expected} as the first target's"
    return response.replace(warnings=(*response.warnings, warning))
