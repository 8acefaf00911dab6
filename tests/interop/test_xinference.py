"""Xinference's client, sync and async."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import rerank_unify as ru

from ._cases import ABSENT, DOCUMENTS, QUERY, RESPONSES, SENTENCE, Failure, Job, Other, ask, assert_same_body
from ._server import Loopback

xinference: Any = pytest.importorskip("xinference_client")
pytestmark = pytest.mark.interop

XINFERENCE = ru.provider("xinference")
every_client = pytest.mark.parametrize("client", ["RESTfulClient", "AsyncRESTfulClient"])


def rerank(loopback: Loopback, client: str, *, model: str = "m", **arguments: Any) -> Any:
    """Call the client and return what it makes of the loopback's response.

    The client first gets whether the server needs a key, and the type of the model.
    """
    loopback.pages = {"/v1/cluster/auth": {"auth": False}, f"/v1/models/{model}": {"model_type": "rerank"}}
    arguments = {"query": QUERY, "documents": list(DOCUMENTS), **arguments}
    if client == "AsyncRESTfulClient":
        return asyncio.run(_later(loopback.url, model, arguments))
    made = xinference.RESTfulClient(loopback.url)
    handle = made.get_model(model)
    try:
        return handle.rerank(**arguments)
    finally:
        handle.close()
        made.close()


async def _later(url: str, model: str, arguments: dict[str, Any]) -> Any:
    made = xinference.AsyncRESTfulClient(url)
    handle = await made.get_model(model)
    try:
        return await handle.rerank(**arguments)
    finally:
        await handle.close()
        await made.close()


# --- requests --------------------------------------------------------------------------------------------------------

NULLS = {
    "top_n": Other(None, ABSENT, "the client sends nulls, the library never does"),
    "max_chunks_per_doc": Other(None, ABSENT, "the same"),
    "return_documents": Other(None, False, "the same; the library says what is meant"),
    "return_len": Other(None, True, "the library requests the token counts"),
    "kwargs": Other({}, ABSENT, "the client sends '{}'"),
}
QWEN, QWEN_VL, M0 = "Qwen3-Reranker-0.6B", "Qwen3-VL-Reranker-2B", "jina-reranker-m0"
INSTRUCTION = "Rank by Öko-Siegel"
IMAGE = "https://example.com/ä.png"


def nulls_but(*names: str, **further: Other) -> dict[str, Other]:
    return {name: other for name, other in NULLS.items() if name not in names} | further


def twice(value: Any) -> Other:
    return Other(value, ABSENT, "the client sends its further arguments twice, and the server looks into kwargs alone")


JOBS = {
    "plain": Job(ask(), but=NULLS),
    "top_n": Job(ask(top_n=2), {"top_n": 2}, nulls_but("top_n")),
    "documents": Job(ask(return_documents=True), {"return_documents": True}, nulls_but("return_documents")),
    "len": Job(ask(), {"return_len": True}, nulls_but("return_len")),
    "chunks": Job(
        ask(provider_options={"xinference": {"max_chunks_per_doc": 4}}),
        {"max_chunks_per_doc": 4},
        nulls_but("max_chunks_per_doc"),
    ),
    "instruction": Job(
        ask(model=QWEN, instruction=INSTRUCTION),
        {"model": QWEN, "instruction": INSTRUCTION},
        nulls_but("kwargs", instruction=twice(INSTRUCTION)),
    ),
    "engine": Job(
        ask(provider_options={"xinference": {"kwargs": {"batch_size": 8}}}),
        {"batch_size": 8},
        nulls_but("kwargs", batch_size=twice(8)),
    ),
    "images as objects": Job(
        ask(model=QWEN_VL, documents=[{"image": IMAGE}, "text", {"text": "both", "image": IMAGE}]),
        {"model": QWEN_VL, "documents": [{"image": IMAGE}, "text", {"text": "both", "image": IMAGE}]},
        NULLS,
    ),
    "images as strings": Job(
        ask(model=M0, documents=[{"image": IMAGE}]),
        {"model": M0, "documents": [IMAGE], "doc_type": "image"},
        nulls_but("kwargs", doc_type=twice("image")),
    ),
}


def unpacked(body: dict[str, Any]) -> dict[str, Any]:
    """The body with ``kwargs`` as an object: the same JSON string may be escaped in several ways."""
    return body | {"kwargs": json.loads(body["kwargs"])} if "kwargs" in body else body


@every_client
@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_the_sdk_sends_what_we_send(loopback: Loopback, client: str, job: Job) -> None:
    loopback.give(XINFERENCE.encode_response(RESPONSES["all"]))
    rerank(loopback, client, **job.arguments)
    assert_same_body(unpacked(loopback.sent), unpacked(XINFERENCE.encode_request(job.request)), job.but)
    assert XINFERENCE.decode_request(loopback.sent) == job.request
    url = XINFERENCE.build_request(job.request, base_url=loopback.url).url
    assert url == loopback.url + loopback.posts[0][0]


# --- responses -------------------------------------------------------------------------------------------------------


@every_client
@pytest.mark.parametrize("given", RESPONSES.values(), ids=RESPONSES)
def test_the_sdk_reads_our_responses(loopback: Loopback, client: str, given: ru.RerankResponse) -> None:
    loopback.give(XINFERENCE.encode_response(given, ask()))
    got = rerank(loopback, client)
    assert [(row["index"], row["relevance_score"], row["document"]) for row in got["results"]] == [
        (result.index, result.relevance_score, result.document) for result in given
    ]
    total = given.usage.total_tokens
    assert got.get("id") == given.id
    assert got["meta"] == {
        "api_version": None,
        "billed_units": None,
        "tokens": None if total is None else {"input_tokens": total, "output_tokens": total},
        "warnings": list(given.warnings) or None,
    }


@every_client
def test_an_object_is_nested_as_the_server_nests_it(loopback: Loopback, client: str) -> None:
    document = {"text": "both", "image": IMAGE}
    loopback.give(XINFERENCE.encode_response(ru.RerankResponse([ru.Result(0, 0.5, document)])))
    assert rerank(loopback, client)["results"][0]["document"] == {"text": document}


# --- errors ----------------------------------------------------------------------------------------------------------

FAILURES = [
    Failure(ru.BadRequestError(SENTENCE, status=500), "RuntimeError", 400),
    Failure(ru.InvalidRequestError(SENTENCE, field="top_n"), "RuntimeError", 400),
    Failure(ru.UnsupportedRequestError(SENTENCE), "RuntimeError", 400),
    Failure(ru.AuthenticationError(SENTENCE, status=401), "RuntimeError", 401, relay=True),
    Failure(ru.ModelNotFoundError(SENTENCE, status=400), "RuntimeError", 404),
    Failure(ru.RequestTooLargeError(SENTENCE), "RuntimeError", 413),
    Failure(ru.RateLimitError(SENTENCE, retry_after=1.5), "RuntimeError", 429),
    Failure(ru.ProviderServerError(SENTENCE, status=500), "RuntimeError", 500),
    Failure(ru.ConnectError(SENTENCE), "RuntimeError", 502),
    Failure(ru.ProviderOverloadedError(SENTENCE), "RuntimeError", 503),
    Failure(ru.TimeoutError(SENTENCE), "RuntimeError", 504),
]


@every_client
@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_the_sdk_raises_our_message(loopback: Loopback, client: str, failure: Failure) -> None:
    status, headers, body = XINFERENCE.encode_error(failure.error, failure.relay)
    assert status == failure.status
    loopback.give(body, status, headers)
    with pytest.raises(RuntimeError, match=f"^Failed to rerank documents, detail: {SENTENCE}$"):
        rerank(loopback, client)
    assert len(loopback.posts) == 1
