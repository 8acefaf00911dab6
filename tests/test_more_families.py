"""Families of formats with one provider each: what is sent, and what their responses hold."""

from typing import Any

import pytest

import rerank_unify as ru
from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    answers_in_order,
    bearer,
)
from rerank_unify.testing import assert_provider_contract

QUESTION = "Is the document relevant to the query?"


def ask(context: Any) -> None:
    body = context.body
    question, query = body.pop("instruction", QUESTION), body.pop("query")
    body["input"] = f"Query: {query}"
    body["questions"] = [
        {"name": str(at), "type": "predicate", "instructions": f"{question}\nDocument: {document}"}
        for at, document in enumerate(body.pop("documents"))
    ]


def unask(wire: Any) -> Any:
    questions = [one["instructions"].split("\nDocument: ", 1) for one in wire.get("questions", ())]
    read = {"model": wire.get("model"), "query": str(wire.get("input")).removeprefix("Query: ")}
    read["documents"] = [document for _, document in questions]
    return read if not questions or questions[0][0] == QUESTION else {**read, "instruction": questions[0][0]}


def decisions() -> Provider:
    """OpenAI's Decisions: a list `answers` in the order of the questions; the model may refuse one."""
    return Provider(
        name="decisions-like",
        dialect=Dialect(
            request=RequestFormat(
                top_n=None, return_documents=None, instruction=Field("instruction"), postprocess=ask, preprocess=unask
            ),
            response=ResponseFormat(
                rows="answers",
                score="probability",
                document="",
                shape=answers_in_order("probability"),
                ignored=frozenset(("type",)),
            ),
            errors=ErrorFormat(message="error.message", code="error.code"),
        ),
        endpoint=Endpoint("https://api.openai.com/v1/decisions"),
        auth=bearer(),
        default_model="gpt-6-luna",
        unknown_model=Model(score_kind="probability"),
    )


def request(**more: Any) -> ru.RerankRequest:
    return ru.RerankRequest(query="q", documents=["a", {"text": "b"}], top_n=1, return_documents=False, **more)


def read(provider: Provider, body: bytes, **more: Any) -> list[tuple[int, float]]:
    return [(row.index, row.relevance_score) for row in provider.decode(200, {}, body, request(**more))]


def test_discovery_engine_responds_with_our_ids() -> None:
    provider = ru.provider("discovery-engine")
    assert provider.encode_request(request()) == {
        "model": "semantic-ranker-default-004",
        "query": "q",
        "records": [{"id": "0", "content": "a"}, {"id": "1", "content": "b"}],
        "topN": 1,
        "ignoreRecordDetailsInResponse": True,
    }
    assert read(provider, b'{"records":[{"id":"1","score":0.98}]}') == [(1, 0.98)]
    wire = {"query": "q", "records": [{"id": "7", "title": "t", "content": "a"}]}
    assert provider.decode_request(wire).documents == ({"title": "t", "text": "a"},)
    for ident in ('"x"', '"9"'):
        with pytest.raises(ru.InvalidResponseError, match=r"records\[0\]\.id"):
            provider.decode(200, {}, b'{"records":[{"id":%s,"score":0.9}]}' % ident.encode(), request())


def test_bedrock_nests_what_others_name() -> None:
    provider = ru.provider("bedrock")
    source = {"type": "INLINE", "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": "a"}}}
    body = provider.encode_request(request())
    assert body["queries"] == [{"type": "TEXT", "textQuery": {"text": "q"}}]
    assert body["sources"][0] == source
    assert body["rerankingConfiguration"] == {
        "type": "BEDROCK_RERANKING_MODEL",
        "bedrockRerankingConfiguration": {
            "numberOfResults": 1,
            "modelConfiguration": {"modelArn": "arn:aws:bedrock:us-west-2::foundation-model/amazon.rerank-v1:0"},
        },
    }
    response = provider.decode(200, {}, b'{"results":[{"index":1,"relevanceScore":0.9}],"nextToken":"n"}', request())
    assert [row.index for row in response] == [1]
    assert any("more rows" in warning for warning in response.warnings)
    whole = provider.decode(200, {}, b'{"results":[{"index":1,"relevanceScore":0.9}],"nextToken":null}', request())
    assert not whole.warnings


def test_watsonx_requests_the_parts_of_the_response() -> None:
    provider = ru.provider("watsonx")
    body = provider.encode_request(request(max_tokens_per_doc=512, provider_options={"watsonx": {"project_id": "p"}}))
    assert body["inputs"] == [{"text": "a"}, {"text": "b"}]
    assert body["parameters"] == {"truncate_input_tokens": 512, "return_options": {"top_n": 1, "inputs": False}}
    assert body["project_id"] == "p"
    content = b'{"model_id":"m","results":[{"index":0,"score":2.93},{"index":1,"score":-0.92}],"input_token_count":57}'
    response = provider.decode(200, {}, content, request())
    assert (response.model, response.usage.total_tokens, len(response)) == ("m", 57, 1)


def test_volcengine_scores_are_in_the_order_of_the_request() -> None:
    provider = ru.provider("volcengine")
    assert provider.encode_request(request())["datas"] == [
        {"query": "q", "content": "a"},
        {"query": "q", "content": "b"},
    ]
    body = b'{"code":0,"message":"success","request_id":"r","data":{"scores":[0.02,0.97],"token_usage":31}}'
    assert read(provider, body) == [(1, 0.97)]
    with pytest.raises(ru.RerankError, match="signature") as caught:
        provider.decode(200, {}, b'{"code":1000001,"message":"bad signature","request_id":"r"}', request())
    assert caught.value.request_id == "r"
    with pytest.raises(ru.InvalidResponseError, match=r"data\.scores\[0\]"):
        provider.decode(200, {}, b'{"data":{"scores":["0.9"]}}', request())
    with pytest.raises(ru.InvalidResponseError, match="out of range"):
        provider.decode(200, {}, b'{"data":{"scores":[0.1,0.2,0.3]}}', request())


def test_cloudflare_keeps_the_slashes_of_a_model() -> None:
    call = ru.provider("cloudflare").prepare(
        request(), api_key="k", base_url="https://api.cloudflare.com/client/v4/accounts/a"
    )
    assert call.http.url.endswith("/ai/run/@cf/baai/bge-reranker-base")
    assert read(
        ru.provider("cloudflare"), b'{"success":true,"errors":[],"result":{"response":[{"id":1,"score":0.9}]}}'
    ) == [(1, 0.9)]
    with pytest.raises(ru.RerankError, match="Invalid input"):
        ru.provider("cloudflare").decode(
            200, {}, b'{"success":false,"errors":[{"message":"Invalid input"}],"result":null}', request()
        )


def test_positions_may_count_from_one() -> None:
    assert read(ru.provider("moark-multimodal"), b'[{"index":2,"score":0.9},{"index":1,"score":0.1}]') == [(1, 0.9)]
    with pytest.raises(ru.InvalidResponseError, match=r"\[0\]\.index is out of range"):
        ru.provider("moark-multimodal").decode(200, {}, b'[{"index":0,"score":0.9}]', request())


def test_questions_in_order_pass_the_contract() -> None:
    assert_provider_contract(decisions(), max_examples=12)


def test_the_wording_of_a_question_can_be_replaced() -> None:
    provider = decisions()
    plain = provider.encode_request(request())["questions"][1]
    assert plain == {"name": "1", "type": "predicate", "instructions": f"{QUESTION}\nDocument: b"}
    other = provider.encode_request(request(instruction="Does it help?"))["questions"][0]["instructions"]
    assert other == "Does it help?\nDocument: a"


def test_a_refusal_is_decoded_as_a_missing_row() -> None:
    body = b'{"answers":[{"type":"refusal"},{"type":"predicate","probability":0.97}]}'
    whole = request().replace(top_n=None)
    response = decisions().decode(200, {}, body, whole)
    assert [(row.index, row.relevance_score) for row in response] == [(1, 0.97)]
    assert response.missing == (0,)
