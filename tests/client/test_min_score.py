"""The lowest score of a result, calls per minute, and a request that is split by the limit that an error names."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import Play, Respond, ScriptedServer, respond_as, score

import rerank_unify as ru
from rerank_unify.canonical import MinScore

from .helpers import DOCUMENTS, RANKED, Rerank, ask, failure, indices, jina, target, tried, voyage

MIDDLE: Final = (score(DOCUMENTS[RANKED[1]]) + score(DOCUMENTS[RANKED[2]])) / 2  # two results are above it
ABOVE: Final = RANKED[:2]


def logits(body: Any) -> dict[str, Any]:
    """Make a response whose scores are logits."""
    rows = [{"index": at, "logit": 20 * score(passage["text"]) - 10} for at, passage in enumerate(body["passages"])]
    return {"rankings": sorted(rows, key=lambda row: -row["logit"])}


# --- the lowest score ------------------------------------------------------------------------------------------------


def test_lower_results_are_removed_and_counted(rerank: Rerank) -> None:
    with ScriptedServer(respond=respond_as("jina")) as server:
        response = rerank(jina(server), min_score=MIDDLE)
    assert indices(response) == ABOVE
    assert response.missing == ()
    assert response.warnings == (f"min_score: 2 of 4 results removed, with scores below {MIDDLE:g}",)
    assert [result.relevance_score for result in response] == [score(DOCUMENTS[index]) for index in ABOVE]


def test_a_score_that_is_the_lowest_stays_and_no_warning_is_made(rerank: Rerank) -> None:
    with ScriptedServer(respond=respond_as("jina")) as server:
        response = rerank(jina(server), min_score=score(DOCUMENTS[RANKED[-1]]))
    assert (indices(response), response.warnings) == (RANKED, ())


def test_all_results_may_be_removed(rerank: Rerank) -> None:
    """A response without results is no failure: the next target is not tried."""
    with ScriptedServer(respond=respond_as("jina")) as first, ScriptedServer(respond=respond_as("voyage")) as second:
        response = rerank([jina(first), voyage(second)], min_score=1.0)
        assert second.calls == []
    assert (len(response), tried(response)) == (0, [("jina", None)])
    assert response.warnings == ("min_score: 4 of 4 results removed, with scores below 1",)


def test_top_n_counts_before(rerank: Rerank) -> None:
    with ScriptedServer(respond=respond_as("jina")) as server:
        assert indices(rerank(jina(server), ask(top_n=1), min_score=MIDDLE)) == RANKED[:1]
        assert indices(rerank(jina(server), ask(top_n=3), min_score=MIDDLE)) == ABOVE


def test_unit_scores_are_compared_and_raw_scores_stay(rerank: Rerank) -> None:
    with ScriptedServer(respond=logits) as server:
        nim = ru.Target("nim", base_url=server.url)
        response = rerank(nim, min_unit_score=0.5)
        raw = rerank(nim, min_score=0.0)
    assert response.score_kind == "logit"
    assert response.results == raw.results
    assert all(result.relevance_score >= 0 for result in response)
    assert 0 < len(response) < 4
    assert response.warnings[0].startswith("min_unit_score: ")


def test_a_client_has_one_and_a_call_replaces_it(rerank: Rerank) -> None:
    with ScriptedServer(respond=respond_as("jina")) as server:
        settings = {"min_score": MIDDLE}
        assert indices(rerank(jina(server), settings=settings)) == ABOVE
        assert indices(rerank(jina(server), settings=settings, min_unit_score=0.0)) == RANKED


def test_unknown_scores_are_refused_before_the_call(rerank: Rerank) -> None:
    with (
        ScriptedServer(respond=respond_as("xinference")) as unknown,
        ScriptedServer(respond=respond_as("jina")) as known,
    ):
        xinference = target("xinference", unknown, model="my-uid")
        error = failure(rerank, xinference, min_score=0.5)
        response = rerank([xinference, jina(known)], min_unit_score=MIDDLE)
        named = rerank(target("xinference", unknown, model="my-uid", base_model="bge-reranker-base"), min_score=MIDDLE)
    assert (type(error), len(unknown.calls)) == (ru.ScoreKindError, 1)
    assert error.message == "min_score: the scores of my-uid are of unknown kind"
    assert tried(response) == [("xinference", ru.ScoreKindError), ("jina", None)]
    assert indices(response) == indices(named) == ABOVE


def test_a_score_out_of_range_is_an_invalid_response(rerank: Rerank) -> None:
    """The response says nothing of the kind that the model declares."""
    rows = [{"index": at, "relevance_score": 5.0 - at} for at in range(4)]
    with (
        ScriptedServer([Play(body={"results": rows})]) as first,
        ScriptedServer(respond=respond_as("voyage")) as second,
    ):
        response = rerank([jina(first), voyage(second)], min_score=MIDDLE)
    assert tried(response) == [("jina", ru.InvalidResponseError), ("voyage", None)]
    assert indices(response) == ABOVE


def test_input_order_keeps_all_results(rerank: Rerank) -> None:
    with ScriptedServer([Play(status=401)]) as server:
        response = rerank([jina(server), "input-order"], min_score=0.5)
    assert (indices(response), response.reranked) == ([0, 1, 2, 3], False)
    assert response.warnings[-1] == "min_score: not applied, as no model ranked the documents"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"min_score": float("nan")}, "min_score: expected a finite number"),
        ({"min_score": float("inf")}, "min_score: expected a finite number"),
        ({"min_score": "0.5"}, "min_score: expected a finite number"),
        ({"min_score": True}, "min_score: expected a finite number"),
        ({"min_unit_score": 1.5}, "min_unit_score: expected a unit score, 0 to 1"),
        ({"min_unit_score": -0.1}, "min_unit_score: expected a unit score, 0 to 1"),
        ({"min_score": 0.5, "min_unit_score": 0.5}, "min_score: expected none beside min_unit_score"),
    ],
)
def test_a_wrong_lowest_score_is_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match=re.escape(sentence)):
        ru.Client("local", **options)
    with ru.Client("local") as client, pytest.raises(ru.InvalidRequestError, match=re.escape(sentence)):
        client.rerank("skin", DOCUMENTS, **options)


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=8), lowest=st.floats(0, 1), unit=st.booleans())
def test_what_is_left_and_what_is_counted_are_the_whole(scores: list[float], lowest: float, unit: bool) -> None:
    results = [ru.Result(index, value) for index, value in enumerate(scores)]
    response = ru.RerankResponse(results, score_kind="probability", provider="jina")
    left = MinScore(lowest, unit=unit).apply(response)
    assert [result.index for result in left] == [one.index for one in response if one.relevance_score >= lowest]
    removed = len(response) - len(left)
    assert removed == (int(re.findall(r": (\d+) of", left.warnings[0])[0]) if left.warnings else 0)


# --- calls per minute ------------------------------------------------------------------------------------------------


def test_calls_beyond_the_limit_go_to_the_next_target(rerank: Rerank) -> None:
    with ScriptedServer(respond=respond_as("jina")) as first, ScriptedServer(respond=respond_as("voyage")) as second:
        targets = [jina(first, requests_per_minute=2), voyage(second)]
        taken = [tried(rerank(targets)) for _ in range(3)]  # each with a client of its own
        assert len(first.calls) == 2
    assert taken == [[("jina", None)], [("jina", None)], [("jina", ru.CallLimitError), ("voyage", None)]]


def test_without_another_target_the_error_has_seconds_and_nothing_waits(rerank: Rerank) -> None:
    """A health of its own, and one that is shared: a limit of ours is no cool-down of the provider's."""
    settings = {"health": ru.Health()}
    with ScriptedServer(respond=respond_as("jina")) as server:
        limited = jina(server, requests_per_minute=1)
        rerank(limited, settings=settings)
        errors = [failure(rerank, limited, settings=settings) for _ in range(2)]
        assert len(server.calls) == 1
    for error in errors:
        assert isinstance(error, ru.RateLimitError)
        assert error.retry_after is not None
        assert 0 < error.retry_after <= 60
        assert error.message.startswith("requests_per_minute: 1 a minute are allowed; the next may start in ")
        assert error.provider == "jina"


def test_a_request_that_needs_more_calls_than_a_minute_allows_is_refused(rerank: Rerank) -> None:
    with ScriptedServer(respond=respond_as("tei")) as server:
        small = ru.Target("tei", base_url=server.url, limits=ru.Limits(documents=1), requests_per_minute=3)
        error = failure(rerank, small)
        assert server.calls == []
    assert isinstance(error, ru.UnsupportedRequestError)
    assert error.message == "requests_per_minute: the request needs 4 calls, and 3 a minute are allowed"


def test_each_part_counts_and_a_cached_response_does_not() -> None:
    with ScriptedServer(respond=respond_as("vllm")) as server:
        limited = ru.Target("vllm", "BAAI/bge-reranker-v2-m3", base_url=server.url, requests_per_minute=3)
        with ru.Client(limited, cache=ru.MemoryScoreCache(pointwise_models=["BAAI/bge-reranker-v2-m3"])) as client:
            for _ in range(5):
                client.rerank("skin", DOCUMENTS)
        assert len(server.calls) == 1
    with ScriptedServer(respond=respond_as("tei")) as server:
        split = ru.Target("tei", base_url=server.url, limits=ru.Limits(documents=2), requests_per_minute=3)
        with ru.Client(split) as client:
            client.rerank("skin", DOCUMENTS)
            with pytest.raises(ru.CallLimitError):
                client.rerank("skin", DOCUMENTS)
            client.rerank("skin", DOCUMENTS[:1])
        assert len(server.calls) == 3


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "60"])
def test_a_wrong_count_is_one_sentence(count: Any) -> None:
    with pytest.raises(ru.InvalidRequestError, match="requests_per_minute: expected an integer, 1 or more"):
        ru.Target("jina", requests_per_minute=count)


# --- the limit that an error names -----------------------------------------------------------------------------------


def at_most(limit: int, named: int | None = None) -> Respond:
    """Respond as TEI, which refuses more documents than its limit and names it."""

    def respond(body: Any) -> Any:
        count = len(body["texts"])
        if count <= limit:
            return respond_as("tei")(body)
        sentence = f"batch size {count} > maximum allowed batch size {limit if named is None else named}"
        return Play(status=413, body={"error": sentence, "error_type": "Validation"})

    return respond


def test_a_request_is_split_by_the_limit_that_the_error_names(rerank: Rerank) -> None:
    with ScriptedServer(respond=at_most(3)) as server:
        response = rerank(ru.Target("tei", base_url=server.url))
        sizes = [len(call.json["texts"]) for call in server.calls]
    assert (sizes[0], sorted(sizes[1:])) == (4, [1, 3])
    assert (indices(response), tried(response), response.warnings) == (RANKED, [("tei", None)], ())


def test_a_server_that_refuses_the_limit_it_names_is_called_once_more_alone(rerank: Rerank) -> None:
    with ScriptedServer(respond=at_most(0, named=3)) as server:
        error = failure(rerank, ru.Target("tei", base_url=server.url))
        assert isinstance(error, ru.RequestTooLargeError)
        assert 2 <= len(server.calls) <= 3  # the second part may be cancelled


def test_a_limit_that_the_request_keeps_is_the_error(rerank: Rerank) -> None:
    with ScriptedServer(respond=at_most(0, named=4)) as server:
        assert failure(rerank, ru.Target("tei", base_url=server.url)).document_limit == 4  # type: ignore[attr-defined]
        assert len(server.calls) == 1


def test_a_listwise_model_is_not_split(rerank: Rerank) -> None:
    sentence = "input list can contain at most 2 items"
    refused = Play(status=400, body={"detail": sentence})
    with ScriptedServer([refused], respond=respond_as("jina")) as server:
        error = failure(rerank, jina(server, model="jina-reranker-v3"))
        assert (type(error), len(server.calls)) == (ru.RequestTooLargeError, 1)
    with ScriptedServer([refused], respond=respond_as("jina")) as server:
        listwise = jina(server, model="jina-reranker-v3")
        assert indices(rerank(listwise, settings={"split": "always"})) == RANKED


def test_a_split_request_with_a_cache_loses_nothing() -> None:
    with ScriptedServer(respond=at_most(3)) as server:
        limited = ru.Target("tei", "m", base_url=server.url)
        with ru.Client(limited, cache=ru.MemoryScoreCache(pointwise_models=["m"])) as client:
            client.rerank("skin", DOCUMENTS[:1])
            response = client.rerank("skin", [*DOCUMENTS, "and one more"])
    assert sorted(indices(response)) == [0, 1, 2, 3, 4]
    assert response.missing == ()
