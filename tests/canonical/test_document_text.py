"""The text of a structured document: the same with and without libyaml, and never more work than a request is worth."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import rerank_unify as ru
from rerank_unify.canonical import MAX_NODES, as_text, count_nodes
from rerank_unify.canonical import document_text as texts
from rerank_unify.testing.strategies import json_values

# Every class of character that either writer treats in a way of its own.
ODD = st.text(
    st.sampled_from("a \n\r\t\x85\u2028\u2029\ufeff\x07\x7f\xa0\u200b\ue000\ufffd-:#'\"?[{&*!|>%@`~=.0é护😀"),
    max_size=6,
)
FIELDS = st.dictionaries(ODD, ODD | json_values() | st.lists(ODD | st.dictionaries(ODD, ODD, max_size=2), max_size=3))


def ask(*documents: Any, **fields: Any) -> ru.RerankRequest:
    return ru.RerankRequest(query="q", documents=documents, **fields)


@given(FIELDS)
def test_libyaml_writes_what_pyyaml_writes(fields: dict[str, Any]) -> None:
    python, libyaml = texts.dumpers()
    if python is libyaml:
        pytest.skip("PyYAML has no libyaml here")
    if texts.has_simple_words(fields):
        assert texts.to_yaml(fields, fast=True) == texts.to_yaml(fields, fast=False)


@given(FIELDS)
def test_a_text_reads_back_the_same(fields: dict[str, Any]) -> None:
    text = as_text({"a": 1, "b": fields}, 0)
    assert yaml.safe_load(text) == {"a": 1, "b": fields}


@pytest.mark.parametrize("text", ["\x85", "\u2028", "\u2029", "\x85\u2028\u2029", "a\x85", "a\u2028b"])
def test_unicodes_line_breaks_read_back_the_same(text: str) -> None:
    assert yaml.safe_load(as_text({"a": text, "b": 1}, 0)) == {"a": text, "b": 1}


def test_a_text_is_readable_and_on_one_line() -> None:
    words = "word " * 100 + "护肤 😀"
    for fields in ({"title": words, "n": 1}, {"title": words[:-2], "n": 1}):
        assert as_text(fields, 0) == f"title: {fields['title']}\nn: 1\n"


def test_values_are_counted_at_every_level() -> None:
    assert count_nodes("a") == 1
    assert count_nodes({"a": [1, {"b": None}], "c": "d"}) == 6


@pytest.mark.parametrize("name", ["cohere", "jina", "voyage", "local"])
def test_more_values_than_a_request_may_rank_are_refused(name: str) -> None:
    provider = ru.provider(name)
    many = [1] * (MAX_NODES - 3)
    fits = ask({"a": many, "b": 1})
    assert provider.check(fits) is None
    sentence = r"documents\[{}\]: the ranked objects hold more than 50,000 values; rank_fields may name fewer fields"
    with pytest.raises(ru.InvalidRequestError, match=sentence.format(0)):
        provider.check(ask({"a": [*many, 1], "b": 1}))
    with pytest.raises(ru.InvalidRequestError, match=sentence.format(2)):
        provider.check(ask("a", {"a": many, "b": 1}, {"c": 1, "d": 2}))
    # What is not ranked does not count: an embedding beside the text, or fields that the request does not name.
    assert provider.check(ask({"text": "t", "embedding": [0.5] * MAX_NODES})) is None
    assert provider.check(ask({"a": [*many, 1], "b": "x"}, rank_fields=["b"])) is None


def test_an_echo_of_many_values_is_json() -> None:
    document = {"a": [1] * MAX_NODES, "b": "x"}
    response = ru.RerankResponse([ru.Result(0, 0.5, document)])
    row = ru.provider("voyage").encode_response(response)["data"][0]
    assert json.loads(row["document"]) == document


def test_a_message_names_few_of_many_rank_fields() -> None:
    with pytest.raises(
        ru.InvalidRequestError, match=r"documents\[0\]: has none of the rank_fields \(n0, n1, "
    ) as caught:
        ru.provider("jina").check(ask({"a": 1}, rank_fields=[f"n{n}" for n in range(256)]))
    assert len(str(caught.value)) < 300
