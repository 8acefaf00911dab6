"""Where a request goes, and with which key."""

from typing import Any

import pytest

import rerank_unify as ru

REQUEST = ru.RerankRequest(query="q", documents=["a"], provider_options={"watsonx": {"project_id": "p"}})


def url(name: str, **more: Any) -> str:
    given: dict[str, Any] = {"api_key": "k", **more}
    return ru.provider(name).prepare(REQUEST, **given).http.url


@pytest.mark.parametrize(
    ("name", "base", "expected"),
    [
        ("xinference", "http://h:9997", "http://h:9997/v1/rerank"),
        ("xinference", "http://h:9997/", "http://h:9997/v1/rerank"),
        ("xinference", "http://h:9997/v1", "http://h:9997/v1/rerank"),
        ("xinference", "http://h:9997/v1/", "http://h:9997/v1/rerank"),
        ("xinference", "http://h:9997/v1/rerank", "http://h:9997/v1/rerank"),
        ("xinference", "http://h:9997/v1/rerank/", "http://h:9997/v1/rerank"),
        ("xinference", "http://h:9997/rerank", "http://h:9997/rerank"),
        ("xinference", "http://h/reranking", "http://h/reranking"),
        ("jina", "https://gw/jina", "https://gw/jina/v1/rerank"),
        ("jina", "https://gw/jina/v1", "https://gw/jina/v1/rerank"),
        ("jina", "https://gw/jina/v1?tenant=a&b=%20", "https://gw/jina/v1/rerank?tenant=a&b=%20"),
        ("jina", "https://gw/v1/rerank?x=1#part", "https://gw/v1/rerank?x=1"),
        ("jina", " https://gw ", "https://gw/v1/rerank"),
        ("jina", "HTTPS://[::1]:8443", "https://[::1]:8443/v1/rerank"),
        ("cohere", "https://api.cohere.ai", "https://api.cohere.ai/v2/rerank"),
        ("cohere", "https://gw/v2", "https://gw/v2/rerank"),
        ("cohere", "https://gw/cohere/v2/", "https://gw/cohere/v2/rerank"),
        ("cohere", "https://gw/v1", "https://gw/v1/rerank"),
        ("cohere-v1", "https://name.region.models.ai.azure.com", "https://name.region.models.ai.azure.com/v1/rerank"),
        ("cohere", "https://h/openai/v1beta2", "https://h/openai/v1beta2/rerank"),
        ("voyage", None, "https://api.voyageai.com/v1/rerank"),
        ("jina", None, "https://api.jina.ai/v1/rerank"),
        ("cohere", None, "https://api.cohere.com/v2/rerank"),
        ("cohere-v1", None, "https://api.cohere.com/v1/rerank"),
        ("local", None, "inproc://local/v1/rerank"),
    ],
)
def test_paths_are_joined_to_a_base_url(name: str, base: str | None, expected: str) -> None:
    assert url(name, base_url=base) == expected


AZURE = "https://me.services.ai.azure.com/providers/cohere/v2/rerank"
RANKING = "https://discoveryengine.googleapis.com/v1/projects/p/locations/{}/rankingConfigs/default_ranking_config:rank"
WATSONX = "https://eu-de.ml.cloud.ibm.com/ml/v1/text/rerank?version=2024-05-01"
WORKER = "https://api.cloudflare.com/client/v4/accounts/a/ai/run/@cf/baai/bge-reranker-base"


@pytest.mark.parametrize(
    ("name", "base", "expected"),
    [
        ("azure", "https://me.services.ai.azure.com", AZURE),
        ("azure", "https://me.services.ai.azure.com/providers/cohere/v2", AZURE),
        ("azure", AZURE, AZURE),
        ("azure", "https://d.eastus2.models.ai.azure.com", "https://d.eastus2.models.ai.azure.com/v2/rerank"),
        ("azure", "https://d.eastus2.models.ai.azure.com/v1", "https://d.eastus2.models.ai.azure.com/v1/rerank"),
        ("discovery-engine", "https://discoveryengine.googleapis.com/v1/projects/p", RANKING.format("global")),
        ("discovery-engine", "https://discoveryengine.googleapis.com/v1/projects/p/locations/eu", RANKING.format("eu")),
        ("discovery-engine", RANKING.format("us"), RANKING.format("us")),
        ("watsonx", "https://eu-de.ml.cloud.ibm.com", WATSONX),
        ("watsonx", "https://eu-de.ml.cloud.ibm.com?version=2026-01-01", WATSONX.replace("2024-05-01", "2026-01-01")),
        ("cloudflare", "https://api.cloudflare.com/client/v4/accounts/a", WORKER),
        ("cloudflare", "https://api.cloudflare.com/client/v4/accounts/a/ai/run", WORKER),
        ("cloudflare", "https://gateway.example/workers-ai/accounts/a", None),
        (
            "bedrock-cohere",
            "https://bedrock-runtime.eu-central-1.amazonaws.com",
            "https://bedrock-runtime.eu-central-1.amazonaws.com/model/cohere.rerank-v3-5:0/invoke",
        ),
        (
            "baseten",
            "https://model-abc.api.baseten.co",
            "https://model-abc.api.baseten.co/environments/production/sync/rerank",
        ),
        (
            "dashscope",
            "https://dashscope-intl.aliyuncs.com",
            "https://dashscope-intl.aliyuncs.com/compatible-api/v1/reranks",
        ),
    ],
)
def test_a_base_url_may_name_a_part_of_its_own(name: str, base: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ru.InvalidRequestError, match=r"base_url: expected .* with your own \{account\}"):
            url(name, base_url=base)
    else:
        assert url(name, base_url=base) == expected


@pytest.mark.parametrize("name", ["azure", "discovery-engine", "cloudflare", "baseten"])
def test_a_part_of_its_own_must_be_named(name: str) -> None:
    assert ru.provider(name).endpoint.needs_base_url
    with pytest.raises(ru.InvalidRequestError, match=r"base_url: expected https://.* with your own \{") as caught:
        url(name)
    assert caught.value.field == "base_url"


@pytest.mark.parametrize(
    ("name", "environ", "expected"),
    [
        ("bedrock", {"AWS_REGION": "eu-central-1"}, "https://bedrock-agent-runtime.eu-central-1.amazonaws.com/rerank"),
        (
            "bedrock",
            {"AWS_DEFAULT_REGION": "us-east-1"},
            "https://bedrock-agent-runtime.us-east-1.amazonaws.com/rerank",
        ),
        ("bedrock-amazon", {"AWS_REGION": "us-east-1"}, "https://bedrock-runtime.us-east-1.amazonaws.com/model"),
        ("discovery-engine", {"GOOGLE_CLOUD_PROJECT": "p"}, RANKING.format("global")),
        ("cloudflare", {"CLOUDFLARE_ACCOUNT_ID": "a"}, WORKER.partition("/@cf")[0]),
        ("watsonx", {"WATSONX_URL": " https://eu-de.ml.cloud.ibm.com "}, "https://eu-de.ml.cloud.ibm.com"),
        ("azure", {"AZURE_AI_API_BASE": "https://me.services.ai.azure.com"}, "https://me.services.ai.azure.com"),
        ("cloudflare", {"CLOUDFLARE_ACCOUNT_ID": "../../x"}, f"{WORKER.partition('/a/ai')[0]}/..%2F..%2Fx/ai/run"),
        ("azure", {}, None),
        ("bedrock", {"AWS_REGION": " "}, None),
        ("jina", {"AWS_REGION": "x"}, None),
    ],
)
def test_the_base_url_in_the_environment(name: str, environ: dict[str, str], expected: str | None) -> None:
    base = ru.provider(name).endpoint.base_url_in(environ)
    assert base == expected
    if base is not None:
        assert url(name, base_url=base).startswith(base)
        assert ru.provider(name).endpoint.serves(base)


@pytest.mark.parametrize(
    ("name", "base", "expected"),
    [
        ("bedrock", "https://bedrock-agent-runtime.eu-west-1.amazonaws.com", True),
        ("bedrock", "http://bedrock-agent-runtime.eu-west-1.amazonaws.com", False),
        ("bedrock", "https://bedrock-agent-runtime.a.b.amazonaws.com", False),
        ("bedrock", "https://bedrock-agent-runtime.x.amazonaws.com.evil.example", False),
        ("bedrock", "https://bedrock-agent-runtime.x.amazonaws.com:8443", False),
        ("bedrock", "https://evil.example/bedrock-agent-runtime.x.amazonaws.com", False),
        ("azure", "https://me.services.ai.azure.com", True),
        ("azure", "https://d.eastus2.models.ai.azure.com/v2/rerank", True),
        ("azure", "https://services.ai.azure.com", False),
        ("dashscope", "https://dashscope-intl.aliyuncs.com", True),
        ("dashscope", "https://other.aliyuncs.com", False),
    ],
)
def test_a_key_from_the_environment_goes_to_the_providers_own_hosts_alone(
    name: str, base: str, *, expected: bool
) -> None:
    assert ru.provider(name).endpoint.serves(base) is expected


def test_which_urls_depend_on_the_model() -> None:
    varying = {name for name in ru.provider_names() if ru.provider(name).endpoint.varies_by_model}
    assert {"deepinfra", "cloudflare", "nvidia", "elastic", "bedrock-cohere"} <= varying
    assert not {"jina", "bedrock", "voyage"} & varying


def test_spaces_around_a_key_are_none_of_it() -> None:
    assert url("voyage", api_key=" al-123 ") == "https://ai.mongodb.com/v1/rerank"
    http = ru.provider("jina").prepare(REQUEST, api_key="\tk ").http
    assert http.headers["authorization"] == "Bearer k"


def test_voyages_host_depends_on_the_key() -> None:
    assert url("voyage", api_key="al-123") == "https://ai.mongodb.com/v1/rerank"
    assert url("voyage", api_key="al-123", base_url="https://gw") == "https://gw/v1/rerank"


@pytest.mark.parametrize(
    ("base", "sentence"),
    [
        ("api.jina.ai/v1", "base_url: expected http:// or https:// and a host"),
        ("ftp://h", "base_url: expected http:// or https:// and a host"),
        ("http://", "base_url: expected http:// or https:// and a host"),
        ("", "base_url: expected http:// or https:// and a host"),
        ("http://user:hunter2@h", "base_url: credentials do not belong into a URL"),
        ("http://h/a b", "base_url: has a space"),
        ("http://h/a\nb", "base_url: has a space or a control character"),
        ("http://h:99999", "base_url: is not a URL"),
        ("http://[::1", "base_url: is not a URL"),
    ],
)
def test_a_bad_base_url_is_refused(base: str, sentence: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match=sentence) as caught:
        url("jina", base_url=base)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", [None, "", "  \n"])
def test_no_key_is_no_header(key: str | None) -> None:
    http = ru.provider("xinference").prepare(REQUEST, api_key=key).http
    assert "authorization" not in http.headers
    with pytest.raises(ru.MissingApiKeyError, match=r"jina needs an API key: pass api_key=$"):
        ru.provider("jina").prepare(REQUEST, api_key=key)


def test_a_key_of_the_caller_header_counts() -> None:
    http = ru.provider("jina").build_request(REQUEST, headers=[("Authorization", "Token x"), ("X-Team", "a")])
    assert http.headers["authorization"] == "Token x"
    assert http.headers["x-team"] == "a"


@pytest.mark.parametrize(
    "more",
    [
        {"api_key": "two\nlines-of-secret"},
        {"api_key": "secret\r\nx: y"},
        {"api_key": "schlüssel-secret"},
        {"headers": {"X-A": "secret\nX-B: 1"}},
        {"headers": {"X A": "secret"}},
        {"headers": {"": "secret"}},
    ],
)
def test_what_would_break_a_header_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ru.InvalidRequestError, match=r"api_key|headers") as caught:
        url("jina", **more)
    assert "secret" not in str(caught.value)


def test_the_key_in_the_environment() -> None:
    cohere = ru.provider("cohere")
    assert cohere.env == ("CO_API_KEY", "COHERE_API_KEY")
    assert cohere.key({"CO_API_KEY": " ", "COHERE_API_KEY": "b\n"}) == "b"
    assert cohere.key({"CO_API_KEY": "a", "COHERE_API_KEY": "b"}) == "a"
    assert cohere.key({}) is None
    assert ru.provider("local").key({"X": "y"}) is None


@pytest.mark.parametrize("model", ["..", "a/../../v2/keys", "a//b", "./a", "a/"])
@pytest.mark.parametrize("name", ["deepinfra", "sie", "elastic"])
def test_a_model_in_the_path_leads_to_no_other_route(name: str, model: str) -> None:
    request = ru.RerankRequest(query="q", documents=["a"], model=model)
    with pytest.raises(ru.InvalidRequestError, match="model: stands in the URL") as caught:
        ru.provider(name).prepare(request, api_key="k")
    assert caught.value.field == "model"


def test_a_key_from_the_environment_never_travels_in_clear_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", "jina_0123456789")
    endpoint = ru.provider("jina").endpoint
    assert endpoint.serves("https://api.jina.ai/v1")
    assert not endpoint.serves("http://api.jina.ai/v1")
    with ru.Client("jina", base_url="http://api.jina.ai") as client:
        assert client.settings.targets[0].api_key is None
