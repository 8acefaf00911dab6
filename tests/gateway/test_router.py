"""Who answers for a model's name, with whose key."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_server import Play, ScriptedServer, no_server_listens, respond_as

import rerank_unify as ru
from rerank_unify.gateway.app import create_app

from .helpers import BODY, KEY, LOCKED, PROVIDER_KEY, client, routed, target


def ask(api: Any, model: str | None = None, **headers: str | bytes) -> Any:
    body = {**BODY, "model": model}
    return api.post("/v1/rerank", json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def find(gateway: Any, model: str | None) -> list[tuple[str, str | None]]:
    """Provider and model of each target, in order."""
    client, _ = gateway.router.find(model, gateway_caller())
    return [(one.name, one.model) for one in client.settings.targets]


def gateway_caller(own_key: str | None = None) -> Any:
    from rerank_unify.gateway.auth import AuthenticatedClient

    return AuthenticatedClient("", own_key)


def gateway(config: Any = None) -> Any:
    return create_app(config or {}).state.gateway


# --- by the configuration --------------------------------------------------------------------------------------------


def test_a_route_leads_to_its_targets() -> None:
    with ScriptedServer([Play(status=503)]) as down, ScriptedServer(respond=respond_as("voyage")) as up:
        config = routed(target(down), target(up, "voyage", model="rerank-2.5-lite"))
        with client(config) as api:
            answer = ask(api, "m")
    assert answer.status_code == 200
    assert answer.headers["x-rerank-provider"] == "voyage"
    assert answer.headers["x-rerank-attempts"] == "jina=ProviderOverloadedError,voyage=ok"
    assert answer.json()["model"] == "m"  # as the client called it
    assert up.calls[0].json["model"] == "rerank-2.5-lite"
    assert up.calls[0].credentials == {"authorization": f"Bearer {PROVIDER_KEY}"}


def test_a_route_is_listed_and_counts_before_what_a_provider_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    with ScriptedServer() as server:
        config = {"models": {"rerank-2.5": {"targets": [target(server)]}}}
        with client(config) as api:
            assert ask(api, "rerank-2.5").headers["x-rerank-provider"] == "jina"
            listed = {row["id"]: row["owned_by"] for row in api.get("/v1/models").json()["data"]}
    assert listed["rerank-2.5"] == "jina"
    assert listed["rerank-2.5-lite"] == "voyage"
    assert "local-bm25" not in listed


def test_a_default_route_serves_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    with ScriptedServer() as server:
        config = {"default": {"targets": [target(server)]}}
        made = gateway(config)
        with client(config) as api:
            for name in ("anything", None):
                assert ask(api, name).headers["x-rerank-provider"] == "jina"
    assert find(made, "rerank-2.5") == [("voyage", "rerank-2.5")]
    assert not made.router.offline


# --- by name ---------------------------------------------------------------------------------------------------------


def test_names_that_mean_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    made = gateway()
    assert find(made, "voyage/new-model") == [("voyage", "new-model")]
    assert find(made, "rerank-2.5-lite") == [("voyage", "rerank-2.5-lite")]
    assert find(made, "voyage/a/b") == [("voyage", "a/b")]
    assert find(made, "rerank-v3.5") == [("voyage", None)]  # Cohere's, for which there is no key
    assert find(made, "jinaai/jina-reranker-v2") == find(made, None) == [("voyage", None)]


@pytest.mark.parametrize("name", ["cohere", "xinference", "local"])
def test_a_client_reaches_no_provider_that_is_not_configured(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    for made in (gateway(), gateway({"default": "none"})):
        with pytest.raises(ru.ModelNotFoundError, match=f"model: {name} is not configured here"):
            made.router.find(f"{name}/x", gateway_caller())


def test_a_provider_that_a_route_names_is_called_where_the_route_says() -> None:
    with ScriptedServer(respond=respond_as("xinference")) as server:
        route = {"provider": "xinference", "base_url": server.url, "model": "a"}
        with client({**routed(route), "default": "none"}) as api:
            assert ask(api, "xinference/b/c").status_code == 200
            assert ask(api, "bge-reranker-base").status_code == 200
    assert [call.json["model"] for call in server.calls] == ["b/c", "bge-reranker-base"]


def test_a_key_that_a_route_names_is_for_that_route_alone() -> None:
    with ScriptedServer() as server:
        made = gateway({**routed(target(server)), "default": "none"})
        with pytest.raises(ru.ModelNotFoundError, match="jina is not configured here"):
            made.router.find("jina/jina-reranker-m0", gateway_caller())


@pytest.mark.parametrize("name", ["x" * 201, "a\nb", "a\x00b", "a\u2028b"])
def test_names_that_would_fill_memory_or_forge_lines_of_the_log(name: str) -> None:
    with client() as api:
        answer = ask(api, name)
    assert answer.status_code in (400, 404)  # as the dialect has it
    assert answer.json() == {"detail": "model: the name is too long or has control characters"}


def test_nothing_is_stored_of_names_that_clients_make_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    made = gateway()
    found = [made.router.find(f"voyage/{n}", gateway_caller())[0] for n in range(3)]
    assert len({id(one.settings.health) for one in found}) == 3
    assert made.router.find("voyage/1", gateway_caller())[0] is found[1]


# --- by the keys that are set ----------------------------------------------------------------------------------------


def test_the_default_is_one_provider_for_each_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CO_API_KEY", "co-0123456789")
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    made = gateway()
    assert made.router.keyed == ["cohere", "cohere-v1", "voyage"]
    assert find(made, "anything") == [("cohere", None), ("voyage", None)]
    assert not made.router.offline
    assert "local" not in {owner for _, owner in made.router.names}


def test_unknown_names_are_refused() -> None:
    with client({"default": "none"}) as api:
        assert api.get("/ready").json()["offline"] is False
        assert ask(api, "anything").json() == {"detail": "model: no configured provider serves 'anything'"}
        assert ask(api).json() == {"detail": "model: expected a model name"}
        answer = api.post("/v2/rerank", json={**BODY, "model": "anything"})
        assert answer.status_code == 404
        for name in ("local-bm25", "local/local-bm25", "xinference/x"):
            assert api.post("/v2/rerank", json={**BODY, "model": name}).status_code == 404


def test_routes_and_no_key_leave_other_names_unserved() -> None:
    with ScriptedServer() as server, client(routed(target(server))) as api:
        assert api.post("/v2/rerank", json={**BODY, "model": "other"}).status_code == 404


def test_with_no_key_at_all_local_serves_every_name_and_logs_it() -> None:
    with client() as api:
        for name in ("rerank-2.5", "voyage/x", "anything", None):
            answer = ask(api, name)
            assert answer.json()["model"] == "local-use-multilingual"
            assert answer.headers["x-rerank-provider"] == "local"
        assert ask(api, "local-bm25").json()["model"] == "local-bm25"


@pytest.mark.parametrize("key", ["", "  "])
def test_an_empty_key_is_no_key(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", key)
    assert gateway().router.offline


def test_an_outage_never_ends_in_local() -> None:
    with ScriptedServer([Play(status=500)]) as broken:
        gone = target(broken, "voyage", base_url=no_server_listens())
        config = routed(target(broken), gone, default={"targets": [target(broken)]})
        with client(config) as api:
            for name in ("m", "anything"):
                answer = ask(api, name)
                assert answer.status_code in (500, 502)
                assert "local" not in answer.headers["x-rerank-attempts"]


# --- whose key -------------------------------------------------------------------------------------------------------


def test_a_clients_key_goes_to_the_target_that_relays_and_nowhere_else() -> None:
    with ScriptedServer([Play(status=503)]) as relayed, ScriptedServer(respond=respond_as("voyage")) as provider_server:
        relay = {"provider": "jina", "base_url": relayed.url, "relay": True}
        with client(routed(relay, target(provider_server, "voyage"))) as api:
            assert ask(api, "m", authorization="Bearer jina_the-clients-own").status_code == 200
            assert ask(api, "m").status_code == 401
    assert [call.credentials for call in relayed.calls] == [{"authorization": "Bearer jina_the-clients-own"}]
    assert [call.credentials for call in provider_server.calls] == [{"authorization": f"Bearer {PROVIDER_KEY}"}]


def test_with_gateway_keys_the_gateways_is_in_x_api_key() -> None:
    with ScriptedServer() as server:
        relay = {"provider": "jina", "base_url": server.url, "relay": True}
        with client({**routed(relay), **LOCKED}) as api:
            assert ask(api, "m", authorization="Bearer jina_the-clients-own").status_code == 401
            # The gateway's own key is no provider's, in whichever header it stands.
            assert ask(api, "m", authorization=f"Bearer {KEY}").status_code == 401
            assert ask(api, "m", authorization=f"Bearer {KEY}", x_api_key=KEY).status_code == 401
            assert server.calls == []
            answer = ask(api, "m", authorization="Bearer jina_the-clients-own", x_api_key=KEY)
    assert answer.status_code == 200
    assert [call.credentials for call in server.calls] == [{"authorization": "Bearer jina_the-clients-own"}]


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_rejected_key_is_the_clients_matter_only_where_it_is_the_clients_key(status: int) -> None:
    with ScriptedServer([Play(status=status)]) as server:
        relay = {"provider": "jina", "base_url": server.url, "relay": True}
        config = {"models": {"relayed": {"targets": [relay]}, "own": {"targets": [target(server)]}}}
        with client(config) as api:
            relayed = ask(api, "relayed", authorization="Bearer jina_the-clients-own")
            provider_server = ask(api, "own")
    assert relayed.status_code == status
    assert provider_server.status_code == 502
    assert provider_server.json()["code"] == "upstream_credentials"


def test_a_key_that_no_header_can_carry_is_refused_before_it_is_sent() -> None:
    with ScriptedServer() as server:
        relay = {"provider": "jina", "base_url": server.url, "relay": True}
        with client(routed(relay)) as api:
            answer = ask(api, "m", authorization=b"Bearer jina_\xe9\xe8")
    assert answer.status_code == 400
    assert "api_key" in answer.json()["detail"]
    assert server.calls == []


def test_what_is_known_of_a_clients_key_is_forgotten_with_the_request() -> None:
    made = gateway(routed({"provider": "jina", "relay": True}))
    found = [made.router.find("m", gateway_caller("jina_x"))[0] for _ in range(2)]
    assert found[0].settings.health is not found[1].settings.health


def test_a_key_of_the_environment_goes_to_the_providers_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", "jina_of-the-environment")
    with ScriptedServer() as server, client(routed({"provider": "jina", "base_url": server.url})) as api:
        assert ask(api, "m").status_code == 200
    assert server.calls[0].credentials == {}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (routed({"provider": "voyage"}), "models.m: voyage needs a key: set VOYAGE_API_KEY or key_env"),
        (routed({"provider": "voyage", "key_env": "NO_KEY"}), "models.m: voyage needs the key in NO_KEY, which is not"),
        (routed({"provider": "jina", "relay": True}, {"provider": "voyage"}), "models.m: voyage needs a key"),
        (
            {"default": {"targets": [{"provider": "voyage"}]}},
            "default: voyage needs a key: set VOYAGE_API_KEY or key_env",
        ),
        (routed({"provider": "jina", "key_env": "BAD_KEY"}), "models.m: api_key: has a line break"),
    ],
)
def test_a_key_that_is_not_there_is_reported_at_the_start(
    monkeypatch: pytest.MonkeyPatch, settings: Any, expected: str
) -> None:
    monkeypatch.setenv("BAD_KEY", "jina_0123\n456789")
    with pytest.raises(ru.InvalidRequestError) as caught:
        gateway(settings)
    assert caught.value.message.startswith(expected)
    assert "0123" not in str(caught.value)
