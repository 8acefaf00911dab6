"""Options of a target: body fields, under those of the request, and the fields that a provider requires."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Mapping
from typing import Any

import pytest

import rerank_unify as ru
from rerank_unify.declaration import HttpRequest, HttpResponse

REQUEST = ru.RerankRequest(query="q", documents=["a", "b"])
NEEDY = [name for name in ru.provider_names() if ru.provider(name).required_options]


def body(target: ru.Target, request: ru.RerankRequest = REQUEST) -> Any:
    return json.loads(ru.Attempt(0, target, None, "m").prepare(request, api_key="k").http.content)


class Recorder:
    """A sender that records bodies, and answers as a token service and as a provider."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def __call__(self, http: HttpRequest, timeout: float) -> HttpResponse:
        del timeout
        if "iam.cloud.ibm.com" in http.url:
            return HttpResponse(200, {}, b'{"access_token": "eyJ.t", "expires_in": 3600}')
        self.bodies.append(json.loads(http.content))
        score = "score" if "ml.cloud.ibm.com" in http.url else "relevance_score"
        return HttpResponse(200, {}, json.dumps({"results": [{"index": 0, score: 0.9}]}).encode())


def test_options_stand_under_those_of_the_request() -> None:
    target = ru.Target("cohere", options={"priority": 3, "a": {"b": 1, "c": [1]}})
    assert body(target) | {"priority": 3, "a": {"b": 1, "c": [1]}} == body(target)
    request = REQUEST.replace(provider_options={"cohere": {"a": {"b": 2}, "d": None}, "jina": {"x": 1}})
    sent = body(target, request)
    assert (sent["priority"], sent["a"]) == (3, {"b": 2, "c": [1]})
    assert "x" not in sent
    assert body(target)["a"]["b"] == 1  # one request does not change the next


def test_options_of_a_client_of_the_same_dialect_stay_its_own() -> None:
    """Cohere's clients write fields that Cohere refuses: they are losses, as without options of the target."""
    wire = {"query": "q", "documents": ["a"], "model": "m", "priority": 5, "max_chunks_per_doc": 3}
    request = ru.provider("cohere").decode_request(wire)
    target = ru.Target("cohere", options={"priority": 3, "tier": "x"})
    call = ru.Attempt(0, target, None).prepare(request, api_key="k")
    sent = json.loads(call.http.content)
    assert (sent["priority"], sent["tier"]) == (5, "x")
    assert "max_chunks_per_doc" not in sent
    assert [loss.field for loss in call.losses] == ["max_chunks_per_doc"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": "x"}, "options.query: the library writes this field itself; set query of the request instead"),
        ({"top_n": 1}, "options.top_n: the library writes this field itself; set top_n of the request instead"),
        ({"a": object()}, "options: expected an object of JSON values by name"),
        ({"a": float("nan")}, "options: expected an object of JSON values by name"),
        ({1: "x"}, "options: expected an object of JSON values by name"),
        ([1], "options: expected an object of JSON values by name"),
        ("x", "options: expected an object of JSON values by name"),
    ],
)
def test_a_wrong_option_is_refused_when_the_target_is_made(options: Any, message: str) -> None:
    with pytest.raises(ru.InvalidRequestError) as caught:
        ru.Target("cohere", options=options)
    assert caught.value.message == message


def test_a_target_copies_its_options() -> None:
    given: dict[str, Any] = {"a": {"b": 1}}
    target = ru.Target("cohere", options=given)
    given["a"]["b"] = 2
    assert body(target)["a"] == {"b": 1}
    assert pickle.loads(pickle.dumps(target.resolved_provider)).options == {"a": {"b": 1}}
    limited = ru.Target("cohere", options={"a": 1}, limits=ru.Limits(documents=1))
    again = pickle.loads(pickle.dumps(limited.resolved_provider))
    assert (again.options, again.limits().documents) == ({"a": 1}, 1)


def test_targets_with_other_options_have_a_health_of_their_own() -> None:
    one, same, other = (ru.Target("cohere", options={"p": value}) for value in ("a", "a", "b"))
    assert one.identity == same.identity
    assert one.identity != other.identity


@pytest.mark.parametrize("name", NEEDY)
def test_a_missing_project_is_one_clear_sentence_before_any_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = ru.provider(name)
    for variable in provider.option_variables.values():
        monkeypatch.delenv(variable, raising=False)
    recorder = Recorder()
    names = " or ".join(provider.required_options)
    with (
        ru.Client(name, api_key="k", sender=recorder) as client,
        pytest.raises(
            ru.UnsupportedRequestError, match=f"^{name}: .*{provider.required_options[0]}: {name} needs {names}: set"
        ),
    ):
        client.rerank("q", ["a"])
    assert recorder.bodies == []


def test_those_who_need_a_project_are_declared() -> None:
    assert NEEDY == ["oci", "watsonx"]


def test_a_chain_passes_over_a_target_without_its_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATSONX_PROJECT_ID", raising=False)
    recorder = Recorder()
    targets = [ru.Target("watsonx", api_key="k"), ru.Target("jina", api_key="k")]
    with ru.Client(targets, sender=recorder) as client:
        response = client.rerank("q", ["a"])
    first, second = response.attempts
    assert isinstance(first.error, ru.UnsupportedRequestError)
    assert (second.provider, second.error) == ("jina", None)


@pytest.mark.parametrize(
    ("options", "of_request", "expected"),
    [
        (None, {}, {"project_id": "env"}),
        ({"project_id": "target"}, {}, {"project_id": "target"}),
        ({"space_id": "target"}, {}, {"space_id": "target"}),
        (None, {"project_id": "request"}, {"project_id": "request"}),
        # Never two of them: the provider would have to choose.
        (None, {"space_id": "request"}, {"space_id": "request"}),
        ({"project_id": "target"}, {"space_id": "request"}, {"space_id": "request"}),
    ],
)
def test_request_over_target_over_environment(
    options: Mapping[str, Any] | None,
    of_request: dict[str, str],
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WATSONX_PROJECT_ID", " env ")
    recorder = Recorder()
    with ru.Client([ru.Target("watsonx", api_key="k", options=options)], sender=recorder) as client:
        client.rerank("q", ["a"], provider_options={"watsonx": of_request})
    (sent,) = recorder.bodies
    assert {name: value for name, value in sent.items() if name in ("project_id", "space_id")} == expected


def test_every_part_of_a_split_request_has_the_options() -> None:
    recorder = Recorder()
    target = ru.Target("cohere", api_key="k", options={"priority": 1}, limits=ru.Limits(documents=1))
    with ru.Client([target], sender=recorder) as client:
        client.rerank("q", ["a", "b"])
    assert [sent["priority"] for sent in recorder.bodies] == [1, 1]


def test_other_options_have_other_cached_scores() -> None:
    recorder, cache = Recorder(), ru.MemoryScoreCache(pointwise_models=["rerank-v3.5"])
    for tier in ("a", "b", "a"):
        target = ru.Target("cohere", api_key="k", options={"tier": tier})
        with ru.Client([target], sender=recorder, cache=cache) as client:
            client.rerank("q", ["a"])
    assert [sent["tier"] for sent in recorder.bodies] == ["a", "b"]


def test_the_asynchronous_client_sends_the_options() -> None:
    recorder = Recorder()

    async def send(http: HttpRequest, timeout: float) -> HttpResponse:
        return recorder(http, timeout)

    async def rerank() -> None:
        async with ru.AsyncClient([ru.Target("cohere", api_key="k", options={"priority": 1})], sender=send) as client:
            await client.rerank("q", ["a"])

    asyncio.run(rerank())
    assert [sent["priority"] for sent in recorder.bodies] == [1]
