"""Traps of providers, each handled by a declaration alone: errors under 200, positions, limits, rows in any order."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

import rerank_unify as ru
from rerank_unify.batching import split_request

REQUEST: Final = ru.RerankRequest(query="q", documents=["a", "b", "c"], top_n=2, model="a-model")
LIMITED: Final = [name for name in ru.provider_names() if ru.provider(name).limits().documents is not None]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("dashscope", {"code": "InvalidParameter", "message": "batch size", "request_id": "r"}),
        ("dashscope-native", {"code": "InvalidParameter", "message": "batch size", "request_id": "r"}),
        ("volcengine", {"code": 1000001, "message": "signature", "data": {"scores": [0.1, 0.2, 0.3]}}),
        ("cloudflare", {"success": False, "errors": [{"code": 3040, "message": "capacity"}], "result": None}),
        ("qianfan-v1", {"error_code": 336003, "error_msg": "too many", "results": []}),
        ("langsearch", {"code": 429, "msg": "slow down", "results": []}),
        ("siliconflow", {"code": 20012, "message": "Model does not exist"}),
        ("siliconflow", {"id": "x", "meta": {}}),  # no list of rows
    ],
)
def test_an_error_under_200_is_an_error(name: str, body: dict[str, Any]) -> None:
    with pytest.raises(ru.RerankError) as caught:
        ru.provider(name).decode(200, {}, json.dumps(body).encode(), REQUEST)
    assert caught.value.provider == name
    assert caught.value.status == 200


def test_a_status_that_is_no_response() -> None:
    with pytest.raises(ru.ProviderOverloadedError) as caught:
        ru.provider("sie").decode(202, {"Retry-After": "5"}, b'{"status":"provisioning"}', REQUEST)
    assert (caught.value.retryable, caught.value.retry_after) == (True, 5.0)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("moark-multimodal", [{"index": 3, "score": 0.9}, {"index": 1, "score": 0.5}, {"index": 2, "score": 0.1}]),
        ("discovery-engine", {"records": [{"id": "2", "score": 0.9}, {"id": "0", "score": 0.5}]}),
        ("sie", {"scores": [{"item_id": "2", "rank": 0, "score": 0.9}, {"item_id": "0", "rank": 1, "score": 0.5}]}),
        ("cloudflare", {"success": True, "result": {"response": [{"id": 2, "score": 0.9}, {"id": 0, "score": 0.5}]}}),
        ("volcengine", {"code": 0, "data": {"scores": [0.5, 0.1, 0.9]}}),
        ("deepinfra", {"scores": [0.5, 0.1, 0.9]}),
        ("vllm-score", {"data": [{"index": at, "score": score} for at, score in enumerate((0.5, 0.1, 0.9))]}),
        # Not sorted, not cut, and with documents that the request did not want.
        (
            "localai",
            {
                "results": [
                    {"index": at, "relevance_score": score, "document": {"text": "x"}}
                    for at, score in enumerate((0.5, 0.1, 0.9))
                ]
            },
        ),
    ],
)
@pytest.mark.parametrize("return_documents", [True, False])
def test_positions_order_and_echoes_of_any_kind_give_one_ranking(
    name: str, body: Any, *, return_documents: bool
) -> None:
    request = REQUEST.replace(return_documents=return_documents)
    response = ru.provider(name).decode(200, {}, json.dumps(body).encode(), request)
    assert [(row.index, row.relevance_score) for row in response] == [(2, 0.9), (0, 0.5)]
    documents = [{"text": "c"}, {"text": "a"}] if return_documents else [None, None]
    assert [row.document for row in response] == documents


def test_limits_go_from_25_to_10_000() -> None:
    limits = {ru.provider(name).limits().documents for name in LIMITED}
    assert {25, 50, 64, 100, 128, 200, 500, 512, 1_000} <= limits


@pytest.mark.parametrize("name", LIMITED)
def test_a_call_beyond_the_limit_is_refused_and_split(name: str) -> None:
    """Before anything is sent, with the provider, the document's index and the reason; the client splits it."""
    provider = ru.provider(name)
    limit = provider.limits().documents
    assert limit is not None
    request = ru.RerankRequest(query="q", documents=["a"] * (limit + 1), model=provider.default_model or "m")
    refused = provider.check(request)
    assert refused is not None
    assert (refused.provider, refused.field, refused.index) == (name, "documents", limit)
    assert str(refused).startswith(f"{name}: UnsupportedRequestError: documents: {name} takes at most {limit:,}")
    batch = split_request(request, provider, split="always")
    sizes = [len(part.documents) for part in batch.parts]
    assert sum(sizes) == limit + 1
    assert max(sizes) <= limit
    assert all(provider.check(part) is None for part in batch.parts)
    responses = [
        provider.decode_response(provider.encode_response(_scored(len(part.documents), at)), part)
        for at, part in enumerate(batch.parts)
    ]
    merged = batch.merge(responses)
    assert len(merged) == limit + 1
    assert merged[0].index == sizes[0]  # the best row of the second part


def _scored(count: int, part: int) -> ru.RerankResponse:
    return ru.RerankResponse([ru.Result(at, 0.5 - 0.4 * at / count + 0.1 * part) for at in range(count)])


@pytest.mark.parametrize("name", ru.provider_names())
def test_an_image_that_a_model_does_not_take_is_refused(name: str) -> None:
    provider = ru.provider(name)
    request = ru.RerankRequest(query="q", documents=["a", {"image": "https://x/1.png"}], model="an-unknown-model")
    if provider.unknown_model.images:
        assert provider.check(request) is None
        return
    refused = provider.check(request)
    assert refused is not None
    assert (refused.provider, refused.index) == (name, 1)
    assert f"documents[1]: is an image, and {name}'s an-unknown-model is not known to take images" in str(refused)
