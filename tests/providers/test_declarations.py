"""The tables carry other families: each is one declaration of under 30 lines, and passes the contract suite."""

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
from example_budget import examples_for_each
from hypothesis import Phase, settings

import rerank_unify as ru
from rerank_unify import errors
from rerank_unify._json import is_object
from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Field,
    Flag,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    as_string,
    bearer,
)
from rerank_unify.testing import assert_provider_contract


def tei() -> Provider:
    """Text Embeddings Inference: no model, no top_n, and the response is a bare list."""
    return Provider(
        name="tei-like",
        dialect=Dialect(
            request=RequestFormat(
                model=None,
                documents=Documents("texts"),
                top_n=None,
                return_documents=Flag("return_text"),
                truncation=Field("truncate"),
            ),
            response=ResponseFormat(rows="", score="score", document="text", form=as_string),
            errors=ErrorFormat(
                message="error", code="error_type", codes={"overloaded": errors.ProviderOverloadedError}
            ),
        ),
        endpoint=Endpoint("http://localhost:8080/rerank"),
        auth=bearer(required=False),
        default_model="served",
        unknown_model=Model(score_kind="probability", limits=Limits(documents=32)),
    )


def nim() -> Provider:
    """NVIDIA NIM: objects for query and passages, logits, and 400 for any field more."""
    return Provider(
        name="nim-like",
        dialect=Dialect(
            request=RequestFormat(
                query="query.text", documents=Documents("passages", wrap="text"), top_n=None, return_documents=None
            ),
            response=ResponseFormat(
                rows="rankings", score="logit", document="", usage={"prompt_tokens": "usage.prompt_tokens"}
            ),
        ),
        endpoint=Endpoint("http://localhost:8000/v1/ranking"),
        auth=bearer("NVIDIA_API_KEY", required=False),
        default_model="nvidia/llama-nemotron-rerank-1b-v2",
        unknown_model=Model(score_kind="logit", limits=Limits(documents=512)),
    )


def is_error(body: object) -> bool:
    """DashScope sends errors with status 200 too; its SDK reads the code."""
    return is_object(body) and bool(body.get("code"))


def dashscope() -> Provider:
    """DashScope: nested in and out, and errors under 200."""
    return Provider(
        name="dashscope-like",
        dialect=Dialect(
            request=RequestFormat(
                query="input.query",
                documents=Documents("input.documents"),
                top_n="parameters.top_n",
                return_documents=Flag("parameters.return_documents"),
                instruction=Field("parameters.instruct"),
            ),
            response=ResponseFormat(
                rows="output.results", id="request_id", usage={"total_tokens": "usage.total_tokens"}
            ),
            errors=ErrorFormat(message="message", code="code", request_id="request_id", is_error_body=is_error),
        ),
        endpoint=Endpoint("https://dashscope.aliyuncs.com/api/v1/services/rerank/text-rerank/text-rerank"),
        auth=bearer("DASHSCOPE_API_KEY"),
        default_model="gte-rerank-v2",
        unknown_model=Model(score_kind="probability", limits=Limits(documents=500)),
    )


FAMILIES = (tei, nim, dashscope)


@pytest.mark.parametrize("declare", FAMILIES)
def test_a_declaration_passes_the_contract(declare: Callable[[], Provider]) -> None:
    assert len(inspect.getsource(declare).splitlines()) < 30
    assert_provider_contract(declare(), max_examples=examples_for_each(15, len(FAMILIES)))


def request() -> ru.RerankRequest:
    return ru.RerankRequest(query="q", documents=["a", {"text": "b"}], top_n=1)


def test_tei_speaks_a_bare_list() -> None:
    provider = tei()
    assert provider.encode_request(request()) == {"query": "q", "texts": ["a", "b"], "return_text": True}
    response = provider.decode(200, {}, b'[{"index":0,"score":0.2},{"index":1,"score":0.9,"text":"b"}]', request())
    assert response.results == (ru.Result(1, 0.9, {"text": "b"}),)
    assert provider.dump_response(response) == b'[{"index":1,"score":0.9,"text":"b"}]'
    with pytest.raises(ru.InvalidResponseError, match=r"\[1\]\.score is missing") as caught:
        provider.decode(200, {}, b'[{"index":0,"score":0.2},{"index":1}]')
    assert caught.value.path == "[1].score"
    with pytest.raises(ru.ProviderOverloadedError, match="busy"):
        provider.decode(429, {}, b'{"error":"busy","error_type":"overloaded"}')


def test_an_echo_of_another_name_is_no_extra() -> None:
    """Elastic: Jina's keys, but for the echo; rows that say what they are."""
    elastic = Provider(
        name="elastic-like",
        dialect=Dialect(
            request=RequestFormat(model=None, documents=Documents("input")),
            response=ResponseFormat(rows="rerank", document="text", form=as_string, ignored=frozenset(("object",))),
        ),
        endpoint=Endpoint("http://localhost:9200/_inference/rerank/{model}"),
        auth=bearer("ELASTIC_API_KEY", required=False),
        default_model="my-endpoint/1",
    )
    assert_provider_contract(elastic, max_examples=5)
    body = b'{"rerank":[{"index":1,"relevance_score":0.9,"text":"b","object":"row"}]}'
    call = elastic.prepare(request())
    assert call.http.url == "http://localhost:9200/_inference/rerank/my-endpoint%2F1"
    assert call.decode(200, {}, body).results == (ru.Result(1, 0.9, {"text": "b"}),)
    assert elastic.decode_response(body).results == (ru.Result(1, 0.9, {"text": "b"}),)


def test_nim_speaks_objects_and_logits() -> None:
    provider = nim()
    assert provider.encode_request(request()) == {
        "model": "nvidia/llama-nemotron-rerank-1b-v2",
        "query": {"text": "q"},
        "passages": [{"text": "a"}, {"text": "b"}],
    }
    body = b'{"rankings":[{"index":1,"logit":-1.24},{"index":0,"logit":-5.41}],"usage":{"prompt_tokens":40}}'
    response = provider.decode(200, {}, body, request())
    assert [(result.index, result.relevance_score) for result in response] == [(1, -1.24)]
    assert response.score_kind == "logit"
    assert response.usage == ru.Usage(total_tokens=40)
    assert 0 < response.unit_scores().results[0].relevance_score < 0.5


def test_further_fields_do_not_take_the_place_of_known_ones() -> None:
    """Found by the contract suite: a field called `document` beside an echo called `text`."""
    response = tei().decode_response(b'[{"index":0,"score":0.2,"document":0,"relevance_score":7,"x":1}]')
    assert response.results == (ru.Result(0, 0.2, None, {"x": 1}),)
    written = ru.RerankResponse([ru.Result(0, 0.2, None, {"score": 9, "text": "no", "x": 1})])
    assert tei().dump_response(written) == b'[{"index":0,"score":0.2,"x":1}]'


def test_dashscope_hides_errors_under_200() -> None:
    provider = dashscope()
    assert provider.encode_request(request())["parameters"] == {"top_n": 1, "return_documents": True}
    hidden = b'{"code":"Throttling.RateQuota","message":"slow down","request_id":"r1"}'
    with pytest.raises(ru.RateLimitError, match="slow down") as caught:
        provider.decode(200, {}, hidden, request())
    assert (caught.value.status, caught.value.request_id) == (200, "r1")
    with pytest.raises(ru.InvalidRequestError, match=r"parameters\.top_n: the library writes this field itself"):
        provider.encode_request(request().replace(provider_options={"dashscope-like": {"parameters": {"top_n": 3}}}))
    passed = request().replace(provider_options={"dashscope-like": {"parameters": {"fps": 2}}})
    assert provider.encode_request(passed)["parameters"] == {"top_n": 1, "return_documents": True, "fps": 2}


def test_the_contract_notices_a_null() -> None:
    careless = Provider(
        name="careless",
        dialect=Dialect(request=RequestFormat(fixed={"user": None}), response=ResponseFormat()),
        endpoint=Endpoint("http://localhost/rerank"),
        auth=bearer(required=False),
        default_model="m",
    )
    with without_shrinking(), pytest.raises(AssertionError, match="a null is sent"):
        assert_provider_contract(careless, max_examples=5)


@contextmanager
def without_shrinking() -> Generator[None, None, None]:
    """Let hypothesis report the first example that fails: the search for the smallest one takes seconds."""
    name = settings.get_current_profile_name()
    settings.register_profile("without-shrinking", settings.get_profile(name), phases=[Phase.generate])
    settings.load_profile("without-shrinking")
    try:
        yield
    finally:
        settings.load_profile(name)
