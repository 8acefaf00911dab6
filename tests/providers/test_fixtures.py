"""Every fixture in both directions: requests are encoded and decoded, responses too, errors are decoded."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from datetime import date
from importlib.resources import files
from typing import Any

import pytest

import rerank_unify as ru
from rerank_unify.testing.fixtures import Case, Reply, load_cases, load_request

CASES = load_cases()
PROVIDERS = sorted({case.provider for case in CASES})

# What the cases of a provider named below must show between them, and what some must besides. Of the others, whose
# tables share the same readers, a request, a response, a client's request and an error are enough.
SHOWN = {
    "basic",
    "documents",
    "empty-body",
    "error",
    "error-in-200",
    "html-200",
    "html-5xx",
    "missing-rows",
    "missing-usage",
    "no-documents",
    "nonsense",
    "ties",
    "top_n",
    "unicode",
    "unsorted",
    "wire",
    "without-request",
}
SHOWN_BESIDES = {
    "cohere": {"extra", "losses", "recorded", "structured", "usage", "withheld"},
    "cohere-v1": {"losses", "recorded", "structured", "withheld"},
    "jina": {"extra", "losses", "multimodal", "scores", "structured", "usage"},
    "local": set[str](),
    "voyage": {"losses", "recorded", "structured", "withheld"},
    "xinference": {"extra", "losses", "multimodal", "recorded", "scores", "structured", "usage"},
}
# The rows of the providers' error tables.
STATUSES = {
    "cohere": {400, 401, 402, 403, 404, 422, 429, 498, 499, 500, 501, 503, 504},
    "cohere-v1": {400, 401, 402, 403, 404, 422, 429, 498, 499, 500, 501, 503, 504},
    "jina": {400, 401, 402, 403, 404, 409, 422, 429, 500, 502, 503, 504, 520, 524},
    "local": {400},
    "voyage": {400, 401, 403, 404, 422, 429, 500, 502, 503, 504},
    "xinference": {307, 400, 401, 403, 404, 405, 429, 500, 503},
}


def having(*parts: str, but_not: str = "") -> list[Any]:
    """The cases that have all of these parts, as parameters with readable ids; not those that show ``but_not``."""
    found = [case for case in CASES if all(getattr(case, part) is not None for part in parts)]
    return [pytest.param(case, id=str(case)) for case in found if but_not not in case.source["shows"]]


def request_of(case: Case) -> ru.RerankRequest | None:
    return ru.RerankRequest.model_validate(case.request) if case.request is not None else None


def response_of(case: Case) -> ru.RerankResponse:
    assert case.reply is not None
    return ru.provider(case.provider).decode(
        case.reply.status, case.reply.headers, case.reply.body, request=request_of(case)
    )


def as_rows(results: Iterable[ru.Result]) -> list[dict[str, Any]]:
    return [
        {"index": result.index, "relevance_score": result.relevance_score}
        | ({} if result.document is None else {"document": result.document})
        | dict(result.extra)
        for result in results
    ]


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


# --- requests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", having("request", "sent"))
def test_request_goes_out_as_sent(case: Case) -> None:
    request = request_of(case)
    assert request is not None
    assert as_json(ru.provider(case.provider).encode_request(request)) == case.sent


@pytest.mark.parametrize("case", having("wire", "request"))
def test_wire_comes_in_as_request(case: Case) -> None:
    assert case.wire is not None
    provider = ru.provider(case.provider)
    assert provider.decode_request(case.wire) == request_of(case)
    assert provider.decode_request(json.dumps(case.wire).encode()) == request_of(case)


@pytest.mark.parametrize("case", having("sent"))
def test_sent_comes_in_and_goes_out_the_same(case: Case) -> None:
    assert case.sent is not None
    provider = ru.provider(case.provider)
    model = (case.request or {}).get("model") if provider.dialect.request.model is None else None  # in the URL
    assert as_json(provider.encode_request(provider.decode_request(case.sent), model)) == case.sent


# --- responses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", having("reply", "response"))
def test_response_is_decoded(case: Case) -> None:
    assert case.response is not None
    expected: Mapping[str, Any] = case.response
    response = response_of(case)
    assert as_rows(response.results) == expected["results"]
    assert all(type(result.relevance_score) is float for result in response)
    assert response.provider == case.provider
    assert response.model == expected.get("model")
    assert response.usage.to_dict() == expected.get("usage", {})
    assert response.id == expected.get("id")
    assert response.score_kind == expected["score_kind"]
    assert list(response.warnings) == expected.get("warnings", [])
    assert list(response.missing) == expected.get("missing", [])


@pytest.mark.parametrize("case", having("request", "reply", "response", but_not="withheld"))
def test_response_goes_out_and_comes_in_the_same(case: Case) -> None:
    provider, request, response = ru.provider(case.provider), request_of(case), response_of(case)
    body = provider.encode_response(response, request)
    assert provider.decode_response(as_json(body), request).results == response.results


@pytest.mark.parametrize("case", having("request", "reply", "response"))
def test_what_was_withheld_is_missing(case: Case) -> None:
    response = response_of(case)
    withheld = {index for loss in response.losses if loss.action == "withheld" for index in loss.indices}
    assert withheld <= set(response.missing)
    assert bool(withheld) == ("withheld" in case.source["shows"])


@pytest.mark.parametrize("case", having("reply", "error"))
def test_error_is_read(case: Case) -> None:
    assert case.reply is not None
    assert case.error is not None
    with pytest.raises(ru.RerankError) as caught:
        response_of(case)
    expected = dict(case.error)
    assert type(caught.value).__name__ == expected.pop("class")
    assert {name: getattr(caught.value, name) for name in expected} == expected
    assert caught.value.provider == case.provider
    assert caught.value.status == case.reply.status
    assert caught.value.body == case.reply.body
    if not 200 <= case.reply.status < 300:
        provider = ru.provider(case.provider)
        returned = provider.decode_error(case.reply.status, case.reply.headers, case.reply.body)
        assert type(returned) is type(caught.value)


# --- the files themselves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_has_all_its_parts(case: Case) -> None:
    assert case.source["source"].strip()
    assert date(2023, 1, 1) <= date.fromisoformat(case.source["date"]) <= date(2026, 12, 31)
    assert type(case.source["synthetic"]) is bool
    assert case.source["shows"]
    assert (case.reply is not None) == ((case.response is not None) != (case.error is not None))
    assert case.reply is not None or (case.request is not None and (case.sent or case.wire))
    assert case.wire is None or case.request is not None


@pytest.mark.parametrize("provider", PROVIDERS)
def test_provider_shows_everything(provider: str) -> None:
    cases = load_cases(provider)
    shown = {tag for case in cases for tag in case.source["shows"]}
    expected = SHOWN | SHOWN_BESIDES[provider] if provider in SHOWN_BESIDES else {"basic", "error", "wire"}
    assert expected <= shown
    assert shown <= SHOWN.union(*SHOWN_BESIDES.values())
    assert STATUSES.get(provider, set()) <= {
        case.reply.status for case in cases if case.error is not None and case.reply
    }


def test_providers_have_cases() -> None:
    assert set(PROVIDERS) == set(ru.provider_names())


# In this order in every file.
KEYS = ("source", "date", "synthetic", "shows", "note", "request", "sent", "wire", "reply", "response", "error")


def as_file(values: Any) -> bytes:
    """Write JSON as every fixture is written; a lone surrogate, which UTF-8 does not have, stays escaped."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


def as_body(body: bytes) -> dict[str, Any]:
    """Choose the form of a reply's body: json only where a compact dump restores the bytes."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
    try:
        value = json.loads(text)
        if json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode() == body:
            return {"json": value}
    except ValueError:  # not JSON, or JSON with a number or a character that would not come back
        pass
    return {"text": text}


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b'{"a":[1.5,null]}', "json"),
        ('"ü"'.encode(), "json"),
        (b"null", "json"),
        (b"", "text"),
        (b"oops", "text"),
        (b'{"a": 1}', "text"),
        (b'{"a":1}\n', "text"),
        (b'{"a":1,"a":1}', "text"),
        (b'{"a":1.50}', "text"),
        (b'{"a":NaN}', "text"),
        (b'{"a":1e999}', "text"),
        (b'"\\u00fc"', "text"),
        (b'"\\ud800"', "text"),
        (b"\xff", "base64"),
    ],
)
def test_any_body_comes_back_from_a_file(body: bytes, form: str) -> None:
    assert list(as_body(body)) == [form]
    values = {"source": "s", "reply": {"status": 200} | as_body(body)}
    assert Case.from_json("jina", "basic", as_file(values)).reply == Reply(200, {}, body)


def test_files_are_written_in_one_form() -> None:
    # One rule for all, so that no spelling, such as 0.50 for 0.5, is lost between a file and the bytes of its reply.
    root, wrong = files("rerank_unify.fixtures"), list[str]()
    for case in CASES:
        content = (root / case.provider / f"{case.name}.json").read_bytes()
        values = json.loads(content)
        expected = {key: values[key] for key in KEYS if key in values}
        if case.reply is not None:
            headers = {"headers": case.reply.headers} if case.reply.headers else {}
            expected["reply"] = {"status": case.reply.status} | headers | as_body(case.reply.body)
        if content != as_file(expected):
            wrong.append(str(case))
    assert wrong == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "expected JSON"),
        (b'{"source": "s", "answers": {}}', "unknown key 'answers'; expected only source, date"),
        (b'{"date": "2026-11-22"}', "source is missing"),
        (b'{"source": "s", "reply": {"status": 200}}', "reply: expected status, .* exactly one of json, text, base64"),
        (b'{"source": "s", "reply": {"status": 200, "json": {}, "text": ""}}', "exactly one of json, text, base64"),
        (b'{"source": "s", "reply": {"text": ""}}', "reply: expected status"),
        (b'{"source": "s", "reply": {"status": 200, "text": "", "body": ""}}', "reply: expected status"),
    ],
)
def test_a_file_that_is_no_case_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Case.from_json("jina", "basic", content)
    assert str(caught.value).startswith("fixtures/jina/basic.json: ")


def test_unknown_provider_has_no_cases() -> None:
    with pytest.raises(FileNotFoundError, match="voyag"):
        load_cases("voyag")


@pytest.mark.parametrize("name", ["m0-multimodal", "newapi-basic", "skincare-multilingual"])
def test_ready_requests_are_canonical(name: str) -> None:
    request = ru.RerankRequest.model_validate_json(load_request(name))
    assert request == ru.provider("jina").decode_request(load_request(name))


def test_unknown_request_is_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        load_request("no-such-request")
