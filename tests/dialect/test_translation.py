"""Translation between the canonical format and dialects: single cases."""

import pickle
from typing import Any

import pytest

import rerank_unify as ru
from rerank_unify.dialect import Field, RequestFormat

JINA, COHERE, VOYAGE, XINFERENCE = map(ru.provider, ("jina", "cohere", "voyage", "xinference"))


def ask(**fields: Any) -> ru.RerankRequest:
    given: dict[str, Any] = {"query": "q", "documents": ["a", "b"], **fields}
    return ru.RerankRequest(**given)


def test_a_string_is_as_good_as_a_field() -> None:
    plain, declared = RequestFormat(instruction="options.task"), RequestFormat(instruction=Field("options.task"))
    assert plain.written == declared.written
    assert plain.words["instruction"] == "options.task"


def test_score_kind_depends_on_the_model_that_scored() -> None:
    body = b'{"model":"jina-reranker-v3","results":[{"index":0,"relevance_score":0.2}]}'
    assert JINA.decode_response(body, ask(documents=["a"])).score_kind == "cosine"
    assert JINA.decode_response(body.replace(b"v3", b"v9"), ask(documents=["a"])).score_kind == "probability"


def test_fields_ranked_beside_an_image_are_sent() -> None:
    documents = [{"image": "u", "title": "T", "n": 1}]
    request = ask(documents=documents, rank_fields=["title", "image"], model="jina-reranker-m0")
    assert JINA.encode_request(request)["documents"] == [{"text": "T", "image": "u"}]
    request = request.replace(rank_fields=["n", "title", "image"])
    assert JINA.encode_request(request)["documents"] == [{"text": "n: 1\ntitle: T\n", "image": "u"}]
    assert JINA.encode_request(request.replace(rank_fields=None))["documents"] == [{"image": "u"}]


def test_no_null_is_sent() -> None:
    options = {"cohere": {"priority": None, "relevant_spans": {"mode": "enabled", "max_spans": None}}}
    body = COHERE.encode_request(ask(provider_options=options))
    assert "priority" not in body
    assert body["relevant_spans"] == {"mode": "enabled"}
    wire = {"query": "q", "documents": ["a"], "relevant_spans": {"mode": "enabled", "max_spans": None}}
    assert COHERE.encode_request(COHERE.decode_request(wire))["relevant_spans"] == {"mode": "enabled"}


def test_options_do_not_overwrite_what_a_function_wrote() -> None:
    options = {"xinference": {"kwargs": {"doc_type": "text"}}}
    request = ask(documents=[{"image": "u"}], model="jina-reranker-m0", provider_options=options)
    with pytest.raises(ru.InvalidRequestError, match=r"kwargs\.doc_type: the library writes this field itself"):
        XINFERENCE.encode_request(request)
    with pytest.raises(ru.InvalidRequestError, match="set top_n of the request instead"):
        JINA.encode_request(ask(top_n=1, provider_options={"jina": {"top_k": 5}}))


@pytest.mark.parametrize("pair", ['"top_n":1,"top_k":true', '"top_n":1,"top_k":1.0', '"top_n":2,"top_k":1'])
def test_aliases_with_two_values_are_refused(pair: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match="differ"):
        JINA.decode_request(f'{{"query":"q","documents":["a"],{pair}}}')


def test_refusals_name_the_provider_and_the_callers_index() -> None:
    refused = VOYAGE.check(ask(documents=[""] * 5 + ["a"] * 1001))
    assert refused is not None
    assert (refused.index, refused.provider) == (1005, "voyage")
    refused = VOYAGE.check(ask(documents=[{"image": "u"}]))
    assert refused is not None
    assert (refused.index, refused.provider) == (0, "voyage")


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_of_any_kind_are_bytes(kind: Any) -> None:
    assert JINA.decode_response(kind(b'{"results":[]}')).results == ()
    assert JINA.decode_error(400, {}, kind(b'{"detail":"x"}')).message == "x"
    assert JINA.decode_request(kind(b'{"query":"q","documents":["a","b"]}')) == ask()


@pytest.mark.parametrize("name", ru.provider_names())
def test_calls_can_be_pickled(name: str) -> None:
    needed = dict.fromkeys(ru.provider(name).required_options[:1], "o")
    request = ask(model="m", provider_options={name: needed})
    call = ru.provider(name).prepare(request, api_key="k", url="https://h/rerank")
    again = pickle.loads(pickle.dumps(call))
    assert again.provider is ru.provider(name)
    assert again.http == call.http


def test_local_reports_truncation_as_a_harmless_loss() -> None:
    (loss,) = ru.provider("local").losses(ask(truncation=False))
    assert (loss.reason, loss.affects_result) == ("it cuts nothing, however long", False)


def test_a_null_beside_the_text_of_a_query_is_absent() -> None:
    assert JINA.decode_request('{"query":{"text":"q","image":null},"documents":["a"]}').query == {"text": "q"}


def dropped(client: str, provider: str, /, **wire: Any) -> dict[str, bool]:
    body = {**ru.provider(client).encode_request(ask(), "m"), **wire}
    losses = ru.provider(provider).losses(ru.provider(client).decode_request(body), "m")
    return {loss.field: loss.affects_result for loss in losses if loss.action == "dropped"}


def test_a_dialects_field_that_the_provider_does_not_get_is_a_loss() -> None:
    assert dropped("cohere-v1", "voyage", max_chunks_per_doc=10) == {"max_chunks_per_doc": True}
    assert dropped("cohere-v1", "cohere-v1", max_chunks_per_doc=10) == {}
    assert dropped("cohere", "cohere", rank_fields=["title"]) == {"rank_fields": True}
    assert dropped("cohere", "jina", rank_fields=["title"], priority=3) == {"rank_fields": True, "priority": False}
    assert dropped("tei", "cohere", raw_scores=True, truncation_direction=None) == {"raw_scores": True}
    assert dropped("xinference", "voyage", kwargs='{"max_frames": 8}') == {"kwargs": True}


EXTRAS = [(name, field) for name in ru.provider_names() for field in ru.provider(name).dialect.request.extra_fields]


@pytest.mark.parametrize(("name", "field"), EXTRAS)
def test_no_extra_field_is_lost_without_a_word(name: str, field: str) -> None:
    value: Any = "{}" if field == "kwargs" else {"x": 1}
    lost = [] if field == "kwargs" else [field]  # "{}" holds nothing
    for other in {"jina", "cohere", "compatible", "voyage"} - {name}:
        assert list(dropped(name, other, **{field: value})) == lost, other
    assert list(dropped(name, name, **{field: value})) == []


def test_options_for_another_provider_are_no_loss() -> None:
    request = ask(provider_options={"cohere": {"priority": 3}})
    assert JINA.losses(request) == ()
    # A request of a client keeps its losses when it is changed.
    read = ru.provider("cohere-v1").decode_request({"query": "q", "documents": ["a"], "max_chunks_per_doc": 10})
    assert [loss.field for loss in VOYAGE.losses(read.replace(top_n=1))] == ["max_chunks_per_doc"]
    assert [loss.field for loss in VOYAGE.losses(pickle.loads(pickle.dumps(read)))] == ["max_chunks_per_doc"]
    assert VOYAGE.losses(read.replace(provider_options={})) == ()
    assert "max_chunks_per_doc" not in COHERE.encode_request(read)


def test_a_cohere_client_with_fields_of_version_1_sends_none_to_version_2() -> None:
    wire = {"query": "q", "documents": ["a"], "rank_fields": ["text"], "max_chunks_per_doc": 10, "priority": 2}
    body = COHERE.encode_request(COHERE.decode_request(wire))
    assert {"rank_fields", "max_chunks_per_doc"}.isdisjoint(body)
    assert body["priority"] == 2
