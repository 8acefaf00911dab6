"""Law 6: a plan tries each target at most as often as its policy says, ends, and loses no cause."""

import json
import pickle
import threading
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import SecretStr

import rerank_unify as ru
from rerank_unify.canonical import cut_at_word, estimate_tokens
from rerank_unify.fallback import DEFAULT_POLICY, AttemptRecord, Outcome, exponential

RESPONSE = ru.RerankResponse([ru.Result(0, 0.5)])
JINA, COHERE, VOYAGE = (ru.Target(name, api_key="k") for name in ("jina", "cohere", "voyage"))


def attempt(plan: ru.FallbackPlan, now: float) -> ru.Attempt:
    step = plan.next(now)
    assert isinstance(step, ru.Attempt), step
    return step


def tried(plan: ru.FallbackPlan, *outcomes: Outcome, now: float = 0) -> list[str]:
    """Run the plan on these outcomes in order, and return the names of the providers that it called."""
    called: list[str] = []
    for outcome in outcomes:
        step = attempt(plan, now)
        called.append(step.target.name)
        plan.record(step, outcome, now)
    return called


# --- the policy table ------------------------------------------------------------------------------------------------

MOVES_ON: list[ru.RerankError] = [
    ru.AuthenticationError("x"),
    ru.PermissionDeniedError("x"),
    ru.QuotaExceededError("x"),
    ru.NotFoundError("x"),
    ru.ModelNotFoundError("x"),
    ru.WrongEndpointError("x"),
    ru.RequestTooLargeError("x"),
    ru.RateLimitError("x"),
    ru.ProviderServerError("x"),
    ru.ProviderOverloadedError("x"),
    ru.InvalidResponseError("x"),
    ru.ConnectError("x"),
    ru.TimeoutError("x"),
    ru.MissingApiKeyError("x"),
    ru.UnsupportedRequestError("x"),
]


@pytest.mark.parametrize("error", MOVES_ON, ids=lambda error: type(error).__name__)
def test_after_every_other_class_the_next_target_is_tried_at_once(error: ru.RerankError) -> None:
    plan = ru.FallbackPlan([JINA, COHERE])
    assert tried(plan, error, RESPONSE) == ["jina", "cohere"]
    assert plan.next(0) == ru.Finished()
    assert [one.error for one in plan.attempts] == [error, None]


@pytest.mark.parametrize("error", [ru.BadRequestError("x"), ru.InvalidRequestError("x")])
def test_the_callers_mistake_stops(error: ru.RerankError) -> None:
    plan = ru.FallbackPlan([JINA, COHERE])
    assert tried(plan, error) == ["jina"]
    assert plan.next(0) == ru.Finished()
    assert plan.error() is error


UNKNOWN_MODEL = b'{"detail":[{"loc":["body","model"],"msg":"Input should be a or b","type":"literal_error"}]}'


def test_an_error_about_the_models_name_moves_on() -> None:
    # The name is the operator's, so that it says nothing about the request.
    error = ru.provider("infinity").decode_error(422, {}, UNKNOWN_MODEL)
    plan = ru.FallbackPlan([ru.Target("infinity"), COHERE])
    assert tried(plan, error, RESPONSE) == ["infinity", "cohere"]


def test_a_target_without_a_model_is_passed_over() -> None:
    nameless = next(name for name in ru.provider_names() if ru.provider(name).default_model is None)
    request = ru.RerankRequest(query="q", documents=["a"])
    plan = ru.FallbackPlan([nameless, COHERE], request=request)
    assert tried(plan, RESPONSE) == ["cohere"]
    alone = ru.FallbackPlan([nameless], request=request)
    assert alone.next(0) == ru.Finished()
    assert str(alone.error()).endswith("has no default model, so name one")


def test_an_undeclared_code_under_200_trips_no_breaker() -> None:
    health, policy = ru.Health(), ru.FallbackPolicy(breaker_failures=1)
    error = ru.provider("jina").decode_error(200, {}, b'{"code":20012,"message":"no","data":null}')
    plan = ru.FallbackPlan([JINA, COHERE], policy, health)
    assert tried(plan, error, RESPONSE) == ["jina", "cohere"]
    assert health.opened_at(JINA, 0) is None


def test_the_policy_is_data() -> None:
    policy = ru.FallbackPolicy(rules={ru.AuthenticationError: ru.Rule("stop"), ru.BadRequestError: ru.Rule("next")})
    assert policy.rule(ru.AuthenticationError).action == "stop"
    assert policy.rule(ru.ModelNotFoundError).action == "next"
    assert tried(ru.FallbackPlan([JINA, COHERE], policy), ru.BadRequestError("x"), RESPONSE) == ["jina", "cohere"]
    assert "AuthenticationError      stop" in str(policy)
    assert "BadRequestError          stop" in str(DEFAULT_POLICY)


def test_a_single_target_is_tried_again_after_its_backoff() -> None:
    plan = ru.FallbackPlan([JINA])
    plan.record(attempt(plan, 0), ru.ProviderServerError("1"), 0)
    assert plan.next(0) == ru.Wait(0.5)
    plan.record(attempt(plan, 0.5), ru.RateLimitError("2", retry_after=3), 0.5)
    assert plan.next(1.5) == ru.Wait(2.0)
    last = ru.ProviderServerError("3")
    plan.record(attempt(plan, 3.5), last, 3.5)
    assert plan.next(99) == ru.Finished()
    assert plan.error() is last


def test_an_error_that_a_retry_cannot_fix_is_not_retried() -> None:
    plan = ru.FallbackPlan([JINA])
    assert tried(plan, ru.AuthenticationError("x")) == ["jina"]
    assert plan.next(0) == ru.Finished()


def test_retries_of_several_targets() -> None:
    plan = ru.FallbackPlan([JINA, COHERE], ru.FallbackPolicy(retries=1))
    assert tried(plan, ru.ProviderServerError("1"), ru.ProviderServerError("2")) == ["jina", "cohere"]
    assert plan.next(0) == ru.Wait(0.5)
    assert tried(plan, ru.ProviderServerError("3"), ru.ProviderServerError("4"), now=0.5) == ["jina", "cohere"]
    assert plan.next(99) == ru.Finished()
    error = plan.error()
    assert isinstance(error, ru.AllProvidersFailedError)
    assert [cause.message for cause in error.causes] == ["1", "2", "3", "4"]


def test_backoff_doubles_and_honours_the_provider() -> None:
    waits = [exponential(ru.ProviderServerError("x"), tries) for tries in (1, 2, 3, 9)]
    assert waits == [0.5, 1.0, 2.0, 8.0]
    assert exponential(ru.RateLimitError("x", retry_after=0), 3) == 0


# --- responses that count as failures----------------------------------------------------------------------------------


def test_after_an_empty_response_the_next_target_is_tried_by_default() -> None:
    empty = ru.RerankResponse([])
    assert tried(ru.FallbackPlan([JINA, COHERE]), empty, RESPONSE) == ["jina", "cohere"]
    accepting = ru.FallbackPlan([JINA, COHERE], ru.FallbackPolicy(empty="accept"))
    assert tried(accepting, empty) == ["jina"]
    assert accepting.next(0) == ru.Finished()


def test_the_policy_decides_about_missing_rows() -> None:
    lacking = ru.RerankResponse([ru.Result(0, 0.5)], missing=[1])
    withheld = ru.RerankResponse([ru.Result(0, 0.5)], missing=[1], losses=[ru.Loss("documents", "withheld", "x", (1,))])
    assert tried(ru.FallbackPlan([JINA, COHERE]), lacking) == ["jina"]
    strict = ru.FallbackPolicy(incomplete="next")
    assert tried(ru.FallbackPlan([JINA, COHERE], strict), lacking, withheld) == ["jina", "cohere"]


# --- order, deadline, what cannot be expressed -----------------------------------------------------------------------


def test_targets_are_tried_by_weight() -> None:
    light, heavy = ru.Target("jina", weight=1), ru.Target("cohere", weight=2)
    plan = ru.FallbackPlan([light, heavy], ru.FallbackPolicy(order="weight"))
    assert tried(plan, ru.ConnectError("x"), RESPONSE) == ["cohere", "jina"]


def test_one_deadline_over_everything() -> None:
    slow = ru.Target("cohere", timeout=60)
    plan = ru.FallbackPlan([JINA, slow], deadline=110)
    first = attempt(plan, 100)
    assert first.timeout == 10
    plan.record(first, ru.TimeoutError("x"), 107)
    second = attempt(plan, 107)
    assert second.timeout == 3
    plan.record(second, ru.ConnectError("y"), 110)
    assert plan.next(110) == ru.Finished()
    late = ru.FallbackPlan([JINA], deadline=5)
    assert late.next(5) == ru.Finished()
    assert isinstance(late.error(), ru.TimeoutError)
    assert attempt(ru.FallbackPlan([slow]), 0).timeout == 60
    assert attempt(ru.FallbackPlan([JINA]), 0).timeout is None


def test_a_plan_ends_if_a_wait_exceeds_the_deadline() -> None:
    plan = ru.FallbackPlan([JINA], deadline=10)
    plan.record(attempt(plan, 0), ru.RateLimitError("x", retry_after=30), 0)
    assert plan.next(0) == ru.Finished()


def test_a_target_that_cannot_express_the_request_is_skipped() -> None:
    request = ru.RerankRequest(query="q", documents=["a", {"image": "u"}], instruction="i")
    qwen = ru.Target("xinference", model="my-uid", base_model="Qwen3-VL-Reranker-2B")
    plan = ru.FallbackPlan([VOYAGE, COHERE, qwen], request=request)
    assert tried(plan, RESPONSE) == ["xinference"]
    plan = ru.FallbackPlan([VOYAGE, COHERE], request=request)
    assert plan.next(0) == ru.Finished()
    error = plan.error()
    assert isinstance(error, ru.AllProvidersFailedError)
    assert [cause.provider for cause in error.causes] == ["voyage", "cohere"]
    with pytest.raises(ru.InvalidRequestError, match="none of the rank_fields"):
        ru.FallbackPlan([VOYAGE], request=ru.RerankRequest(query="q", documents=[{"a": 1}], rank_fields=["b"]))


def test_a_target_that_would_lose_a_must_keep_field_is_skipped() -> None:
    request = ru.RerankRequest(query="q", documents=["a"], instruction="i", truncation=True)
    plan = ru.FallbackPlan([COHERE, VOYAGE], request=request, must_keep={"instruction"})
    assert tried(plan, RESPONSE) == ["voyage"]
    assert tried(ru.FallbackPlan([COHERE, VOYAGE], request=request, must_keep={"truncation"}), RESPONSE) == ["cohere"]
    no_target = ru.FallbackPlan([COHERE, JINA], request=request, must_keep="all")
    assert no_target.next(0) == ru.Finished()
    error = no_target.error()
    assert isinstance(error, ru.AllProvidersFailedError)
    assert "instruction: would be dropped" in str(error.causes[0])


def test_a_chains_models_are_its_targets() -> None:
    request = ru.RerankRequest(query="q", documents=[{"image": "u"}], model="jina-reranker-m0")
    assert tried(ru.FallbackPlan([JINA], request=request), RESPONSE) == ["jina"]
    assert ru.FallbackPlan([JINA, VOYAGE], request=request).next(0) == ru.Finished()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ru.FallbackPlan([]), "targets: expected one or more"),
        (lambda: ru.FallbackPlan([ru.Target("klingon")]), "no provider is called 'klingon'"),
        (lambda: ru.Target("jina", timeout=0), "timeout: expected a number of seconds above 0"),
        (lambda: ru.Target("jina", model=" "), "model: expected a string that is not blank"),
        (lambda: ru.Target("jina", model="\ud83d"), "model: has a lone surrogate"),
    ],
)
def test_bad_targets(make: Any, sentence: str) -> None:
    with pytest.raises(ru.RequestError, match=sentence):
        make()


def test_an_attempt_is_recorded_only_once_and_only_in_its_plan() -> None:
    plan, other = ru.FallbackPlan([JINA]), ru.FallbackPlan([COHERE])
    step = attempt(plan, 0)
    attempt(other, 0)
    with pytest.raises(ru.InvalidRequestError, match="not under way"):
        other.record(step, RESPONSE, 0)
    plan.record(step, RESPONSE, 0)
    with pytest.raises(ru.InvalidRequestError, match="not under way"):
        plan.record(step, RESPONSE, 0)
    assert "'k'" not in repr(step)


# --- shared health ---------------------------------------------------------------------------------------------------


def test_a_provider_that_sent_retry_after_is_left_alone_until_then() -> None:
    health = ru.Health()
    limited = ru.RateLimitError("slow down", retry_after=30, provider="jina")
    assert tried(ru.FallbackPlan([JINA, COHERE], health=health), limited, RESPONSE, now=100) == ["jina", "cohere"]
    assert tried(ru.FallbackPlan([JINA, COHERE], health=health), RESPONSE, now=129.9) == ["cohere"]
    assert tried(ru.FallbackPlan([JINA, COHERE], health=health), RESPONSE, now=130) == ["jina"]
    waiting = ru.FallbackPlan([JINA], health=ru.Health())
    waiting.health.fail(JINA, limited, 100, DEFAULT_POLICY)
    assert waiting.next(110) == ru.Wait(20)
    given_up = ru.FallbackPlan([JINA], ru.FallbackPolicy(max_wait=5), health=waiting.health)
    assert given_up.next(110) == ru.Finished()
    error = given_up.error()
    assert type(error) is ru.RateLimitError
    assert str(error) == "jina: RateLimitError: in cool-down for 20 more seconds, as the provider requested"
    assert (error.retry_after, error.body, error.attempts) == (20, None, ())
    assert given_up.error() is not error  # each request raises a new error


def test_the_breaker_opens_and_lets_one_probe_through() -> None:
    health = ru.Health()
    policy = ru.FallbackPolicy(breaker_failures=2, breaker_seconds=10)
    for _ in range(2):
        assert tried(ru.FallbackPlan([JINA, COHERE], policy, health), ru.ConnectError("x"), RESPONSE)[0] == "jina"
    assert tried(ru.FallbackPlan([JINA, COHERE], policy, health), RESPONSE, now=9.9) == ["cohere"]
    prober = ru.FallbackPlan([JINA, COHERE], policy, health)
    probe = attempt(prober, 10)
    assert probe.target is JINA
    assert tried(ru.FallbackPlan([JINA, COHERE], policy, health), RESPONSE, now=10) == ["cohere"]
    prober.cancel(probe, 10)
    again = ru.FallbackPlan([JINA, COHERE], policy, health)
    probe = attempt(again, 10)
    again.record(probe, ru.ConnectError("y"), 11)
    assert health.wait(JINA, 11) == 10
    assert tried(ru.FallbackPlan([JINA, COHERE], policy, health), RESPONSE, now=21) == ["jina"]
    assert health.wait(JINA, 21) == 0


def test_health_is_safe_under_threads() -> None:
    health = ru.Health()
    policy = ru.FallbackPolicy(breaker_failures=10**9)

    def fail() -> None:
        for _ in range(500):
            health.fail(JINA, ru.ConnectError("x"), 0, policy)

    threads = [threading.Thread(target=fail) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert health.begin(JINA, 0, ru.FallbackPolicy(breaker_failures=4000))
    assert not health.begin(JINA, 0, ru.FallbackPolicy(breaker_failures=4000))


# --- hedging ---------------------------------------------------------------------------------------------------------


def test_a_slow_target_is_hedged() -> None:
    plan = ru.FallbackPlan([JINA, COHERE], ru.FallbackPolicy(hedge_after=0.25))
    slow = attempt(plan, 0)
    assert plan.next(0.125) == ru.Wait(0.125)
    quick = attempt(plan, 0.25)
    assert quick.target is COHERE
    assert plan.next(0.3) == ru.Wait(float("inf"))
    plan.record(quick, RESPONSE, 0.4)
    assert plan.next(0.4) == ru.Finished()
    plan.cancel(slow, 0.4)
    assert plan.attempts[-1] == ru.AttemptRecord("jina", None, 0.4, cancelled=True)
    unhedged = ru.FallbackPlan([JINA, COHERE])
    attempt(unhedged, 0)
    assert unhedged.next(99) == ru.Wait(float("inf"))


# --- law 6 -----------------------------------------------------------------------------------------------------------

OUTCOMES = st.sampled_from((*MOVES_ON, ru.RateLimitError("wait", retry_after=7), ru.BadRequestError("no"), RESPONSE))


class Plans(RuleBasedStateMachine):
    """A plan on any outcomes at any times, beside others that share its health."""

    @initialize(count=st.integers(1, 4), retries=st.none() | st.integers(0, 2), hedge=st.none() | st.just(1.0))
    def begin(self, count: int, retries: int | None, hedge: float | None) -> None:
        self.now = 0.0
        self.targets = [ru.Target("jina", model=f"m{n}") for n in range(count)]
        self.policy = ru.FallbackPolicy(retries=retries, hedge_after=hedge, breaker_failures=3, max_wait=20)
        self.health = ru.Health()
        self.max_tries = 1 + (retries if retries is not None else 2 * (count == 1))
        self.renew()

    def renew(self) -> None:
        self.plan = ru.FallbackPlan(self.targets, self.policy, self.health, deadline=self.now + 60)
        self.under_way: list[ru.Attempt] = []
        self.started: list[ru.Attempt] = []
        self.recorded: list[Outcome] = []

    @rule()
    def step(self) -> None:
        step = self.plan.next(self.now)
        if isinstance(step, ru.Attempt):
            assert step.timeout is not None
            assert 0 < step.timeout < 60.001  # what is left of it, in floating point
            self.under_way.append(step)
            self.started.append(step)
        elif isinstance(step, ru.Wait):
            assert step.seconds > 0
            assert self.under_way or step.seconds <= 20
        else:
            self.ended()

    def ended(self) -> None:
        if not any(isinstance(outcome, ru.RerankResponse) for outcome in self.recorded):
            causes = {id(cause) for cause in self.recorded}
            error = self.plan.error()
            reasons = error.causes if isinstance(error, ru.AllProvidersFailedError) else (error,)
            stopped = any(isinstance(outcome, ru.BadRequestError) for outcome in self.recorded)
            single = len(self.targets) == 1
            assert stopped or single or causes <= {id(cause) for cause in reasons}, "a cause was lost"
        self.renew()

    @precondition(lambda self: self.under_way)
    @rule(outcome=OUTCOMES, which=st.integers(0, 3), took=st.floats(0, 3))
    def record(self, outcome: Outcome, which: int, took: float) -> None:
        self.now += took
        step = self.under_way.pop(which % len(self.under_way))
        self.plan.record(step, outcome, self.now)
        self.recorded.append(outcome)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def no_target_is_tried_more_often_than_the_policy_says(self) -> None:
        if hasattr(self, "started"):
            for target in self.targets:
                assert sum(step.target is target for step in self.started) <= self.max_tries
            assert len(self.plan.attempts) == len(self.recorded)
            assert all(isinstance(one, AttemptRecord) for one in self.plan.attempts)


TestPlans = Plans.TestCase


# --- data that the user writes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"retries": -1}, "retries: expected a number, 0 or more"),
        ({"jitter": 1.5}, "jitter: expected a share, 0 to 1"),
        ({"jitter": -0.1}, "jitter: expected a number, 0 or more"),
        ({"max_wait": float("nan")}, "max_wait: expected a number, 0 or more"),
        ({"hedge_after": -1}, "hedge_after: expected a number, 0 or more"),
        ({"breaker_failures": 0}, "breaker_failures: expected a number, 1 or more"),
        ({"breaker_seconds": -1}, "breaker_seconds: expected a number, 0 or more"),
        ({"incomplete": "no"}, "incomplete: expected accept or next"),
        ({"empty": "no"}, "empty: expected accept or next"),
        ({"order": "random"}, "order: expected given or weight"),
    ],
)
def test_a_wrong_policy_is_reported(setting: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match=sentence):
        ru.FallbackPolicy(**setting)


@pytest.mark.parametrize("weight", [-1, float("inf"), float("nan")])
def test_a_wrong_weight_is_reported(weight: float) -> None:
    with pytest.raises(ru.InvalidRequestError, match="weight: expected a number, 0 or more"):
        ru.Target("jina", weight=weight)


def test_jitter_shortens_the_backoff_but_not_retry_after() -> None:
    for chance, seconds in ((0.0, 0.5), (0.5, 0.375), (1.0, 0.25)):
        plan = ru.FallbackPlan([JINA], random=lambda chance=chance: chance)  # type: ignore[misc]
        plan.record(attempt(plan, 0), ru.ConnectError("x"), 0)
        assert plan.next(0) == ru.Wait(seconds)
    plan = ru.FallbackPlan([JINA], random=lambda: 1.0)
    plan.record(attempt(plan, 0), ru.RateLimitError("x", retry_after=7), 0)
    assert plan.next(0) == ru.Wait(7)


def test_the_key_is_not_in_the_repr_of_a_target() -> None:
    target = ru.Target("jina", api_key="jina_0123456789")
    assert "0123" not in repr(target)
    assert target.api_key == SecretStr("jina_0123456789")
    assert target == ru.Target("jina", api_key=SecretStr("jina_0123456789"))
    call = target.resolved_provider.prepare(ru.RerankRequest(query="q", documents=["d"]), api_key=target.api_key)
    assert call.http.headers["authorization"] == "Bearer jina_0123456789"
    assert "0123" not in repr(call.http.headers)


# --- calls that overlap ----------------------------------------------------------------------------------------------


def test_a_response_to_an_earlier_call_ends_no_cool_down() -> None:
    health = ru.Health()
    slow, quick = (ru.FallbackPlan([JINA, COHERE], health=health) for _ in range(2))
    limited, succeeded = attempt(slow, 0), attempt(quick, 0)
    slow.record(limited, ru.RateLimitError("x", retry_after=30), 1)
    quick.record(succeeded, RESPONSE, 1.5)
    assert health.wait(JINA, 1.5) == 29.5
    assert health.wait(JINA, 31) == 0


def test_a_response_to_an_earlier_call_closes_no_breaker() -> None:
    health = ru.Health()
    policy = ru.FallbackPolicy(breaker_failures=1, breaker_seconds=10)
    failing, succeeding = (ru.FallbackPlan([JINA, COHERE], policy, health) for _ in range(2))
    failed, succeeded = attempt(failing, 0), attempt(succeeding, 0)
    failing.record(failed, ru.ConnectError("x"), 1)
    succeeding.record(succeeded, RESPONSE, 2)
    assert health.wait(JINA, 2) == 9
    assert tried(ru.FallbackPlan([JINA, COHERE], policy, health), RESPONSE, now=11) == ["jina"]
    assert tried(ru.FallbackPlan([JINA, COHERE], policy, health), RESPONSE, now=11) == ["jina"]


# --- limits of a target ----------------------------------------------------------------------------------------------

LONG = "one two three four five six seven eight nine ten"


def sent(target: ru.Target, request: ru.RerankRequest) -> tuple[Any, tuple[ru.Loss, ...]]:
    call = attempt(ru.FallbackPlan(target), 0).prepare(request)
    return json.loads(call.http.content)["documents"], call.losses


def test_a_targets_limit_of_tokens_cuts_documents_after_a_word() -> None:
    target = ru.Target("vllm", model="m", limits=ru.Limits(document_tokens=8))
    request = ru.RerankRequest(query="q", documents=["short", LONG, {"title": LONG, "n": 1}])
    documents, losses = sent(target, request)
    assert documents == ["short", "one two three four", "title: one two"]
    cut = [loss for loss in losses if loss.action == "cut"]
    assert [(loss.field, loss.indices, loss.affects_result) for loss in cut] == [("documents", (1, 2), True)]
    assert cut[0].reason == "the target's limit is 8 tokens of each document"
    assert sent(ru.Target("vllm", model="m"), request)[0][1] == LONG
    plan = ru.FallbackPlan([target, COHERE], request=request, must_keep=["documents"])
    assert tried(plan, RESPONSE) == ["cohere"]


def test_a_cut_names_the_document_of_the_request() -> None:
    target = ru.Target("cohere", api_key="k", limits=ru.Limits(document_tokens=8))
    _, losses = sent(target, ru.RerankRequest(query="q", documents=["", LONG]))
    assert [(loss.action, loss.indices) for loss in losses] == [("withheld", (0,)), ("cut", (1,))]
    jina = ru.Target("jina", "jina-reranker-m0", api_key="k", limits=ru.Limits(document_tokens=8))
    documents, _ = sent(jina, ru.RerankRequest(query="q", documents=[{"text": LONG, "image": "u"}, {"image": "u"}]))
    assert documents == [{"text": "one two three four", "image": "u"}, {"image": "u"}]


def test_a_targets_limit_of_documents_counts_before_the_providers() -> None:
    request = ru.RerankRequest(query="q", documents=["a"] * 40)
    large = ru.Target("tei", limits=ru.Limits(documents=100)).resolved_provider
    small = ru.Target("vllm", model="m", limits=ru.Limits(documents=30)).resolved_provider
    assert ru.provider("tei").check(request) is not None
    assert large.check(request) is None
    assert str(small.check(request, "m")) == (
        "vllm: UnsupportedRequestError: documents: vllm takes at most 30 in one call, and there are 40"
    )
    assert [len(part.documents) for part in ru.split_request(request, small, model="m").parts] == [30, 10]
    # Other declarations, and the other limits, stay.
    voyage = ru.Target("voyage", limits=ru.Limits(documents=5)).resolved_provider
    assert voyage.limits() == ru.Limits(documents=5, query_tokens=8_000, pair_tokens=32_000, total_tokens=600_000)
    assert ru.provider("voyage").limits().documents == 1_000
    again = pickle.loads(pickle.dumps(voyage))
    assert (again.name, again.limits()) == ("voyage", voyage.limits())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ru.Limits(documents=0), "limits.documents: expected an integer of 1 or more"),
        (lambda: ru.Limits(document_tokens=True), "limits.document_tokens: expected an integer of 1 or more"),
        (
            lambda: ru.Target("jina", limits=cast("Any", {})),
            "limits: expected Limits, not a value of type dict",
        ),
    ],
)
def test_wrong_limits(make: Any, sentence: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match=sentence):
        make()


@given(st.text(st.sampled_from("ab c\n护🙂é"), max_size=80), st.integers(1, 30))
def test_a_cut_text_is_a_beginning_within_the_limit(text: str, tokens: int) -> None:
    cut = cut_at_word(text, tokens)
    assert text.startswith(cut)
    assert bool(cut) == bool(text)
    assert estimate_tokens(cut) <= tokens or len(cut) == 1 or cut == text
    if estimate_tokens(text) <= tokens:
        assert cut == text
    elif " " in cut.strip():
        assert text[len(cut)].isspace(), "cut inside a word"
