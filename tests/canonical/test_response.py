"""The canonical response as a value."""

import copy
import json
import pickle
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import rerank_unify as ru


def make_response(**fields: Any) -> ru.RerankResponse:
    results = [ru.Result(1, 0.9, {"text": "b"}), ru.Result(0, 0.2, {"text": "a"}, {"embedding": [1.0]})]
    given: dict[str, Any] = {"results": results, "model": "m", "score_kind": "probability", **fields}
    return ru.RerankResponse(**given)


def test_it_can_be_constructed_and_compares_by_value() -> None:
    assert make_response() == make_response()
    assert hash(make_response()) == hash(make_response())
    assert make_response() != make_response(model="n")
    assert make_response() != make_response(results=[])
    assert make_response() != "response"
    assert make_response().usage == ru.Usage()
    assert ru.RerankResponse(results=[]).results == ()


def test_decoding_its_json_gives_equal_results() -> None:
    decoded = ru.provider("jina").decode_response(make_response().to_json())
    assert decoded.results == make_response().results
    assert decoded.model == "m"


def test_results_are_iterated_and_picked() -> None:
    response = make_response()
    assert (len(response), [result.index for result in response]) == (2, [1, 0])
    assert response.pick(["first", "second"]) == ["second", "first"]
    assert [result.text for result in response] == ["b", "a"]
    assert response.results is response.results


def test_it_is_frozen() -> None:
    response = make_response()
    with pytest.raises(AttributeError, match="immutable: model cannot be set"):
        response.model = "n"
    with pytest.raises(AttributeError, match="immutable: model cannot be deleted"):
        del response.model
    with pytest.raises(AttributeError):
        response.results[0].index = 5  # type: ignore[misc]  # that it is refused is the point


def test_it_can_be_copied_and_pickled() -> None:
    call = ru.provider("voyage").prepare(ru.RerankRequest(query="q", documents=["", "b"]), api_key="k")
    decoded = call.decode(200, {}, b'{"data":[{"index":0,"relevance_score":0.5}],"usage":{"total_tokens":3}}')
    for response in (make_response(), decoded):
        assert pickle.loads(pickle.dumps(response)) == response
        assert copy.deepcopy(response) == response


def test_its_repr_shows_the_fields_that_are_set() -> None:
    shown = repr(make_response(usage=ru.Usage(search_units=1)))
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
    response = make_response(results=[ru.Result(i, s) for i, s in enumerate(scores)], score_kind=kind)
    mapped = response.unit_scores()
    assert [result.relevance_score for result in mapped] == pytest.approx(units)
    assert (mapped.score_kind, mapped.model) == ("unit", "m")
    assert [result.relevance_score for result in response] == scores


def test_unit_scores_never_guess_and_never_clip() -> None:
    with pytest.raises(ru.ScoreKindError, match="unknown kind"):
        make_response(score_kind="unknown").unit_scores()
    assert make_response(score_kind="unknown").unit_scores(kind="probability").score_kind == "unit"
    with pytest.raises(ru.ScoreKindError, match=r"1\.2 lies outside 0\.\.1, the range of kind probability"):
        make_response(results=[ru.Result(0, 1.2)]).unit_scores()
    with pytest.raises(ru.ScoreKindError, match=r"outside -1\.\.1"):
        make_response(results=[ru.Result(0, -1.2)]).unit_scores("cosine")


@pytest.mark.parametrize(
    ("index", "score"), [(-1, 0.5), (True, 0.5), (0.0, 0.5), (0, float("nan")), (0, float("inf")), (0, True), (0, "1")]
)
def test_a_result_with_a_wrong_type_is_refused(index: Any, score: Any) -> None:
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
        ({"completion_tokens": 5}, (None, None, 5)),
        ({"prompt_tokens": 5, "completion_tokens": 2}, (7, 5, 2)),
        ({"total_tokens": 7, "completion_tokens": 2}, (7, 5, 2)),
        ({"total_tokens": 7, "prompt_tokens": 5}, (7, 5, None)),
        ({"total_tokens": 5, "prompt_tokens": 5}, (5, 5, 0)),
        ({"total_tokens": 1, "prompt_tokens": 5}, (1, 5, None)),
        ({"total_tokens": 1, "completion_tokens": 5}, (1, None, 5)),
        ({"total_tokens": 9, "prompt_tokens": 5, "completion_tokens": 1}, (9, 5, 1)),
        ({"total_tokens": 0}, (0, 0, 0)),
    ],
)
def test_missing_token_counts_are_computed_from_the_others(given: dict[str, Any], complete: tuple[Any, ...]) -> None:
    usage = ru.Usage(**given)
    assert (usage.total_tokens, usage.prompt_tokens, usage.completion_tokens) == complete


def test_json_for_jina_has_only_known_fields() -> None:
    bare = ru.RerankResponse(results=[ru.Result(0, 0.5)])
    row = {"index": 0, "relevance_score": 0.5}
    assert json.loads(bare.to_json()) == {"object": "list", "usage": {}, "results": [row]}
    full = make_response(id="i", usage=ru.Usage(total_tokens=3), warnings=["w"])
    assert json.loads(full.to_json()) == {
        "model": "m",
        "object": "list",
        "usage": {"total_tokens": 3, "prompt_tokens": 3, "completion_tokens": 0},
        "results": [
            {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
            {"index": 0, "relevance_score": 0.2, "document": {"text": "a"}, "embedding": [1.0]},
        ],
        "id": "i",
    }
    assert full.to_dict() == json.loads(full.to_json())


def test_json_in_the_other_dialects() -> None:
    full = make_response(id="i", usage=ru.Usage(total_tokens=3, search_units=1), warnings=["w"])
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
    nested = make_response(results=[ru.Result(0, 0.5, {"image": "u"})])
    assert json.loads(ru.provider("xinference").dump_response(nested))["results"][0]["document"] == {
        "text": {"image": "u"}
    }
    assert json.loads(ru.provider("voyage").dump_response(nested))["data"][0]["document"] == "u"


def test_changes_to_an_encoded_body_do_not_reach_the_response() -> None:
    response = make_response()
    body = ru.provider("jina").encode_response(response)
    body["results"][0]["index"] = 77
    body["results"].pop()
    assert [result.index for result in response] == [1, 0]
    assert response == make_response()


def test_a_client_reads_the_name_it_requested() -> None:
    request = ru.RerankRequest(query="q", documents=["a", "b"], model="public-name")
    assert ru.provider("jina").encode_response(make_response(), request)["model"] == "public-name"
    assert ru.provider("jina").encode_response(make_response(), request.replace(model=None))["model"] == "m"


def test_the_constructor_sorts_results_and_refuses_duplicates() -> None:
    response = ru.RerankResponse([ru.Result(2, 0.5), ru.Result(0, 0.1), ru.Result(1, 0.5)])
    assert [result.index for result in response] == [1, 2, 0]
    with pytest.raises(ru.InvalidRequestError, match="results: index 1 occurs more than once"):
        ru.RerankResponse([ru.Result(1, 0.5), ru.Result(1, 0.4)])


def test_results_by_position_slice_and_iteration() -> None:
    response = ru.RerankResponse([ru.Result(index, index / 10) for index in range(4)])
    assert (response[0].index, response[-1].index, len(response)) == (3, 0, 4)
    assert [result.index for result in response[1:3]] == [2, 1]
    assert list(response) == list(response.results)
    with pytest.raises(IndexError):
        response[4]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"results": [{"index": 0}]}, "results: expected a sequence of Result"),
        ({"model": 3}, "model: expected string, not int"),
        ({"usage": {"total_tokens": 3}}, "usage: expected Usage, not dict"),
        ({"warnings": "one"}, "warnings: expected a sequence of string"),
        ({"losses": ["x"]}, "losses: expected a sequence of Loss"),
        ({"score_kind": "Logit"}, "score_kind: expected one of probability"),
    ],
)
def test_a_wrong_type_is_named(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match=sentence):
        make_response(**change)
    with pytest.raises(ru.InvalidRequestError, match=sentence):
        make_response().replace(**change)


def test_replace_keeps_the_rest() -> None:
    assert make_response().replace(model="n") == make_response(model="n")
    assert make_response(warnings=["w"]).replace(results=[]).warnings == ("w",)
    with pytest.raises(TypeError, match="modell"):
        make_response().replace(modell="n")  # type: ignore[call-arg]  # that it is refused is the point


def test_changes_to_returned_values_do_not_reach_the_response() -> None:
    call = ru.provider("jina").prepare(
        ru.RerankRequest(query="q", documents=[{"text": "a", "tags": ["x"]}]), api_key="k"
    )
    decoded = call.decode(200, {}, b'{"results": [{"index": 0, "relevance_score": 0.5, "embedding": [1.0]}]}')
    before = decoded.to_json()
    document, extra, body = decoded[0].document, decoded[0].extra, decoded.to_dict()
    assert isinstance(document, dict)
    assert isinstance(extra, dict)
    document["tags"].append("y")
    document["text"] = "b"
    extra["embedding"].append(2.0)
    body["results"].clear()
    assert decoded.to_json() == before


def test_pick_refuses_too_few_items() -> None:
    with pytest.raises(ru.InvalidRequestError, match="items: expected at least 2, not 1"):
        make_response().pick(["a"])


class Stored(BaseModel):
    """A model of a user with a response in it."""

    query: ru.RerankRequest
    response: ru.RerankResponse | None = None


def test_pydantic_takes_it_as_a_type() -> None:
    adapter = TypeAdapter(ru.RerankResponse)
    full = make_response(id="i", usage=ru.Usage(total_tokens=3))
    assert adapter.dump_json(full) == full.to_json()
    assert adapter.dump_python(full) == full.to_dict()
    assert adapter.validate_python(full) is full
    wire = make_response(id="i", usage=ru.Usage(total_tokens=3), score_kind="unknown")
    assert adapter.validate_json(full.to_json()) == wire
    stored = Stored(query=ru.RerankRequest(query="q", documents=["a"]), response=full)
    assert Stored.model_validate_json(stored.model_dump_json()).response == wire
    assert adapter.validate_python({"results": []}) == ru.RerankResponse([])


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "results\n  Field required"),
        ({"results": [{"index": 0}]}, "results.0.relevance_score\n  Field required"),
        ({"results": [{"index": "0", "relevance_score": 0.5}]}, "valid integer"),
        ({"results": [{"index": 0, "relevance_score": 0.5}] * 2}, "index 0 occurs more than once"),
    ],
)
def test_pydantic_refuses_what_is_no_response(body: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        TypeAdapter(ru.RerankResponse).validate_python(body)


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_json_schema_describes_every_field(mode: Any) -> None:
    schema = Stored.model_json_schema(mode=mode)
    for name, fields in (("JinaResponse", 5), ("JinaResult", 3), ("JinaUsage", 6), ("RerankRequest", 11)):
        properties = schema["$defs"][name]["properties"]
        assert len(properties) == fields
        assert all(described["description"] for described in properties.values())


def test_changes_to_the_constructors_arguments_do_not_reach_the_response() -> None:
    document, extra = {"text": "a", "tags": ["x"]}, {"embedding": [1.0]}
    response = ru.RerankResponse([ru.Result(0, 0.5, document, extra)])
    before = response.to_json()
    document["tags"].append("y")  # type: ignore[attr-defined]  # a list, as above
    extra["embedding"].append(2.0)
    assert response.to_json() == before
