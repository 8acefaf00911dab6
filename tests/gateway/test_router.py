"""Which provider ranks for a model name, and with which key."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_server import Play, ScriptedServer, no_server_listens, respond_as, score

import rerank_unify as ru
from rerank_unify.gateway.app import create_app

from .helpers import BODY, KEY, LOCKED, PROVIDER_KEY, client, routed, target


def rerank(api: Any, model: str | None = None, **headers: str | bytes) -> Any:
    body = {**BODY, "model": model}
    return api.post("/v1/rerank", json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def find(gateway: Any, model: str | None) -> list[tuple[str, str | None]]:
    """Provider and model of each target, in order."""
    client, _ = gateway.router.find(model, authenticated())
    return [(one.name, one.model) for one in client.settings.targets]


def authenticated(own_key: str | None = None) -> Any:
    from rerank_unify.gateway.auth import AuthenticatedClient

    return AuthenticatedClient("", own_key)


def gateway(config: Any = None) -> Any:
    return create_app(config or {}).state.gateway


# --- by the configuration --------------------------------------------------------------------------------------------


def test_a_route_leads_to_its_targets() -> None:
    with ScriptedServer([Play(status=503)]) as down, ScriptedServer(respond=respond_as("voyage")) as up:
        config = routed(target(down), target(up, "voyage", model="rerank-2.5-lite"))
        with client(config) as api:
            response = rerank(api, "m")
    assert response.status_code == 200
    assert response.headers["x-rerank-provider"] == "voyage"
    assert response.headers["x-rerank-attempts"] == "jina=ProviderOverloadedError,voyage=ok"
    assert response.json()["model"] == "m"  # as the client called it
    assert up.calls[0].json["model"] == "rerank-2.5-lite"
    assert up.calls[0].credentials == {"authorization": f"Bearer {PROVIDER_KEY}"}


def test_options_of_a_target_are_in_its_bodies() -> None:
    with ScriptedServer([Play(status=503)]) as down, ScriptedServer(respond=respond_as("cohere")) as up:
        config = routed(
            {**target(down), "options": {"a": 1}}, {**target(up, "cohere"), "options": {"priority": 2, "b": 3}}
        )
        with client(config) as api:
            assert rerank(api, "m").status_code == 200
            assert api.post("/cohere/v2/rerank", json={**BODY, "model": "m", "priority": 4}).status_code == 200
    assert down.calls[0].json["a"] == 1
    assert [(call.json["priority"], call.json["b"]) for call in up.calls] == [(2, 3), (4, 3)]
    assert all("a" not in call.json for call in up.calls)


def test_a_target_without_its_project_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATSONX_PROJECT_ID", raising=False)
    with ScriptedServer() as server:
        wanted = {"provider": "watsonx", "base_url": server.url, "key_env": "UPSTREAM_KEY"}
        with client(routed(wanted)) as api:
            response = rerank(api, "m")
    assert response.status_code == 400
    assert "project_id: watsonx needs project_id or space_id" in response.text
    assert server.calls == []


def test_input_order_ends_a_chain_and_is_no_choice_of_a_client() -> None:
    with ScriptedServer([Play(status=503)]) as down:
        config = {"models": {"m": {"targets": [target(down), {"provider": "input-order"}]}}}
        with client(config) as api:
            response = rerank(api, "m")
            named = rerank(api, "input-order/input-order")
            path = api.post("/input-order/v1/rerank", json=BODY)
    assert [row["index"] for row in response.json()["results"]] == list(range(len(BODY["documents"])))
    assert response.headers["x-rerank-reranked"] == "false"
    assert response.headers["x-rerank-attempts"] == "jina=ProviderOverloadedError,input-order=ok"
    assert (named.status_code, path.status_code) == (400, 404)  # Jina's status for an unknown model is 400


def test_a_route_is_listed_and_counts_before_what_a_provider_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    with ScriptedServer() as server:
        config = {"models": {"rerank-2.5": {"targets": [target(server)]}}}
        with client(config) as api:
            assert rerank(api, "rerank-2.5").headers["x-rerank-provider"] == "jina"
            listed = {row["id"]: row["owned_by"] for row in api.get("/v1/models").json()["data"]}
    assert listed["rerank-2.5"] == "jina"
    assert listed["rerank-2.5-lite"] == "voyage"
    assert "local-bm25" not in listed


def test_a_default_route_serves_requests_without_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    with ScriptedServer() as server:
        config = {"default": {"targets": [target(server)]}}
        made = gateway(config)
        with client(config) as api:
            response = rerank(api, None)
            assert response.headers["x-rerank-provider"] == "jina"
            assert response.json()["model"] == response.headers["x-rerank-model"] == ru.provider("jina").default_model
            assert rerank(api, "anything").status_code == 400  # Jina's status for an unknown model
        with client({**config, "unknown_model": "default-chain"}) as api:
            response = rerank(api, "anything")
            assert response.headers["x-rerank-provider"] == "jina"
            assert response.json()["model"] == ru.provider("jina").default_model
    assert find(made, "rerank-2.5") == [("voyage", "rerank-2.5")]
    assert not made.router.offline


# --- by name ---------------------------------------------------------------------------------------------------------


def test_names_that_mean_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    monkeypatch.setenv("JINA_API_KEY", "jina_0123456789")
    made = gateway()
    for name, model in {
        "voyage/new-model": "new-model",
        "Voyage/new-Model": "new-Model",
        "voyage/a/b": "a/b",
        "rerank-2.5-lite": "rerank-2.5-lite",
        "Rerank-2.5-LITE": "rerank-2.5-lite",
        "voyage-ai/rerank-2.5": "rerank-2.5",
        "Voyage-AI/Rerank-2.5": "rerank-2.5",
        "voyageai/new-model": "new-model",
    }.items():
        assert find(made, name) == [("voyage", model)]
    assert find(made, "jina-ai/jina-reranker-v3") == [("jina", "jina-reranker-v3")]


@pytest.mark.parametrize("name", ["cohere", "xinference", "local"])
def test_a_client_reaches_no_provider_that_is_not_configured(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    made = gateway({"unknown_model": "reject"})
    with pytest.raises(ru.ModelNotFoundError, match=f"model: {name} is not configured here"):
        made.router.find(f"{name}/x", authenticated())


# --- unknown names ---------------------------------------------------------------------------------------------------


def test_with_two_providers_the_organization_of_a_model_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer() as jina, ScriptedServer(respond=respond_as("voyage")) as voyage:
        config = {
            "models": {
                "a": {"targets": [{"provider": "jina", "base_url": jina.url}]},
                "b": {"targets": [{"provider": "voyage", "base_url": voyage.url}]},
            }
        }
        with client(config) as api:
            response = rerank(api, "voyage-ai/rerank-2.5")
    assert (response.status_code, response.headers["x-rerank-provider"]) == (200, "voyage")
    assert response.json()["model"] == response.headers["x-rerank-model"] == "rerank-2.5"
    assert ([call.json["model"] for call in voyage.calls], jina.calls) == (["rerank-2.5"], [])


def test_the_only_configured_provider_gets_an_unknown_name_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CO_API_KEY", "co-0123456789")  # of two dialects, cohere and cohere-v1
    for name in ("anything", "jinaai/jina-reranker-v2", "voyage/x", "xinference/x"):
        assert find(gateway(), name) == [("cohere", name)]
        assert find(gateway({"unknown_model": "default-chain"}), name) == [("cohere", None)]
        with pytest.raises(ru.ModelNotFoundError):
            gateway({"unknown_model": "reject"}).router.find(name, authenticated())


def test_with_several_providers_an_unknown_name_is_404_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    monkeypatch.setenv("JINA_API_KEY", "jina_0123456789")
    for path, status in {"/v2/rerank": 404, "/v1/rerank": 400}.items():  # Jina's status for an unknown model is 400
        with client() as api:
            response = api.post(path, json={**BODY, "model": "Rerank-2.6"})
        assert response.status_code == status
        assert "model: no configured provider serves 'Rerank-2.6'; did you mean 'rerank-2.5' or " in response.text
    with pytest.raises(ru.ModelNotFoundError, match="no configured provider serves 'x'; GET /v1/models lists the"):
        gateway().router.find("x", authenticated())
    assert find(gateway({"unknown_model": "default-chain"}), "x") == [("jina", None), ("voyage", None)]


def test_a_key_of_a_route_makes_a_second_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a typing error is not passed on to the other provider."""
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    with ScriptedServer() as server:
        made = gateway({"models": {"my-model": {"targets": [target(server)]}}})
    with pytest.raises(ru.ModelNotFoundError, match="did you mean 'my-model'"):
        made.router.find("my-modle", authenticated())


def test_without_a_model_the_default_chain_ranks_and_without_a_chain_it_is_400(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer() as server, client(routed(target(server))) as api:
        for path in ("/v1/rerank", "/v2/rerank"):
            response = api.post(path, json={**BODY, "model": None})
            assert (response.status_code, "model: expected a model name" in response.text) == (400, True)
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    monkeypatch.setenv("JINA_API_KEY", "jina_0123456789")
    for settings in ({}, {"unknown_model": "reject"}, {"unknown_model": "default-chain"}):
        assert find(gateway(settings), None) == [("jina", None), ("voyage", None)]


def test_only_a_route_is_reported_in_place_of_the_model_that_ranked() -> None:
    with ScriptedServer(respond=respond_as("cohere")) as server:
        route = {"provider": "xinference", "base_url": server.url, "model": "a-real-model"}
        with client(routed(route)) as api:
            for name, reported, real in (("m", "m", "a-real-model"), ("xinference/b", "b", "b"), ("c", "c", "c")):
                response = rerank(api, name)
                assert (response.json()["model"], response.headers["x-rerank-model"]) == (reported, real)


# --- which servers and keys ------------------------------------------------------------------------------------------


def test_a_provider_that_a_route_names_is_called_where_the_route_says() -> None:
    with ScriptedServer(respond=respond_as("xinference")) as server:
        route = {"provider": "xinference", "base_url": server.url, "model": "a"}
        with client({**routed(route), "unknown_model": "reject"}) as api:
            assert rerank(api, "xinference/b/c").status_code == 200
            assert rerank(api, "bge-reranker-base").status_code == 200
    assert [call.json["model"] for call in server.calls] == ["b/c", "bge-reranker-base"]


def test_a_key_that_a_route_names_is_for_that_route_alone() -> None:
    with ScriptedServer() as server:
        made = gateway({**routed(target(server)), "unknown_model": "reject"})
        with pytest.raises(ru.ModelNotFoundError, match="jina is not configured here"):
            made.router.find("jina/jina-reranker-m0", authenticated())


@pytest.mark.parametrize("name", ["x" * 201, "a\nb", "a\x00b", "a\u2028b"])
def test_names_that_would_fill_memory_or_forge_lines_of_the_log(name: str) -> None:
    with client() as api:
        response = rerank(api, name)
    assert response.status_code in (400, 404)  # as the dialect has it
    assert response.json() == {"detail": "model: the name is too long or has control characters"}


def test_nothing_is_stored_of_names_that_clients_make_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    made = gateway()
    found = [made.router.find(f"voyage/{n}", authenticated())[0] for n in range(3)]
    assert len({id(one.settings.health) for one in found}) == 3
    assert made.router.find("voyage/1", authenticated())[0] is found[1]


# --- by the keys that are set ----------------------------------------------------------------------------------------


def test_the_default_is_one_provider_for_each_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CO_API_KEY", "co-0123456789")
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    made = gateway()
    assert made.router.keyed == ["cohere", "cohere-v1", "voyage"]
    assert find(made, None) == [("cohere", None), ("voyage", None)]
    assert not made.router.offline
    assert "local" not in {owner for _, owner in made.router.names}


def test_unknown_names_are_refused() -> None:
    with client({"unknown_model": "reject"}) as api:
        assert api.get("/ready").json()["offline"] is False
        expected = "model: no configured provider serves 'anything'; GET /v1/models lists the names"
        assert rerank(api, "anything").json() == {"detail": expected}
        assert rerank(api).json() == {"detail": "model: expected a model name"}
        response = api.post("/v2/rerank", json={**BODY, "model": "anything"})
        assert response.status_code == 404
        for name in ("local-bm25", "local/local-bm25", "xinference/x"):
            assert api.post("/v2/rerank", json={**BODY, "model": name}).status_code == 404


def test_routes_and_no_key_leave_other_names_unserved() -> None:
    with ScriptedServer() as server, client(routed(target(server))) as api:
        assert api.post("/v2/rerank", json={**BODY, "model": "other"}).status_code == 404


def test_with_no_key_at_all_local_serves_every_name_and_logs_it() -> None:
    with client() as api:
        for name in ("rerank-2.5", "voyage/x", "anything", None):
            response = rerank(api, name)
            assert response.json()["model"] == "local-use-multilingual"
            assert response.headers["x-rerank-provider"] == "local"
        assert rerank(api, "local-bm25").json()["model"] == "local-bm25"


@pytest.mark.parametrize("key", ["", "  "])
def test_an_empty_key_is_no_key(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", key)
    assert gateway().router.offline


def test_an_outage_never_ends_in_local() -> None:
    with ScriptedServer([Play(status=500)]) as broken:
        gone = target(broken, "voyage", base_url=no_server_listens())
        config = routed(target(broken), gone, default={"targets": [target(broken)]}, unknown_model="default-chain")
        with client(config) as api:
            for name in ("m", "anything"):
                response = rerank(api, name)
                assert response.status_code in (500, 502)
                assert "local" not in response.headers["x-rerank-attempts"]


# --- keys -------------------------------------------------------------------------------------------------------


def test_a_clients_key_goes_to_the_target_that_relays_and_nowhere_else() -> None:
    with ScriptedServer([Play(status=503)]) as relayed, ScriptedServer(respond=respond_as("voyage")) as provider_server:
        relay = {"provider": "jina", "base_url": relayed.url, "relay": True}
        with client(routed(relay, target(provider_server, "voyage"))) as api:
            assert rerank(api, "m", authorization="Bearer jina_the-clients-own").status_code == 200
            assert rerank(api, "m").status_code == 401
    assert [call.credentials for call in relayed.calls] == [{"authorization": "Bearer jina_the-clients-own"}]
    assert [call.credentials for call in provider_server.calls] == [{"authorization": f"Bearer {PROVIDER_KEY}"}]


def test_with_gateway_keys_the_gateways_is_in_x_api_key() -> None:
    with ScriptedServer() as server:
        relay = {"provider": "jina", "base_url": server.url, "relay": True}
        with client({**routed(relay), **LOCKED}) as api:
            assert rerank(api, "m", authorization="Bearer jina_the-clients-own").status_code == 401
            # The gateway's own key is no provider's, in whichever header it stands.
            assert rerank(api, "m", authorization=f"Bearer {KEY}").status_code == 401
            assert rerank(api, "m", authorization=f"Bearer {KEY}", x_api_key=KEY).status_code == 401
            assert server.calls == []
            response = rerank(api, "m", authorization="Bearer jina_the-clients-own", x_api_key=KEY)
    assert response.status_code == 200
    assert [call.credentials for call in server.calls] == [{"authorization": "Bearer jina_the-clients-own"}]


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_rejected_key_is_the_clients_matter_only_where_it_is_the_clients_key(status: int) -> None:
    with ScriptedServer([Play(status=status)]) as server:
        relay = {"provider": "jina", "base_url": server.url, "relay": True}
        config = {"models": {"relayed": {"targets": [relay]}, "own": {"targets": [target(server)]}}}
        with client(config) as api:
            relayed = rerank(api, "relayed", authorization="Bearer jina_the-clients-own")
            provider_server = rerank(api, "own")
    assert relayed.status_code == status
    assert provider_server.status_code == 502
    assert provider_server.json()["code"] == "upstream_credentials"


def test_a_key_that_no_header_can_carry_is_refused_before_it_is_sent() -> None:
    with ScriptedServer() as server:
        relay = {"provider": "jina", "base_url": server.url, "relay": True}
        with client(routed(relay)) as api:
            response = rerank(api, "m", authorization=b"Bearer jina_\xe9\xe8")
    assert response.status_code == 400
    assert "api_key" in response.json()["detail"]
    assert server.calls == []


def test_what_is_known_of_a_clients_key_is_forgotten_with_the_request() -> None:
    made = gateway(routed({"provider": "jina", "relay": True}))
    found = [made.router.find("m", authenticated("jina_x"))[0] for _ in range(2)]
    assert found[0].settings.health is not found[1].settings.health


def test_a_key_of_the_environment_goes_to_the_providers_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", "jina_of-the-environment")
    with ScriptedServer() as server, client(routed({"provider": "jina", "base_url": server.url})) as api:
        assert rerank(api, "m").status_code == 200
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


# --- lowest scores, limits and calls per minute ----------------------------------------------------------------------


def ranked_by(server: ScriptedServer, **fields: Any) -> dict[str, Any]:
    """Return settings whose route `m` leads to the server, with further fields of the route."""
    return {"models": {"m": {"targets": [target(server)], **fields}}}


def test_a_route_removes_low_scores_and_a_header_says_so() -> None:
    scores = [score(text) for text in BODY["documents"]]
    best = scores.index(max(scores))
    with ScriptedServer(respond=respond_as("jina")) as server, client(ranked_by(server, min_score=max(scores))) as api:
        limited = rerank(api, "m")
    with ScriptedServer(respond=respond_as("jina")) as server, client(ranked_by(server, min_unit_score=0)) as api:
        whole = rerank(api, "m")
    assert [row["index"] for row in limited.json()["results"]] == [best]
    expected = f"min_score: 1 of 2 results removed, with scores below {max(scores):g}"
    assert limited.headers["x-rerank-warnings"] == expected
    assert len(whole.json()["results"]) == 2
    assert "x-rerank-warnings" not in whole.headers


def test_warnings_are_one_bounded_line_of_ascii() -> None:
    body = {
        "results": [{"index": 0, "relevance_score": 0.5}, {"index": 1, "relevance_score": 0.4}],
        "meta": {"warnings": ["très\r\nset-cookie: a=b", *["w" * 200] * 9]},
    }
    with ScriptedServer([Play(body=body)]) as server, client(routed(target(server, "cohere-v1"))) as api:
        response = rerank(api, "m")
    assert response.status_code == 200
    assert response.headers["x-rerank-warnings"].startswith("tr?s set-cookie: a=b; www")
    assert len(response.headers["x-rerank-warnings"]) == 500
    assert "set-cookie" not in response.headers


def test_a_target_has_limits_and_calls_per_minute() -> None:
    """The limits split the request; the second request would be beyond the calls per minute."""
    with ScriptedServer(respond=respond_as("tei")) as first, ScriptedServer(respond=respond_as("jina")) as second:
        small = target(first, "tei", limits={"documents": 1}, requests_per_minute=2)
        with client(routed(small, target(second))) as api:
            responses = [rerank(api, "m") for _ in range(2)]
        assert [len(call.json["texts"]) for call in first.calls] == [1, 1]
        assert len(second.calls) == 1
    assert [response.headers["x-rerank-provider"] for response in responses] == ["tei", "jina"]
    assert responses[1].headers["x-rerank-attempts"] == "tei=CallLimitError,jina=ok"


def test_without_another_target_calls_beyond_the_limit_are_429() -> None:
    with ScriptedServer(respond=respond_as("jina")) as server:
        with client({"models": {"m": {"targets": [target(server, requests_per_minute=1)]}}}) as api:
            responses = [rerank(api, "m") for _ in range(2)]
        assert len(server.calls) == 1
    assert [response.status_code for response in responses] == [200, 429]
    assert 1 <= int(responses[1].headers["retry-after"]) <= 60
