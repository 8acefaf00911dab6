"""A provider's words reach no client but as a sentence: each test has two clients, and the first causes a fault."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from client.test_words import DOCUMENT, ERRORS, GOOD, QUERY, assert_safe, strings_of
from scripted_server import Play, ScriptedServer, no_server_listens, respond_as

import rerank_unify as ru
from rerank_unify._json import compile_path, dig
from rerank_unify.gateway.app import create_app
from rerank_unify.gateway.auth import hash_of

from .helpers import BODY, PROVIDER_KEY, client, plain_paths, rerank, routed, serving, target

KEYS: Final = {"first": "ru-key-of-the-first", "second": "ru-key-of-the-second"}
PATHS: Final = plain_paths()
PRIVATE: Final = {"model": "m", "query": QUERY, "documents": [DOCUMENT, DOCUMENT.replace(" ", "-"), "oil"]}
MACHINES: Final = (
    "[address=127.0.0.1:43881, pid=19332] Model not found in the model list, uid: x. "
    "Available model uids: ['bge-large', 'qwen-secret']"
)


@pytest.fixture(params=[False, True], ids=["open", "with keys"])
def gateway(request: pytest.FixtureRequest) -> Any:
    """Opens a gateway; what it gives posts a body as one of two clients, each with a key where the gateway has keys."""

    @contextmanager
    def opening(config: dict[str, Any]) -> Generator[Any]:
        keys = {"keys": {name: hash_of(key) for name, key in KEYS.items()}} if request.param else {}
        with client({**config, **keys}) as opened:

            def post(name: str, path: str, body: Any) -> Any:
                headers = {"authorization": f"Bearer {KEYS[name]}"} if request.param else {}
                return opened.post(path, json=body, headers=headers)

            yield post

    return opening


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "rerank_unify")
    return caplog


def assert_log_is_safe(log: pytest.LogCaptureFixture) -> None:
    given = [record for record in log.records if record.name.startswith("rerank_unify")]
    assert given
    for record in given:
        assert_safe(record.getMessage())
        assert record.exc_info is None


def assert_reply_is_safe(reply: Any) -> None:
    for text in strings_of([reply.json(), dict(reply.headers)]):
        assert_safe(text)


@pytest.mark.parametrize("play", ERRORS.values(), ids=ERRORS)
def test_an_errors_words_are_safe(gateway: Any, log: pytest.LogCaptureFixture, play: Play) -> None:
    with ScriptedServer([play] * len(PATHS) + [Play()]) as server, gateway(routed(target(server))) as post:
        for path in PATHS:
            first = post("first", path, PRIVATE)
            assert first.status_code >= 400
            assert_reply_is_safe(first)
        second = post("second", "/v1/rerank", BODY)
    assert second.status_code == 200
    assert_safe(second.text)
    assert_log_is_safe(log)


@pytest.mark.parametrize("provider", ["jina", "cohere"])
@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_a_good_responses_words_are_safe(
    gateway: Any, log: pytest.LogCaptureFixture, provider: str, body: dict[str, Any]
) -> None:
    plays = [Play(body=body)] * len(PATHS)
    with ScriptedServer(plays, respond=respond_as(provider)) as server:
        config = routed(target(server, provider), default={"targets": [target(server, provider)]})
        with gateway(config) as post:
            for path in PATHS:
                first = post("first", path, {**PRIVATE, "model": "m", "return_documents": False})
                assert first.status_code == 200
                read: dict[str, Any] = first.json() if isinstance(first.json(), dict) else {}  # else a bare list
                shown = {name: value for name, value in read.items() if name not in ("results", "data")}
                for text in strings_of([shown, dict(first.headers)]):
                    assert_safe(text)
            second = post("second", "/v1/rerank", BODY)
    assert second.status_code == 200
    assert_safe(second.text)
    assert_log_is_safe(log)


# --- machines behind the gateway -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 500, 200])
def test_no_machine_behind_the_gateway_is_named_in_an_error(gateway: Any, status: int) -> None:
    body = {"detail": MACHINES, "code": "at-10.1.2.3:8000", "request_id": "10.1.2.3:8000"}
    with ScriptedServer([Play(status=status, body=body)] * len(PATHS) + [Play()]) as server:
        config = routed(target(server, "jina"))
        with gateway(config) as post:
            for path, name in PATHS.items():
                first = post("first", path, PRIVATE)
                sentence = dig(first.json(), compile_path(ru.provider(name).dialect.errors.message))
                assert sentence.endswith("Model not found in the model list, uid: x.")
                for words in ("address", "127.0.0.1", "43881", "19332", "bge-large", "qwen", "10.1.2.3", "8000"):
                    assert words not in first.text
            second = post("second", "/v1/rerank", BODY)
    assert second.status_code == 200
    assert "43881" not in second.text


def test_no_machine_behind_the_gateway_is_named_in_a_good_response(gateway: Any) -> None:
    body = {
        "results": [{"index": 0, "relevance_score": 0.5}],
        "model": "bge at gpu-3:8000",
        "meta": {"warnings": ["slow worker 10.1.2.3:8000, pid=7", "1 of 2 rows are missing"]},
    }
    with ScriptedServer([Play(body=body), Play(body=body), Play()]) as server:
        config = {
            "models": {"m": {"targets": [target(server, "cohere-v1")]}},
            "default": {"targets": [target(server, "jina")]},
        }
        with gateway(config) as post:
            first = post("first", "/cohere/v1/rerank", BODY).json()
            second = post("second", "/v1/rerank", {**BODY, "model": None})
            third = post("second", "/v1/rerank", {**BODY, "model": None})
    assert second.json()["model"] == "bge at …"
    assert "10.1.2.3" not in third.text
    assert first["meta"]["warnings"][:2] == ["slow worker …, …", "1 of 2 rows are missing"]
    assert "10.1.2.3" not in second.text


@pytest.mark.parametrize("how", ["reset", "close_mid_body", "garbage", "no server"])
def test_no_class_of_a_library_is_named(gateway: Any, how: Any) -> None:
    sentence = "no connection: it was refused" if how == "no server" else "the connection was lost before"
    plays = [] if how == "no server" else [Play(how=how)] * len(PATHS)
    with ScriptedServer([*plays, Play()]) as server:
        bad = target(server, base_url=no_server_listens()) if how == "no server" else target(server)
        config = {
            "models": {"m": {"targets": [bad]}, "good": {"targets": [target(server)]}},
            "upstream": {"retries": 0},
        }
        with gateway(config) as post:
            for path, name in PATHS.items():
                first = post("first", path, BODY)
                assert first.status_code == 502
                reported = dig(first.json(), compile_path(ru.provider(name).dialect.errors.message))
                assert reported.startswith(sentence)
                assert not [word for word in ("Error", "httpx", "aiohttp", "Client", "(") if word in reported]
            assert post("second", "/v1/rerank", {**BODY, "model": "good"}).status_code == 200


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (MACHINES, "Model not found in the model list, uid: x."),
        ("[address=10.1.2.3:4, pi…", "…"),  # cut
        ("Model 'x' not found. Available models: a, b.", "Model 'x' not found."),
        ("Supported models are ['a', 'b']", "…"),
        ("no such model, known models (a, b)", "no such model"),
        ("x is not an available model", "x is not an available model"),
        ("Call `/v1/models` to view available models for your key.",) * 2,
        ("Cannot connect to host gpu-3:8000 ssl:default [Connect call failed ('10.0.0.3', 8000)]",
         "Cannot connect to host … ssl:default [Connect call failed ('…)]"),
        ("HTTPConnectionPool(host='gpu', port=8000): no", "HTTPConnectionPool(…, …): no"),
        ("node-10.0.0.1 and [fe80::1%eth0]:8080, ::1 or 2001:db8::7: no", "node-… and …, … or … no"),
        ("http://user:pw@gpu/x https://rerank.svc.cluster:1/y http://gpu", "… … …"),
        ("redis.prod.example.com:6379 and localhost on port 80, process id 7, :8000", "… and … on …, …, …"),
        ("see https://docs.cohere.com/x or mail a@b.example", "see https://docs.cohere.com/x or mail a@b.example"),
        ("at 12:30:45 on 2026-11-25T19:22:01 in documents[3]: 5.1 of 400: c10::Error",) * 2,
        ("cohere.rerank-v3-5:0 and org/bge-reranker-v2-m3:latest",) * 2,
        ("input (2805 tokens) is too large to process. increase the physical batch size",) * 2,
        ("a\nb\x1b[31m", "a b"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_hidden_of_machines(words: str, shown: str) -> None:
    made = create_app({}).state.gateway
    assert made.redactor.value({"detail": [words], "n": 1}) == {"detail": [shown], "n": 1}


# --- what the gateway itself logs ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("made_up")
def test_a_traceback_holds_no_words_of_a_request(log: pytest.LogCaptureFixture) -> None:
    config = {"models": {"m": {"targets": [{"provider": "faulty"}]}, "good": {"targets": [{"provider": "local"}]}}}
    with serving(config) as port:
        first = rerank(port, PRIVATE)
        second = rerank(port, {**BODY, "model": "good"})
    assert (first.status, first.json) == (500, {"detail": "the gateway failed"})
    assert second.status == 200
    (traceback,) = [record for record in log.records if record.levelname == "ERROR"]
    assert "in fail" in traceback.getMessage()
    for words in (DOCUMENT, QUERY, PROVIDER_KEY):
        assert words not in log.text + json.dumps(second.json)
