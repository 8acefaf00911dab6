"""Where a request goes, and with which key."""

from typing import Any

import pytest

import rerank_unify as ru

REQUEST = ru.RerankRequest(query="q", documents=["a"])


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
