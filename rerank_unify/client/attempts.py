"""One `rerank` without its I/O: which request is sent where, and what each attempt's outcome does to the plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from random import random
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from .. import errors as e
from .._endpoint import plain_key
from .._http import HttpRequest, HttpResponse
from .._provider import Call, make_call
from ..batching import fits, split_request
from ..cache import CallsWithCache, ScoreCache
from ..canonical import (
    Document,
    MinScore,
    Query,
    RequestFields,
    RequestOptions,
    RerankRequest,
    RerankResponse,
    checked_fields,
    fields_of,
    min_score_of,
)
from ..dialect import Limits
from ..fallback import Attempt, FallbackPlan, Target, check_must_keep
from ..registry import check_option_names
from ..transport import too_late
from .config import MustKeep, Settings, address_of
from .events import Observation
from .rate import count_calls

if TYPE_CHECKING:
    from typing_extensions import Self

_EARLY: Final = 60.0  # seconds before its end from which a token is replaced: a call may take as long
_ADDRESSES: Final = 1024  # a URL may contain the model, and requests may name any model
Merge: TypeAlias = Callable[[Sequence[RerankResponse]], RerankResponse]


@dataclass(frozen=True, slots=True)
class Job:
    """A request, and what the user of the client wants of its response.

    Attributes:
        fields: the fields of the request.
        must_keep: canonical fields that must not be lost in a way that affects the result, or ``"all"``.
        min_score: the lowest score of a result; None for no limit.
        cache_scope: the group of users that share scores of the cache.
    """

    fields: RequestFields
    must_keep: MustKeep
    min_score: MinScore | None
    cache_scope: str

    def finish(self, response: RerankResponse) -> RerankResponse:
        """Return the response without the results whose score is too low."""
        return response if self.min_score is None else self.min_score.apply(response)


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
        raise e.InvalidRequestError("documents: expected none beside a whole request", field="documents")
    return fields_of(query.replace(**fields) if fields else query)


def job_of(
    settings: Settings,
    fields: RequestFields,
    must_keep: MustKeep,
    min_score: float | None,
    min_unit_score: float | None,
    cache_scope: str = "",
) -> Job:
    """Return a job, with the client's lowest score where the call sets none.

    Raises:
        InvalidRequestError: the lowest score has a wrong value.
    """
    given = min_score is not None or min_unit_score is not None
    return Job(fields, must_keep, min_score_of(min_score, min_unit_score) if given else settings.threshold, cache_scope)


def plan_of(settings: Settings, fields: RequestFields) -> FallbackPlan:
    """Return the plan for one request.

    Raises:
        InvalidRequestError: the request has options of a provider that is no target.
    """
    if fields["provider_options"]:
        check_option_names(fields["provider_options"], settings.providers)
    ends = None if settings.deadline is None else time.monotonic() + settings.deadline
    return FallbackPlan(settings.targets, settings.policy, settings.health, ends, random=random)


def with_model_warning(response: RerankResponse, model: str | None, settings: Settings) -> RerankResponse:
    """Return the response, with a warning where the request names a model that no target of a chain has."""
    if model is None or len(settings.targets) == 1 or model in {target.model for target in settings.targets}:
        return response
    warning = f"model: {model} was not sent, as each target of a chain names its model"
    return response.replace(warnings=(*response.warnings, warning))


class Running:
    """A running attempt, as a context: leaving it records the outcome in the plan, and for hooks, log and spans.

    A `RerankError` inside is the attempt's outcome, and goes no further: the plan decides what comes next. Any other
    exception, such as a cancellation, takes the attempt out of the plan, and propagates.
    """

    def __init__(self, settings: Settings, plan: FallbackPlan, job: Job, attempt: Attempt) -> None:
        self._settings, self._plan, self._job, self._attempt = settings, plan, job, attempt
        timeout = attempt.timeout
        self._timeout = settings.timeout if timeout is None else min(timeout, settings.timeout)
        self._ends = time.monotonic() + self._timeout
        self._calls: Sequence[Call] = ()
        self._waited = self._split_smaller = False
        self._with_cache: CallsWithCache | None = None
        self._merge: Merge = itemgetter(0)
        self._observation: Observation | None = None
        self._response: RerankResponse | None = None

    def prepare(self) -> Sequence[Call]:
        """Return the calls that the request needs at the attempt's target.

        Raises:
            RerankError: the target cannot express the request, would lose a field of ``must_keep``, has scores that
                the lowest score cannot be compared with, or has had too many calls in a minute.
        """
        parts, self._merge = _checked_parts(self._settings, self._attempt.target, self._job, self._attempt.model)
        self._prepare(parts)
        if self._settings.cache is None:
            self._begin()
        return self._calls

    def _prepare(self, parts: Sequence[RequestFields]) -> None:
        settings, target = self._settings, self._attempt.target
        self._calls = [_call(settings, target, part, self._attempt.model) for part in parts]
        for call in self._calls:
            refused = check_must_keep(call.losses, self._job.must_keep, target.name)
            if refused is not None:
                raise refused

    def cache_keys(self, cache: ScoreCache) -> Sequence[str]:
        """Return the keys of the documents in the cache; none where no score of the target may be cached."""
        target, models = self._attempt.target, cache.pointwise_models
        key = plain_key(target.api_key)
        self._with_cache = CallsWithCache(
            self._calls,
            scope=self._job.cache_scope,
            credentials=key,
            base_model=target.base_model,
            pointwise_models=models,
        )
        return self._with_cache.keys

    def without_cached(self, scores: Mapping[str, float]) -> Sequence[Call]:
        """Return the calls for the documents that have no score in the cache."""
        self._waited = True
        if self._with_cache is not None:
            self._calls = self._with_cache.without(scores)
        self._begin()
        return self._calls

    @property
    def new_scores(self) -> Mapping[str, float]:
        """The scores to cache, by key."""
        return {} if self._with_cache is None else self._with_cache.new_scores

    def _begin(self) -> None:
        """Count the calls that are about to be sent, and tell hooks, log and spans that the attempt starts."""
        if self._attempt.target.requests_per_minute is not None:
            count_calls(self._attempt.target, self._attempt.target.requests_per_minute, len(self._calls))
        if self._calls and self._observation is None:
            self._observation = Observation(self._settings.observers, self._attempt, self._calls, self._timeout)

    def seconds_left(self) -> float:
        """Return the seconds that are left for a call: of several requests, those that wait get less.

        Raises:
            TimeoutError: there are none.
        """
        if len(self._calls) == 1 and not self._waited:
            return self._timeout
        left = self._ends - time.monotonic()
        if left <= 0:
            raise too_late(self._timeout)
        return left

    def token_request(self, call: Call) -> HttpRequest | None:
        """Return the request for a token, where the provider takes one in place of the key and none is at hand."""
        target, now = self._attempt.target, time.time()
        token = self._settings.tokens.get(target.identity)
        if target.auth_header is not None or (token is not None and now < token.expires_at - _EARLY):
            return None
        self._waited = True
        return call.provider.auth.token_request(plain_key(target.api_key), now)

    def take_token(self, call: Call, response: HttpResponse) -> None:
        """Remember the token for this call and later ones.

        Raises:
            StatusError, InvalidResponseError: the response has no token.
        """
        self._settings.tokens[self._attempt.target.identity] = call.provider.auth.token_from(response, time.time())

    def signed(self, call: Call) -> Call:
        """Return the call with its signature or token."""
        target = self._attempt.target
        token = self._settings.tokens.get(target.identity)
        return call.sign(target.api_key if token is None else token.value, time.time())

    def decode(self, sent: Sequence[tuple[Call, HttpResponse]]) -> Sequence[Call] | None:
        """Decode and merge the responses to the calls, in the order of the calls.

        Returns:
            None where the attempt has its response; else the calls to send: another model ranked than the one of the
            cached scores, or the provider takes fewer documents in a call.

        Raises:
            RerankError: a response is an error or breaks the contract.
        """
        try:
            responses = [call.decode(*http_response, now=time.time()) for call, http_response in sent]
        except e.RequestTooLargeError as error:
            return self._smaller_calls(error)
        if self._with_cache is not None:
            whole = self._with_cache.merge(responses)
            if whole is None:
                return self.without_cached({})
            responses = whole
        response = self._merge(responses)
        if self._job.min_score is not None and response.score_kind == "unknown":
            sentence = f"{self._job.min_score.name} cannot be applied: the scores are of unknown kind"
            raise e.InvalidResponseError(sentence, provider=response.provider)
        self._response = response
        return None

    def _smaller_calls(self, error: e.RequestTooLargeError) -> Sequence[Call]:
        """Return the whole request in calls with as many documents as the error says, without the cache.

        Raises:
            RequestTooLargeError: the error, where it names no limit, or splitting does not help.
        """
        limit, largest = error.document_limit, max(len(call.encoded.fields["documents"]) for call in self._calls)
        if limit is None or limit >= largest or self._split_smaller:
            raise error
        self._split_smaller = self._waited = True
        try:
            limits = Limits(documents=limit)
            parts, self._merge = _parts(
                self._settings, self._attempt.target, self._job.fields, self._attempt.model, limits
            )
        except e.UnsupportedRequestError:
            raise error from None
        self._with_cache = None
        self._prepare(parts)
        self._begin()
        return self._calls

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        """Record the outcome."""
        now = time.monotonic()
        if self._plan.ended or not (error is None or isinstance(error, e.RerankError)):
            self._plan.cancel(self._attempt, now)
            raised = error if isinstance(error, Exception) and not isinstance(error, e.RerankError) else None
            if self._observation is not None:
                self._observation.ended(raised, cancelled=raised is None)
            return error is None or isinstance(error, e.RerankError)
        outcome = error if isinstance(error, e.RerankError) else cast("RerankResponse", self._response)
        if isinstance(outcome, e.RerankError):
            outcome.provider = outcome.provider or self._attempt.target.name
            outcome.__traceback__ = None  # its frames hold the raw response, which may repeat a key
            if isinstance(outcome, e.AuthenticationError):
                self._settings.tokens.pop(self._attempt.target.identity, None)  # revoked before its time
        elif self._attempt.target is not self._plan.targets[0]:
            outcome = _with_kind_warning(outcome, self._plan.targets[0])
        refused = self._plan.record(self._attempt, outcome, now, called=bool(self._calls))
        if self._observation is not None:
            self._observation.ended(refused, self._response)
        return True


def calls_of(settings: Settings, target: Target, fields: RequestFields, model: str | None) -> Sequence[Call]:
    """Return the calls that a request needs at a target, without a cache.

    Args:
        settings: the settings of the client.
        target: the target to call.
        fields: the fields of the request.
        model: the model to send; None for the request's.

    Raises:
        InvalidRequestError: every provider would refuse the request.
        RequestError: the target cannot express it, or has scores that the lowest score cannot be compared with.
    """
    parts, _ = _checked_parts(settings, target, job_of(settings, fields, (), None, None), model)
    return [_call(settings, target, part, model) for part in parts]


def _checked_parts(
    settings: Settings, target: Target, job: Job, model: str | None
) -> tuple[Sequence[RequestFields], Merge]:
    """Return `_parts` of the job's request, if the target's scores can be compared with the lowest score."""
    if job.min_score is not None:
        provider = target.resolved_provider
        name = model or job.fields["model"] or provider.default_model
        job.min_score.check(provider.model(name, base_model=target.base_model).score_kind, name)
    return _parts(settings, target, job.fields, model)


def _call(settings: Settings, target: Target, fields: RequestFields, model: str | None) -> Call:
    """Prepare a call as `Provider.prepare` does, with URL and headers from the cache."""
    provider = target.resolved_provider
    encoded = provider.encode_fields(fields, model=model, base_model=target.base_model, echo_documents=False)
    key = (target.identity, encoded.model if provider.endpoint.varies_by_model else None)
    address = settings.addresses.get(key)
    if address is None:
        address = address_of(target, encoded.model, settings.headers)
        if len(settings.addresses) < _ADDRESSES:
            settings.addresses[key] = address
    return make_call(provider, encoded, *address)


def _parts(
    settings: Settings, target: Target, fields: RequestFields, model: str | None, limits: Limits | None = None
) -> tuple[Sequence[RequestFields], Merge]:
    """Return the fields unchanged where one call takes them, else split, and the function that merges the responses.

    Args:
        settings: the client's settings.
        target: the target.
        fields: the fields of the request.
        model: the model to send; None for the request's.
        limits: further limits of one call.
    """
    provider = target.resolved_provider if limits is None else target.resolved_provider.with_limits(limits)
    name = model or fields["model"]
    if fits(fields, provider.model(name, base_model=target.base_model).limits, settings.estimate):
        return (fields,), itemgetter(0)
    batch = split_request(
        RerankRequest.model_construct(**fields),
        provider,
        model=model,
        base_model=target.base_model,
        split=settings.split,
        estimate=settings.estimate,
    )
    return [fields_of(part) for part in batch.parts], batch.merge


def _with_kind_warning(response: RerankResponse, first: Target) -> RerankResponse:
    """Return the response, with a warning where its scores are of another kind than the first target's."""
    expected = first.resolved_provider.model(first.model, base_model=first.base_model).score_kind
    if response.score_kind == expected:
        return response
    warning = f"scores are of kind {response.score_kind}, not {expected} as the first target's"
    return response.replace(warnings=(*response.warnings, warning))
