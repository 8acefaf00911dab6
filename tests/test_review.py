"""What a reviewer found by attacking the contract from outside: each a wrong answer, a crash or a leak, once."""

import json
import pickle
from email.message import Message
from enum import Enum, IntEnum
from typing import Any

import pytest

import rerank_unify as ru
from rerank_unify._json import compile_path, dig

JINA, COHERE, VOYAGE, XINFERENCE = map(ru.provider, ("jina", "cohere", "voyage", "xinference"))


def ask(**fields: Any) -> ru.RerankRequest:
    given: dict[str, Any] = {"query": "q", "documents": ["a", "b"], **fields}
    return ru.RerankRequest(**given)


@pytest.mark.parametrize("code", ["²", "٤٢٩", "9" * 5000, "429 ", "-429", "A" * 100_000])
def test_a_code_is_not_read_as_a_number_too_eagerly(code: str) -> None:
    body = json.dumps({"code": code, "message": "m"}).encode()
    error = JINA.decode_error(200, {}, body)
    assert isinstance(error, (ru.InvalidResponseError, ru.RateLimitError))
    assert len(str(error)) < 500


def test_the_kind_is_the_model_that_scored() -> None:
    body = b'{"model":"jina-reranker-v3","results":[{"index":0,"relevance_score":0.2}]}'
    assert JINA.decode_response(body, ask(documents=["a"])).score_kind == "cosine"
    assert JINA.decode_response(body.replace(b"v3", b"v9"), ask(documents=["a"])).score_kind == "probability"


def test_lone_surrogates_get_in_nowhere() -> None:
    wire = b'{"model":"m","query":"q","documents":["a"],"kwargs":"{\\"instruction\\":\\"\\\\ud800\\"}"}'
    with pytest.raises(ru.InvalidRequestError, match="kwargs: expected a string that holds a JSON object"):
        ru.transcoder("xinference", "voyage").request(wire)
    with pytest.raises(ru.InvalidResponseError, match="not JSON"):
        JINA.decode(200, {}, '{"x":"\ud800"}')
    with pytest.raises(ru.InvalidRequestError, match="the body: not JSON"):
        JINA.decode_request('{"x":"\ud800"}')
    with pytest.raises(ru.InvalidRequestError, match="model: has a lone surrogate"):
        COHERE.prepare(ask(), api_key="k", model="\ud800")
    with pytest.raises(ru.InvalidRequestError, match="model: has a lone surrogate"):
        ask(model="\ud800")
    with pytest.raises(ru.InvalidRequestError, match=r"rank_fields\[0\]: has a lone surrogate"):
        ask(rank_fields=["\ud800"])


@pytest.mark.parametrize("model", ["", " ", 5])
def test_a_model_beside_the_request_is_a_name(model: Any) -> None:
    with pytest.raises(ru.InvalidRequestError, match="model: expected a string that is not blank"):
        COHERE.encode_request(ask(), model=model)


def test_fields_ranked_beside_an_image_are_sent() -> None:
    documents = [{"image": "u", "title": "T", "n": 1}]
    request = ask(documents=documents, rank_fields=["title", "image"], model="jina-reranker-m0")
    assert JINA.encode_request(request)["documents"] == [{"text": "T", "image": "u"}]
    request = request.replace(rank_fields=["n", "title", "image"])
    assert JINA.encode_request(request)["documents"] == [{"text": "n: 1\ntitle: T\n", "image": "u"}]
    assert JINA.encode_request(request.replace(rank_fields=None))["documents"] == [{"image": "u"}]


class Colour(str, Enum):
    RED = "red"


class Year(IntEnum):
    ONE = 1


class Half(float):
    pass


def test_values_of_subclasses_become_plain_ones() -> None:
    request = ask(documents=[{"colour": Colour.RED, "year": Year.ONE, "half": Half(0.5)}])
    assert COHERE.encode_request(request)["documents"] == ["colour: red\nyear: 1\nhalf: 0.5\n"]
    with pytest.raises(ru.InvalidRequestError, match=r"documents\[0\]\.n: expected a JSON value, not a number out of"):
        ask(documents=[{"n": 10**5000, "b": 1}])


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


def test_extras_do_not_take_the_place_of_the_row() -> None:
    with pytest.raises(ru.InvalidRequestError, match="extra: expected fields other than index"):
        ru.Result(3, 0.5, None, {"index": 5})


@pytest.mark.parametrize("pair", ['"top_n":1,"top_k":true', '"top_n":1,"top_k":1.0', '"top_n":2,"top_k":1'])
def test_a_pair_of_two_values_is_refused(pair: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match="differ"):
        JINA.decode_request(f'{{"query":"q","documents":["a"],{pair}}}')


def test_refusals_name_the_provider_and_the_callers_index() -> None:
    refused = VOYAGE.check(ask(documents=[""] * 5 + ["a"] * 1001))
    assert refused is not None
    assert (refused.index, refused.provider) == (1005, "voyage")
    refused = VOYAGE.check(ask(documents=[{"image": "u"}]))
    assert refused is not None
    assert (refused.index, refused.provider) == (0, "voyage")


def test_a_key_in_a_header_is_a_key() -> None:
    call = COHERE.prepare(ask(), headers={"Authorization": "Bearer SuperSecretKey123456"})
    body = {"message": "bad token SuperSecretKey123456", "code": "SuperSecretKey123456"}
    with pytest.raises(ru.AuthenticationError) as caught:
        call.decode(401, {}, json.dumps(body).encode())
    assert "SuperSecret" not in f"{caught.value} {caught.value.code}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("护肤霜含芦荟", "文档护肤霜含芦荟无效"),
        ("find my secret thing", "my secret thing is bad"),
        ("naïve été", "«naïve été»"),
    ],
)
def test_texts_stay_out_of_messages_in_any_script(text: str, message: str) -> None:
    call = COHERE.prepare(ask(query=text), api_key="k")
    with pytest.raises(ru.BadRequestError) as caught:
        call.decode(400, {}, json.dumps({"message": message, "code": text}).encode())
    assert "[…]" in caught.value.message
    assert text not in f"{caught.value} {caught.value.code}"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        "co-ordinates must be numbers",
        "Your API key expired",
        "API key required",
        "Basic authentication is required",
        "This API key cannot be used",
        "al-dente and pa-rallel are words",
    ],
)
def test_plain_words_are_not_keys(message: str) -> None:
    assert JINA.decode_error(400, {}, json.dumps({"detail": message}).encode()).message == message


def test_messages_are_one_line() -> None:
    error = JINA.decode_error(400, {}, b'{"detail":"a\\n\\u001b[31mb\\u0000c\\u2028 d"}')
    assert error.message == "a b c d"


def test_relaying_keeps_the_upstreams_status() -> None:
    error = JINA.decode_error(403, {}, b'{"detail":"x","code":"AUTHZ_INSUFFICIENT_BALANCE"}')
    assert isinstance(error, ru.QuotaExceededError)
    assert JINA.encode_error(error, relay=True)[0] == 403


@pytest.mark.parametrize("name", ru.provider_names())
def test_our_code_is_reported_in_every_dialect(name: str) -> None:
    provider = ru.provider(name)
    status, _, body = provider.encode_error(ru.AuthenticationError("a", status=401))
    code = dig(body, compile_path(provider.dialect.errors.code or "code"))
    assert (status, code) == (502, "upstream_credentials")


def test_a_kind_with_a_typo_is_no_kind() -> None:
    kind: Any = "Logit"
    with pytest.raises(
        ru.ScoreKindError, match="kind: expected one of probability, cosine, logit, unit, unknown, not 'Logit'"
    ):
        ru.RerankResponse([ru.Result(0, 0.5)]).unit_scores(kind)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_of_any_kind_are_bytes(kind: Any) -> None:
    assert JINA.decode_response(kind(b'{"results":[]}')).results == ()
    assert JINA.decode_error(400, {}, kind(b'{"detail":"x"}')).message == "x"
    assert JINA.decode_request(kind(b'{"query":"q","documents":["a","b"]}')) == ask()


def test_jinas_json_is_in_jinas_order() -> None:
    response = ru.RerankResponse([], model="m", usage=ru.Usage(total_tokens=1), id="i", warnings=["w"])
    assert list(json.loads(response.to_json())) == ["model", "object", "usage", "results", "id"]


def test_what_comes_out_is_the_callers() -> None:
    request = ask(
        documents=[{"text": "a", "n": 1}], provider_options={"cohere": {"relevant_spans": {"mode": "enabled"}}}
    )
    COHERE.encode_request(request)["relevant_spans"]["mode"] = "X"
    assert request.provider_options["cohere"]["relevant_spans"] == {"mode": "enabled"}
    response = JINA.decode_response(b'{"results":[{"index":0,"relevance_score":0.5}]}', request)
    document: Any = response.results[0].document
    document["text"] = "X"
    assert request.documents[0] == {"text": "a", "n": 1}
    answer = ru.RerankResponse([ru.Result(0, 0.5, {"text": "a"})])
    JINA.encode_response(answer)["results"][0]["document"]["text"] = "X"
    assert answer.results[0].text == "a"


@pytest.mark.parametrize("name", ru.provider_names())
def test_calls_can_be_pickled(name: str) -> None:
    call = ru.provider(name).prepare(ask(model="m"), api_key="k")
    again = pickle.loads(pickle.dumps(call))
    assert again.provider is ru.provider(name)
    assert again.http == call.http


def test_losses_speak_provider() -> None:
    (loss,) = ru.provider("local").losses(ask(truncation=False))
    assert (loss.reason, loss.affects_result) == ("it cuts nothing, however long", False)


def test_a_null_beside_the_text_of_a_query_is_absent() -> None:
    assert JINA.decode_request('{"query":{"text":"q","image":null},"documents":["a"]}').query == {"text": "q"}


def test_headers_in_any_form() -> None:
    message = Message()
    message["Retry-After"] = "7"
    assert JINA.decode_error(429, message, b"").retry_after == 7  # type: ignore[arg-type]  # it has items(), as urllib's
    nothing: Any = None
    assert JINA.decode_error(429, nothing, b"").retry_after is None


def test_an_engines_failure_is_not_the_clients() -> None:
    body = b"Internal Server Error: CUDA out of memory"
    assert isinstance(XINFERENCE.decode_error(500, {}, body), ru.ProviderServerError)
