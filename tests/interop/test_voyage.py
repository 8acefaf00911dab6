"""Voyage's SDK, sync and async."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import rerank_unify as ru

from ._cases import (
    ABSENT,
    DOCUMENTS,
    GROUP,
    QUERY,
    RESPONSES,
    SENTENCE,
    Failure,
    Job,
    Other,
    ask,
    assert_same_body,
    ranking,
)
from ._server import Loopback

voyageai: Any = pytest.importorskip("voyageai")
pytestmark = pytest.mark.interop

VOYAGE = ru.provider("voyage")
every_client = pytest.mark.parametrize("client", ["Client", "AsyncClient"])


def rerank(loopback: Loopback, client: str, **arguments: Any) -> Any:
    """Call the SDK without retries, and return what it makes of the loopback's response."""
    arguments = {"query": QUERY, "documents": list(DOCUMENTS), "model": "m", **arguments}
    made = getattr(voyageai, client)(api_key="key", base_url=f"{loopback.url}/v1", max_retries=0)
    return asyncio.run(made.rerank(**arguments)) if client == "AsyncClient" else made.rerank(**arguments)


# --- requests --------------------------------------------------------------------------------------------------------

NO_RETURN_DOCUMENTS = {
    "return_documents": Other(ABSENT, False, "the SDK has no such argument: it fills documents in itself")
}
NULL = {**NO_RETURN_DOCUMENTS, "top_k": Other(None, ABSENT, "the SDK sends nulls, the library never does")}
INSTRUCTION = "Rank by Öko-Siegel"
FOLDED = f"{INSTRUCTION}\nQuery: {QUERY}"
JOBS = {
    "plain": Job(ask(truncation=True), but=NULL),
    "top_n": Job(ask(truncation=True, top_n=2), {"top_k": 2}, NO_RETURN_DOCUMENTS),
    "refuse long": Job(ask(truncation=False), {"truncation": False}, NULL),
    "folded": Job(
        ask(model="rerank-2.5", instruction=INSTRUCTION, truncation=True),
        {"model": "rerank-2.5", "query": FOLDED},  # what Voyage's documentation tells its users to write
        NULL,
        read=ask(model="rerank-2.5", query=FOLDED, truncation=True),
    ),
}


@every_client
@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_the_sdk_sends_what_we_send(loopback: Loopback, client: str, job: Job) -> None:
    loopback.give(VOYAGE.encode_response(RESPONSES["all"]))
    rerank(loopback, client, **job.arguments)
    assert_same_body(loopback.sent, VOYAGE.encode_request(job.request), job.but)
    assert VOYAGE.decode_request(loopback.sent) == (job.read or job.request)
    url = VOYAGE.build_request(job.request, api_key="key", base_url=loopback.url).url
    assert url == loopback.url + loopback.posts[0][0]


# --- responses -------------------------------------------------------------------------------------------------------


@every_client
@pytest.mark.parametrize("given", RESPONSES.values(), ids=RESPONSES)
def test_the_sdk_reads_our_responses(loopback: Loopback, client: str, given: ru.RerankResponse) -> None:
    loopback.give(VOYAGE.encode_response(given, ask()))
    got = rerank(loopback, client)
    assert [(row.index, row.relevance_score) for row in got.results] == ranking(given)
    assert [row.document for row in got.results] == given.pick(DOCUMENTS)
    assert got.total_tokens == given.usage.total_tokens


# --- errors ----------------------------------------------------------------------------------------------------------

FAILURES = [
    Failure(ru.BadRequestError(SENTENCE, status=422), "InvalidRequestError", 400),
    Failure(ru.InvalidRequestError(SENTENCE, field="top_k"), "InvalidRequestError", 400),
    Failure(ru.UnsupportedRequestError(SENTENCE), "InvalidRequestError", 400),
    Failure(ru.ModelNotFoundError(SENTENCE, status=404), "InvalidRequestError", 400),
    Failure(ru.AuthenticationError(SENTENCE, status=401), "AuthenticationError", 401, relay=True),
    Failure(ru.RateLimitError(SENTENCE, status=429, retry_after=1.5), "RateLimitError", 429),
    Failure(GROUP, "RateLimitError", 429),
    Failure(ru.ProviderServerError(SENTENCE, status=500), "ServerError", 500),
    Failure(ru.ProviderOverloadedError(SENTENCE, status=529, retry_after=0), "ServiceUnavailableError", 503),
    Failure(ru.TimeoutError(SENTENCE), "ServiceUnavailableError", 504),
    Failure(ru.AuthenticationError(SENTENCE, status=401), "ServiceUnavailableError", 502),  # the gateway's key
    Failure(ru.ConnectError(SENTENCE), "ServiceUnavailableError", 502),
    Failure(ru.InvalidResponseError(SENTENCE, path="data"), "ServiceUnavailableError", 502),
    # The SDK has no class for these.
    Failure(ru.QuotaExceededError(SENTENCE, status=402), "APIError", 402, relay=True),
    Failure(ru.PermissionDeniedError(SENTENCE, status=403), "APIError", 403, relay=True),
    Failure(ru.RequestTooLargeError(SENTENCE), "InvalidRequestError", 400),
]


@every_client
@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_the_sdk_raises_its_class(loopback: Loopback, client: str, failure: Failure) -> None:
    status, headers, body = VOYAGE.encode_error(failure.error, failure.relay)
    loopback.give(body, status, headers)
    with pytest.raises(voyageai.error.VoyageError) as caught:
        rerank(loopback, client)
    error = caught.value
    assert (type(error).__name__, error.http_status) == (failure.error_class, failure.status)
    assert error.headers.get("retry-after") == headers.get("retry-after")
    # From 500 on the SDK writes another message; ours is in the body.
    assert body["detail"] in (str(error) if status < 500 else error.http_body)
    assert str(error)
