"""From bytes to bytes."""

import json

import pytest

import rerank_unify as ru

BODY = b'{"model":"public","query":"q","documents":["a","","b"],"top_n":2,"instruction":"i"}'


def test_a_request_and_its_response_are_translated() -> None:
    through = ru.transcoder("jina", "voyage", model="rerank-2.5")
    sent = through.request(BODY)
    assert json.loads(sent.content) == {
        "model": "rerank-2.5",
        "query": "i\nQuery: q",
        "documents": ["a", "b"],
        "top_k": 2,
        "return_documents": False,
    }
    assert [loss.action for loss in sent.losses] == ["withheld", "folded"]
    response_body = (
        b'{"data":[{"index":0,"relevance_score":0.1},{"index":1,"relevance_score":0.9}],"usage":{"total_tokens":7}}'
    )
    status, headers, body = through.response(200, {}, response_body, sent)
    assert (status, headers) == (200, {"content-type": "application/json"})
    assert json.loads(body) == {
        "model": "public",
        "object": "list",
        "usage": {"total_tokens": 7, "prompt_tokens": 7, "completion_tokens": 0},
        "results": [
            {"index": 2, "relevance_score": 0.9, "document": {"text": "b"}},
            {"index": 0, "relevance_score": 0.1, "document": {"text": "a"}},
        ],
    }


def test_errors_come_back_in_the_clients_dialect() -> None:
    through = ru.transcoder("cohere", "voyage")
    sent = through.request(b'{"model":"m","query":"q","documents":["a"]}')
    status, headers, body = through.response(429, {"Retry-After": "7"}, b'{"detail":"slow"}', sent)
    assert (status, headers["retry-after"], json.loads(body)) == (429, "7", {"message": "slow"})
    status, _, body = through.response(200, {}, b"<html>", sent)
    assert (status, json.loads(body)) == (502, {"message": "the response is not JSON: an HTML page"})
    assert through.response(401, {}, b'{"detail":"bad"}', sent)[0] == 502
    assert through.response(401, {}, b'{"detail":"bad"}', sent, relay=True)[0] == 401


def test_a_clients_mistake_is_reported_in_its_dialect() -> None:
    through = ru.transcoder("voyage", "cohere")
    with pytest.raises(ru.InvalidRequestError, match="top_k") as caught:
        through.request(b'{"query":"q","documents":["a"],"top_k":0}')
    status, _, body = through.error(caught.value)
    sentence = "top_k: expected an integer of 1 or more, not 0: some servers return no results for it, others all"
    assert (status, json.loads(body)["detail"]) == (400, f"{sentence}; leave it out for all")
    with pytest.raises(ru.UnsupportedRequestError, match="refuses empty texts"):
        through.request(b'{"query":"q","documents":[""]}')


def test_base_model_names_the_model_behind_an_alias() -> None:
    body = b'{"query":"q","documents":[{"image":"https://x/1.png"}]}'
    sent = ru.transcoder("jina", "xinference", "my-uid", base_model="Qwen3-VL-Reranker-2B").request(body)
    assert json.loads(sent.content)["model"] == "my-uid"
    with pytest.raises(ru.UnsupportedRequestError, match="my-uid is not known to take images"):
        ru.transcoder("jina", "xinference", "my-uid").request(body)


@pytest.mark.parametrize("client", ["jina", "cohere", "cohere-v1", "voyage", "xinference"])
@pytest.mark.parametrize("provider", ["jina", "cohere", "cohere-v1", "voyage", "xinference"])
def test_every_pair_agrees_on_the_ranking(client: str, provider: str) -> None:
    request = ru.RerankRequest(query="crème 护肤", documents=["un", "deux 🌿", "trois", "deux 🌿"], top_n=3, model="m")
    request_body = ru.provider(client).encode_request(request)
    through = ru.transcoder(client, provider)
    sent = through.request(json.dumps(request_body))
    scored = [ru.Result(i, s) for i, s in ((3, 0.5), (0, 0.1), (1, 0.5), (2, 0.9))]
    response_body = json.dumps(ru.provider(provider).encode_response(ru.RerankResponse(results=scored))).encode()
    status, _, body = through.response(200, {}, response_body, sent)
    response = ru.provider(client).decode(status, {}, body, request)
    assert [(r.index, r.relevance_score) for r in response] == [(2, 0.9), (1, 0.5), (3, 0.5)]
    assert [r.text for r in response] == ["trois", "deux 🌿", "deux 🌿"]
