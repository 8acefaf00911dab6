"""Requests, responses and errors between two dialects: pairs are sampled, and in a thorough run all are tried."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import pytest
from example_budget import formats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import rerank_unify as ru
from rerank_unify import errors
from rerank_unify.testing.strategies import requests

FORMATS: Final = formats()
REQUESTS: Final = requests(models=st.just("a-model"))
SCORES: Final = st.lists(st.floats(-9, 9, allow_nan=False), min_size=6, max_size=6)
HINTS: Final = ("instruction", "max_tokens_per_doc", "truncation", "return_embeddings")
ERRORS: Final[Sequence[errors.StatusError]] = (
    errors.RateLimitError("slow down", status=429, retry_after=7.0),
    errors.ProviderOverloadedError("too busy", status=503, retry_after=7.0),
    errors.AuthenticationError("bad key", status=401),
    errors.BadRequestError("wrong field", status=400),
    errors.ProviderServerError("broken", status=500),
)


def ranked(request: ru.RerankRequest) -> list[Any]:
    """The texts of the documents, as every provider ranks them."""
    texts: list[Any] = ru.provider("compatible").encode_request(request.replace(model="m", rank_fields=None))[
        "documents"
    ]
    return texts


def check_request(client: str, provider: str, request: ru.RerankRequest) -> tuple[ru.RerankRequest, Any] | None:
    """Translate a request; return it as the client's body has it and as it is sent, or None where it is refused."""
    speaks, serves = ru.provider(client), ru.provider(provider)
    body = json.dumps(speaks.encode_request(request)).encode()
    received = speaks.decode_request(body)
    through = ru.transcoder(client, provider, model="a-model")
    try:
        sent = through.request(body)
    except ru.UnsupportedRequestError as error:
        assert (error.provider, error.field) == (provider, "documents")
        assert error.index is not None
        assert provider in str(error)
        status, _, refusal = through.error(error)
        assert isinstance(speaks.decode_error(status, {}, refusal), errors.BadRequestError)
        return None
    arrived = serves.decode_request(sent.content)
    indices = sent.context.sent_indices
    texts = ranked(received)
    assert ranked(arrived) == (texts if indices is None else [texts[index] for index in indices])
    lost = {loss.field for loss in sent.losses}
    for hint in HINTS:
        value = getattr(received, hint)
        assert value in (None, "") or hint in lost or getattr(arrived, hint) == value, hint
    return received, sent


def check_response(client: str, provider: str, received: ru.RerankRequest, sent: Any, scores: list[float]) -> None:
    """Translate a response to that request: the ranking is the same, and so are the documents."""
    speaks, serves = ru.provider(client), ru.provider(provider)
    indices: Any = sent.context.sent_indices or range(len(received.documents))
    rows = [ru.Result(at, scores[at]) for at in range(len(indices))]
    reply = json.dumps(serves.encode_response(ru.RerankResponse(rows))).encode()
    status, headers, body = ru.transcoder(client, provider, model="a-model").response(200, {}, reply, sent)
    assert status == 200, body
    got = speaks.decode(status, headers, body, received)
    expected = sorted(((-scores[at], index) for at, index in enumerate(indices)))[: received.top_n]
    assert [(-row.relevance_score, row.index) for row in got] == expected
    assert all((row.document is not None) == received.return_documents for row in got)


def check_errors(client: str, provider: str, sent: Any) -> None:
    """Translate errors: the class and the time to wait stay, but for the gateway's own credentials."""
    speaks, serves = ru.provider(client), ru.provider(provider)
    for error in ERRORS:
        status, headers, body = ru.transcoder(client, provider, model="a-model").response(
            *_reply(serves.encode_error(error, relay=True)), sent
        )
        got = speaks.decode_error(status, headers, body)
        if isinstance(error, errors.AuthenticationError):
            assert isinstance(got, errors.ProviderServerError)
            continue
        assert type(got) is type(error)
        assert got.message == error.message
        assert got.retry_after == error.retry_after


def _reply(encoded: tuple[int, dict[str, str], dict[str, Any]]) -> tuple[int, dict[str, str], bytes]:
    status, headers, body = encoded
    return status, headers, json.dumps(body).encode()


def check_pair(client: str, provider: str, request: ru.RerankRequest, scores: list[float]) -> None:
    translated = check_request(client, provider, request)
    if translated is not None:
        check_response(client, provider, *translated, scores)
        check_errors(client, provider, translated[1])


def expressible(client: str, request: ru.RerankRequest) -> bool:
    return ru.provider(client).check(request) is None


@settings(max_examples=150)
@given(st.sampled_from(FORMATS), st.sampled_from(FORMATS), REQUESTS, SCORES)
def test_a_pair_of_dialects_agrees(client: str, provider: str, request: ru.RerankRequest, scores: list[float]) -> None:
    assume(expressible(client, request))
    check_pair(client, provider, request, scores)


@pytest.mark.slow
@pytest.mark.parametrize("client", FORMATS)
def test_every_pair_of_formats_agrees(client: str) -> None:
    @settings(max_examples=5)
    @given(REQUESTS, SCORES)
    def check_all(request: ru.RerankRequest, scores: list[float]) -> None:
        assume(expressible(client, request))
        for provider in FORMATS:
            check_pair(client, provider, request, scores)

    check_all()
