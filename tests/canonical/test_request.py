"""The canonical request: what it takes, what it refuses, and in which words."""

import json
from collections import UserList, deque
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from pydantic import TypeAdapter, ValidationError

import rerank_unify as ru
from rerank_unify.canonical import FIELD_NAMES, RequestFields, checked_fields, fields_of
from rerank_unify.testing import requests


def ask(**fields: Any) -> ru.RerankRequest:
    given: dict[str, Any] = {"query": "q", "documents": ["a", "b"], **fields}
    return ru.RerankRequest(**given)


def nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {"leaf": 1}
    for _ in range(levels):
        document = {"in": document}
    return document


def cyclic() -> dict[str, Any]:
    document: dict[str, Any] = {}
    document["self"] = document
    return document


def test_jina_wire_json_is_valid_as_it_stands() -> None:
    wire = b"""{"model": "jina-reranker-m0", "query": {"image": "https://x/1.png"}, "top_n": 2,
        "documents": ["a", {"text": "b", "lang": "de", "n": null}, {"image": "aGk="}], "return_documents": false}"""
    request = ru.RerankRequest.model_validate_json(wire)
    assert request == ru.provider("jina").decode_request(wire)
    assert request.documents == ("a", {"text": "b", "lang": "de", "n": None}, {"image": "aGk="})
    assert (request.query, request.top_n, request.return_documents) == ({"image": "https://x/1.png"}, 2, False)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"query": ""}, "query: expected a string that is not blank"),
        ({"query": " \n"}, "query: expected a string that is not blank"),
        ({"query": None}, "query: this field is required"),
        ({"query": 5}, "query: expected a string .* not 5"),
        ({"query": {"text": " "}}, "query: expected a string .* not an object"),
        ({"query": {"text": "a", "image": "b"}}, "query: expected a string .* not an object"),
        ({"query": {"video": "b"}}, "query: expected a string .* not an object"),
        ({"query": "half \ud83d"}, "query: has a lone surrogate"),
        ({"query": {"text": "half \ud83d"}}, r"query\.text: has a lone surrogate"),
        ({"documents": []}, "documents: expected a list of one or more .* not an empty list"),
        ({"documents": None}, "documents: this field is required"),
        ({"documents": "abc"}, "documents: expected a list .* not a string"),
        ({"documents": b"abc"}, "documents: expected a list .* not a value of type bytes"),
        ({"documents": {"a": 1}}, "documents: expected a list .* not an object"),
        ({"documents": {"a", "b"}}, "documents: expected a list .* not a value of type set"),
        ({"documents": iter("ab")}, "documents: expected a list .* not a value of type str_"),
        ({"documents": ["a", None]}, r"documents\[1\]: expected a string or an object, not null"),
        ({"documents": [7]}, r"documents\[0\]: expected a string or an object, not 7"),
        ({"documents": ["a", True]}, r"documents\[1\]: expected a string or an object, not true"),
        ({"documents": ["a", ["b"]]}, r"documents\[1\]: expected a string or an object, not a list"),
        ({"documents": [{"text": 5}]}, r"documents\[0\]\.text: expected a string, not 5"),
        ({"documents": [{"image": b""}]}, r"documents\[0\]\.image: expected a string, not a value of type bytes"),
        ({"documents": [{"a": float("nan")}]}, r"documents\[0\]\.a: expected a JSON value, not nan"),
        ({"documents": [{"a": [1, {"b": object()}]}]}, r"documents\[0\]\.a\[1\]\.b: expected a JSON value"),
        ({"documents": [{1: 2}]}, r"documents\[0\]: expected string keys, not 1"),
        ({"documents": ["ok", "\udc00"]}, r"documents\[1\]: has a lone surrogate"),
        ({"documents": [{"a": ["\ud83d"]}]}, r"documents\[0\]\.a\[0\]: has a lone surrogate"),
        ({"documents": [{"\ud83d": 1}]}, r"documents\[0\]: has a lone surrogate"),
        ({"documents": [nested(100)]}, "nested deeper than 64 levels"),
        ({"documents": [cyclic()]}, "nested deeper than 64 levels"),
        ({"top_n": 0}, "top_n: expected an integer of 1 or more, not 0: some servers return no results .*, others all"),
        ({"top_n": -1}, "top_n: expected an integer of 1 or more, not -1$"),
        ({"top_n": "2"}, 'top_n: expected an integer of 1 or more, not the string "2"'),
        ({"top_n": True}, "top_n: expected an integer of 1 or more, not true"),
        ({"top_n": 1.5}, r"top_n: expected an integer of 1 or more, not 1\.5"),
        ({"top_n": -(10**30)}, "top_n: expected an integer of 1 or more, not a number out of range"),
        ({"top_k": 0}, "top_k: expected an integer of 1 or more, not 0"),
        ({"max_doc_length": 0}, "max_doc_length: expected an integer of 1 or more, not 0"),
        ({"top_n": 1, "top_k": 2}, "top_n and top_k are two names of one field and differ"),
        ({"max_tokens_per_doc": 1, "max_doc_length": 2}, "max_tokens_per_doc and max_doc_length are two names"),
        ({"max_tokens_per_doc": 0}, "max_tokens_per_doc: expected an integer of 1 or more"),
        ({"return_documents": "yes"}, "return_documents: expected true or false, not a string"),
        ({"return_documents": 1}, "return_documents: expected true or false, not 1"),
        ({"truncation": 0}, "truncation: expected true or false"),
        ({"model": " "}, "model: expected a string that is not blank, not a blank string"),
        ({"model": 5}, "model: expected a string that is not blank, not 5"),
        ({"instruction": ["x"]}, "instruction: expected a string, not a list"),
        ({"instruction": "\ud83d"}, "instruction: has a lone surrogate"),
        ({"rank_fields": []}, "rank_fields: expected a list of 1 to 256 different field names, not an empty list"),
        ({"rank_fields": "title"}, "rank_fields: expected a list of 1 to 256 different field names, not a string"),
        (
            {"rank_fields": ["a", "b", "a"]},
            "rank_fields: expected a list of 1 to 256 different field names, not a list",
        ),
        (
            {"rank_fields": [str(n) for n in range(257)]},
            "rank_fields: expected a list of 1 to 256 different field names",
        ),
        ({"rank_fields": [1]}, "rank_fields: expected a list of 1 to 256 different field names"),
        ({"provider_options": {"voyage": 1}}, "provider_options: expected an object of objects"),
        ({"provider_options": {"voyage": {"x": object()}}}, r"provider_options\.voyage\.x: expected a JSON value"),
        ({"model": 5, "provider_options": {"voyag": {}}}, "model: expected a string that is not blank, not 5"),
        ({"documents": ["a", {"text": 5}], "top_n": 0}, r"documents\[1\]\.text: expected a string, not 5"),
        ({"topn": 2}, "topn is no field of a rerank request; did you mean top_n?"),
        ({"docs": ["a"]}, r"docs is no field of a rerank request; did you mean documents\?"),
        ({"xyzzy": 2}, "xyzzy is no field of a rerank request; its fields are query, "),
    ],
)
def test_bad_input_is_one_clear_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match=sentence) as caught:
        ask(**fields)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    with pytest.raises(ru.InvalidRequestError) as plain:
        checked_fields({"query": "q", "documents": ["a", "b"], **fields})
    assert (str(plain.value), plain.value.field) == (str(caught.value), caught.value.field)


@given(requests())
def test_plain_fields_are_those_of_the_request(request: ru.RerankRequest) -> None:
    assert checked_fields(request.model_dump()) == fields_of(request)


@pytest.mark.parametrize("documents", [("a", "b"), ["a", "b"], UserList(["a", "b"]), deque(["a", "b"])])
def test_any_sequence_serves_as_documents(documents: Sequence[str]) -> None:
    assert ask(documents=documents).documents == ("a", "b")


def test_documents_are_copied_whole() -> None:
    original: dict[str, Any] = {"title": "t", "tags": ["x", ("y", 1)], "none": None, "deep": {"n": 10**30}}
    request = ask(documents=[original, MappingProxyType({"text": "t"}), {}, {"text": None}])
    original["tags"].append("later")
    assert request.documents[0] == {"title": "t", "tags": ["x", ["y", 1]], "none": None, "deep": {"n": 10**30}}
    assert request.documents[1:] == ({"text": "t"}, {}, {"text": None})


def test_aliases_and_nulls() -> None:
    assert ask(top_k=3).top_n == 3
    assert ask(top_n=None, top_k=3).top_n == 3
    assert ask(top_n=3, top_k=3).top_n == 3
    assert ask(max_doc_length=5).max_tokens_per_doc == 5
    assert ask(return_documents=None).return_documents is True
    assert ask(model=None, instruction=None, provider_options=None) == ask()


def test_frozen_equal_and_replaced() -> None:
    request = ask(top_n=1)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(request, "top_n", 2)  # noqa: B010 - a type checker refuses the plain form
    assert request.replace(top_n=2) == ask(top_n=2)
    assert request.replace() == request
    with pytest.raises(ru.InvalidRequestError, match="top_n"):
        request.replace(top_n=0)


def test_wire_input_ignores_unknown_fields() -> None:
    assert ru.RerankRequest.model_validate({"query": "q", "documents": ["a", "b"], "foo": 1}) == ask()
    request = ask()
    assert ru.RerankRequest.model_validate(request) is request
    with pytest.raises(ValidationError, match="top_n"):
        ru.RerankRequest.model_validate({"query": "q", "documents": ["a"], "top_n": 0})
    with pytest.raises(ValidationError, match="JSON object"):
        ru.RerankRequest.model_validate([1])
    with pytest.raises(ValidationError, match="lone surrogate"):
        TypeAdapter(ru.RerankRequest).validate_python({"query": "q", "documents": ["\ud83d"]})


def test_its_json_is_jinas_wire() -> None:
    request = ask(top_n=1, instruction="i", provider_options={"voyage": {"x": None}}, documents=["é", {"text": None}])
    assert ru.provider("jina").decode_request(request.to_json()) == request
    assert b"null" not in ask().to_json()


def test_both_forms_of_a_request_have_the_same_fields() -> None:
    assert set(ru.RerankRequest.model_fields) == set(RequestFields.__annotations__) == set(FIELD_NAMES)
    assert set(fields_of(ask())) == set(FIELD_NAMES)
    assert set(ru.RerankRequest.model_json_schema()["properties"]) == set(FIELD_NAMES)
    for name, field in ru.RerankRequest.model_fields.items():
        default = field.get_default(call_default_factory=True) if not field.is_required() else None
        wire = ru.provider("jina").decode_fields({"query": "q", "documents": ["a"]})
        assert field.is_required() or wire[name] == default  # type: ignore[literal-required]  # by every name


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the body: not JSON in UTF-8"),
        (b"{", "the body: not JSON in UTF-8"),
        (b'{"query":"\xff"}', "the body: not JSON in UTF-8"),
        (b'{"query": "q", "documents": [NaN]}', "the body: not JSON in UTF-8"),
        (b'{"query": "\\ud83d", "documents": ["a"]}', "query: has a lone surrogate"),
        (b'{"query": "q", "documents": ["a", "\\ud83d!"]}', r"documents\[1\]: has a lone surrogate"),
        (b'{"query": "q", "documents": ["a", {"t": ["\\udc00"]}]}', r"documents\[1\]\.t\[0\]: has a lone surrogate"),
        (b'{"query": "\\ud83d", "documents": [NaN]}', "the body: not JSON in UTF-8"),
        (b'{"query": "\\ud83d"', "the body: not JSON in UTF-8"),
        (b'\xef\xbb\xbf{"query": "q", "documents": [NaN]}', "the body: not JSON in UTF-8"),
        (b'{"a":"\\ud83d","b":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the body: not JSON in UTF-8"),
        (b"[1]", "the body: expected a JSON object, not a list"),
        (b'"x"', "the body: expected a JSON object, not another JSON value"),
        (b"[" * 10_000_000, "the body: not JSON in UTF-8 .recursion limit"),
        (b"{}", "query: this field is required"),
        (b'{"query": "q"}', "documents: this field is required"),
        *(
            (
                {"query": "q", name: ["a"]},
                f"documents: this field is required: a list of one or more .*; the request has {name} instead",
            )
            for name in ("docs", "texts", "passages", "items", "input")
        ),
        ({"query": "q", "input": {"a": 1}}, "documents: this field is required: a list of .* objects$"),
        ({"query": "q", "documents": ["\ud83d"]}, r"documents\[0\]: has a lone surrogate"),
    ],
)
def test_bad_bodies_from_clients(body: Any, sentence: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match=sentence):
        ru.provider("jina").decode_request(body)


def test_messages_speak_the_clients_language() -> None:
    with pytest.raises(ru.InvalidRequestError, match="top_k: expected an integer of 1 or more, not 0") as caught:
        ru.provider("voyage").decode_request(b'{"query": "q", "documents": ["a"], "top_k": 0}')
    assert caught.value.field == "top_k"
    with pytest.raises(ru.InvalidRequestError, match="max_tokens_per_doc: expected an integer of 1 or more, not 0"):
        ru.provider("jina").decode_request(b'{"query": "q", "documents": ["a"], "max_tokens_per_doc": 0}')
    with pytest.raises(ru.InvalidRequestError, match=r"documents\[1\]: expected a string or an object, not null"):
        ru.provider("voyage").decode_request(b'{"query": "q", "documents": ["a", null]}')


@pytest.mark.parametrize("name", ru.provider_names())
def test_documents_under_another_dialects_name_are_named(name: str) -> None:
    provider = ru.provider(name)
    word = provider.dialect.request.documents.path
    for other in {"documents", "docs", "texts", "passages", "items", "input"} - {word}:
        body = {"query": "q", "queries": ["q"], "state": {"query": "q"}, "questions": {}, other: ["a"]}
        with pytest.raises(ru.InvalidRequestError) as caught:
            provider.decode_request(body)
        assert caught.value.field in (word, "query.text", "input.query", "query")
        if caught.value.field == word and "." not in word:
            assert str(caught.value).endswith(f"; the request has {other} instead")


MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("name", ru.provider_names())
def test_a_byte_order_mark_is_skipped(name: str) -> None:
    provider = ru.provider(name)
    body = json.dumps(provider.encode_request(ask(), "m")).encode()
    assert provider.decode_request(MARK + body) == provider.decode_request(body)
    assert provider.decode_request((MARK + body).decode()) == provider.decode_request(body)
    body = provider.dump_response(ru.RerankResponse([ru.Result(0, 0.5)]))
    assert provider.decode(200, {}, MARK + body) == provider.decode(200, {}, body)
    error = provider.decode_error(429, {}, MARK + b'{"message":"slow down","code":"x"}')
    assert (error.message, error.code) == ("slow down", "x")


@pytest.mark.parametrize("name", ru.provider_names())
def test_a_lone_surrogate_in_an_echo_does_not_spoil_a_response(name: str) -> None:
    provider, request = ru.provider(name), ask(model="m")
    rows = [ru.Result(1, 0.9, {"text": "MARKED"}), ru.Result(0, 0.5, {"text": "a"})]
    body = provider.dump_response(ru.RerankResponse(rows)).replace(b"MARKED", b"half \\ud83d, \\\\ud83d")
    body = body.replace(b"{", b'{"x": "\\udc00",', 1)
    response = provider.decode(200, {}, body, request)
    assert [(row.index, row.document) for row in response] == [(1, {"text": "b"}), (0, {"text": "a"})]
    response.to_json()
    alone = provider.decode(200, {}, body)
    alone.to_json()
    if provider.dialect.response.document and alone.results[0].document is not None:
        assert alone.results[0].text == "half \ufffd, \\ud83d"


class Array:
    """What numpy's arrays and scalars, and pandas' Series, have in common."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def tolist(self) -> Any:
        return self.value


def test_arrays_and_scalars_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    assert ask(documents=numpy.array(["a", "b"])) == ask()
    assert ask(documents=numpy.array(["a", {"n": numpy.int64(3)}], dtype=object)).documents == ("a", {"n": 3})
    request = ask(top_n=numpy.int64(2), max_tokens_per_doc=numpy.int32(7), rank_fields=numpy.array(["n", "x"]))
    assert (request.top_n, request.max_tokens_per_doc, request.rank_fields) == (2, 7, ("n", "x"))
    assert type(request.top_n) is int
    document = {"i": numpy.int64(3), "f": numpy.float32(0.5), "b": numpy.bool_(True), "a": numpy.arange(2)}
    assert ask(documents=[document]).documents == ({"i": 3, "f": 0.5, "b": True, "a": [0, 1]},)
    result = ru.Result(numpy.int64(3), numpy.float32(0.5))
    assert (type(result.index), type(result.relevance_score)) == (int, float)
    with pytest.raises(ru.InvalidRequestError, match=r"documents\[0\]: expected a string or an object, not a list"):
        ask(documents=numpy.array([["a"], ["b"]]))
    with pytest.raises(ru.InvalidRequestError, match="top_n: expected an integer of 1 or more, not 0"):
        ask(top_n=numpy.int64(0))
    with pytest.raises(ru.InvalidRequestError, match=r"documents: expected a list of one or more .* not 3"):
        ask(documents=numpy.int64(3))
    response = ru.RerankResponse([ru.Result(1, 0.9), ru.Result(0, 0.5)])
    assert response.pick(numpy.array(["a", "b"])) == ["b", "a"]


def test_series_and_other_sequences() -> None:
    assert ask(documents=Array(["a", "b"])) == ask()
    assert ask(documents=[{"n": Array([1, Array(2)])}]).documents == ({"n": [1, 2]},)
    assert ask(documents=[{"n": range(2), "u": UserList(["x"])}]).documents == ({"n": [0, 1], "u": ["x"]},)
    assert ask(rank_fields=deque(["n"]), documents=["a"]).rank_fields == ("n",)
    endless: Any = Array(None)
    endless.value = [endless]
    with pytest.raises(ru.InvalidRequestError, match="nested deeper than 64 levels"):
        ask(documents=[{"n": endless}])

    class Series:  # like one of pandas, whose rows are found by label, or by position with iloc
        iloc = ("a", "b")

        def __len__(self) -> int:
            return 2

        def __getitem__(self, label: int) -> str:
            return {0: "b", 1: "a"}[label]

    items: Any = Series()
    response = ru.RerankResponse(deque([ru.Result(1, 0.9), ru.Result(0, 0.5)]))
    assert response.pick(items) == ["b", "a"]
