"""`input-order` at the end of a chain: the documents in the order of the request, where nothing else is left."""

from __future__ import annotations

import pytest
from scripted_server import Play, ScriptedServer

import rerank_unify as ru
from rerank_unify.fallback import Finished, Wait

DOCUMENTS = ["b", "", "a"]
TARGETS = [ru.Target("jina", api_key="jina_1"), ru.Target("input-order")]


def first(plan: ru.FallbackPlan, now: float) -> ru.Attempt:
    step = plan.next(now)
    assert isinstance(step, ru.Attempt)
    return step


def test_all_documents_come_in_the_order_of_the_request() -> None:
    with ru.Client("input-order") as client:
        response = client.rerank("q", DOCUMENTS)
        top = client.rerank("q", DOCUMENTS, top_n=2)
    assert [(result.index, result.relevance_score) for result in response] == [(0, 0.0), (1, 0.0), (2, 0.0)]
    assert [result.index for result in top] == [0, 1]
    assert (response.score_kind, response.reranked, response.missing) == ("none", False, ())
    assert response.warnings == ("the documents are in the order of the request: no model ranked them",)
    with pytest.raises(ru.ScoreKindError, match="there are no scores"):
        response.unit_scores()


def test_a_ranked_response_says_so_and_the_difference_is_part_of_its_value() -> None:
    ranked = ru.RerankResponse([ru.Result(0, 0.0)])
    assert ranked.reranked
    assert ranked != ranked.replace(score_kind="none")


@pytest.mark.parametrize("status", [401, 429, 500, 413, 404])
def test_it_follows_every_error_that_does_not_stop_the_chain(status: int) -> None:
    with ScriptedServer([Play(status=status)]) as server:
        target = ru.Target("jina", api_key="jina_1", base_url=server.url)
        with ru.Client([target, "input-order"]) as client:
            response = client.rerank("q", DOCUMENTS)
    assert (response.provider, len(response.attempts)) == ("input-order", 2)


def test_an_error_that_stops_the_chain_is_raised() -> None:
    with ScriptedServer([Play(status=400, body={"detail": "no"})]) as server:
        target = ru.Target("jina", api_key="jina_1", base_url=server.url)
        with ru.Client([target, "input-order"]) as client, pytest.raises(ru.BadRequestError):
            client.rerank("q", DOCUMENTS)


def test_it_starts_after_the_deadline() -> None:
    plan = ru.FallbackPlan(TARGETS, deadline=10.0)
    attempt = first(plan, 0.0)
    plan.record(attempt, ru.TimeoutError("no response within 10 seconds"), 11.0)
    last = first(plan, 11.0)
    assert (last.target.name, last.timeout) == ("input-order", None)
    plan.record(last, ru.RerankResponse([ru.Result(0, 0.0)], score_kind="none"), 11.0)
    assert isinstance(plan.next(11.0), Finished)
    assert plan.succeeded


def test_a_deadline_that_has_passed_before_the_first_attempt() -> None:
    assert first(ru.FallbackPlan(TARGETS, deadline=10.0), 10.0).target.name == "input-order"


def test_it_does_not_start_beside_a_slow_target() -> None:
    plan = ru.FallbackPlan(TARGETS, ru.FallbackPolicy(hedge_after=1.0))
    slow = first(plan, 0.0)
    assert isinstance(plan.next(5.0), Wait)
    plan.record(slow, ru.TimeoutError("no response within 6 seconds"), 6.0)
    assert first(plan, 6.0).target.name == "input-order"


def test_images_and_fields_are_no_reason_to_fail() -> None:
    with ru.Client("input-order") as client:
        response = client.rerank("q", [{"image": "https://example.com/a.png"}, {"text": "a", "title": "b"}])
    assert [result.index for result in response] == [0, 1]
