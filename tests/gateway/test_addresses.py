"""Where a target of the gateway is called: a base URL or a whole URL, headers, and which key goes there."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_server import ScriptedServer

import rerank_unify as ru
from rerank_unify.gateway.app import create_app
from rerank_unify.gateway.settings import read_settings

from .helpers import BODY, PROVIDER_KEY, client, routed

ENV_KEY = "jina_of-the-environment"
HEADER_VALUE = "a-value-of-the-team"


def rerank(settings: Any, model: str = "m") -> Any:
    with client(settings) as api:
        return api.post("/v1/rerank", json={**BODY, "model": model})


def test_a_base_url_needs_no_key_and_gets_none_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", ENV_KEY)
    with ScriptedServer() as server:
        assert rerank(routed({"provider": "jina", "base_url": server.url})).status_code == 200
    assert (server.calls[0].path, server.calls[0].credentials) == ("/v1/rerank", {})


def test_a_whole_url_is_called_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", ENV_KEY)
    with ScriptedServer() as server:
        assert rerank(routed({"provider": "jina", "url": f"{server.url}/odd/path?version=3"})).status_code == 200
    assert (server.calls[0].path, server.calls[0].credentials) == ("/odd/path?version=3", {})


def test_headers_and_a_key_in_another_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", f" {HEADER_VALUE}\n")
    with ScriptedServer() as server:
        route = {
            "provider": "jina",
            "url": f"{server.url}/rerank",
            "key_env": "UPSTREAM_KEY",
            "auth_header": "X-Api-Key",
            "headers": {"X-Team": {"env": "TEAM_KEY"}, "x-plain": "search"},
        }
        assert rerank(routed(route)).status_code == 200
    headers = server.calls[0].headers
    assert (headers["x-api-key"], headers["x-team"], headers["x-plain"]) == (PROVIDER_KEY, HEADER_VALUE, "search")
    assert "authorization" not in headers


def test_a_key_in_a_header_stands_for_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", HEADER_VALUE)
    route = {"provider": "jina", "headers": {"Authorization": {"env": "TEAM_KEY"}}}
    target = create_app(routed(route)).state.gateway.router.find("m", None)[0].settings.targets[0]
    assert dict(target.headers) == {"authorization": HEADER_VALUE}


def test_the_providers_host_as_base_url_gets_the_providers_key(monkeypatch: pytest.MonkeyPatch) -> None:
    route = {"provider": "jina", "base_url": "https://api.jina.ai/v1"}
    with pytest.raises(ru.InvalidRequestError, match=r"^models\.m: jina needs a key: set JINA_API_KEY or key_env$"):
        create_app(routed(route))
    monkeypatch.setenv("JINA_API_KEY", ENV_KEY)
    target = create_app(routed(route)).state.gateway.router.find("m", None)[0].settings.targets[0]
    assert target.api_key.get_secret_value() == ENV_KEY


def test_a_client_reaches_a_url_by_the_providers_name_but_not_with_the_headers_of_a_route() -> None:
    with ScriptedServer() as server:
        route = {"provider": "jina", "url": f"{server.url}/x", "model": "a"}
        settings = {**routed(route), "unknown_model": "reject"}
        assert rerank(settings, "jina/b").status_code == 200
        assert (server.calls[0].path, server.calls[0].json["model"]) == ("/x", "b")
        with_headers = {**routed({**route, "headers": {"x-team": HEADER_VALUE}}), "unknown_model": "reject"}
        assert "jina is not configured here" in rerank(with_headers, "jina/b").text
        assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"url": "ftp://host"}, "url: expected http:// or https:// and a host"),
        ({"url": "http://a", "base_url": "http://b"}, "url: it is the whole URL, so give no base_url beside it"),
        ({"headers": {"a b": "x"}}, "headers: a name has a character that HTTP does not allow"),
        ({"headers": {"a": "x\ny"}}, "headers['a']: has a line break"),
        ({"auth_header": "a b"}, "auth_header: a name has a character that HTTP does not allow"),
    ],
)
def test_a_wrong_address_is_one_sentence(fields: Any, expected: str) -> None:
    with pytest.raises(ru.InvalidRequestError) as caught:
        read_settings(routed({"provider": "jina", **fields}))
    assert caught.value.message.startswith(f"models.m.targets.0: {expected}")


@pytest.mark.parametrize("value", [3, {"env": 3}, {"en": "A"}, {}, {"env": ""}, {"env": "A", "x": "y"}])
def test_a_header_is_a_string_or_names_a_variable(value: Any) -> None:
    with pytest.raises(ru.InvalidRequestError) as caught:
        read_settings(routed({"provider": "jina", "headers": {"x-team": value}}))
    expected = 'models.m.targets.0.headers.x-team: expected a string or { env = "VARIABLE" }'
    assert caught.value.message == expected


def test_a_variable_that_is_not_set_is_named_at_the_start() -> None:
    route = {"provider": "jina", "base_url": "http://127.0.0.1:1", "headers": {"x-team": {"env": "NO_KEY"}}}
    with pytest.raises(ru.InvalidRequestError, match=r"^models\.m: the header x-team needs NO_KEY, which is not set$"):
        create_app(routed(route))


def test_no_value_of_a_header_is_shown(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("TEAM_KEY", HEADER_VALUE)
    with ScriptedServer() as server:
        headers = {"x-team-token": {"env": "TEAM_KEY"}, "x-second-token": f"{HEADER_VALUE}-2"}
        settings = read_settings(routed({"provider": "jina", "base_url": server.url, "headers": headers}))
        assert rerank(settings).status_code == 200
        target = create_app(settings).state.gateway.router.find("m", None)[0].settings.targets[0]
    assert HEADER_VALUE not in f"{settings!r} {target!r} {caplog.text}"


def test_the_host_of_a_url_is_hidden_from_clients() -> None:
    with ScriptedServer() as server:
        host = server.url.partition("//")[2]
        made = create_app(routed({"provider": "jina", "url": f"{server.url}/x"})).state.gateway
    assert made.redactor.value(f"see http://{host}/x for more", upstream=False) == "see … for more"


def test_an_unknown_name_in_provider_options_is_refused_with_the_nearest_name() -> None:
    with ScriptedServer() as server, client(routed({"provider": "jina", "base_url": server.url})) as api:
        refused = api.post("/v1/rerank", json={**BODY, "provider_options": {"voyag": {"x": 1}}})
        assert refused.status_code == 400
        assert "provider_options.voyag: no provider is called 'voyag'; did you mean 'voyage'?" in refused.text
        passed = api.post("/v1/rerank", json={**BODY, "provider_options": {"voyage": {"x": 1}}})
        assert (passed.status_code, len(server.calls)) == (200, 1)
