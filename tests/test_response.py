"""The canonical answer as a value."""

import copy
import json
import pickle
from typing import Any

import pytest

import rerank_unify as ru


def answer(**fields: Any) -> ru.RerankResponse:
    results = [ru.Result(1, 0.9, {"text": "b"}), ru.Result(0, 0.2, {"text": "a"}, {"embedding": [1.0]})]
    given: dict[str, Any] = {"results": results, "model": "m", "score_kind": "probability", **fields}
    return ru.RerankResponse(**given)


def test_it_is_built_by_hand_and_compares_by_value() -> None:
    assert answer() == answer()
    assert hash(answer()) == hash(answer())
    assert answer() != answer(model="n")
    assert answer() != answer(results=[])
    assert answer() != "answer"
    assert answer().usage == ru.Usage()
    assert ru.RerankResponse(results=[]).results == ()


def test_it_is_what_decoding_gives() -> None:
    decoded = ru.provider("jina").decode_response(answer().to_json())
    assert decoded.results == answer().results
    assert decoded.model == "m"


def test_results_are_iterated_and_picked() -> None:
    response = answer()
    assert (len(response), [result.index for result in response]) == (2, [1, 0])
    assert response.pick(["first", "second"]) == ["second", "first"]
    assert [result.text for result in response] == ["b", "a"]
    assert response.results is response.results


def test_it_is_frozen() -> None:
    response = answer()
    with pytest.raises(AttributeError, match="frozen: model cannot be set"):
        response.model = "n"
    with pytest.raises(AttributeError, match="frozen: model cannot be deleted"):
        del response.model
    with pytest.raises(AttributeError):
        response.results[0].index = 5  # type: ignore[misc]  # that it is refused is the point


def test_it_can_be_copied_and_pickled() -> None:
    call = ru.provider("voyage").prepare(ru.RerankRequest(query="q", documents=["", "b"]), api_key="k")
    decoded = call.decode(200, {}, b'{"data":[{"index":0,"relevance_score":0.5}],"usage":{"total_tokens":3}}')
    for response in (answer(), decoded):
        assert pickle.loads(pickle.dumps(response)) == response
        assert copy.deepcopy(response) == response


def test_its_repr_says_what_is_there() -> None:
    shown = repr(answer(usage=ru.Usage(search_units=1)))
    assert shown.startswith("RerankResponse([Result(index=1, relevance_score=0.9, document={'text': 'b'}, extra={})")
    assert "model='m'" in shown
    assert "usage=Usage(search_units=1)" in shown
    assert "warnings" not in shown


@pytest.mark.parametrize(
    ("kind", "scores", "units"),
    [
        ("probability", [0.9, 0.2], [0.9, 0.2]),
        ("unit", [1.0, 0.0], [1.0, 0.0]),
        ("cosine", [0.5, -0.003], [0.75, 0.4985]),
        ("cosine", [1.0, -1.0], [1.0, 0.0]),
        ("logit", [0.0, -800.0], [0.5, 0.0]),
        ("logit", [800.0, 2.0], [1.0, 0.8807970779778823]),
    ],
)
def test_unit_scores_map_into_the_unit_interval(kind: Any, scores: list[float], units: list[float]) -> None:
    response = answer(results=[ru.Result(i, s) for i, s in enumerate(scores)], score_kind=kind)
    mapped = response.unit_scores()
    assert [result.relevance_score for result in mapped] == pytest.approx(units)
    assert (mapped.score_kind, mapped.model) == ("unit", "m")
    assert [result.relevance_score for result in response] == scores


def test_unit_scores_never_guess_and_never_clip() -> None:
    with pytest.raises(ru.ScoreKindError, match="unknown kind"):
        answer(score_kind="unknown").unit_scores()
    assert answer(score_kind="unknown").unit_scores(kind="probability").score_kind == "unit"
    with pytest.raises(ru.ScoreKindError, match=r"1\.2 lies outside 0\.\.1, which kind probability promises"):
        answer(results=[ru.Result(0, 1.2)]).unit_scores()
    with pytest.raises(ru.ScoreKindError, match=r"outside -1\.\.1"):
        answer(results=[ru.Result(0, -1.2)]).unit_scores("cosine")


@pytest.mark.parametrize(
    ("index", "score"), [(-1, 0.5), (True, 0.5), (0.0, 0.5), (0, float("nan")), (0, float("inf")), (0, True), (0, "1")]
)
def test_a_result_is_what_it_says(index: Any, score: Any) -> None:
    with pytest.raises(ru.InvalidRequestError, match="expected"):
        ru.Result(index, score)


def test_text_is_the_documents_text() -> None:
    assert ru.Result(0, 0.5).text is None
    assert ru.Result(0, 0.5, {"title": "x"}).text is None
    assert ru.Result(0, 0.5, {"text": None}).text is None


@pytest.mark.parametrize(
    ("given", "complete"),
    [
        ({}, (None, None, None)),
        ({"total_tokens": 5}, (5, 5, 0)),
        ({"prompt_tokens": 5}, (5, 5, 0)),
        ({"completion_tokens": 5}, (5, 0, 5)),
        ({"prompt_tokens": 5, "completion_tokens": 2}, (7, 5, 2)),
        ({"total_tokens": 7, "completion_tokens": 2}, (7, 5, 2)),
        ({"total_tokens": 7, "prompt_tokens": 5}, (7, 5, 2)),
        ({"total_tokens": 1, "prompt_tokens": 5}, (1, 5, None)),
        ({"total_tokens": 1, "completion_tokens": 5}, (1, None, 5)),
        ({"total_tokens": 9, "prompt_tokens": 5, "completion_tokens": 1}, (9, 5, 1)),
        ({"total_tokens": 0}, (0, 0, 0)),
    ],
)
def test_usage_is_complete_once_it_is_known(given: dict[str, Any], complete: tuple[Any, ...]) -> None:
    usage = ru.Usage(**given)
    assert (usage.total_tokens, usage.prompt_tokens, usage.completion_tokens) == complete


def test_json_for_jina_has_what_is_known_and_nothing_invented() -> None:
    bare = ru.RerankResponse(results=[ru.Result(0, 0.5)])
    row = {"index": 0, "relevance_score": 0.5}
    assert json.loads(bare.to_json()) == {"object": "list", "usage": {}, "results": [row]}
    full = answer(id="i", usage=ru.Usage(total_tokens=3), warnings=["w"])
    assert json.loads(full.to_json()) == {
        "model": "m",
        "object": "list",
        "usage": {"total_tokens": 3, "prompt_tokens": 3, "completion_tokens": 0},
        "results": [
            {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
            {"index": 0, "relevance_score": 0.2, "document": {"text": "a"}, "embedding": [1.0]},
        ],
        "id": "i",
        "warnings": ["w"],
    }


def test_json_for_the_others() -> None:
    full = answer(id="i", usage=ru.Usage(total_tokens=3, search_units=1), warnings=["w"])
    assert json.loads(ru.provider("cohere").dump_response(full)) == {
        "id": "i",
        "results": [
            {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
            {"index": 0, "relevance_score": 0.2, "document": {"text": "a"}, "embedding": [1.0]},
        ],
        "meta": {
            "api_version": {"version": "2"},
            "tokens": {"input_tokens": 3, "output_tokens": 0},
            "billed_units": {"search_units": 1},
            "warnings": ["w"],
        },
    }
    voyage = json.loads(ru.provider("voyage").dump_response(full))
    assert voyage["data"][0] == {"index": 1, "relevance_score": 0.9, "document": "b"}
    assert voyage["usage"] == {"total_tokens": 3}
    bare = ru.RerankResponse(results=[ru.Result(0, 0.5)])
    assert json.loads(ru.provider("voyage").dump_response(bare))["usage"] == {
        "total_tokens": None
    }  # its SDK always reads it
    assert json.loads(ru.provider("xinference").dump_response(bare)) == {
        "results": [{"index": 0, "relevance_score": 0.5, "document": None}],
        "meta": {"api_version": None, "billed_units": None, "tokens": None, "warnings": None},
    }
    assert json.loads(ru.provider("xinference").dump_response(full))["meta"]["tokens"] == {
        "input_tokens": 3,
        "output_tokens": 3,
    }
    nested = answer(results=[ru.Result(0, 0.5, {"image": "u"})])
    assert json.loads(ru.provider("xinference").dump_response(nested))["results"][0]["document"] == {
        "text": {"image": "u"}
    }
    assert json.loads(ru.provider("voyage").dump_response(nested))["data"][0]["document"] == "u"


def test_what_is_encoded_may_be_changed() -> None:
    response = answer()
    body = ru.provider("jina").encode_response(response)
    body["results"][0]["index"] = 77
    body["results"].pop()
    assert [result.index for result in response] == [1, 0]
    assert response == answer()


def test_a_client_reads_the_name_it_requested() -> None:
    request = ru.RerankRequest(query="q", documents=["a", "b"], model="public-name")
    assert ru.provider("jina").encode_response(answer(), request)["model"] == "public-name"
    assert ru.provider("jina").encode_response(answer(), request.replace(model=None))["model"] == "m"
