"""Whatever a client sends, on whichever path: the right status, one sentence in its own words, in its own dialect."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import Any

import pytest
from starlette.testclient import TestClient

import rerank_unify as ru
from rerank_unify._json import compile_path, dig

from .helpers import BODY, KEY, LOCKED, client, plain_paths

PATHS = plain_paths()

# Raw bodies, each with how the sentence begins. DOCUMENTS and TOP_N stand for the dialect's words.
RAW: Mapping[str, tuple[bytes, str]] = {
    "empty": (b"", "the body"),
    "no JSON": (b"query=skin", "the body"),
    "cut off": (b'{"query": "skin", "documents": ["a"', "the body"),
    "two values": (b"{} {}", "the body"),
    "list": (b'["skin"]', "the body: expected a JSON object, not a list"),
    "string": (b'"skin"', "the body: expected a JSON object, not another JSON value"),
    "null": (b"null", "the body: expected a JSON object"),
    "no UTF-8": (b'{"query": "\xff", "documents": ["a"]}', "the body"),
    "NaN": (b'{"query": "skin", "documents": ["a"], "DOCUMENTS": ["a"], "TOP_N": NaN}', "the body"),
    "infinity": (b'{"query": "skin", "DOCUMENTS": ["a"], "TOP_N": 1e999}', "TOP_N"),
    "lone surrogate": (rb'{"query": "\ud800", "DOCUMENTS": ["a"]}', "query"),
    "deep lists": (b"[" * 100_000, "the body"),
    "deep objects": (b'{"a":' * 100_000, "the body"),
    "deep documents": (b'{"query": "skin", "DOCUMENTS": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the body"),
    "huge number": (b'{"query": "skin", "DOCUMENTS": ["a"], "TOP_N": ' + b"9" * 5_000 + b"}", ""),
    "large number": (b'{"query": "skin", "DOCUMENTS": ["a"], "TOP_N": -' + b"9" * 500 + b"}", "TOP_N"),
}

# Fields that are wrong, by the dialect's word.
WRONG: Mapping[str, list[Any]] = {
    "query": [None, "", "  ", 3, True, ["skin"], {}, {"a": "b"}, {"text": 3}],
    "DOCUMENTS": [None, "skin", 3, True, {}, [], [3], [None], [["a"]], ["a", 3], [True]],
    "TOP_N": [0, -1, "2", 1.5, True, [], {}],
    "model": [3, True, [], {}, "", " "],
}


@pytest.fixture(scope="module")
def offline() -> Generator[TestClient, None, None]:
    with client() as api:
        yield api


def words(path: str) -> dict[str, str]:
    request = ru.provider(PATHS[path]).dialect.request
    return {"DOCUMENTS": request.documents.path, "TOP_N": request.top_n or "top_n"}


def error_message(path: str, response: Any) -> str:
    """The sentence, where a client of the dialect looks for it."""
    errors = ru.provider(PATHS[path]).dialect.errors
    sentence = dig(response.json(), compile_path(errors.message))
    assert isinstance(sentence, str)
    assert 0 < len(sentence) < 400
    assert "\n" not in sentence
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    return sentence


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", RAW)
def test_bodies_that_are_no_request(offline: TestClient, path: str, case: str) -> None:
    body, begins = RAW[case]
    for name, word in words(path).items():
        body, begins = body.replace(name.encode(), word.encode()), begins.replace(name, word)
    response = offline.post(path, content=body)
    assert response.status_code == ru.provider(PATHS[path]).dialect.errors.bad_request
    assert error_message(path, response).startswith(begins)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("field", WRONG)
def test_fields_that_are_wrong(offline: TestClient, path: str, field: str) -> None:
    word = words(path)
    good = {"query": "skin", word["DOCUMENTS"]: ["a", "b"]}
    name = word.get(field, field)
    for value in WRONG[field]:
        response = offline.post(path, json={**good, name: value})
        assert response.status_code == ru.provider(PATHS[path]).dialect.errors.bad_request, value
        assert error_message(path, response).startswith(name), value


@pytest.mark.parametrize("path", PATHS)
def test_fields_that_are_missing(offline: TestClient, path: str) -> None:
    documents = words(path)["DOCUMENTS"]
    for body, name in (({documents: ["a"]}, "query"), ({"query": "skin"}, documents), ({}, "query")):
        response = offline.post(path, json=body)
        assert response.status_code == ru.provider(PATHS[path]).dialect.errors.bad_request
        assert error_message(path, response).startswith(name)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_odd_and_no_mistake(offline: TestClient, path: str) -> None:
    """Of a repeated key the last value counts; unknown names are ignored; a null counts as absent."""
    word = words(path)["DOCUMENTS"]
    twice = b'{"query": "x", "query": "skin", "%s": ["a"], "stream": true, "top_n": null}' % word.encode()
    assert offline.post(path, content=twice).status_code == 200
    large = {"query": "skin", word: ["a"], words(path)["TOP_N"]: 10**6}
    assert offline.post(path, json=large).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_keys_and_models_that_are_wrong(path: str) -> None:
    errors = ru.provider(PATHS[path]).dialect.errors
    with client({**LOCKED, "unknown_model": "reject"}) as api:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": KEY}, {"x-api-key": "wrong"}):
            response = api.post(path, json=BODY, headers=headers)
            assert response.status_code == 401
            assert "API key" in error_message(path, response)
        response = api.post(path, json={**BODY, "model": "any's"}, headers={"x-api-key": KEY})
        assert response.status_code == errors.model_not_found
        expected = 'model: no configured provider serves "any\'s"; GET /v1/models lists the names'
        assert error_message(path, response) == expected
        response = api.get(path, headers={"x-api-key": KEY})
        assert (response.status_code, response.headers["allow"]) == (405, "POST")
        assert "GET is not allowed here" in json.dumps(response.json())
