"""What a provider says is safe to show: of two clients in each test, the first gets odd texts from its provider."""

from __future__ import annotations

import json
import logging
import re
import socket
import ssl
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest
from scripted_server import Play, ScriptedServer, no_server_listens, respond_as

import rerank_unify as ru
from rerank_unify._json import is_list, is_object
from rerank_unify.errors import MESSAGE_LIMIT, MODEL_LIMIT
from rerank_unify.transport import no_connection

from .helpers import KEY, Rerank, ask, failure, jina

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

DOCUMENT: Final = "Confidential merger of Alpha and Beta"
QUERY: Final = "which companies are about to merge"
WORDS: Final = f"{DOCUMENT}\nFORGED LINE key={KEY}… \x1b[31m {QUERY}\u2028\u2029\x00" + "x" * 1000
PRIVATE: Final = (DOCUMENT, QUERY, KEY, "erger of Alpha ", "companies are a")
ROWS: Final = {"results": [{"index": 0, "relevance_score": 0.5}]}

# Each field that may hold a provider's words, in errors with a status, under 200, and in good responses.
FIELDS: Final[dict[str, dict[str, Any]]] = {
    "request_id": {"detail": "boom", "request_id": WORDS},
    "id": {"detail": "boom", "id": WORDS},
    "trace": {"detail": "boom", "trace": WORDS, "trace_id": WORDS},
    "the key as id": {"detail": "boom", "request_id": KEY},
    "code": {"detail": "boom", "code": WORDS},
    "message": {"detail": WORDS},
    "nested": {"error": {"message": WORDS, "code": WORDS, "type": WORDS, "request_id": WORDS}, "id": WORDS},
    "listed": {"detail": [{"loc": ["body", WORDS], "msg": WORDS, "type": WORDS}]},
}
ERRORS: Final = {
    **{f"{status} {name}": Play(status=status, body=body) for name, body in FIELDS.items() for status in (400, 500)},
    **{f"200 {name}": Play(body=body) for name, body in FIELDS.items()},
    "header": Play(status=500, headers={"x-request-id": f"{DOCUMENT} {KEY}", "cf-ray": KEY}, body={"detail": "boom"}),
    "text": Play(status=500, body=WORDS.encode()),
    "page": Play(status=500, body=f"<html><title>{WORDS}</title>".encode()),
}
GOOD: Final = {
    "model": {**ROWS, "model": WORDS},
    "id": {**ROWS, "id": WORDS},
    "the key as id": {**ROWS, "id": KEY},
    "the document as id": {**ROWS, "id": DOCUMENT.replace(" ", "-")},
    "warnings": {**ROWS, "warnings": [WORDS] * 1000, "meta": {"warnings": [WORDS] * 1000}},
}


def private(**fields: Any) -> ru.RerankRequest:
    documents = [DOCUMENT, DOCUMENT.replace(" ", "-"), "oil"]
    return ask(query=QUERY, documents=documents, return_documents=False, **fields)


def strings_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif is_object(value):
        for key, inner in value.items():
            yield from strings_of([key, inner])
    elif is_list(value):
        for inner in value:
            yield from strings_of(inner)


def assert_safe(text: str | None, limit: int = 600) -> None:
    """On one line, bounded, and without the first client's query, document and key."""
    if text is not None:
        assert text.isprintable(), text
        assert len(text) <= limit
        assert not [words for words in PRIVATE if words in text], text


def lines(log: pytest.LogCaptureFixture) -> list[str]:
    given = [record.getMessage() for record in log.records if record.name.startswith("rerank_unify")]
    assert given
    return given


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "rerank_unify")
    return caplog


@pytest.mark.parametrize("play", ERRORS.values(), ids=ERRORS)
def test_an_errors_words_are_safe(rerank: Rerank, log: pytest.LogCaptureFixture, play: Play) -> None:
    ended: list[ru.AttemptEnded] = []
    settings = {"health": ru.Health(), "on_attempt_end": ended.append, "policy": ru.FallbackPolicy(retries=0)}
    with ScriptedServer([play, Play()]) as server:
        first = failure(rerank, jina(server), private(), settings=settings)
        second = rerank(jina(server), settings=settings)
    assert_safe(str(first))
    assert_safe(first.message, MESSAGE_LIMIT + 60)  # the sentence of a response that lacks rows stands before
    assert_safe(first.code, 64)
    assert_safe(first.request_id, 128)
    for name in ("jina", "cohere", "voyage", "xinference"):
        _, headers, body = ru.provider(name).encode_error(first, relay=True)
        for text in strings_of([headers, body]):
            assert_safe(text)
    assert [str(one.error) for one in ended if one.error is not None] == [str(first)]
    for line in lines(log):
        assert_safe(line)
    assert_safe(second.to_json().decode())
    assert_safe(repr(second), 2000)


@pytest.mark.parametrize("provider", ["jina", "cohere"])
@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_a_good_responses_words_are_safe(
    rerank: Rerank, log: pytest.LogCaptureFixture, provider: str, body: dict[str, Any]
) -> None:
    ended: list[ru.AttemptEnded] = []
    settings = {"health": ru.Health(), "on_attempt_end": ended.append}
    with ScriptedServer([Play(body=body)], respond=respond_as(provider)) as server:
        to = ru.Target(provider, api_key=KEY, base_url=server.url)
        first = rerank(to, private(), settings=settings)
        second = rerank(to, settings=settings)
    assert_safe(first.model, MODEL_LIMIT)
    assert first.id is None
    assert len(first.warnings) <= 12
    for warning in first.warnings:
        assert_safe(warning, MESSAGE_LIMIT)
    for name in ("jina", "cohere"):
        for text in strings_of(json.loads(ru.provider(name).dump_response(first))):
            assert_safe(text)
    for one in ended:
        assert_safe(one.model, MODEL_LIMIT)
    for line in lines(log):
        assert_safe(line)
    assert_safe(second.to_json().decode(), 2000)
    assert second.warnings == ()


def test_a_clients_words_for_a_model_forge_no_line(rerank: Rerank, log: pytest.LogCaptureFixture) -> None:
    started: list[ru.AttemptStarted] = []
    model = "m\nFORGED LINE \x1b[31m" + "x" * 1000
    settings = {"on_attempt_start": started.append, "policy": ru.FallbackPolicy(retries=0)}
    with ScriptedServer([Play(status=500), Play()]) as server:
        failure(rerank, jina(server), ask(model=model), settings=settings)
        rerank(jina(server), settings=settings)
    for line in lines(log):
        assert_safe(line)
    assert_safe(started[0].model, MODEL_LIMIT)


@pytest.mark.parametrize("seconds", ["1e308", "1764091234", "1" + "0" * 26, "3000000"])
def test_the_log_tells_a_wait_in_plain_digits(rerank: Rerank, log: pytest.LogCaptureFixture, seconds: str) -> None:
    settings = {"policy": ru.FallbackPolicy(retries=0)}
    with ScriptedServer([Play(status=429, headers={"retry-after": seconds}), Play()]) as server:
        error = failure(rerank, jina(server), settings=settings)
        rerank(jina(server), settings=settings)
    assert error.retry_after is not None
    (failed,) = [line for line in lines(log) if " failed after " in line]
    reported = failed.rpartition("retry after ")[2].removesuffix(" s)")
    assert reported.isdigit()
    assert int(reported) == error.retry_after


# --- no response at all ----------------------------------------------------------------------------------------------


LOST: Final = "the connection was lost before a whole HTTP response came"


@pytest.mark.parametrize("how", ["reset", "close_mid_body", "garbage"])
def test_a_lost_connection_is_reported_in_our_words(rerank: Rerank, log: pytest.LogCaptureFixture, how: Any) -> None:
    settings = {"health": ru.Health(), "policy": ru.FallbackPolicy(retries=0)}
    with ScriptedServer([Play(how=how), Play()]) as server:
        error = failure(rerank, jina(server), private(), settings=settings)
        second = rerank(jina(server), settings=settings)
    assert (error.message, str(error)) == (LOST, f"jina: TransportError: {LOST}")
    assert re.fullmatch(r"(httpx|aiohttp)\.\w+", str(error.__cause__))
    assert second.provider == "jina"
    for line in lines(log):
        assert_safe(line)


def test_a_refused_connection_is_reported_in_our_words(rerank: Rerank) -> None:
    to = ru.Target("jina", api_key=KEY, base_url=no_server_listens())
    error = failure(rerank, to, settings={"policy": ru.FallbackPolicy(retries=0)})
    assert (type(error), error.message) == (ru.ConnectError, "no connection: it was refused")


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        (socket.gaierror(-2, "Name or service not known: host.internal"), "no connection: the host name was not found"),
        (ssl.SSLCertVerificationError("CN=host.internal"), "no connection: the certificate is not valid"),
        (ssl.SSLError("[SSL] host.internal"), "no connection: TLS failed"),
        (ConnectionRefusedError("host.internal:80"), "no connection: it was refused"),
        (ExceptionGroup("all", [ConnectionRefusedError("a"), OSError("b")]), "no connection: it was refused"),
        (OSError("host.internal"), "no connection to the provider"),
    ],
)
def test_the_reason_for_no_connection_is_ours(cause: Exception, sentence: str) -> None:
    outer = RuntimeError("https://host.internal?key=1")
    outer.__cause__ = cause
    assert no_connection(outer).message == no_connection(cause).message == sentence
