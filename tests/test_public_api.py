"""The public edge: what is accepted, where a call goes, and one sentence for what is wrong."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Generator
from typing import Any, Final

import pytest

import rerank_unify as ru
from rerank_unify import registry
from rerank_unify.declaration import Provider

REQUEST: Final = ru.RerankRequest(query="q", documents=["a", "b"])
ROWS: Final = b'{"results": [{"index": 0, "relevance_score": 0.5}]}'


@pytest.fixture
def mine() -> Generator[Provider]:
    """A provider of this process, registered for one test."""
    jina = ru.provider("jina")
    made = Provider(name="mine", dialect=jina.dialect, endpoint=jina.endpoint, auth=jina.auth, default_model="m")
    ru.register(made)
    yield made
    registry.unregister("mine")


# --- providers of this process ---------------------------------------------------------------------------------------


def test_a_registered_provider_is_found_everywhere(mine: Provider) -> None:
    assert ru.provider("mine") is mine
    assert "mine" in ru.provider_names()
    assert ru.Target("mine").resolved_provider is mine
    assert ru.transcoder("mine", "voyage").client is mine
    assert ru.split_request(REQUEST, "mine").parts == (REQUEST,)
    assert ru.Client("mine", api_key="k").settings.targets[0].resolved_provider is mine
    assert pickle.loads(pickle.dumps(mine)) is mine
    with pytest.raises(ru.UnknownProviderError, match="did you mean 'mine'"):
        ru.provider("mime")


def test_making_a_provider_registers_nothing() -> None:
    jina = ru.provider("jina")
    Provider(name="unheard", dialect=jina.dialect, endpoint=jina.endpoint, auth=jina.auth)
    assert "unheard" not in ru.provider_names()


@pytest.mark.parametrize("provider", ["jina", None, 5, ru.provider("jina")])
def test_what_cannot_be_registered(provider: Any) -> None:
    with pytest.raises(ru.InvalidRequestError, match="provider: "):
        ru.register(provider)


def test_building_a_request_reads_no_entry_points() -> None:
    code = (
        "import rerank_unify as ru, rerank_unify.registry as names; "
        "ru.RerankRequest(query='q', documents=['a'], provider_options={'unheard': {'x': 1}}); "
        "print(names.entry_points.cache_info().currsize)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "0"


def test_option_names_are_checked_where_providers_are_known(mine: Provider) -> None:
    typo = REQUEST.replace(provider_options={"voyag": {"x": 1}})
    with ru.Client("local") as client:
        with pytest.raises(ru.InvalidRequestError, match=r"provider_options\.voyag: .* did you mean 'voyage'\?"):
            client.rerank(typo)
        assert len(client.rerank(REQUEST.replace(provider_options={"mine": {"x": 1}}))) == 2


# --- where a call goes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ru.provider_names())
def test_url_is_used_unchanged(name: str) -> None:
    url = "https://host.example/odd/path?api-version=2024-05-01#x"
    provider = ru.provider(name)
    provider = provider.with_options(dict.fromkeys(provider.required_options[:1], "o"))
    assert provider.prepare(REQUEST, model="m", api_key="k" * 12, url=url).http.url == url


def test_url_and_base_url_exclude_each_other() -> None:
    with pytest.raises(ru.InvalidRequestError, match="url: it is the whole URL, so give no base_url beside it"):
        ru.provider("jina").prepare(REQUEST, url="http://h/a", base_url="http://h")


@pytest.mark.parametrize("where", [{"base_url": "http://10.0.0.5:8000"}, {"url": "http://10.0.0.5:8000/v1/rerank"}])
@pytest.mark.parametrize("name", ["jina", "cohere", "voyage"])
def test_a_key_is_required_at_the_providers_host_alone(name: str, where: dict[str, Any]) -> None:
    call = ru.provider(name).prepare(REQUEST, **where)
    assert "authorization" not in call.http.headers
    given = ru.provider(name).endpoint.url
    with pytest.raises(ru.MissingApiKeyError, match=f"{name} needs an API key: pass api_key="):
        ru.provider(name).prepare(REQUEST, url=given)


@pytest.mark.parametrize(
    ("key", "header", "name", "value"),
    [
        ("sk-1", None, "authorization", "Bearer sk-1"),
        ("Bearer sk-1", None, "authorization", "Bearer sk-1"),
        ("bearer sk-1", None, "authorization", "bearer sk-1"),
        ("Bearersk-1", None, "authorization", "Bearer Bearersk-1"),
        ("sk-1", "Api-Key", "api-key", "sk-1"),
        ("sk-1", "Authorization", "authorization", "Bearer sk-1"),
    ],
)
def test_how_a_key_is_sent(key: str, header: str | None, name: str, value: str) -> None:
    http = ru.provider("jina").prepare(REQUEST, api_key=key, auth_header=header).http
    assert http.headers[name] == value
    assert "sk-1" not in repr(http)
    assert ("authorization" in http.headers) == (name == "authorization")


def test_a_key_in_a_header_of_any_name_is_hidden() -> None:
    call = ru.provider("jina").prepare(REQUEST, api_key="hush-0123", base_url="http://h", auth_header="X-Team")
    assert call.http.headers["x-team"] == "hush-0123"
    assert "hush" not in repr(call.http) + repr(call)
    with pytest.raises(ru.BadRequestError) as caught:
        call.decode(400, {}, b'{"detail": "hush-0123 is no team"}')
    assert caught.value.message == "[key] is no team"


def test_a_key_with_its_scheme_goes_to_the_host_of_its_kind() -> None:
    hosts = {ru.provider("voyage").prepare(REQUEST, api_key=key).http.url for key in ("al-1", "Bearer al-1")}
    assert hosts == {"https://ai.mongodb.com/v1/rerank"}


def test_a_plan_before_its_first_step_reports_no_cool_down() -> None:
    assert type(ru.FallbackPlan("jina").error()) is ru.TimeoutError


def test_a_targets_headers_go_out_and_are_hidden() -> None:
    target = ru.Target("jina", base_url="http://h", headers={"X-Secret-Token": "hush", "x-team": "a"})
    assert "hush" not in repr(target)
    step = ru.FallbackPlan([target]).next(0)
    assert isinstance(step, ru.Attempt)
    http = step.prepare(REQUEST, headers={"x-call": "1"}).http
    assert [http.headers[name] for name in ("x-secret-token", "x-team", "x-call")] == ["hush", "a", "1"]
    assert "hush" not in repr(http)
    assert target == ru.Target("jina", base_url="http://h", headers=[("x-team", "a"), ("x-secret-token", "hush")])
    assert target.identity != ru.Target("jina", base_url="http://h").identity


# --- a chain ---------------------------------------------------------------------------------------------------------


def test_each_target_of_a_chain_sends_its_model() -> None:
    request = ru.RerankRequest(query="q", documents=["a"], model="rerank-v3.5", top_n=1)
    plan = ru.FallbackPlan(["cohere", ru.provider("jina"), ru.Target("voyage", model="rerank-2.5-lite")])
    bodies: list[tuple[str, Any]] = []
    while isinstance(step := plan.next(0), ru.Attempt):
        call = step.prepare(request, api_key="k" * 12)
        bodies.append((step.target.name, call.encoded.body["model"]))
        plan.record(step, ru.ConnectError("down"), 0)
    assert bodies == [
        ("cohere", "rerank-v3.5"),
        ("jina", "jina-reranker-v2-base-multilingual"),
        ("voyage", "rerank-2.5-lite"),
    ]


def test_a_single_target_sends_the_requests_model() -> None:
    step = ru.FallbackPlan("cohere").next(0)
    assert isinstance(step, ru.Attempt)
    assert step.prepare(REQUEST.replace(model="new"), api_key="k").model == "new"


def test_the_result_of_a_plan_has_its_attempts() -> None:
    plan = ru.FallbackPlan(["xinference", "local"])
    first, error = plan.next(0), ru.ConnectError("down")
    assert isinstance(first, ru.Attempt)
    plan.record(first, error, 1)
    second = plan.next(1)
    assert isinstance(second, ru.Attempt)
    plan.record(second, second.prepare(REQUEST).decode(200, {}, ROWS), 3)
    attempts = plan.result().attempts
    assert [(one.provider, one.seconds, one.error) for one in attempts] == [
        ("xinference", 1, error),
        ("local", 2, None),
    ]
    failed = ru.FallbackPlan("xinference", ru.FallbackPolicy(retries=0))
    step = failed.next(0)
    assert isinstance(step, ru.Attempt)
    failed.record(step, error, 1)
    with pytest.raises(ru.ConnectError) as caught:
        failed.result()
    assert len(caught.value.attempts) == 1


# --- wrong arguments -------------------------------------------------------------------------------------------------

A_DICT: Final[Any] = {"query": "q", "documents": ["a"]}
TAKES_A_REQUEST: Final[dict[str, Callable[[Any], object]]] = {
    "prepare": lambda value: ru.provider("jina").prepare(value, api_key="k"),
    "check": ru.provider("jina").check,
    "encode_request": ru.provider("jina").encode_request,
    "losses": ru.provider("jina").losses,
    "decode_response": lambda value: ru.provider("jina").decode_response(ROWS, value),
    "decode": lambda value: ru.provider("jina").decode(200, {}, ROWS, value),
    "split_request": lambda value: ru.split_request(value, "jina"),
    "FallbackPlan": lambda value: ru.FallbackPlan("jina", request=value),
}


@pytest.mark.parametrize("call", TAKES_A_REQUEST.values(), ids=TAKES_A_REQUEST)
def test_a_dict_is_no_request(call: Callable[[Any], object]) -> None:
    with pytest.raises(ru.InvalidRequestError, match=r"expected a RerankRequest, .*RerankRequest\.model_validate"):
        call(A_DICT)
    for wrong in (5, "q", [A_DICT], object()):
        with pytest.raises(ru.InvalidRequestError, match="request: expected a RerankRequest, not a value of type"):
            call(wrong)


WRONG: Final[dict[str, tuple[Callable[[Any], object], str]]] = {
    "provider": (ru.provider, "expected a name or a Provider"),
    "transcoder": (lambda value: ru.transcoder(value, "jina"), "expected a name or a Provider"),
    "Target": (ru.Target, "expected a name or a Provider"),
    "FallbackPlan": (ru.FallbackPlan, "targets: expected names, providers or targets"),
    "Client": (ru.Client, "targets: expected names, providers or targets"),
    "api_key": (lambda value: ru.Target("jina", api_key=value), "api_key: expected a string or a SecretStr"),
    "base_url": (lambda value: ru.Client("jina", base_url=value), "base_url: expected a string"),
    "url": (lambda value: ru.Client(ru.Target("jina", url=value)), "url: expected a string"),
    "headers": (lambda value: ru.Target("jina", headers=value), "headers: expected names and values"),
    "model": (lambda value: ru.provider("jina").prepare(REQUEST, model=value), "model: expected a string"),
    "timeout": (lambda value: ru.Target("jina", timeout=value), "timeout: expected a number"),
    "weight": (lambda value: ru.Target("jina", weight=value), "weight: expected a number"),
    "retries": (lambda value: ru.FallbackPolicy(retries=value), "retries: expected a number"),
    "deadline": (lambda value: ru.Client("local", deadline=value), "deadline: expected a number"),
    "concurrency": (lambda value: ru.Client("local", concurrency=value), "concurrency: expected an integer"),
}


@pytest.mark.parametrize(("call", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_type_is_one_sentence(call: Callable[[Any], object], sentence: str) -> None:
    with pytest.raises(ru.RequestError, match=sentence) as caught:
        call(object())
    assert "\n" not in str(caught.value)
