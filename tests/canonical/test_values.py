"""Values of requests and responses: checked, plain, and independent of the caller's."""

import json
from enum import Enum, IntEnum
from typing import Any

import pytest

import rerank_unify as ru

JINA, COHERE, VOYAGE, XINFERENCE = map(ru.provider, ("jina", "cohere", "voyage", "xinference"))


def ask(**fields: Any) -> ru.RerankRequest:
    given: dict[str, Any] = {"query": "q", "documents": ["a", "b"], **fields}
    return ru.RerankRequest(**given)


def test_lone_surrogates_are_refused_everywhere() -> None:
    wire = b'{"model":"m","query":"q","documents":["a"],"kwargs":"{\\"instruction\\":\\"\\\\ud800\\"}"}'
    with pytest.raises(ru.InvalidRequestError, match="kwargs: expected a string that holds a JSON object"):
        ru.transcoder("xinference", "voyage").request(wire)
    with pytest.raises(ru.InvalidRequestError, match="query: has a lone surrogate"):
        JINA.decode_request('{"query":"\ud800","documents":["a"]}')
    with pytest.raises(ru.InvalidRequestError, match="model: has a lone surrogate"):
        COHERE.prepare(ask(), api_key="k", model="\ud800")
    with pytest.raises(ru.InvalidRequestError, match="model: has a lone surrogate"):
        ask(model="\ud800")
    with pytest.raises(ru.InvalidRequestError, match=r"rank_fields\[0\]: has a lone surrogate"):
        ask(rank_fields=["\ud800"])


@pytest.mark.parametrize("model", ["", " ", 5])
def test_a_model_argument_must_be_a_string_that_is_not_blank(model: Any) -> None:
    with pytest.raises(ru.InvalidRequestError, match="model: expected a string that is not blank"):
        COHERE.encode_request(ask(), model=model)


class Colour(str, Enum):
    RED = "red"


class Year(IntEnum):
    ONE = 1


class Half(float):
    pass


def test_values_of_subclasses_become_plain_ones() -> None:
    request = ask(documents=[{"colour": Colour.RED, "year": Year.ONE, "half": Half(0.5)}])
    assert COHERE.encode_request(request)["documents"] == ["colour: red\nyear: 1\nhalf: 0.5\n"]
    with pytest.raises(ru.InvalidRequestError, match=r"documents\[0\]\.n: expected a JSON value, not a number out of"):
        ask(documents=[{"n": 10**5000, "b": 1}])


def test_extras_do_not_take_the_place_of_the_row() -> None:
    with pytest.raises(ru.InvalidRequestError, match="extra: expected fields other than index"):
        ru.Result(3, 0.5, None, {"index": 5})


def test_a_kind_with_a_typo_is_no_kind() -> None:
    kind: Any = "Logit"
    with pytest.raises(
        ru.ScoreKindError, match="kind: expected one of probability, cosine, logit, unit, none, unknown, not 'Logit'"
    ):
        ru.RerankResponse([ru.Result(0, 0.5)]).unit_scores(kind)


def test_jinas_json_is_in_jinas_order() -> None:
    response = ru.RerankResponse([], model="m", usage=ru.Usage(total_tokens=1), id="i", warnings=["w"])
    assert list(json.loads(response.to_json())) == ["model", "object", "usage", "results", "id"]


def test_changes_to_encoded_and_decoded_values_do_not_reach_the_original() -> None:
    request = ask(
        documents=[{"text": "a", "n": 1}], provider_options={"cohere": {"relevant_spans": {"mode": "enabled"}}}
    )
    COHERE.encode_request(request)["relevant_spans"]["mode"] = "X"
    assert request.provider_options["cohere"]["relevant_spans"] == {"mode": "enabled"}
    response = JINA.decode_response(b'{"results":[{"index":0,"relevance_score":0.5}]}', request)
    document: Any = response.results[0].document
    document["text"] = "X"
    assert request.documents[0] == {"text": "a", "n": 1}
    response = ru.RerankResponse([ru.Result(0, 0.5, {"text": "a"})])
    JINA.encode_response(response)["results"][0]["document"]["text"] = "X"
    assert response.results[0].text == "a"
