"""One request never hurts another: each test has two clients that share a `Health`, and the first causes a fault."""

from __future__ import annotations

import gc
import time
from typing import Any, Final

import pytest
from scripted_server import PATIENCE, Play, ScriptedServer, respond_as

import rerank_unify as ru

from .helpers import NEVER, RANKED, Rerank, failure, indices, jina, target, tried, voyage

TEXT: Final = "TEXT OF THE FIRST"
BODY: Final = {"detail": "bad", "trace": TEXT}
BAD_OPTION: Final = {"detail": "rerank() got an unexpected keyword argument 'foo'"}
ENGINE: Final = {"detail": "CUDA error while ranking this one request"}
TOO_LONG: Final = {
    "error": {
        "code": 500,
        "message": "input (2805 tokens) is too large to process. increase the physical batch size "
        "(current batch size: 512)",
        "type": "server_error",
    }
}
QUICK: Final = ru.FallbackPolicy(backoff=lambda _, __: 0.0, breaker_failures=2, breaker_seconds=1000)


def texts_within(value: object) -> set[str]:
    """Every string that can be reached from an object, through all that it refers to but types and modules."""
    found: set[str] = set()
    left, seen = [value], set[int]()
    while left:
        item = left.pop()
        if id(item) in seen or isinstance(item, (type, type(time))):
            continue
        seen.add(id(item))
        if isinstance(item, str):
            found.add(item)
        else:
            left += gc.get_referents(item)
    return found


# --- errors stay with their request ----------------------------------------------------------------------------------


def test_an_error_that_stops_sets_no_cool_down(rerank: Rerank, caplog: pytest.LogCaptureFixture) -> None:
    health = ru.Health()
    bad = Play(status=400, headers={"retry-after": "120"}, body=BODY)
    with ScriptedServer([bad, Play()]) as server:
        first = failure(rerank, jina(server), settings={"health": health})
        assert (type(first), first.retry_after) == (ru.BadRequestError, 120)
        second = rerank(jina(server), settings={"health": health})
        assert (indices(second), tried(second)) == (RANKED, [("jina", None)])
    assert TEXT not in caplog.text
    assert not any(TEXT in text for text in texts_within(health))


@pytest.mark.parametrize("status", [404, 413])
def test_an_error_about_the_request_sets_no_cool_down(rerank: Rerank, status: int) -> None:
    settings = {"health": ru.Health()}
    body = {"detail": "no", "code": "model_not_found"} if status == 404 else {"detail": "large"}
    with ScriptedServer([Play(status=status, headers={"retry-after": "120"}, body=body), Play()]) as server:
        assert failure(rerank, jina(server), settings=settings).status == status
        assert indices(rerank(jina(server), settings=settings)) == RANKED


def test_a_cool_down_has_a_separate_error_for_each_request(rerank: Rerank) -> None:
    settings = {"health": ru.Health()}
    limited = Play(status=429, headers={"retry-after": "120", "x-request-id": "id-of-the-first"}, body=BODY)
    with ScriptedServer([limited]) as server:
        first = failure(rerank, jina(server), settings=settings)
        second, third = (failure(rerank, jina(server), settings=settings) for _ in range(2))
        assert len(server.calls) == 1
    assert (first.body is not None, first.request_id, len(first.attempts)) == (True, "id-of-the-first", 1)
    for error in (second, third):
        assert (type(error), error.provider, error.status) == (ru.RateLimitError, "jina", 429)
        assert (error.body, error.request_id, error.code, error.attempts) == (None, None, None, ())
        assert error.message.startswith("in cool-down for ")
        assert error.retry_after is not None
        assert 0 < error.retry_after <= 120
    assert second is not third
    assert not any(TEXT in text or "id-of" in text for text in texts_within(settings["health"]))


def test_a_success_clears_what_is_known_of_a_target(rerank: Rerank) -> None:
    health = ru.Health()
    policy = ru.FallbackPolicy(breaker_failures=2, retries=0)
    settings = {"health": health, "policy": policy}
    with ScriptedServer([Play(status=500, headers={"retry-after": "0"}), Play(), Play(status=500), Play()]) as server:
        targets = jina(server)
        for _ in range(2):
            assert type(failure(rerank, targets, settings=settings)) is ru.ProviderServerError
            assert indices(rerank(targets, settings=settings)) == RANKED
    assert health.opened_at(targets, time.monotonic()) is None
    assert not texts_within(health)


# --- what trips the breaker ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "body", "kind"),
    [
        ("xinference", BAD_OPTION, ru.ProviderServerError),
        ("xinference", ENGINE, ru.ProviderServerError),
        ("xinference", TOO_LONG, ru.RequestTooLargeError),
        ("jina", TOO_LONG, ru.RequestTooLargeError),
        ("cohere", TOO_LONG, ru.RequestTooLargeError),
        ("voyage", TOO_LONG, ru.RequestTooLargeError),
    ],
)
def test_bad_requests_open_no_breaker(rerank: Rerank, provider: str, body: Any, kind: type[ru.RerankError]) -> None:
    settings = {"health": ru.Health(), "policy": QUICK}
    with (
        ScriptedServer([Play(status=500, body=body)] * 5, respond=respond_as(provider)) as server,
        ScriptedServer(respond=respond_as("voyage")) as other,
    ):
        hostile, targets = target(provider, server), [target(provider, server), voyage(other, model="other")]
        for _ in range(5):
            assert type(failure(rerank, hostile, settings=settings)) is kind
        assert len(server.calls) == 5
        good = rerank(targets, settings=settings)
        assert (good.provider, indices(good), other.calls) == (provider, RANKED, [])


def test_a_request_counts_once_however_often_it_was_tried(rerank: Rerank) -> None:
    health = ru.Health()
    settings = {"health": health, "policy": QUICK}
    with ScriptedServer([Play(status=500)] * 3 + [Play()]) as server:
        only = jina(server)
        assert type(failure(rerank, only, settings=settings)) is ru.ProviderServerError
        assert len(server.calls) == 3
        assert health.opened_at(only, time.monotonic()) is None
        assert indices(rerank(only, settings=settings)) == RANKED


@pytest.mark.parametrize("play", [Play(status=500), Play(body=b"{"), Play(how="reset")])
def test_a_server_that_fails_is_skipped_where_another_can_respond(rerank: Rerank, play: Play) -> None:
    settings = {"health": ru.Health(), "policy": QUICK}
    with ScriptedServer([play]) as broken, ScriptedServer(respond=respond_as("voyage")) as good:
        targets = [jina(broken), voyage(good)]
        assert [rerank(targets, settings=settings).provider for _ in range(4)] == ["voyage"] * 4
        assert len(broken.calls) == 2
        assert type(failure(rerank, jina(broken), settings=settings)) is not ru.AllProvidersFailedError
        assert len(broken.calls) > 2  # a single target is called, whatever its breaker says


def test_an_open_breaker_is_tried_where_all_others_have_failed(rerank: Rerank) -> None:
    settings = {"health": ru.Health(), "policy": ru.FallbackPolicy(breaker_failures=1, breaker_seconds=1000)}
    with ScriptedServer([Play(status=500), Play()]) as first, ScriptedServer([Play(status=401)]) as second:
        targets = [jina(first), voyage(second)]
        failure(rerank, targets, settings=settings)
        response = rerank(targets, settings=settings)
    assert tried(response) == [("voyage", ru.AuthenticationError), ("jina", None)]


# --- Retry-After -----------------------------------------------------------------------------------------------------

FAR: Final = {
    "1e308": {"retry-after": "1e308"},
    "10^26": {"retry-after": "1" + "0" * 26},
    "9999": {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"},
    "ms": {"retry-after-ms": "1e300"},
    "2100": {"retry-after": "4102444800", "date": "Wed, 25 Nov 2026 19:00:00 GMT"},
}


@pytest.mark.parametrize("headers", FAR.values(), ids=FAR)
def test_no_retry_after_locks_a_target_for_longer_than_the_policy_says(rerank: Rerank, headers: dict[str, str]) -> None:
    health = ru.Health()
    with ScriptedServer([Play(status=429, headers=headers), Play()]) as server:
        only = jina(server)
        failure(rerank, only, settings={"health": health, "policy": ru.FallbackPolicy(retries=0)})
        now = time.monotonic()
        assert health.cool_down(only, now) <= 600
        assert isinstance(ru.FallbackPlan([only], health=health).next(now + 601), ru.Attempt)
        short = ru.FallbackPolicy(max_cool_down=0)
        assert type(failure(rerank, voyage(server), settings={"policy": short})) is not ru.RerankError


# --- retries ---------------------------------------------------------------------------------------------------------


def test_a_timed_out_attempt_is_not_repeated_at_the_same_target(rerank: Rerank) -> None:
    began = time.monotonic()
    with ScriptedServer([NEVER]) as server:
        error = failure(rerank, jina(server, timeout=0.2), settings={"policy": ru.FallbackPolicy(retries=5)})
        assert type(error) is ru.TimeoutError
        assert len(server.calls) <= 1
    assert time.monotonic() - began < PATIENCE


def test_retrying_is_a_matter_of_the_rule(rerank: Rerank) -> None:
    rules: dict[type[ru.RerankError], ru.Rule] = {
        ru.RateLimitError: ru.Rule(retries=0),
        ru.ProviderOverloadedError: ru.Rule(retries=1, waits=False),
        ru.TimeoutError: ru.Rule(retries=1),
    }
    settings = {"policy": ru.FallbackPolicy(rules=rules, retries=3, backoff=lambda _, __: 0.0)}
    for play, calls in (
        (Play(status=429), 1),
        (Play(status=503, headers={"retry-after": "0"}), 1),
        (Play(status=503), 2),
        (Play(status=500), 4),
        (NEVER, 2),
    ):
        with ScriptedServer([play]) as server:
            begun: list[ru.AttemptStarted] = []
            hooked = {**settings, "on_attempt_start": begun.append}
            failure(rerank, jina(server, timeout=0.2 if play is NEVER else 30.0), settings=hooked)
            assert len(begun) == calls, play
