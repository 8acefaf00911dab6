"""The policy over the wire, row by row: who was called, how often, with which body, and what came back."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import pytest
from scripted_server import PATIENCE, Play, ScriptedServer, no_server_listens, respond_as, score

import rerank_unify as ru

from .helpers import DOCUMENTS, MANY, NEVER, RANKED, Rerank, ask, causes, failure, indices, jina, target, tried, voyage

AGAIN_NOW: Final = {"retry-after": "0"}
# Who waits where nothing should be waited for is found out.
UNHURRIED: Final = ru.FallbackPolicy(backoff=lambda _, __: 3600.0, max_wait=7200.0)


def answering(name: str, *script: Play) -> ScriptedServer:
    """A server that plays the script, and then sends good responses in a provider's dialect."""
    return ScriptedServer(script, respond=respond_as(name))


# --- a response ------------------------------------------------------------------------------------------------------


def test_a_response_is_taken_and_no_other_is_called(rerank: Rerank) -> None:
    with answering("jina") as first, answering("voyage") as second:
        response = rerank([jina(first), voyage(second)], ask(top_n=2))
        assert (indices(response), response.provider, response.warnings) == (RANKED[:2], "jina", ())
        assert [result.text for result in response] == [DOCUMENTS[index] for index in RANKED[:2]]
        assert (tried(response), len(first.calls), second.calls) == ([("jina", None)], 1, [])


# --- each failure moves on at once -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failing:
    """How the first of two fails, and what that is."""

    kind: type[ru.RerankError]
    play: Play
    provider: str = "jina"


def refusal(status: int, detail: str, **more: Any) -> Play:
    return Play(status=status, body={"detail": detail, **more})


def ranked(*rows: Any) -> Play:
    return Play(body={"results": [*rows]})


ROW: Final = {"index": 0, "relevance_score": 0.5}

STATUSES: Final = {
    "401": Failing(ru.AuthenticationError, refusal(401, "bad key")),
    "402": Failing(ru.QuotaExceededError, refusal(402, "pay")),
    "403": Failing(ru.PermissionDeniedError, refusal(403, "not yours")),
    "404 model": Failing(ru.ModelNotFoundError, refusal(404, "x", code="model_not_found")),
    "400 model, by jina's code": Failing(ru.ModelNotFoundError, refusal(400, "x", code="INPUT_MODEL_NOT_FOUND")),
    "404 model, in cohere's words": Failing(
        ru.ModelNotFoundError, Play(status=404, body={"message": "model 'm' not found"}), "cohere"
    ),
    "400 model, in voyage's words": Failing(
        ru.ModelNotFoundError, refusal(400, "Value 'm' supplied for argument 'model' is not valid"), "voyage"
    ),
    "404 model, in xinference's words": Failing(
        ru.ModelNotFoundError, refusal(404, "Model not found in the model list, uid: m"), "xinference"
    ),
    "404 page": Failing(ru.WrongEndpointError, Play(status=404, how="html")),
    "405": Failing(ru.WrongEndpointError, refusal(405, "Method Not Allowed")),
    "302": Failing(ru.WrongEndpointError, Play(how="redirect", location="http://127.0.0.1:9/")),
    "413": Failing(ru.RequestTooLargeError, refusal(413, "large")),
    "400 tokens, in voyage's words": Failing(
        ru.RequestTooLargeError, refusal(400, "The max allowed tokens per submitted batch is 600000."), "voyage"
    ),
    "429": Failing(ru.RateLimitError, refusal(429, "slow down")),
    "429 until in 30 s": Failing(ru.RateLimitError, Play(status=429, headers={"retry-after": "30"})),
    "500": Failing(ru.ProviderServerError, Play(status=500, body=b"oops")),
    "520": Failing(ru.ProviderServerError, Play(status=520, how="html")),
    "503": Failing(ru.ProviderOverloadedError, refusal(503, "loading")),
    "529": Failing(ru.ProviderOverloadedError, refusal(529, "overloaded")),
}
NONSENSE: Final = {
    "no JSON": Failing(ru.InvalidResponseError, Play(body=b'{"results": [')),
    "a page": Failing(ru.InvalidResponseError, Play(how="html")),
    "nothing": Failing(ru.InvalidResponseError, Play(body=b"")),
    "no rows": Failing(ru.InvalidResponseError, ranked()),
    "index beyond": Failing(ru.InvalidResponseError, ranked({**ROW, "index": 4})),
    "index below": Failing(ru.InvalidResponseError, ranked({**ROW, "index": -1})),
    "index twice": Failing(ru.InvalidResponseError, ranked(ROW, ROW)),
    "index true": Failing(ru.InvalidResponseError, ranked({**ROW, "index": True})),
    "score NaN": Failing(ru.InvalidResponseError, Play(body=b'{"results":[{"index":0,"relevance_score":NaN}]}')),
    "score infinite": Failing(ru.InvalidResponseError, Play(body=b'{"results":[{"index":0,"relevance_score":1e999}]}')),
    "score null": Failing(ru.InvalidResponseError, ranked({**ROW, "relevance_score": None})),
    "score a list": Failing(ru.InvalidResponseError, ranked({**ROW, "relevance_score": [1]})),
    "row a string": Failing(ru.InvalidResponseError, ranked("first")),
    "rows a string": Failing(ru.InvalidResponseError, Play(body={"results": "none"})),
    "an error under 200": Failing(ru.RateLimitError, Play(body={"error": {"code": "rate_limit_exceeded"}})),
    "an unknown error under 200": Failing(ru.InvalidResponseError, Play(body={"message": "no luck"})),
}
LOST: Final = {
    "closed before": Failing(ru.TransportError, Play(how="close_before_answer")),
    "closed in mid-body": Failing(ru.TransportError, Play(how="close_mid_body")),
    "reset": Failing(ru.TransportError, Play(how="reset")),
    "too short": Failing(ru.TransportError, Play(how="wrong_length", off=50)),
    "no HTTP": Failing(ru.TransportError, Play(how="garbage")),
    "no answer": Failing(ru.TimeoutError, NEVER),
}
FAILURES: Final = {**STATUSES, **NONSENSE, **LOST}


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_moves_on_at_once(rerank: Rerank, name: str) -> None:
    failing = FAILURES[name]
    other = "voyage" if failing.provider != "voyage" else "jina"
    limit = {"timeout": 0.3} if failing.play is NEVER else {}
    began = time.monotonic()
    with ScriptedServer([failing.play]) as broken, answering(other) as good:
        targets = [target(failing.provider, broken, **limit), target(other, good)]
        response = rerank(targets, settings={"policy": UNHURRIED})
        assert len(good.calls) == 1
        assert len(broken.calls) == 1 or (failing.play is NEVER and not broken.calls)
    assert time.monotonic() - began < PATIENCE
    assert (indices(response), response.provider) == (RANKED, other)
    assert tried(response) == [(failing.provider, failing.kind), (other, None)]
    error = response.attempts[0].error
    assert error is not None
    assert error.provider == failing.provider
    assert all(one.seconds >= 0 and not one.cancelled for one in response.attempts)


def test_no_server_listens(rerank: Rerank) -> None:
    first = ru.Target("xinference", base_url=no_server_listens())
    with answering("voyage") as second:
        response = rerank([first, voyage(second)], settings={"policy": UNHURRIED})
    assert tried(response) == [("xinference", ru.ConnectError), ("voyage", None)]


BODIES: Final[dict[str, dict[str, Any]]] = {
    "jina": {"top_n": 2, "return_documents": False},
    "cohere": {"top_n": 2},
    "cohere-v1": {"top_n": 2, "return_documents": False},
    "voyage": {"top_k": 2, "return_documents": False},
    "xinference": {"top_n": 2, "return_documents": False, "return_len": True},
}


def test_the_body_is_made_anew_for_each_target(rerank: Rerank) -> None:
    servers = {name: ScriptedServer([Play(status=500, body=b"")]) for name in BODIES}
    with ExitStack() as running:
        targets = [target(name, running.enter_context(one), model=f"{name}'s own") for name, one in servers.items()]
        response = rerank([*targets, "local"], ask(top_n=2, model="nobody's"))
    for name, server in servers.items():
        (seen,) = server.calls
        assert seen.json == {"model": f"{name}'s own", "query": "skin", "documents": DOCUMENTS, **BODIES[name]}
        assert seen.path == ("/v2/rerank" if name == "cohere" else "/v1/rerank")
        assert list(seen.credentials) == ["authorization"]
    assert tried(response) == [*((name, ru.ProviderServerError) for name in BODIES), ("local", None)]


def test_without_a_model_each_sends_its_default(rerank: Rerank) -> None:
    with ScriptedServer([Play(status=500)]) as first, answering("voyage") as second:
        rerank([jina(first), voyage(second)])
        models = [server.calls[0].json["model"] for server in (first, second)]
    assert models == [ru.provider(name).default_model for name in ("jina", "voyage")]


# --- what stops ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "play", [refusal(400, "top_n"), refusal(422, "top_n"), refusal(429, "top_n", code="INPUT_INVALID")]
)
def test_a_bad_request_stops(rerank: Rerank, play: Play) -> None:
    with ScriptedServer([play]) as first, answering("voyage") as second:
        error = failure(rerank, [jina(first), voyage(second)])
        assert (type(error), error.provider) == (ru.BadRequestError, "jina")
        assert (len(first.calls), second.calls) == (1, [])


def test_a_wrong_request_is_not_sent(rerank: Rerank) -> None:
    wrong = ask(documents=[{"a": "b"}], rank_fields=["c"])
    with answering("jina") as first, answering("voyage") as second:
        assert type(failure(rerank, [jina(first), voyage(second)], wrong)) is ru.InvalidRequestError
        assert (first.calls, second.calls) == ([], [])


def test_rules_are_the_callers_to_change(rerank: Rerank) -> None:
    policy = ru.FallbackPolicy(rules={ru.AuthenticationError: ru.Rule("stop"), ru.BadRequestError: ru.Rule("next")})
    settings = {"policy": policy}
    with ScriptedServer([refusal(400, "x"), refusal(401, "y")]) as first, answering("voyage") as second:
        targets = [jina(first), voyage(second)]
        assert tried(rerank(targets, settings=settings)) == [("jina", ru.BadRequestError), ("voyage", None)]
        assert type(failure(rerank, targets, settings=settings)) is ru.AuthenticationError
        assert len(second.calls) == 1


# --- a response that lacks rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "policy", "taken"),
    [
        ([], {}, False),
        ([], {"empty": "accept"}, True),
        ([ROW], {}, True),
        ([ROW], {"incomplete": "next"}, False),
        ([], {"empty": "accept", "incomplete": "next"}, False),
    ],
)
def test_a_response_that_lacks_rows(rerank: Rerank, rows: list[Any], policy: dict[str, Any], *, taken: bool) -> None:
    with ScriptedServer([ranked(*rows)]) as first, answering("voyage") as second:
        response = rerank([jina(first), voyage(second)], settings={"policy": ru.FallbackPolicy(**policy)})
        assert (len(first.calls), len(second.calls)) == (1, 0 if taken else 1)
    if taken:
        assert (response.provider, indices(response)) == ("jina", [row["index"] for row in rows])
        assert response.missing == tuple(range(len(rows), 4))
        assert f"{4 - len(rows)} of 4 rows are missing" in response.warnings
    else:
        assert tried(response) == [("jina", ru.InvalidResponseError), ("voyage", None)]


# --- trying again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retries", "failures", "calls"), [(None, 2, 3), (None, 3, 3), (0, 1, 1), (1, 1, 2), (4, 4, 5)]
)
def test_a_single_target_is_tried_again(rerank: Rerank, retries: int | None, failures: int, calls: int) -> None:
    settings = {"policy": ru.FallbackPolicy(retries=retries, backoff=lambda _, __: 0.0)}
    with answering("jina", *[Play(status=500)] * failures) as server:
        if failures < calls:
            response = rerank(jina(server), settings=settings)
            assert tried(response) == [*[("jina", ru.ProviderServerError)] * failures, ("jina", None)]
        else:
            assert type(failure(rerank, jina(server), settings=settings)) is ru.ProviderServerError
        assert len(server.calls) == calls


FINAL = [one for one in {**STATUSES, **NONSENSE}.values() if not one.kind.retryable and one.provider == "jina"]


@pytest.mark.parametrize("failing", FINAL, ids=lambda one: f"{one.kind.__name__}-{one.play.status}")
def test_what_cannot_help_is_tried_once(rerank: Rerank, failing: Failing) -> None:
    with ScriptedServer([failing.play]) as server:
        error = failure(rerank, jina(server), settings={"policy": ru.FallbackPolicy(retries=5)})
        assert (type(error), error.retryable, len(server.calls)) == (failing.kind, False, 1)


def test_a_chain_is_tried_again_where_the_policy_says_so(rerank: Rerank) -> None:
    policy = ru.FallbackPolicy(retries=1, backoff=lambda _, __: 0.01)
    with ScriptedServer([Play(status=500)]) as first, ScriptedServer([Play(status=503)]) as second:
        error = failure(rerank, [jina(first), voyage(second)], settings={"policy": policy})
        assert (len(first.calls), len(second.calls)) == (2, 2)
    assert sorted(causes(error), key=str) == sorted(
        [("jina", ru.ProviderServerError), ("voyage", ru.ProviderOverloadedError)] * 2, key=str
    )


def test_a_chain_comes_back_to_the_first(rerank: Rerank) -> None:
    policy = ru.FallbackPolicy(retries=1, backoff=lambda _, tried: 0.01 * tried)
    with answering("jina", Play(status=500)) as first, ScriptedServer([refusal(401, "no")]) as second:
        response = rerank([jina(first), voyage(second)], settings={"policy": policy})
        assert (response.provider, len(first.calls)) == ("jina", 2)
        assert len(second.calls) <= 1


def test_now_is_what_the_provider_set(rerank: Rerank) -> None:
    script = [Play(status=503, headers=AGAIN_NOW), Play(status=429, headers=AGAIN_NOW)]
    with answering("jina", *script) as server:
        response = rerank(jina(server), settings={"policy": ru.FallbackPolicy(max_wait=0.001)})
    assert tried(response) == [("jina", ru.ProviderOverloadedError), ("jina", ru.RateLimitError), ("jina", None)]


@pytest.mark.parametrize(
    ("seconds", "settings"),
    [("61", {}), ("30", {"policy": ru.FallbackPolicy(max_wait=5)}), ("30", {"deadline": 10.0})],
)
def test_a_wait_too_long_is_the_end(rerank: Rerank, seconds: str, settings: dict[str, Any]) -> None:
    began = time.monotonic()
    with ScriptedServer([Play(status=429, headers={"retry-after": seconds})]) as server:
        error = failure(rerank, jina(server), settings=settings)
        assert (type(error), error.retry_after, len(server.calls)) == (ru.RateLimitError, float(seconds), 1)
    assert time.monotonic() - began < PATIENCE


def test_xinferences_validation_is_a_bad_request(rerank: Rerank) -> None:
    body = b"Internal Server Error: 1 validation error for RerankRequest\ndocuments\n  Field required"
    play = Play(status=500, headers={"content-type": "text/plain"}, body=body)
    with ScriptedServer([play]) as first, answering("voyage") as second:
        for targets in (target("xinference", first), [target("xinference", first), voyage(second)]):
            assert type(failure(rerank, targets)) is ru.BadRequestError
        assert (len(first.calls), second.calls) == (2, [])


def test_xinferences_engine_fails_again_and_is_not_tried_again(rerank: Rerank) -> None:
    with ScriptedServer([refusal(500, "CUDA out of memory")]) as server:
        error = failure(rerank, target("xinference", server))
        assert (type(error), error.retryable, len(server.calls)) == (ru.ProviderServerError, False, 1)


def test_xinferences_model_that_is_loading_is_waited_for(rerank: Rerank) -> None:
    policy = ru.FallbackPolicy(backoff=lambda _, __: 0.0)
    with answering("xinference", *[refusal(503, "Model is loading")] * 2) as server:
        response = rerank(target("xinference", server), settings={"policy": policy})
        assert (indices(response), len(server.calls)) == (RANKED, 3)


# --- passed over without a call, and order ---------------------------------------------------------------------------


def test_a_target_that_ranks_no_images_is_passed_over(rerank: Rerank) -> None:
    images = ask(documents=[{"image": "https://example.com/a.png"}, {"image": "https://example.com/b.png"}])
    answer = ranked({"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1})
    with answering("voyage") as first, ScriptedServer([answer]) as second:
        response = rerank([voyage(first), jina(second, model="jina-reranker-m0")], images)
        assert (indices(response), first.calls) == ([1, 0], [])
        assert second.calls[0].json["documents"] == [dict(one) for one in images.documents if isinstance(one, dict)]
        assert tried(response) == [("voyage", ru.UnsupportedRequestError), ("jina", None)]
        error = failure(rerank, [voyage(first), target("cohere", second)], images)
        assert causes(error) == [("voyage", ru.UnsupportedRequestError), ("cohere", ru.UnsupportedRequestError)]
        assert (first.calls, len(second.calls)) == ([], 1)


@pytest.mark.parametrize("must_keep", [{"instruction"}, ["instruction"], "all"])
def test_a_target_that_would_lose_what_must_not_be_lost_is_passed_over(rerank: Rerank, must_keep: Any) -> None:
    with answering("cohere") as first, answering("voyage") as second:
        response = rerank([target("cohere", first), voyage(second)], ask(instruction="i"), must_keep=must_keep)
        assert (response.provider, first.calls) == ("voyage", [])
        assert tried(response) == [("cohere", ru.UnsupportedRequestError), ("voyage", None)]


def test_the_heaviest_first(rerank: Rerank) -> None:
    policy = ru.FallbackPolicy(order="weight")
    with ScriptedServer([Play(status=500)]) as first, ScriptedServer([Play(status=500)]) as second:
        targets = [jina(first, weight=1), voyage(second, weight=2)]
        error = failure(rerank, targets, settings={"policy": policy})
        assert causes(error) == [("voyage", ru.ProviderServerError), ("jina", ru.ProviderServerError)]
        assert first.calls[0].at > second.calls[0].at


# --- health, which requests share ------------------------------------------------------------------------------------


def called_at(targets: list[ru.Target], health: ru.Health, now: float) -> str:
    """Whom a plan of the same health would call first at that instant."""
    plan = ru.FallbackPlan(targets, health=health)
    step = plan.next(now)
    assert isinstance(step, ru.Attempt), step
    plan.cancel(step, now)
    return step.target.name


def test_retry_after_holds_for_all_requests(rerank: Rerank) -> None:
    health = ru.Health()
    with (
        ScriptedServer([Play(status=429, headers={"retry-after": "30"})]) as first,
        answering("voyage") as second,
    ):
        targets = [jina(first), voyage(second)]
        for attempts in ([("jina", ru.RateLimitError), ("voyage", None)], [("voyage", None)]):
            assert tried(rerank(targets, settings={"health": health, "policy": UNHURRIED})) == attempts
        assert (len(first.calls), len(second.calls)) == (1, 2)
    now = time.monotonic()
    assert 0 < health.wait(targets[0], now) <= 30
    assert called_at(targets, health, now) == "voyage"
    assert called_at(targets, health, now + 31) == "jina"


def test_a_breaker_opens_and_lets_one_through_in_the_end(rerank: Rerank) -> None:
    health, policy = ru.Health(), ru.FallbackPolicy(breaker_failures=2, breaker_seconds=1000)
    settings = {"health": health, "policy": policy}
    with ScriptedServer([Play(status=500)]) as first, answering("voyage") as second:
        targets = [jina(first), voyage(second)]
        for _ in range(4):
            assert rerank(targets, settings=settings).provider == "voyage"
        assert (len(first.calls), len(second.calls)) == (2, 4)
    now = time.monotonic()
    assert called_at(targets, health, now + 900) == "voyage"
    prober = ru.FallbackPlan(targets, policy, health)
    probe = prober.next(now + 1001)
    assert isinstance(probe, ru.Attempt)
    assert probe.target.name == "jina"
    assert called_at(targets, health, now + 1001) == "voyage"  # one probe at a time


def test_a_probe_that_succeeds_closes_the_breaker(rerank: Rerank) -> None:
    health, policy = ru.Health(), ru.FallbackPolicy(breaker_failures=2, breaker_seconds=1e-6)
    settings = {"health": health, "policy": policy}
    with answering("jina", *[Play(how="reset")] * 2) as first, answering("voyage") as second:
        targets = [jina(first), voyage(second)]
        found = [rerank(targets, settings=settings).provider for _ in range(3)]
        assert (found, len(first.calls)) == (["voyage", "voyage", "jina"], 3)
        assert health.wait(targets[0], time.monotonic()) == 0


def test_an_open_breaker_refuses_no_request(rerank: Rerank) -> None:
    settings = {"health": ru.Health(), "policy": ru.FallbackPolicy(breaker_failures=1, retries=0)}
    with answering("jina", *[Play(status=500)] * 2) as server:
        for calls in (1, 2):
            assert type(failure(rerank, jina(server), settings=settings)) is ru.ProviderServerError
            assert len(server.calls) == calls
        assert indices(rerank(jina(server), settings=settings)) == RANKED


def test_where_every_breaker_is_open_the_first_to_open_is_tried_first(rerank: Rerank) -> None:
    settings = {"health": ru.Health(), "policy": ru.FallbackPolicy(breaker_failures=1, breaker_seconds=1000)}
    with answering("jina", Play(status=500)) as first, answering("voyage", Play(status=500)) as second:
        targets = [jina(first), voyage(second)]
        assert type(failure(rerank, targets, settings=settings)) is ru.AllProvidersFailedError
        backwards = rerank(targets[::-1], settings=settings)
        assert (backwards.provider, indices(backwards)) == ("jina", RANKED)
        assert (len(first.calls), len(second.calls)) == (2, 1)


def test_what_is_not_the_providers_breakdown_opens_no_breaker(rerank: Rerank) -> None:
    settings = {"health": ru.Health(), "policy": ru.FallbackPolicy(breaker_failures=1)}
    with (
        ScriptedServer([refusal(401, "no"), refusal(413, "large"), refusal(429, "slow")]) as first,
        answering("voyage") as good,
    ):
        for calls in range(1, 4):
            rerank([jina(first), voyage(good)], settings=settings)
            assert len(first.calls) == calls


# --- time ------------------------------------------------------------------------------------------------------------


def test_what_is_left_of_the_deadline_is_each_attempts_timeout(rerank: Rerank) -> None:
    begun: list[ru.AttemptStarted] = []
    with ScriptedServer([NEVER]) as first, answering("voyage") as second:
        targets = [jina(first, timeout=0.2), voyage(second, timeout=500)]
        response = rerank(targets, settings={"deadline": 100, "on_attempt_start": begun.append})
        assert len(second.calls) == 1
    assert tried(response) == [("jina", ru.TimeoutError), ("voyage", None)]
    assert [one.provider for one in begun] == ["jina", "voyage"]
    assert begun[0].timeout == 0.2
    assert 0 < begun[1].timeout <= 99.8


def test_after_the_deadline_no_target_is_called(rerank: Rerank) -> None:
    began = time.monotonic()
    with ScriptedServer([NEVER]) as first, answering("voyage") as second:
        error = failure(rerank, [jina(first, timeout=50), voyage(second)], settings={"deadline": 0.2})
        assert len(first.calls) <= 1
        assert second.calls == []
    assert causes(error) == [("jina", ru.TimeoutError)]
    assert time.monotonic() - began < PATIENCE


# --- what is raised --------------------------------------------------------------------------------------------------


def test_a_single_targets_error_is_raised_itself(rerank: Rerank) -> None:
    with ScriptedServer([refusal(401, "bad key", request_id="r-1")]) as server:
        error = failure(rerank, jina(server))
    assert (type(error), str(error)) == (ru.AuthenticationError, "jina: AuthenticationError (HTTP 401): bad key")
    assert (error.status, error.request_id) == (401, "r-1")


def test_the_errors_of_several_are_one_group(rerank: Rerank) -> None:
    with (
        ScriptedServer([refusal(401, "a")]) as first,
        ScriptedServer([Play(status=429, headers={"retry-after": "7"})]) as second,
        ScriptedServer([Play(how="reset")]) as third,
    ):
        error = failure(rerank, [jina(first), voyage(second), target("cohere", third)])
    assert causes(error) == [
        ("jina", ru.AuthenticationError),
        ("voyage", ru.RateLimitError),
        ("cohere", ru.TransportError),
    ]
    assert isinstance(error, ru.AllProvidersFailedError)
    limited, others = error.split(ru.RateLimitError)  # what `except*` does
    assert isinstance(limited, ru.AllProvidersFailedError)
    assert isinstance(others, ru.AllProvidersFailedError)
    assert [len(group.causes) for group in (limited, others)] == [1, 2]
    assert (error.retryable, error.retry_after) == (True, 7)


# --- the scale of the scores -----------------------------------------------------------------------------------------

CHANGED: Final = "scores are of kind cosine, not probability as the first target's"


def test_another_kind_of_scores_is_reported(rerank: Rerank) -> None:
    health = ru.Health()
    limited = Play(status=429, headers={"retry-after": "30"})
    with ScriptedServer([limited]) as first, answering("jina") as second:
        targets = [voyage(first), jina(second, model="jina-reranker-v3")]
        for _ in range(2):  # the second time the first target is left alone, and never called
            response = rerank(targets, settings={"health": health})
            assert (response.score_kind, CHANGED in response.warnings) == ("cosine", True)
        assert len(first.calls) == 1


def test_the_same_kind_of_scores_is_no_news(rerank: Rerank) -> None:
    with ScriptedServer([Play(status=500)]) as first, answering("voyage") as second:
        assert rerank([jina(first), voyage(second)]).warnings == ()


# --- parts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("play", [refusal(413, "large"), Play(how="reset"), ranked()], ids=["413", "reset", "nonsense"])
def test_one_failing_part_fails_the_whole(rerank: Rerank, play: Play) -> None:
    with answering("voyage", Play(), play) as first, answering("jina") as second:
        response = rerank([voyage(first), jina(second)], ask(documents=MANY, top_n=1), settings={"policy": UNHURRIED})
        assert len(second.calls) == 1
        assert second.calls[0].json["documents"] == MANY
    best = max(range(len(MANY)), key=lambda index: score(MANY[index]))
    assert (indices(response), [one.provider for one in response.attempts]) == ([best], ["voyage", "jina"])


def test_the_whole_is_tried_again(rerank: Rerank) -> None:
    script = [Play(), Play(status=503, headers=AGAIN_NOW), Play()]
    with answering("voyage", *script) as server:
        response = rerank(voyage(server), ask(documents=MANY, top_n=1))
        assert sorted(len(seen.json["documents"]) for seen in server.calls) == [500, 500, 1000, 1000, 1000, 1000]
    assert tried(response) == [("voyage", ru.ProviderOverloadedError), ("voyage", None)]
