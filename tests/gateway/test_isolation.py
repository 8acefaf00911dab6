"""One client's request never hurts another's: each test has two clients, and the first causes a fault."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from scripted_server import Play, ScriptedServer, respond_as

from rerank_unify.gateway.auth import hash_of

from .helpers import BODY, NEVER, client, target

KEYS: Final = {"first": "ru-key-of-the-first", "second": "ru-key-of-the-second"}
TEXT: Final = "TEXT OF THE FIRST"
AFTER_2: Final = {"retry-after": "2"}


class Clients:
    """Two clients of one gateway, each with a key of its own where the gateway has keys."""

    def __init__(self, opened: Any, *, locked: bool) -> None:
        self._opened, self._locked = opened, locked

    def _post(self, name: str, body: dict[str, Any], path: str) -> Any:
        headers = {"authorization": f"Bearer {KEYS[name]}"} if self._locked else {}
        return self._opened.post(path, json={**BODY, **body}, headers=headers)

    def first(self, path: str = "/v1/rerank", **body: Any) -> Any:
        return self._post("first", body, path)

    def second(self, path: str = "/v1/rerank", **body: Any) -> Any:
        return self._post("second", body, path)


@pytest.fixture(params=[False, True], ids=["open", "with keys"])
def gateway(request: pytest.FixtureRequest) -> Any:
    """Opens a gateway with the default policy, in which the model `m` leads to the targets."""

    @contextmanager
    def opening(*targets: dict[str, Any], **settings: Any) -> Generator[Clients]:
        config: dict[str, Any] = {"models": {"m": {"targets": targets}}, **settings}
        if request.param:
            config["keys"] = {name: hash_of(key) for name, key in KEYS.items()}
        with client(config) as opened:
            yield Clients(opened, locked=request.param)

    return opening


def test_a_bad_request_stops_other_request(gateway: Any, caplog: pytest.LogCaptureFixture) -> None:
    bad = Play(status=400, headers={"retry-after": "120"}, body={"detail": "bad", "trace": TEXT})
    with ScriptedServer([bad, Play()]) as server, gateway(target(server)) as clients:
        assert clients.first().status_code == 400
        good = clients.second()
    assert (good.status_code, good.headers["x-rerank-attempts"]) == (200, "jina=ok")
    assert TEXT not in caplog.text + good.text


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "rerank() got an unexpected keyword argument 'foo'"},
        {"error": {"code": 500, "message": "input (2805 tokens) is too large to process.", "type": "server_error"}},
    ],
)
def test_five_bad_requests_open_no_breaker(gateway: Any, body: Any) -> None:
    plays = [Play(status=500, body=body)] * 5
    with (
        ScriptedServer(plays, respond=respond_as("xinference")) as server,
        gateway(target(server, "xinference")) as clients,
    ):
        assert {clients.first().status_code for _ in range(5)} <= {413, 500}
        assert len(server.calls) == 5
        assert clients.second().status_code == 200


def test_a_server_that_fails_refuses_no_request(gateway: Any) -> None:
    once = {"retries": 0}
    with (
        ScriptedServer([Play(status=500)] * 10 + [Play()]) as server,
        gateway(target(server), upstream=once) as clients,
    ):
        for _ in range(10):
            assert clients.first().status_code == 500
        assert clients.second().status_code == 200


# --- Retry-After -----------------------------------------------------------------------------------------------------


def test_a_rate_limit_goes_to_the_client_at_once(gateway: Any) -> None:
    with ScriptedServer([Play(status=429, headers=AFTER_2)]) as server, gateway(target(server)) as clients:
        first, second = clients.first("/v2/rerank"), clients.second("/v2/rerank")
        assert (first.status_code, first.headers["retry-after"]) == (429, "2")
        assert (second.status_code, second.headers["retry-after"] in "12") == (429, True)
        assert second.json()["message"].startswith("in cool-down for ")
        assert len(server.calls) == 1


def test_an_overload_that_says_when_goes_to_the_client_at_once(gateway: Any) -> None:
    with ScriptedServer([Play(status=503, headers=AFTER_2)]) as server, gateway(target(server)) as clients:
        first = clients.first()
        assert (first.status_code, first.headers["retry-after"], len(server.calls)) == (503, "2", 1)


def test_an_overload_that_does_not_say_when_is_tried_once_more(gateway: Any) -> None:
    with ScriptedServer([Play(status=503), Play()]) as server, gateway(target(server)) as clients:
        assert clients.first().status_code == 200
        assert len(server.calls) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_the_next_target_responds_in_place_of_a_busy_one(gateway: Any, status: int) -> None:
    busy = ScriptedServer([Play(status=status, headers={"retry-after": "120"})])
    with (
        busy,
        ScriptedServer(respond=respond_as("voyage")) as other,
        gateway(target(busy), target(other, "voyage")) as all_,
    ):
        for client in (all_.first, all_.second):
            assert client().headers["x-rerank-provider"] == "voyage"
        assert (len(busy.calls), len(other.calls)) == (1, 2)


def test_the_smallest_retry_after_of_all_targets_is_the_clients(gateway: Any) -> None:
    with (
        ScriptedServer([Play(status=429, headers={"retry-after": "7"})]) as first,
        ScriptedServer([Play(status=503, headers={"retry-after": "30"})]) as second,
        ScriptedServer([Play(status=401)]) as third,
        gateway(target(first), target(second, "voyage"), target(third, "cohere")) as clients,
    ):
        for _ in range(2):
            response = clients.first()
            assert response.status_code == 429
            assert 1 <= int(response.headers["retry-after"]) <= 7


@pytest.mark.parametrize("seconds", ["1e308", "1" + "0" * 26, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_client_waits_a_day_at_most(gateway: Any, seconds: str) -> None:
    with ScriptedServer([Play(status=429, headers={"retry-after": seconds})]) as server:
        with gateway(target(server)) as clients:
            first, second = clients.first(), clients.second()
        assert len(server.calls) == 1
    assert first.status_code == second.status_code == 429
    assert int(first.headers.get("retry-after", 0)) <= 86_400
    assert int(second.headers["retry-after"]) <= 600


# --- retries ---------------------------------------------------------------------------------------------------------


def test_a_timed_out_attempt_is_not_repeated(gateway: Any) -> None:
    with ScriptedServer([NEVER]) as server, gateway(target(server, timeout=0.2)) as clients:
        assert clients.first().status_code == 504
        assert len(server.calls) <= 1


def test_rules_are_the_operators_to_set(gateway: Any) -> None:
    rules = {"RateLimitError": {"retries": 2, "action": "next"}, "BadRequestError": {"action": "next"}}
    settings = {"upstream": {"rules": rules}}
    again = [Play(status=429, headers={"retry-after": "0"})] * 2
    with ScriptedServer([*again, Play()]) as server, gateway(target(server), **settings) as clients:
        assert clients.first().status_code == 200
        assert len(server.calls) == 3
    with (
        ScriptedServer([Play(status=400)]) as bad,
        ScriptedServer(respond=respond_as("voyage")) as good,
        gateway(target(bad), target(good, "voyage"), **settings) as clients,
    ):
        assert clients.second().headers["x-rerank-provider"] == "voyage"


# --- what a client reaches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["xinference/x", "local/x", "cohere/rerank-v3.5", "local-bm25"])
def test_a_client_reaches_configured_providers_alone(gateway: Any, model: str) -> None:
    with ScriptedServer() as server, gateway(target(server), unknown_model="reject") as clients:
        assert clients.first("/v2/rerank", model=model).status_code == 404
        assert clients.second().status_code == 200
        assert len(server.calls) == 1
