"""Keys, logs, headers and what providers say: nothing gets where it does not belong."""

from __future__ import annotations

import json
import logging

import pytest
from scripted_server import Play, ScriptedServer, respond_as

import rerank_unify as ru
from rerank_unify._json import compile_path, dig
from rerank_unify.gateway.app import create_app
from rerank_unify.gateway.auth import admit, hash_of, new_key

from .helpers import BODY, KEY, LOCKED, PROVIDER_KEY, Wire, client, plain_paths, rerank, routed, serving, target

PATHS = plain_paths()


# --- keys ------------------------------------------------------------------------------------------------------------

KEYS = {name: hash_of(f"ru-{name}") for name in ("ann", "anna", "bob", "müller")}


@pytest.mark.parametrize("name", ["ann", "anna", "bob"])
def test_each_key_is_known_in_either_header(name: str) -> None:
    assert admit(KEYS, {"x-api-key": f"ru-{name}"}).name == name
    assert admit(KEYS, {"authorization": f"bearer  ru-{name} "}).name == name
    assert admit(KEYS, {"authorization": "Bearer other", "x-api-key": f"ru-{name}"}).provider_key == "other"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Basic cnUtYW5u"},
        {"authorization": "ru-ann"},
        {"authorization": "Bearer ru-an"},
        {"authorization": "Bearer ru-annn"},
        {"authorization": f"Bearer {KEYS['ann']}"},  # the hash is no key
        {"x-api-key": ""},
        {"x-api-key": "RU-ANN"},
        {"x-api-key": "\xff\xfe"},
        {"authorization": "Bearer \xe4", "x-api-key": "x"},
    ],
)
def test_others_are_not(headers: dict[str, str]) -> None:
    with pytest.raises(ru.AuthenticationError) as caught:
        admit(KEYS, headers)
    assert "ru-ann" not in str(caught.value)


def test_a_key_of_any_bytes_is_compared_as_it_came() -> None:
    with serving({"keys": KEYS}) as port:
        for sent, status in ((b"ru-m\xc3\xbcller", 200), (b"ru-m\xfcller", 401), (b"\xff" * 40, 401), (b"ru-ann", 200)):
            with Wire(port) as wire:
                assert wire.rerank(x_api_key=sent.decode("latin-1")).status == status
            with Wire(port) as wire:
                assert wire.rerank(authorization=f"Bearer {sent.decode('latin-1')}").status == status


def test_keys_are_new_and_only_their_hashes_are_stored() -> None:
    assert new_key() != new_key()
    assert len(new_key()) > 40
    made = create_app({"keys": {"a": hash_of(KEY)}}).state.gateway
    assert KEY not in repr(made.settings) + str(made.__dict__) + made.settings.model_dump_json()


# --- logs ------------------------------------------------------------------------------------------------------------

SECRETS = ("zanzibar", "quetzalcoatl", PROVIDER_KEY, KEY, "jina_the-clients-own", "co-of-the-environment")


def test_no_line_of_any_log_holds_a_document_a_query_or_a_key(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at DEBUG, of whatever logger, whatever happens."""
    monkeypatch.setenv("CO_API_KEY", "co-of-the-environment")
    body = {"model": "m", "query": "zanzibar", "documents": ["quetzalcoatl", "oil"], "rank_fields": ["zanzibar"]}
    body = {"detail": f"zanzibar quetzalcoatl {PROVIDER_KEY}", "message": "quetzalcoatl"}
    plays = [Play(status=status, body=body) for status in (400, 401, 422, 429, 500, 503)]
    plays += [Play(), Play(how="html"), Play(how="reset"), Play(how="garbage"), Play(body=b"zanzibar")]
    with caplog.at_level(logging.DEBUG), ScriptedServer(plays) as server:
        relay = {"provider": "jina", "base_url": server.url, "relay": True}
        config = {
            "models": {"m": {"targets": [target(server)]}, "relayed": {"targets": [relay]}},
            "upstream": {"retries": 0, "max_wait": 0},
            **LOCKED,
        }
        with serving(config) as port:
            for path in PATHS:
                rerank(port, body, path, x_api_key=KEY)
                rerank(
                    port, {**body, "model": "relayed"}, path, x_api_key=KEY, authorization="Bearer jina_the-clients-own"
                )
                rerank(port, {**body, "documents": "quetzalcoatl"}, path, authorization=f"Bearer {KEY}")
                rerank(port, b'{"query": "zanzibar", ', path, authorization=f"Bearer {KEY}")
                rerank(port, {**body, "model": "local/x"}, path, authorization=f"Bearer {KEY}")
                rerank(port, body, f"{path}?key=zanzibar", authorization="Bearer jina_the-clients-own")
    lines = [record.getMessage() + str(record.exc_text) for record in caplog.records]
    assert len(lines) > 6 * len(PATHS)
    assert [line for line in lines if any(secret in line for secret in SECRETS)] == []


@pytest.mark.usefixtures("made_up")
def test_an_unhandled_exception_is_500_in_the_clients_dialect_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    body = {"model": "m", "query": "zanzibar", "documents": ["quetzalcoatl"]}
    with serving(routed({"provider": "faulty"}, unknown_model="reject")) as port:
        for path, name in PATHS.items():
            response = rerank(port, body, path)
            assert response.status == 500
            assert dig(response.json, compile_path(ru.provider(name).dialect.errors.message)) == "the gateway failed"
        assert rerank(port, {**body, "model": "other/x"}).status == 400
    assert "RuntimeError" in caplog.text
    assert "in fail" in caplog.text
    assert "zanzibar" not in caplog.text
    assert "quetzalcoatl" not in caplog.text


# --- headers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["abc-123", "a.b_c:d", "x" * 128])
def test_a_clients_id_comes_back(given: str) -> None:
    with client() as api:
        assert api.post("/v1/rerank", json=BODY, headers={"x-request-id": given}).headers["x-request-id"] == given
        assert api.post("/v1/rerank", json={}, headers={"x-request-id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", "a;b", "\xff", "a%0d%0ab", "<script>"])
def test_another_id_is_made_where_the_clients_is_none(caplog: pytest.LogCaptureFixture, given: str) -> None:
    with serving() as port, caplog.at_level(logging.INFO, "rerank_unify.gateway"):
        response = rerank(port, x_request_id=given)
    assert response.status == 200
    assert len(response.headers["x-request-id"]) == 32
    assert f"{response.headers['x-request-id']} jina 200" in caplog.text


def test_what_was_lost_is_in_a_header() -> None:
    with ScriptedServer(respond=respond_as("voyage")) as server, client(routed(target(server, "voyage"))) as api:
        body = {**BODY, "documents": ["a", ""], "return_embeddings": True, "max_tokens_per_doc": 5}
        response = api.post("/v1/rerank", json=body)
        metrics = api.get("/metrics").text
    losses = response.headers["x-rerank-losses"].split(",")
    assert set(losses) == {"documents=withheld", "max_tokens_per_doc=dropped", "return_embeddings=dropped"}
    assert 'rerank_losses_total{action="withheld",field="documents"} 1.0' in metrics


# --- what providers say --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_a_providers_sentence_is_passed_on_without_keys_and_hosts(path: str) -> None:
    with ScriptedServer() as server:
        host = server.url.removeprefix("http://")
        sentence = f"upstream {server.url}/v1/rerank?x=1 ({host}, 127.0.0.1) rejected {PROVIDER_KEY}: too odd a request"
        with ScriptedServer([Play(status=400, body={"detail": sentence, "code": f"E-{host}"})]) as upstream:
            config = routed(target(server), default={"targets": [target(upstream)]}, unknown_model="default-chain")
            with client(config) as api:
                response = api.post(path, json={**BODY, "model": "other"})
    assert response.status_code == 400
    message = dig(response.json(), compile_path(ru.provider(PATHS[path]).dialect.errors.message))
    assert message == "upstream … (…, …) rejected [key]: too odd a request"
    assert host not in response.text
    assert "127.0.0.1" not in response.text
    assert PROVIDER_KEY not in response.text


def test_a_host_that_is_called_as_a_field_is_garbles_no_response() -> None:
    config = {"models": {"m": {"targets": [{"provider": "xinference", "base_url": "http://detail:9"}]}}}
    made = create_app(config).state.gateway
    body = {"detail": "detail failed: http://detail:9/v1 detailed", "n": 1, "x": {"y": "at detail."}}
    assert made.redactor.value(body) == {"detail": "… failed: … detailed", "n": 1, "x": {"y": "at …."}}
    assert create_app({}).state.gateway.redactor.value({"detail": "detail"}) == {"detail": "detail"}


def test_retry_after_and_the_providers_code_are_passed_on() -> None:
    play = Play(status=429, headers={"retry-after": "7"}, body={"detail": "slow down", "code": "RATE_LIMIT"})
    with ScriptedServer([play]) as server, client(routed(target(server))) as api:
        response = api.post("/v2/rerank", json=BODY)
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert response.json() == {"message": "slow down"}
    assert response.headers["x-rerank-attempts"] == "jina=RateLimitError"
    assert response.headers["x-rerank-provider"] == "jina"


def test_a_providers_odd_texts_break_no_header() -> None:
    body = {"id": "a\r\nx-evil: 1", "model": "m\n", "results": [{"index": 0, "relevance_score": 0.5}]}
    with ScriptedServer([Play(body=body)]) as server, serving(routed(target(server))) as port:
        response = rerank(port)
    assert response.status == 200
    assert "x-evil" not in response.headers
    assert json.loads(response.body)["results"][0]["index"] == 0
