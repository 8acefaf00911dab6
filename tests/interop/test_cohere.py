"""Cohere's SDK, both versions of the API, sync and async."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

import rerank_unify as ru

from ._cases import ABSENT, DOCUMENTS, GROUP, QUERY, RESPONSES, SENTENCE, Failure, Job, Other, ask, assert_same_body
from ._server import Loopback

cohere: Any = pytest.importorskip("cohere")
pytestmark = pytest.mark.interop

CLIENTS = {"ClientV2": "cohere", "AsyncClientV2": "cohere", "Client": "cohere-v1", "AsyncClient": "cohere-v1"}
every_client = pytest.mark.parametrize(("client", "name"), CLIENTS.items(), ids=CLIENTS)
RESPONSE_TYPES = {"cohere": "V2RerankResponse", "cohere-v1": "RerankResponse"}


def rerank(loopback: Loopback, client: str, **arguments: Any) -> Any:
    """Call the SDK without retries, and return what it makes of the loopback's response."""
    arguments = {
        "query": QUERY,
        "documents": DOCUMENTS,
        "model": "m",
        "request_options": {"max_retries": 0},
        **arguments,
    }
    made = getattr(cohere, client)(api_key="key", base_url=loopback.url)
    if client.startswith("Async"):
        return asyncio.run(_later(made, arguments))
    with made:
        return made.rerank(**arguments)


async def _later(made: Any, arguments: dict[str, Any]) -> Any:
    async with made:
        return await made.rerank(**arguments)


# --- requests --------------------------------------------------------------------------------------------------------

SPANS = {"mode": "enabled", "threshold": 0.25}
FIELDS = {"title": "Öl", "body": "für Motoren: 5W-30", "url": "https://example.com"}
NO_RETURN_DOCUMENTS_WHY = "the API's default; the library says what is meant"
NO_RETURN_DOCUMENTS = {"return_documents": Other(ABSENT, False, NO_RETURN_DOCUMENTS_WHY)}
NULL = Other(None, ABSENT, "langchain-cohere gives nulls, the SDK sends them, the library never does")
TEXTS = Other([FIELDS], ["title: Öl\nbody: 'für Motoren: 5W-30'\n"], "what is ranked is the same for every provider")
APPLIED = Other(["title", "body"], ABSENT, "the library applies it")

V2_JOBS = {
    "nulls": Job(ask(), {"top_n": None, "max_tokens_per_doc": None}, {"top_n": NULL, "max_tokens_per_doc": NULL}),
    "forced echo": Job(
        ask(return_documents=True),
        {"request_options": {"max_retries": 0, "additional_body_parameters": {"return_documents": True}}},
        {"return_documents": Other(True, ABSENT, "v2 rejects it with 422; only requests of clients may have it")},
    ),
    "plain": Job(ask()),
    "top_n": Job(ask(top_n=2), {"top_n": 2}),
    "max_tokens_per_doc": Job(ask(max_tokens_per_doc=512), {"max_tokens_per_doc": 512}),
    "priority": Job(ask(provider_options={"cohere": {"priority": 3}}), {"priority": 3}),
    "spans": Job(ask(provider_options={"cohere": {"relevant_spans": SPANS}}), {"relevant_spans": SPANS}),
}
V1_JOBS = {
    "nulls": Job(
        ask(model=None),
        {"model": None, "top_n": None, "return_documents": None},
        {
            "model": Other(None, "rerank-v3.5", "the default"),
            "top_n": NULL,
            "return_documents": Other(None, False, NO_RETURN_DOCUMENTS_WHY),
        },
    ),
    "plain": Job(ask(), but=NO_RETURN_DOCUMENTS),
    "top_n": Job(ask(top_n=2), {"top_n": 2}, NO_RETURN_DOCUMENTS),
    "return_documents": Job(ask(return_documents=True), {"return_documents": True}),
    "chunks": Job(
        ask(provider_options={"cohere-v1": {"max_chunks_per_doc": 4}}), {"max_chunks_per_doc": 4}, NO_RETURN_DOCUMENTS
    ),
    "rank_fields": Job(
        ask(documents=[FIELDS], rank_fields=["title", "body"]),
        {"documents": [FIELDS], "rank_fields": ["title", "body"]},
        {"documents": TEXTS, "rank_fields": APPLIED, **NO_RETURN_DOCUMENTS},
    ),
}
JOBS = [
    pytest.param(client, CLIENTS[client], job, id=f"{client}-{name}")
    for client in CLIENTS
    for name, job in (V2_JOBS if client.endswith("V2") else V1_JOBS).items()
]


@pytest.mark.parametrize(("client", "name", "job"), JOBS)
def test_the_sdk_sends_what_we_send(loopback: Loopback, client: str, name: str, job: Job) -> None:
    missing = job.arguments.keys() - inspect.signature(getattr(cohere, client).rerank).parameters
    if missing:
        pytest.skip(f"this version of the SDK has no {missing}")
    provider = ru.provider(name)
    loopback.give(provider.encode_response(RESPONSES["all"]))
    rerank(loopback, client, **job.arguments)
    assert_same_body(loopback.sent, provider.encode_request(job.request), job.but)
    assert provider.decode_request(loopback.sent) == job.request
    url = provider.build_request(job.request, api_key="key", base_url=loopback.url).url
    assert url == loopback.url + loopback.posts[0][0]


# --- responses -------------------------------------------------------------------------------------------------------


def assert_same_response(got: Any, given: ru.RerankResponse) -> None:
    rows = got.model_dump()["results"]
    assert [(row["index"], row["relevance_score"], row.get("document")) for row in rows] == [
        (result.index, result.relevance_score, result.document) for result in given
    ]
    tokens, billed = got.meta.tokens, got.meta.billed_units
    assert (got.id, got.meta.warnings) == (given.id, list(given.warnings) or None)
    assert (tokens and tokens.input_tokens) == given.usage.prompt_tokens
    assert (tokens and tokens.output_tokens) == given.usage.completion_tokens
    assert (billed and billed.search_units) == given.usage.search_units


@every_client
@pytest.mark.parametrize("given", RESPONSES.values(), ids=RESPONSES)
def test_the_sdk_reads_our_responses(loopback: Loopback, client: str, name: str, given: ru.RerankResponse) -> None:
    loopback.give(ru.provider(name).encode_response(given, ask()))
    got = rerank(loopback, client)
    assert type(got).__name__ == RESPONSE_TYPES[name]
    assert_same_response(got, given)


@pytest.mark.parametrize("name", RESPONSE_TYPES)
@pytest.mark.parametrize("given", RESPONSES.values(), ids=RESPONSES)
def test_our_responses_are_strictly_the_sdks_type(name: str, given: ru.RerankResponse) -> None:
    """The clients check nothing, their types do."""
    kind = getattr(cohere, RESPONSE_TYPES[name])
    assert_same_response(kind.model_validate_json(ru.provider(name).dump_response(given), strict=True), given)


def test_spans_keep_their_type(loopback: Loopback) -> None:
    if not hasattr(cohere, "RerankRelevantSpanResponse"):
        pytest.skip("this version of the SDK has no relevant_spans")
    span = {"start": 0, "end": 4, "score": 0.5}
    loopback.give(
        ru.provider("cohere").encode_response(ru.RerankResponse([ru.Result(1, 0.5, extra={"relevant_spans": [span]})]))
    )
    (got,) = rerank(loopback, "ClientV2").results[0].relevant_spans
    assert got == cohere.RerankRelevantSpanResponse(**span)


def test_objects_come_back_with_their_fields(loopback: Loopback) -> None:
    loopback.give(ru.provider("cohere-v1").encode_response(ru.RerankResponse([ru.Result(0, 0.5, FIELDS)])))
    assert rerank(loopback, "Client").results[0].document.model_extra == FIELDS


# --- errors ----------------------------------------------------------------------------------------------------------

FAILURES = [
    Failure(ru.BadRequestError(SENTENCE, status=422), "BadRequestError", 400),
    Failure(ru.InvalidRequestError(SENTENCE, field="top_n"), "BadRequestError", 400),
    Failure(ru.UnsupportedRequestError(SENTENCE), "BadRequestError", 400),
    Failure(ru.AuthenticationError(SENTENCE, status=401), "UnauthorizedError", 401, relay=True),
    Failure(ru.PermissionDeniedError(SENTENCE, status=403), "ForbiddenError", 403, relay=True),
    Failure(ru.ModelNotFoundError(SENTENCE, status=400), "NotFoundError", 404),
    Failure(ru.RateLimitError(SENTENCE, status=429, retry_after=1.5), "TooManyRequestsError", 429),
    Failure(GROUP, "TooManyRequestsError", 429),
    Failure(ru.ProviderServerError(SENTENCE, status=500), "InternalServerError", 500),
    Failure(ru.ProviderOverloadedError(SENTENCE, status=529, retry_after=0), "ServiceUnavailableError", 503),
    Failure(ru.TimeoutError(SENTENCE), "GatewayTimeoutError", 504),
    # The SDK has no class for these. In the first the gateway's key is wrong, which is not the client's fault.
    Failure(ru.AuthenticationError(SENTENCE, status=401), "ApiError", 502),
    Failure(ru.QuotaExceededError(SENTENCE, status=402), "ApiError", 402, relay=True),
    Failure(ru.RequestTooLargeError(SENTENCE), "ApiError", 413),
    Failure(ru.InvalidResponseError(SENTENCE, path="data"), "ApiError", 502),
    Failure(ru.ConnectError(SENTENCE), "ApiError", 502),
]


@every_client
@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_the_sdk_raises_its_class(loopback: Loopback, client: str, name: str, failure: Failure) -> None:
    status, headers, body = ru.provider(name).encode_error(failure.error, failure.relay)
    loopback.give(body, status, headers)
    with pytest.raises(cohere.core.ApiError) as caught:
        rerank(loopback, client)
    error = caught.value
    assert (type(error).__name__, error.status_code, error.body) == (failure.error_class, failure.status, body)
    assert error.headers.get("retry-after") == headers.get("retry-after")
    assert repr(body) in str(error)
