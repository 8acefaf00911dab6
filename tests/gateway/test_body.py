"""Bodies that are too large, too slow or of the wrong kind, and clients that leave: over real sockets."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from itertools import repeat

import pytest
from granian.http import HTTP1Settings
from scripted_server import ScriptedServer

import rerank_unify as ru
from rerank_unify._json import compile_path, dig
from rerank_unify.gateway.app import create_app

from .helpers import BODY, LOCKED, NEVER, Response, Wire, plain_paths, rerank, routed, serving, target

PATHS = plain_paths()
SMALL: Mapping[str, object] = {"limits": {"body_bytes": 2000, "documents": 3}}
MIB = b" " * 2**20


@pytest.fixture(scope="module")
def small() -> Generator[int, None, None]:
    with serving(SMALL) as port:
        yield port


@pytest.fixture(scope="module")
def hasty() -> Generator[int, None, None]:
    """A gateway that gives up soon on what does not come: for bodies that never do."""
    limits: Mapping[str, object] = {"body_bytes": 2000, "documents": 3, "body_seconds": 0.2}
    with serving({"limits": limits}) as port:
        yield port


def error_message(path: str, response: Response) -> str:
    sentence = dig(response.json, compile_path(ru.provider(PATHS[path]).dialect.errors.message))
    assert isinstance(sentence, str)
    return sentence


# --- too large -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_a_declared_length_that_is_too_large(hasty: int, path: str) -> None:
    with Wire(hasty) as wire:
        wire.head(path, content_length="2001")  # and nothing of it is sent
        response = wire.response()
        assert response.status == 413
        assert error_message(path, response) == "the body has more than 2,000 bytes"
        assert response.headers["connection"] == "close"
        assert wire.at_end()


@pytest.mark.parametrize("path", PATHS)
def test_chunks_that_are_too_many(small: int, path: str) -> None:
    with Wire(small) as wire:
        wire.head(path, transfer_encoding="chunked")
        wire.chunks(repeat(b" " * 500, 5))
        response = wire.response()
    assert response.status == 413
    assert error_message(path, response) == "the body has more than 2,000 bytes"


def test_a_hundred_megabytes_are_not_read_to_their_end(hasty: int) -> None:
    with Wire(hasty) as wire:
        wire.head(transfer_encoding="chunked")
        assert wire.chunks(repeat(MIB, 100)) < 100 * len(MIB)
    with Wire(hasty) as wire:
        wire.head(content_length=str(100 * len(MIB)))
        assert wire.response().status == 413
        assert wire.at_end()


def test_a_client_that_has_no_key_is_not_read_to_the_end_either() -> None:
    with serving(LOCKED) as port, Wire(port) as wire:
        wire.head(transfer_encoding="chunked")
        assert wire.chunks(repeat(MIB, 100)) < 100 * len(MIB)


def test_a_body_of_just_the_limit_is_taken(small: int) -> None:
    body = json.dumps(BODY).encode().ljust(2000)
    with Wire(small) as wire:
        assert wire.rerank(body).status == 200
        wire.head(transfer_encoding="chunked")
        wire.chunks((body[:1000], body[1000:]))
        assert wire.response().status == 200  # over the same connection
        assert wire.rerank(b"{").status == 400
        assert wire.rerank(body).status == 200


@pytest.mark.parametrize("path", PATHS)
def test_too_many_documents(small: int, path: str) -> None:
    provider = ru.provider(PATHS[path])
    response = rerank(small, {"query": "q", "documents": ["a"] * 4}, path)
    assert response.status == provider.dialect.errors.too_large
    assert error_message(path, response) == "documents: this gateway accepts at most 3 documents"


# --- of the wrong kind -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("headers", "begins"),
    [
        ({"content_encoding": "gzip"}, "content-encoding: "),
        ({"content_encoding": "br"}, "content-encoding: "),
        ({"content_type": "text/plain"}, "content-type: "),
        ({"content_type": "application/x-www-form-urlencoded"}, "content-type: "),
        ({"content_type": "multipart/form-data; boundary=json"}, "content-type: "),
        ({"content_type": "application/jsonp"}, "content-type: "),
    ],
)
def test_bodies_that_are_no_plain_json(small: int, path: str, headers: dict[str, str], begins: str) -> None:
    response = rerank(small, gzip.compress(json.dumps(BODY).encode()), path, **headers)
    assert response.status == 415
    assert error_message(path, response).startswith(begins)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_type": ""},
        {"content_type": "Application/JSON; charset=utf-8"},
        {"content_type": "application/vnd.api+json"},
        {"content_encoding": "identity"},
        {"content_encoding": ""},
    ],
)
def test_bodies_that_are(small: int, headers: dict[str, str]) -> None:
    assert rerank(small, **headers).status == 200


# --- too slow --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_does_not_come(hasty: int, path: str) -> None:
    with Wire(hasty) as wire:
        wire.head(path, content_length="100")
        wire.socket.sendall(b'{"query":')
        response = wire.response()
        assert response.status == 408
        assert error_message(path, response) == "the body did not arrive within 0.2 seconds"
        assert wire.at_end()


IMPATIENT = HTTP1Settings(header_read_timeout=200, max_buffer_size=8192)  # milliseconds, bytes: hyper's least


@pytest.fixture(scope="module")
def impatient() -> Generator[int, None, None]:
    with serving(heads=IMPATIENT) as port:
        yield port


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"POST /v1/re", b"POST /v1/rerank HTTP/1.1\r\nhost: x\r\nx-slow: "])
def test_a_head_that_does_not_come(impatient: int, begun: bytes) -> None:
    with Wire(impatient) as wire:
        wire.socket.sendall(begun)
        assert wire.at_end()


TWO_SECONDS = HTTP1Settings(header_read_timeout=2_000)  # long enough for a whole head on a busy machine


def test_a_second_head_that_does_not_come() -> None:
    with serving(heads=TWO_SECONDS) as port, Wire(port) as wire:
        assert wire.rerank().status == 200
        wire.socket.sendall(b"P")
        assert wire.at_end()


def test_a_head_that_comes_byte_by_byte(impatient: int) -> None:
    """Each byte is in time, and all together are not."""
    with Wire(impatient) as wire:
        wire.socket.settimeout(0.02)
        sent = 0
        for byte in endless_head():
            try:
                wire.socket.sendall(byte)
                sent += 1
                if wire.socket.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert sent < 2_000


def test_a_head_that_has_no_end(impatient: int) -> None:
    with Wire(impatient) as wire:
        with suppress(OSError):
            for piece in endless_head(1000):
                wire.socket.sendall(piece)
        with suppress(ConnectionError):  # a reset, where bytes of ours were on their way
            assert wire.response().status == 431
        assert wire.at_end()


def endless_head(size: int = 1) -> Iterator[bytes]:
    """Not quite: where there is no limit, the test must fail and not hang."""
    yield b"POST /v1/rerank HTTP/1.1\r\nx-long: "
    yield from repeat(b"a" * size, 2_000)


def test_a_client_that_waits_long_for_its_response_is_not_disconnected() -> None:
    """The time limit is for heads alone: a response may take longer, and the next request waits behind it."""
    with (
        ScriptedServer([NEVER]) as upstream,
        serving(routed(target(upstream)), heads=TWO_SECONDS) as port,
        Wire(port) as wire,
    ):
        body = json.dumps(BODY).encode()
        wire.head(content_length=str(len(body)))
        wire.socket.sendall(body + b"POST /v1/re")  # and never the rest of the next one
        upstream.wait_calls(1)
        with Wire(port) as other:
            assert other.at_end()  # a head's time has passed since
        upstream.release()
        assert wire.response().status == 200
        assert wire.at_end()


# --- clients that disconnect ------------------------------------------------------------------------------------------


def test_a_client_that_leaves_ends_the_call_upstream(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedServer([NEVER]) as upstream:
        app = create_app(routed(target(upstream)))
        with caplog.at_level(logging.INFO, "rerank_unify.gateway"), serving(app=app) as port:
            with Wire(port) as wire:
                body = json.dumps(BODY).encode()
                wire.head(content_length=str(len(body)))
                wire.socket.sendall(body)
                upstream.wait_calls(1)
            upstream.wait_left(1)
        metrics = app.state.gateway.metrics.text().decode()
    assert 'rerank_requests_total{dialect="jina",status="499"} 1.0' in metrics
    assert 'rerank_attempts_total{outcome="cancelled",provider="jina"} 1.0' in metrics
    assert "rerank_requests_under_way 0.0" in metrics
    assert " jina 499 " in caplog.text


def test_a_client_that_leaves_within_its_body(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rerank_unify.gateway"), serving() as port, Wire(port) as wire:
        wire.head(content_length="100")
        wire.socket.sendall(b'{"query":')
        wire.socket.close()
    assert " jina 499 " in caplog.text
