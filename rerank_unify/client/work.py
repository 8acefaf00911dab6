"""Every decision of a call, as a generator without I/O: it yields what to send or how long to wait."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..batching import split_request
from ..canonical import Document, Query, RerankRequest, RerankResponse
from ..errors import InvalidRequestError, RerankError
from ..fallback import Attempt, FallbackPlan, Target, Wait, loss_too_many
from ..registry import Answer, Call
from .settings import MustKeep, Settings


@dataclass(frozen=True, slots=True)
class Send:
    """Send these calls to one target, at once; the reply is what came of each."""

    calls: Sequence[Call]
    timeout: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


Work: TypeAlias = Generator[Send | Pause, "Sequence[Answer | RerankError]", RerankResponse]


def as_request(
    query: RerankRequest | Query, documents: Sequence[Document] | None, fields: dict[str, Any]
) -> RerankRequest:
    """The request that `rerank` was given, whole or in its fields.

    Raises:
        InvalidRequestError: it is none, or has documents twice.
    """
    if isinstance(query, RerankRequest):
        if documents is not None:
            raise InvalidRequestError("documents: the request has its own", field="documents")
        return query.replace(**fields) if fields else query
    return RerankRequest(query=query, documents=documents, **fields)  # type: ignore[arg-type]  # None is refused there


def work(settings: Settings, request: RerankRequest, must_keep: MustKeep) -> Work:
    """One request through its targets: the generator that both clients drive."""
    ends = None if settings.deadline is None else time.monotonic() + settings.deadline
    plan = FallbackPlan(settings.targets, settings.policy, settings.health, ends)
    while isinstance(step := plan.next(time.monotonic()), (Attempt, Wait)):
        if isinstance(step, Wait):
            yield Pause(step.seconds)
            continue
        outcome: RerankResponse | RerankError
        try:
            outcome = yield from _attempt(settings, step, request, must_keep)
        except RerankError as error:
            error.provider = error.provider or step.target.name
            outcome = error
        except BaseException:
            plan.cancel(step)
            raise
        plan.record(step, outcome, time.monotonic())
        if isinstance(outcome, RerankResponse) and plan.answered:
            return _told(outcome, plan)
    raise plan.error()


def _attempt(settings: Settings, step: Attempt, request: RerankRequest, must_keep: MustKeep) -> Work:
    """One target: split, sent, read and merged. What it cannot express is an error here, without a call."""
    target = step.target
    vendor = target.vendor
    model = target.model or (vendor.default_model if len(settings.targets) > 1 else None)
    batch = split_request(
        request, vendor, model=model, like=target.like, split=settings.split, estimate=settings.estimate
    )
    calls = [_prepared(settings, target, part, model) for part in batch.parts]
    for call in calls:
        refused = loss_too_many(call.losses, must_keep, target.name)
        if refused is not None:
            raise refused
    timeout = settings.timeout if step.timeout is None else min(step.timeout, settings.timeout)
    answers = yield Send(calls, timeout)
    responses: list[RerankResponse] = []
    for call, answer in zip(calls, answers, strict=True):
        if isinstance(answer, RerankError):
            raise answer
        responses.append(call.decode(*answer, now=time.time()))
    return batch.merge(responses)


def _prepared(settings: Settings, target: Target, part: RerankRequest, model: str | None) -> Call:
    return target.vendor.prepare(
        part,
        model=model,
        api_key=target.api_key,
        base_url=target.base_url,
        headers=settings.headers,
        echo=False,
        like=target.like,
    )


def _told(response: RerankResponse, plan: FallbackPlan) -> RerankResponse:
    """The answer with the whole story, and a warning where its scores are of another kind than the first target's."""
    first = plan.targets[0]
    expected = first.vendor.model(first.model, like=first.like).score_kind
    warnings = response.warnings
    if len(plan.attempts) > 1 and response.score_kind != expected:
        warnings += (f"scores are of kind {response.score_kind}, not {expected} as the first target's",)
    return response.replace(attempts=tuple(plan.attempts), warnings=warnings)
