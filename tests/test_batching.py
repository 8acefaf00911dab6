"""Law 5: merging the parts gives what the unsplit request gives, for a scorer that scores each document by itself."""

import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rerank_unify as ru
from rerank_unify.batching import estimate_tokens
from rerank_unify.declaration import Dialect, Endpoint, Limits, Model, Provider, ResponseFormat, bearer
from rerank_unify.testing import requests

VOYAGE = ru.provider("voyage")


def make_provider(documents: int | None, tokens: int | None, *, listwise: bool = False) -> Provider:
    limits = Limits(documents=documents, total_tokens=tokens)
    return Provider(
        name="small",
        dialect=Dialect(
            request=VOYAGE.dialect.request, response=ResponseFormat(rows="data", usage={"total_tokens": "tokens"})
        ),
        endpoint=Endpoint("http://localhost/rerank"),
        auth=bearer(required=False),
        default_model="m",
        unknown_model=Model(score_kind="probability", limits=limits, listwise=listwise),
    )


def score(document: str) -> float:
    return zlib.crc32(document.encode()) % 7 / 7


def respond(call: ru.Call) -> ru.RerankResponse:
    """A provider that scores each document by itself, unsorted, and bills a token each."""
    documents = json.loads(call.http.content)["documents"]
    rows: list[Any] = [{"index": i, "relevance_score": score(text)} for i, text in enumerate(documents)]
    return call.decode(200, {}, json.dumps({"data": rows, "tokens": len(rows)}))


@given(requests(max_documents=12), st.integers(1, 5) | st.none(), st.integers(5, 60) | st.none())
def test_merging_is_not_splitting(request: ru.RerankRequest, documents: int | None, tokens: int | None) -> None:
    whole = make_provider(None, None)
    if whole.check(request) is not None:
        return
    expected = respond(whole.prepare(request))
    batch = ru.split_request(request, make_provider(documents, tokens))
    assert [document for part in batch.parts for document in part.documents] == list(request.documents)
    assert all(part.top_n is None for part in batch.parts) or len(batch.parts) == 1
    assert documents is None or all(len(part.documents) <= documents for part in batch.parts)
    if any(whole.check(part) is not None for part in batch.parts):
        return  # nothing but empty texts in a part
    merged = batch.merge([respond(whole.prepare(part)) for part in batch.parts])
    assert [result.relevance_score for result in merged] == [result.relevance_score for result in expected]
    below = [r for r in expected if r.relevance_score > min((s.relevance_score for s in expected), default=0)]
    assert {r.index for r in below} <= {r.index for r in merged}
    assert all(merged_row.document == _document(request, merged_row.index) for merged_row in merged)
    assert merged.missing == expected.missing
    assert merged.usage == expected.usage
    assert {(loss.field, loss.action, loss.indices) for loss in merged.losses} == {
        (loss.field, loss.action, loss.indices) for loss in expected.losses
    }


def _document(request: ru.RerankRequest, index: int) -> Any:
    document = request.documents[index]
    whole = {"text": document} if isinstance(document, str) else document
    return whole if request.return_documents else None


def ask(count: int, **fields: Any) -> ru.RerankRequest:
    return ru.RerankRequest(query="query", documents=[f"document {n}" for n in range(count)], **fields)


def test_a_request_that_fits_is_not_split() -> None:
    request = ask(1000, top_n=3)
    batch = ru.split_request(request, "voyage")
    assert batch.parts == (request,)
    only = ru.RerankResponse([ru.Result(0, 0.5)])
    assert batch.merge([only]) is only


def test_a_request_is_split_by_documents() -> None:
    batch = ru.split_request(ask(2500), "voyage")
    assert [len(part.documents) for part in batch.parts] == [1000, 1000, 500]
    assert [VOYAGE.check(part) for part in batch.parts] == [None, None, None]


def test_a_request_is_split_by_tokens() -> None:
    request = ru.RerankRequest(query="q", documents=["word " * 1000] * 4)
    batch = ru.split_request(request, make_provider(None, 10), estimate=lambda text: len(text.split()))
    assert [len(part.documents) for part in batch.parts] == [1, 1, 1, 1]
    batch = ru.split_request(request, make_provider(None, 2500), estimate=lambda text: len(text.split()))
    assert [len(part.documents) for part in batch.parts] == [2, 2]


def test_estimates_err_high() -> None:
    assert estimate_tokens("") > 0
    assert estimate_tokens("hello world, this is plain English text") >= 13
    assert estimate_tokens("天然有机护肤产品") >= 8


def test_listwise_models_are_not_split_unasked() -> None:
    listwise = make_provider(2, None, listwise=True)
    with pytest.raises(ru.UnsupportedRequestError, match="scores the list as a whole") as caught:
        ru.split_request(ask(5), listwise)
    assert caught.value.index == 2
    assert len(ru.split_request(ask(5), listwise, split="always").parts) == 3
    assert len(ru.split_request(ask(2), listwise).parts) == 1


def test_every_part_needs_its_response() -> None:
    batch = ru.split_request(ask(3), make_provider(2, None))
    with pytest.raises(ru.InvalidRequestError, match="responses: expected 2, not 1"):
        batch.merge([ru.RerankResponse([])])


def test_usage_that_one_part_lacks_is_absent_after_merging() -> None:
    batch = ru.split_request(ask(3), make_provider(2, None))
    first = ru.RerankResponse([], usage=ru.Usage(total_tokens=3, search_units=1), score_kind="logit", warnings=["w"])
    second = ru.RerankResponse([], usage=ru.Usage(search_units=1), score_kind="cosine", warnings=["w"], missing=[0])
    merged = batch.merge([first, second])
    assert merged.usage == ru.Usage(search_units=2)
    assert (merged.score_kind, merged.warnings, merged.missing) == ("unknown", ("w",), (2,))
    assert batch.merge([ru.RerankResponse([]), ru.RerankResponse([])]).usage == ru.Usage()
