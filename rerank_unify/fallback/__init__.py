"""Decide which target comes next: pure functions of outcomes and a clock that you pass in. Your code makes the calls.

    plan = ru.FallbackPlan([ru.Target("jina"), ru.Target("cohere")], health=health, deadline=now + 10)
    while isinstance(step := plan.next(now), (ru.Attempt, ru.Wait)):
        ...             # an Attempt: send step.prepare(request).http, then plan.record(step, outcome, now)
    response = plan.result()

One `Health` is shared by all requests and safe under threads and tasks; a plan belongs to one request. ``now`` is in
seconds on any clock that never goes back, the same for both.
"""

from ..canonical import AttemptRecord
from .health import Health
from .plan import FallbackPlan, Outcome, check_must_keep
from .policy import DEFAULT_POLICY, RULES, Backoff, FallbackPolicy, Rule, exponential
from .target import Attempt, Finished, Target, Wait, as_targets

__all__ = [
    "DEFAULT_POLICY",
    "RULES",
    "Attempt",
    "AttemptRecord",
    "Backoff",
    "FallbackPlan",
    "FallbackPolicy",
    "Finished",
    "Health",
    "Outcome",
    "Rule",
    "Target",
    "Wait",
    "as_targets",
    "check_must_keep",
    "exponential",
]
