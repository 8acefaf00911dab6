"""Decoding of responses: the response keeps the contract, or the error names the path of the first fault."""

import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

import rerank_unify as ru
from rerank_unify.canonical import rows_of
from rerank_unify.dialect import UNCHECKED

VOYAGE = ru.provider("voyage")
SEVEN = ru.Usage(total_tokens=7)
SIX_OR_MORE = ru.Usage(prompt_tokens=5, total_tokens=6)
SIX_AND_UNIT = ru.Usage(prompt_tokens=5, total_tokens=6, search_units=1)
SIX = ru.Usage(prompt_tokens=5, completion_tokens=1, total_tokens=6)


def ask(count: int = 3, **fields: Any) -> ru.RerankRequest:
    given: dict[str, Any] = {"query": "q", "documents": [f"document {n}" for n in range(count)], **fields}
    return ru.RerankRequest(**given)


def rows(*pairs: tuple[Any, Any]) -> bytes:
    return json.dumps({"data": [{"index": index, "relevance_score": score} for index, score in pairs]}).encode()


def test_sorted_cut_and_filled_from_the_request() -> None:
    request = ask(4, top_n=3)
    response = VOYAGE.decode(200, {}, rows((3, 0.1), (1, 0.7), (0, 0.7), (2, 1)), request)
    assert [(r.index, r.relevance_score) for r in response] == [(2, 1.0), (0, 0.7), (1, 0.7)]
    assert [r.text for r in response] == ["document 2", "document 0", "document 1"]
    assert type(response.results[0].relevance_score) is float
    assert (response.warnings, response.missing, response.model) == ((), (), "rerank-2.5")


def test_documents_come_from_the_request_not_from_the_echo() -> None:
    body = b'{"data":[{"index":1,"relevance_score":0.5,"document":"something else"}]}'
    assert VOYAGE.decode(200, {}, body, ask()).results[0].document == {"text": "document 1"}
    assert VOYAGE.decode(200, {}, body, ask(return_documents=False)).results[0].document is None
    assert VOYAGE.decode_response(body).results[0].document == {"text": "something else"}


def test_documents_that_are_objects_are_returned_unchanged() -> None:
    original = {"title": "t", "none": None, "tags": ["x"]}
    response = VOYAGE.decode(200, {}, rows((0, 0.5)), ask(documents=[original]))
    assert response.results[0].document == original
    assert response.results[0].text is None


@pytest.mark.parametrize(
    ("echo", "document"),
    [
        ("text", {"text": "text"}),
        ({"text": "t", "n": None}, {"text": "t", "n": None}),
        ({"text": {"image": "u"}}, {"image": "u"}),
        ({"text": {"text": "t"}, "multi_modal": None}, {"text": {"text": "t"}, "multi_modal": None}),
        (None, None),
        (5, None),
        (["x"], None),
    ],
)
def test_an_echo_is_normalised_without_its_request(echo: Any, document: Any) -> None:
    body = json.dumps({"results": [{"index": 0, "relevance_score": 0.5, "document": echo}]})
    for name in ("jina", "cohere", "cohere-v1", "xinference"):
        response = ru.provider(name).decode_response(body)
        assert response.results[0].document == document
        assert response.results[0].extra == {}
        assert response.warnings == (UNCHECKED,)


@pytest.mark.parametrize(
    ("body", "path", "sentence"),
    [
        (rows((0, 0.5), (0, 0.4)), "data[1].index", "stands in an earlier row too"),
        (rows((-1, 0.5)), "data[0].index", "out of range"),
        (rows((True, 0.5)), "data[0].index", "is not an integer"),
        (rows((0.0, 0.5)), "data[0].index", "is not an integer"),
        (rows(("0", 0.5)), "data[0].index", "is not an integer"),
        (rows((None, 0.5)), "data[0].index", "is not an integer"),
        (rows((1, 0.5), (3, 0.4)), "data[1].index", "out of range: 3 documents were sent"),
        (rows((10**400, 0.5)), "data[0].index", "out of range"),
        (rows((0, "0.5")), "data[0].relevance_score", "is not a number"),
        (rows((0, None)), "data[0].relevance_score", "is not a number"),
        (rows((0, True)), "data[0].relevance_score", "is not a number"),
        (rows((0, [])), "data[0].relevance_score", "is not a number"),
        (rows((0, float("nan"))), "data[0].relevance_score", "is not a finite number"),
        (rows((0, 0.5), (1, float("nan"))), "data[1].relevance_score", "is not a finite number"),
        (rows((0, float("inf"))), "data[0].relevance_score", "is not a finite number"),
        (rows((0, 0.5), (1, float("-inf"))), "data[1].relevance_score", "is not a finite number"),
        (rows((0, float("-inf")), (1, 0.5)), "data[0].relevance_score", "is not a finite number"),
        (rows((0, 10**400)), "data[0].relevance_score", "is not a finite number"),
        (b'{"data":[{"index":0}]}', "data[0].relevance_score", "is missing"),
        (b'{"data":[{"relevance_score":0.1}]}', "data[0].index", "is missing"),
        (b'{"data":[{"index":0,"relevance_score":0.1}, 7]}', "data[1]", "is not an object"),
        (b'{"data":["x"]}', "data[0]", "is not an object"),
        (b'{"data":[null]}', "data[0]", "is not an object"),
        (b'{"data":[[]]}', "data[0]", "is not an object"),
        (b'{"data":null}', "data", "has no list at data"),
        (b'{"data":{"0":{}}}', "data", "has no list at data"),
        (b'{"results":[]}', "data", "has no list at data"),
        (b"{}", "data", "has no list at data"),
        (b"[]", "data", "is not an object with data"),
        (b"null", "data", "is not an object with data"),
        (b"7", "data", "is not an object with data"),
        (b"", "data", "the response is empty"),
        (b" \n", "data", "the response is empty"),
        (b"\xff\xfe", "data", "is not JSON"),
        (b'{"data":[', "data", "is not JSON"),
        (b"<!doctype html><title>Sign in</title>", "data", "is not JSON: an HTML page, 'Sign in'"),
        (b'{"data":[],"error":"boom"}', "data", "has no list at data: boom"),
        (b'{"detail":"boom"}', "data", "has no list at data: boom"),
    ],
)
def test_a_broken_response_is_named_by_its_path(body: bytes, path: str, sentence: str) -> None:
    with pytest.raises(ru.InvalidResponseError, match=sentence) as caught:
        VOYAGE.decode(200, {"x-request-id": "r1"}, body, ask())
    assert caught.value.path == path
    assert (caught.value.provider, caught.value.status, caught.value.body) == ("voyage", 200, body)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}', ru.RateLimitError, "rate_limit_exceeded"),
        (b'{"error":{"message":"slow down","code":429}}', ru.RateLimitError, "429"),
        (b'{"code":503,"message":"slow down"}', ru.ProviderOverloadedError, "503"),
        (
            b'{"data":[],"error":{"message":"slow down","code":"invalid_api_key"}}',
            ru.AuthenticationError,
            "invalid_api_key",
        ),
        (b'{"error":{"message":"slow down","type":"unknown_type"}}', ru.ProviderServerError, "unknown_type"),
        (b'{"code":20012,"message":"slow down","data":null}', ru.ProviderServerError, "20012"),
        (b'{"error_code":336221,"error_msg":"slow down"}', ru.ProviderServerError, "336221"),
        (b'{"code":"None","message":"slow down"}', ru.InvalidResponseError, None),
        (b'{"code":200,"message":"slow down"}', ru.InvalidResponseError, "200"),
        (b'{"status":"success","message":"slow down"}', ru.InvalidResponseError, "success"),
        (b'{"error":"slow down"}', ru.InvalidResponseError, None),
    ],
)
def test_an_error_inside_a_200_goes_by_its_code(body: bytes, kind: type[ru.RerankError], code: str | None) -> None:
    with pytest.raises(kind, match="slow down") as caught:
        VOYAGE.decode(200, {}, body, ask())
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (200, code)


def test_an_explicit_empty_list_is_a_response() -> None:
    response = VOYAGE.decode(200, {}, b'{"data":[]}', ask())
    assert (len(response), response.missing) == (0, (0, 1, 2))
    assert response.warnings == ("3 of 3 rows are missing",)


def test_missing_rows_are_named() -> None:
    response = VOYAGE.decode(200, {}, rows((2, 0.5)), ask())
    assert (response.missing, response.warnings) == ((0, 1), ("2 of 3 rows are missing",))
    cut = VOYAGE.decode(200, {}, rows((2, 0.5)), ask(top_n=2))
    assert (cut.missing, cut.warnings) == ((), ("1 of 2 rows are missing",))
    more = VOYAGE.decode(200, {}, rows((2, 0.5), (1, 0.4), (0, 0.3)), ask(top_n=9))
    assert (more.missing, more.warnings) == ((), ())


def test_withheld_documents_keep_the_callers_indices() -> None:
    request = ask(documents=["", "a", {"text": ""}, "b", {}], top_n=9)
    call = VOYAGE.prepare(request, api_key="k")
    assert json.loads(call.http.content)["documents"] == ["a", "b"]
    assert json.loads(call.http.content)["top_k"] == 2
    response = call.decode(200, {}, rows((1, 0.9), (0, 0.2)))
    assert [(r.index, r.document) for r in response] == [(3, {"text": "b"}), (1, {"text": "a"})]
    assert response.missing == (0, 2, 4)
    assert [(loss.field, loss.action, loss.indices) for loss in response.losses] == [
        ("documents", "converted", (4,)),
        ("documents", "withheld", (0, 2, 4)),
    ]
    alone = VOYAGE.decode(200, {}, rows((1, 0.9), (0, 0.2)), request)
    assert (alone.results, alone.missing) == (response.results, response.missing)
    with pytest.raises(ru.InvalidResponseError, match="2 documents were sent"):
        call.decode(200, {}, rows((2, 0.5)))
    cut = VOYAGE.prepare(request.replace(top_n=1), api_key="k").decode(200, {}, rows((1, 0.9)))
    assert (cut.missing, cut.warnings) == ((0, 2, 4), ())


def test_further_fields_come_back_as_extra() -> None:
    spans = [{"start": 0, "end": 3, "score": 0.9}]
    body = {"results": [{"index": 0, "relevance_score": 0.5, "relevant_spans": spans, "document": None}]}
    response = ru.provider("cohere").decode(200, {}, json.dumps(body), ask(return_documents=False))
    assert response.results[0].extra == {"relevant_spans": spans}
    assert json.loads(response.to_json())["results"] == [{"index": 0, "relevance_score": 0.5, "relevant_spans": spans}]
    assert json.loads(ru.provider("voyage").dump_response(response))["data"][0]["relevant_spans"] == spans


@pytest.mark.parametrize(
    ("name", "body", "usage"),
    [
        ("jina", {"usage": {"total_tokens": 7}}, ru.Usage(total_tokens=7, prompt_tokens=7, completion_tokens=0)),
        ("jina", {"usage": {"prompt_tokens": 7, "total_tokens": 9}}, ru.Usage(total_tokens=9, prompt_tokens=7)),
        ("jina", {"usage": {"total_tokens": 7.0}}, ru.Usage(total_tokens=7)),
        ("jina", {"usage": {"total_tokens": "7"}}, ru.Usage()),
        ("jina", {"usage": {"total_tokens": True}}, ru.Usage()),
        ("jina", {"usage": {"total_tokens": -7}}, ru.Usage()),
        ("jina", {"usage": {"total_tokens": 7.5}}, ru.Usage()),
        ("jina", {"usage": {"total_tokens": 10**400}}, ru.Usage()),
        ("jina", {"usage": None}, ru.Usage()),
        ("jina", {"usage": [1]}, ru.Usage()),
        ("jina", {}, ru.Usage()),
        ("jina", {"usage": {"prompt_tokens_details": {"a": 1}}}, ru.Usage(prompt_tokens_details={"a": 1})),
        ("cohere", {"meta": {"billed_units": {"search_units": 1.5}}}, ru.Usage(search_units=1.5)),
        ("cohere", {"meta": {"billed_units": {"search_units": 2}}}, ru.Usage(search_units=2)),
        ("cohere", {"meta": {"billed_units": {"input_tokens": 5}}}, ru.Usage(total_tokens=5)),
        ("cohere", {"meta": {"tokens": {"input_tokens": 5, "output_tokens": 1}}}, SIX),
        ("cohere", {"meta": None}, ru.Usage()),
        ("xinference", {"meta": {"tokens": {"input_tokens": 5, "output_tokens": 5}}}, ru.Usage(total_tokens=5)),
        ("xinference", {"meta": {"tokens": None}}, ru.Usage()),
        # Either family's place, through every dialect.
        ("cohere", {"usage": {"total_tokens": 7}}, ru.Usage(total_tokens=7)),
        ("cohere-v1", {"usage": {"prompt_tokens": 5, "completion_tokens": 1}}, SIX),
        ("xinference", {"usage": {"total_tokens": 7, "prompt_tokens": 7}}, ru.Usage(total_tokens=7)),
        ("jina", {"meta": {"tokens": {"input_tokens": 5, "output_tokens": 1}}}, SIX),
        ("jina", {"meta": {"billed_units": {"search_units": 1, "total_tokens": 6, "input_tokens": 5}}}, SIX_AND_UNIT),
        ("jina", {"usage": {"total_tokens": 7}, "meta": {"billed_units": {"total_tokens": 9}}}, SEVEN),
        ("cohere", {"meta": {"billed_units": {"text_tokens": 5}}}, ru.Usage(total_tokens=5)),
        ("cohere", {"meta": {"tokens": {"input_tokens": 5}}, "usage": {"total_tokens": 6}}, SIX_OR_MORE),
        ("infinity", {"usage": {"total_tokens": 405, "prompt_tokens": 405}}, ru.Usage()),
    ],
)  # fmt: skip
def test_usage_is_what_was_reported(name: str, body: dict[str, Any], usage: ru.Usage) -> None:
    response = ru.provider(name).decode_response({"results": [], **body})
    assert response.usage == usage
    assert any("counts characters" in warning for warning in response.warnings) is (name == "infinity")


PLACES = [
    {"usage": {"total_tokens": 7}},
    {"usage": {"prompt_tokens": 7, "total_tokens": 7}},
    {"meta": {"tokens": {"input_tokens": 7}, "billed_units": {"search_units": 1}}},
    {"meta": {"billed_units": {"total_tokens": 7}}},
]


@pytest.mark.parametrize("name", [name for name in ru.provider_names() if name != "infinity"])
@pytest.mark.parametrize("place", PLACES)
def test_usage_is_read_in_either_familys_place(name: str, place: dict[str, Any]) -> None:
    provider = ru.provider(name)
    if not provider.dialect.response.rows_path:
        return  # a bare list has no place for it
    body = provider.encode_response(ru.RerankResponse([]))
    for key in place:
        body.pop(key, None)
    usage = provider.decode_response({**body, **place}).usage
    assert (usage.total_tokens, usage.prompt_tokens, usage.completion_tokens) == (7, 7, 0)


KINDS = {name: provider for name in ru.provider_names() if (provider := ru.provider(name)).models}


@pytest.mark.parametrize("name", KINDS)
def test_a_score_outside_the_range_of_its_kind_makes_the_kind_unknown(name: str) -> None:
    provider = KINDS[name]
    ranges = {"probability": (0, 1), "cosine": (-1, 1), "unit": (0, 1)}
    for model, declared in provider.models.items():
        low, high = ranges.get(declared.score_kind, (-5, 5))
        for scores in ((low, high), (low - 0.5, high), (low, high + 0.5)):
            rows = [ru.Result(index, float(score)) for index, score in enumerate(scores)]
            request = ask(documents=["a", "b"], model=model, top_n=1)
            body = provider.encode_response(ru.RerankResponse(rows, model=model))
            response = provider.decode_response(body, request)
            inside = (low, high) == scores or declared.score_kind not in ranges
            assert response.score_kind == (declared.score_kind if inside else "unknown")
            assert any("lies outside" in warning for warning in response.warnings) is not inside
            if not inside:
                with pytest.raises(ru.ScoreKindError):
                    response.unit_scores()


def test_a_parsed_body_is_decoded_and_not_changed() -> None:
    body = {"data": ({"index": 1, "relevance_score": 1, "document": "b"}, {"index": 0, "relevance_score": 2})}
    before = pickle.dumps(body)
    response = VOYAGE.decode_response(body, ask())
    assert [result.index for result in response] == [0, 1]
    assert pickle.dumps(body) == before
    rows_of(response).clear()
    assert len(body["data"]) == 2


def test_deep_nesting_is_no_recursion_error() -> None:
    for body in (b"[" * 10_000_000, b'{"data":' * 1_000_000, b'{"detail":' + b"[" * 10_000_000):
        for status in (200, 500):
            with pytest.raises(ru.RerankError):
                VOYAGE.decode(status, {}, body, ask())
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ru.InvalidResponseError):
        VOYAGE.decode_response({"detail": deep})
    assert isinstance(VOYAGE.decode_response({"data": [], "detail": deep}), ru.RerankResponse)


class Walked(list[Any]):
    """A list that knows how often it was walked through."""

    walks = 0

    def __iter__(self) -> Iterator[Any]:
        self.walks += 1
        return super().__iter__()


def test_integer_scores_need_few_passes_over_the_rows() -> None:
    rows = Walked({"index": at, "relevance_score": 500 - at} for at in range(500))
    response = ru.provider("jina").decode_response({"results": rows})
    assert [result.relevance_score for result in response] == [float(500 - at) for at in range(500)]
    assert rows.walks < 10
