"""Errors: the tree, the tolerant reader, the classes, the waiting time, and what must never be in a message."""

import json
import pickle
import re
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

import rerank_unify as ru
from rerank_unify import errors
from rerank_unify.errors import tree

JINA = ru.provider("jina")


def error_of(status: int, body: Any, headers: Any = (), name: str = "jina") -> ru.RerankError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ru.provider(name).decode_error(status, headers, raw)


# --- the tree --------------------------------------------------------------------------------------------------------


def test_the_docstring_lists_every_error_class_once() -> None:
    drawn = [line.split("──")[1].split()[0] for line in (tree.__doc__ or "").splitlines() if "──" in line]
    names = {name for name, kind in vars(tree).items() if isinstance(kind, type) and issubclass(kind, ru.RerankError)}
    several = [name for line in (tree.__doc__ or "").splitlines() for name in line.split() if name in names]
    assert set(several) == names
    assert len(several) == len(set(several)), "a class is drawn twice"
    assert drawn[0] == "RequestError"


def test_groups_cannot_be_raised() -> None:
    for kind in (ru.RerankError, ru.RequestError, ru.StatusError):
        with pytest.raises(TypeError, match="is a base class"):
            kind("x")


def test_retryable_means_a_retry_at_the_same_provider_may_succeed() -> None:
    assert ru.RateLimitError("x").retryable
    assert ru.ProviderOverloadedError("x").retryable
    assert ru.ConnectError("x").retryable
    assert not ru.AuthenticationError("x").retryable
    assert not ru.ProviderServerError("x", retryable=False).retryable


def test_errors_can_be_pickled() -> None:
    error = ru.InvalidResponseError("m", path="data[0]", provider="voyage", status=200, body=b"x")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.path, again.body) == (str(error), "data[0]", b"x")
    group = ru.AllProvidersFailedError("all", [ru.RateLimitError("slow", retry_after=3), ru.ConnectError("no")])
    twin = pickle.loads(pickle.dumps(group))
    assert [type(cause) for cause in twin.exceptions] == [ru.RateLimitError, ru.ConnectError]
    assert (twin.retryable, twin.retry_after, str(twin)) == (True, 3, "all")


def test_all_failed_is_an_exception_group() -> None:
    group = ru.AllProvidersFailedError("all", [ru.RateLimitError("slow"), ru.AuthenticationError("key", status=401)])
    limited, rest = group.split(ru.RateLimitError)
    assert limited is not None
    assert rest is not None
    assert [str(cause) for cause in limited.exceptions] == ["slow"]
    assert isinstance(rest, ru.AllProvidersFailedError)
    assert group.status == 401
    nested = ru.AllProvidersFailedError("more", [group, ru.ConnectError("no")])
    assert [cause.message for cause in nested.causes] == ["slow", "key", "no"]


def test_str_of_an_error_has_provider_class_status_and_code() -> None:
    error = error_of(429, {"detail": "wait", "code": "RATE_TOKEN_LIMIT_EXCEEDED"})
    assert str(error) == "jina: RateLimitError (HTTP 429, RATE_TOKEN_LIMIT_EXCEEDED): wait"
    assert error.message == "wait"
    assert str(ru.ConnectError("no route", provider="jina")) == "jina: ConnectError: no route"
    assert str(ru.InvalidRequestError("top_n: no")) == "top_n: no"
    assert str(ru.RateLimitError("x", status=429)) == "RateLimitError (HTTP 429): x"


# --- the reader ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message", "code", "request_id"),
    [
        ({"detail": "no"}, "no", None, None),
        ({"detail": {"message": "no", "code": "C", "request_id": "r"}}, "no", "C", "r"),
        ({"detail": {"error": "no"}}, "no", None, None),
        (
            {"detail": [{"loc": ["body", "top_n"], "msg": "too small", "type": "t"}]},
            "body.top_n: too small",
            "t",
            None,
        ),
        ({"detail": ["a", {"msg": "b"}, {"msg": "c"}, {"msg": "d"}]}, "a; b; c", None, None),
        ({"message": "no", "id": "e1"}, "no", None, "e1"),
        ({"error": "no", "error_type": "validation"}, "no", "validation", None),
        ({"error": {"message": "no", "type": "t", "param": None, "code": 400}}, "no", "t", None),
        ({"error": {"message": "no", "code": "c", "type": "t"}}, "no", "c", None),
        ({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, "no", "INVALID_ARGUMENT", None),
        ({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, "no", "BadRequestError", None),
        ({"errors": [{"code": "x", "message": "no"}], "trace": "t1"}, "no", "x", None),  # a trace is no id
        ({"errors": [{"code": "x", "message": "no"}], "trace_id": "t1"}, "no", "x", "t1"),
        ({"detail": "no", "request_id": "a b", "requestId": "r-1"}, "no", None, "r-1"),
        ({"errors": ["no", "never"]}, "no; never", None, None),
        ({"code": 20012, "message": "no", "data": None}, "no", "20012", None),
        ({"error_code": 336003, "error_msg": "no"}, "no", "336003", None),
        ({"Response": {"Error": {"Code": "C", "Message": "no"}, "RequestId": "r"}}, "no", "C", "r"),
        ({"status": 401, "title": "Unauthorized", "detail": "no"}, "no", "401", None),
        ({"code": "InvalidParameter", "message": "no", "request_id": "r"}, "no", "InvalidParameter", "r"),
        ("no", "no", None, None),
        (["no"], "no", None, None),
        (b"plain text", "plain text", None, None),
        (b"<!DOCTYPE html><html><head><title>520: a &amp;\n b</title>", "an HTML page, '520: a & b'", None, None),
        (b"<html><body>x", "an HTML page", None, None),
        (b"", "the provider gave no reason", None, None),
        (b"\xff\xfe", "\ufffd\ufffd", None, None),
        (b"{}", "the provider gave no reason", None, None),
        (b"null", "null", None, None),
        ({"detail": {"a": {"b": {"c": {"d": "e"}}}}}, "the provider gave no reason", None, None),
        ({"detail": "", "message": "no"}, "no", None, None),
        ({"code": 0, "detail": True, "error": 5}, "the provider gave no reason", None, None),
        ({"code": 10**30, "message": "no"}, "no", "out of range", None),
    ],
)
def test_the_message_is_found(body: Any, message: str, code: str | None, request_id: str | None) -> None:
    error = error_of(400, body)
    assert (error.message, error.code, error.request_id) == (message, code, request_id)


def test_the_request_id_may_be_in_the_headers() -> None:
    assert error_of(500, b"", {"X-Debug-Trace-Id": "t"}).request_id == "t"
    assert error_of(500, {"request_id": "b"}, [("x-request-id", "h")]).request_id == "b"


def test_headers_may_be_bytes() -> None:
    assert error_of(429, b"", [(b"Retry-After", b" 7 "), (b"retry-after", b"9")]).retry_after == 7


# --- the classes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, ru.WrongEndpointError),
        (400, ru.BadRequestError),
        (401, ru.AuthenticationError),
        (402, ru.QuotaExceededError),
        (403, ru.PermissionDeniedError),
        (404, ru.WrongEndpointError),
        (405, ru.WrongEndpointError),
        (409, ru.ProviderOverloadedError),
        (413, ru.RequestTooLargeError),
        (418, ru.BadRequestError),
        (422, ru.BadRequestError),
        (429, ru.RateLimitError),
        (498, ru.BadRequestError),
        (500, ru.ProviderServerError),
        (503, ru.ProviderOverloadedError),
        (520, ru.ProviderServerError),
        (524, ru.ProviderServerError),
        (529, ru.ProviderOverloadedError),
        (999, ru.ProviderServerError),
        (0, ru.ProviderServerError),
    ],
)
def test_the_class_comes_from_the_status(status: int, kind: type[ru.RerankError]) -> None:
    for name in ("jina", "cohere", "voyage"):
        error = error_of(status, b"x", name=name)
        assert type(error) is kind
        assert error.status == status


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "INPUT_MODEL_NOT_FOUND", ru.ModelNotFoundError),
        (400, "INPUT_TOKEN_LIMIT_EXCEEDED", ru.RequestTooLargeError),
        (400, "INPUT_INVALID_LABELS", ru.BadRequestError),
        (403, "AUTHZ_INSUFFICIENT_BALANCE", ru.QuotaExceededError),
        (404, "RESOURCE_NOT_FOUND", ru.NotFoundError),
        (404, "model_not_found", ru.ModelNotFoundError),
        (429, "insufficient_quota", ru.QuotaExceededError),
        (404, "invalid_request_error", ru.WrongEndpointError),
        (500, "invalid_request_error", ru.ProviderServerError),
        (400, "Throttling.RateQuota", ru.RateLimitError),
        (418, "unknown code", ru.BadRequestError),
    ],
)
def test_the_code_refines_the_class(status: int, code: str, kind: type[ru.RerankError]) -> None:
    assert type(error_of(status, {"detail": "x", "code": code})) is kind


# --- the same server behind any dialect ------------------------------------------------------------------------------

# Users point dialects at servers and gateways that speak another one.
DIALECTS = ru.provider_names()


def pydantic_error(kind: str, place: list[Any], message: str, **context: Any) -> dict[str, Any]:
    return {"detail": [{"type": kind, "loc": ["body", *place], "msg": message, "input": ["x"], "ctx": context}]}


def openai_error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "BadRequestError", "param": None, "code": 400, **more}}


TOO_LONG = "This model's maximum context length is 512 tokens. Please reduce the length of the input."
AT_MOST = "List should have at most 2048 items after validation, not 2049"


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize(
    ("status", "body", "limit"),
    [
        (400, openai_error(TOO_LONG, param="input_tokens"), None),
        (422, pydantic_error("too_long", ["documents"], AT_MOST, max_length=2048), 2048),
        (422, pydantic_error("too_long", ["texts"], AT_MOST, max_length=2048), 2048),
        (422, pydantic_error("string_too_long", ["documents", 0], "too long", max_length=122_880), None),
        (422, pydantic_error("value_error.list.max_items", ["passages"], "at most 512", limit_value=512), 512),
        (422, pydantic_error("too_long", ["documents"], AT_MOST), None),
        (422, pydantic_error("too_long", ["documents"], AT_MOST, max_length=True), None),
        (422, {"error": "batch size 50 > maximum allowed batch size 32", "error_type": "Validation"}, 32),
        (413, {"error": "batch size 50 > maximum allowed batch size 32", "error_type": "Validation"}, 32),
        (422, {"error": "`inputs` must have less than 512 tokens. Given: 534", "error_type": "Validation"}, None),
        (
            400,
            {"message": "it should not be empty or larger than 500.: input.documents", "code": "InvalidParameter"},
            500,
        ),
        (200, {"error_code": 336221, "error_msg": "max number of documents is 64"}, 64),
        (400, {"error_code": 1, "error_msg": f"max number of documents is {'9' * 5000}"}, None),
        (400, {"error_code": 1, "error_msg": "max number of documents is 0"}, None),
        (500, openai_error("input (2805 tokens) is too large to process.", type="server_error", code=500), None),
    ],
)
def test_too_large_is_too_large_in_any_words(name: str, status: int, body: Any, limit: int | None) -> None:
    error = error_of(status, body, name=name)
    assert isinstance(error, ru.RequestTooLargeError)
    assert (error.document_limit, error.retryable) == (limit, False)
    assert pickle.loads(pickle.dumps(error)).document_limit == limit


OTHER_FIELDS: list[Any] = [
    pydantic_error("too_long", ["rank_fields"], "at most 5", max_length=5),
    pydantic_error("string_too_long", ["user"], "at most 5", max_length=5),
    pydantic_error("missing", ["documents"], "Field required"),
    {"detail": [{"loc": [], "type": "too_long"}, "x"], "field": 7},
    {"detail": [{"loc": [["documents"]], "type": "too_long"}]},
]


@pytest.mark.parametrize("body", OTHER_FIELDS)
def test_another_field_that_is_too_long_is_a_bad_request(body: Any) -> None:
    assert type(error_of(422, body)) is ru.BadRequestError


VLLM_UNKNOWN = {"message": "The model `x` does not exist.", "type": "NotFoundError", "param": None, "code": 404}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"error": VLLM_UNKNOWN}),
        (404, {"object": "error", **VLLM_UNKNOWN}),
        (404, {"error": {"code": "NOT_FOUND", "message": "Model 'x' not found."}}),
        (404, {"detail": "Model not found in the model list, uid: x"}),
        (400, {"code": 20012, "message": "Model does not exist. Please check it carefully.", "data": None}),
        (200, {"code": 20012, "message": "Model does not exist. Please check it carefully.", "data": None}),
        (422, pydantic_error("literal_error", ["model"], "Input should be 'a'")),
        (422, pydantic_error("union_tag_invalid", [], "Input tag 'x' found", discriminator="'model'")),
        (400, openai_error("no such thing", param="model")),
        (400, {"detail": "no", "errors": [{"field": "body -> model", "message": "Invalid value"}]}),
    ],
)
def test_a_model_name_is_at_fault_in_any_words(name: str, status: int, body: Any) -> None:
    assert type(error_of(status, body, name=name)) is ru.ModelNotFoundError


def test_a_model_among_other_fields_is_a_bad_request() -> None:
    places = [{"loc": ["body", field], "msg": "Field required", "type": "missing"} for field in ("query", "model")]
    assert type(error_of(422, {"detail": places})) is ru.BadRequestError
    assert type(error_of(500, {"error": {"message": "m", "param": "model"}})) is ru.ModelNotFoundError


@pytest.mark.parametrize("word", ["None", "null", "NULL", " none ", ""])
def test_a_word_for_nothing_is_nothing(word: str) -> None:
    body = {"error": {"message": "no", "type": word, "param": word, "code": word}, "request_id": word.strip()}
    error = error_of(400, body)
    assert (type(error), error.message, error.code, error.request_id) == (ru.BadRequestError, "no", None, None)
    assert (
        error_of(400, {"error": {"message": word, "type": word, "code": "C"}}).message == "the provider gave no reason"
    )


# --- wrong endpoints -------------------------------------------------------------------------------------------------


def call_error(status: int, headers: Any = (), body: bytes = b"", **call: Any) -> str:
    request = ru.RerankRequest(query="q", documents=["a"])
    with pytest.raises(ru.WrongEndpointError) as caught:
        ru.provider("compatible").prepare(request, **call).decode(status, headers, body)
    return caught.value.message


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://other.example/v1/rerank/?key=secret#top", "https://other.example/v1/rerank/"),
        ("https://user:secret@other.example/x", "https://other.example/x"),
        ("/v1/rerank/?key=secret", "/v1/rerank/"),
        ("http://[::1", "no address"),
        ("?secret", "no address"),
        (None, "no address"),
    ],
)
def test_a_redirect_says_where_to(location: str | None, shown: str) -> None:
    headers = {} if location is None else {"Location": location}
    message = call_error(307, headers, url="http://localhost:8000/v1/rerank?key=secret")
    assert message == f"a redirect to {shown}, and redirects are not followed (the path was /v1/rerank)"
    bare = error_of(308, b"", headers)
    assert bare.message == f"a redirect to {shown}, and redirects are not followed"


def test_a_wrong_endpoint_names_the_path_and_no_query() -> None:
    message = call_error(404, (), b'{"detail":"Not Found"}', url="http://localhost:8000/v1/rank?key=secret")
    assert message == "Not Found (the path was /v1/rank)"
    assert call_error(405, base_url="http://localhost:8000/prefix") == (
        "the provider gave no reason (the path was /prefix/v1/rerank)"
    )
    hidden = call_error(200, (), b'{"code":404,"message":"no"}', url="http://localhost/sk-0123456789abcdef/rerank?x=y")
    assert hidden == "no (the path was /[key]/rerank)"


# --- how long to wait ------------------------------------------------------------------------------------------------

DATE = "Sun, 22 Nov 2026 12:00:00 GMT"
LATER = "Sun, 22 Nov 2026 12:00:30 GMT"
EPOCH = 1795348800.0  # of DATE


@pytest.mark.parametrize(
    ("headers", "now", "seconds"),
    [
        ({}, None, None),
        ({"Retry-After": "30"}, None, 30),
        ({"retry-after": "0.5"}, None, 0.5),
        ({"RETRY-AFTER": "-3"}, None, 0),
        ({"Retry-After": "soon"}, None, None),
        ({"Retry-After": "nan"}, None, None),
        ({"Retry-After": "inf"}, None, None),
        ({"Retry-After": LATER}, EPOCH, 30),
        ({"Retry-After": LATER}, EPOCH + 60, 0),
        ({"Retry-After": LATER, "Date": DATE}, None, 30),
        ({"Retry-After": LATER, "Date": "yesterday"}, None, None),
        ({"Retry-After": LATER}, None, None),
        ({"retry-after-ms": "250", "Retry-After": "9"}, None, 0.25),
        ({"X-RateLimit-Reset": str(EPOCH + 5)}, EPOCH, 5),
        ({"X-RateLimit-Reset": str(EPOCH + 5), "Date": DATE}, None, 5),
        ({"X-RateLimit-Reset": str(EPOCH + 5)}, None, None),
        ({"X-RateLimit-Reset": "12"}, None, 12),
        ({"X-RateLimit-Reset": str(EPOCH * 1000 + 5000)}, EPOCH, 5),
        ({"Retry-After": "Sun, 99 Foo 2026 12:00:00 GMT"}, EPOCH, None),
        ({"Retry-After": "Sun Nov 22 12:00:30 2026"}, EPOCH, 30),
        ({"Retry-After": "Sun, 22 Nov 2026 12:00:30 -0000"}, EPOCH, 30),
        ({"Retry-After": "Mon, 01 Jan 0001 00:00:00 +2359"}, EPOCH, 0),
        # An instant in a header for seconds, as real servers send it.
        ({"Retry-After": "1764091234"}, 1764091200.0, 34),
        ({"Retry-After": "1764091234000"}, 1764091200.0, 34),
        ({"Retry-After": "1764091234"}, EPOCH, 0),
        ({"Retry-After": "1764091234", "Date": "Tue, 25 Nov 2025 17:20:00 GMT"}, None, 34),
        ({"Retry-After": "1764091234"}, None, None),
        ({"Retry-After": "1764091234", "X-RateLimit-Reset": "9"}, None, 9),
        ({"retry-after-ms": "1764091234000"}, 1764091200.0, 34),
        ({"retry-after-ms": "1764091234000", "Retry-After": "9"}, None, 9),
        ({"retry-after-ms": "-1e300"}, EPOCH, 0),
        ({"Retry-After": "-1e308"}, EPOCH, 0),
        ({"Retry-After": "999999999"}, None, errors.LONGEST_WAIT),
        ({"retry-after-ms": "99999999999"}, None, errors.LONGEST_WAIT),
        ({"Retry-After": "1e308"}, EPOCH, errors.LONGEST_WAIT),
        ({"Retry-After": "1e308"}, None, None),
        ({"Retry-After": "1e309"}, EPOCH, None),
        ({"Retry-After": "1" + "0" * 26}, EPOCH, errors.LONGEST_WAIT),
        ({"Retry-After": "9" * 5000}, EPOCH, None),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, EPOCH, errors.LONGEST_WAIT),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 -2359"}, EPOCH, errors.LONGEST_WAIT),
        ({"retry-after-ms": "1e300"}, EPOCH, errors.LONGEST_WAIT),
        ({"retry-after-ms": "1e300"}, None, None),
        ({"X-RateLimit-Reset": "1e308"}, EPOCH, errors.LONGEST_WAIT),
    ],
)
def test_seconds_to_wait(headers: dict[str, str], now: float | None, seconds: float | None) -> None:
    assert JINA.decode_error(429, headers, b"", now=now).retry_after == seconds


@given(
    st.dictionaries(
        st.sampled_from(("retry-after-ms", "Retry-After", "X-RateLimit-Reset", "Date")),
        st.text(max_size=40) | st.floats().map(str) | st.integers().map(str) | st.datetimes().map(format_datetime),
    ),
    st.none() | st.floats(0, 1e12),
)
def test_a_time_to_wait_is_a_number_that_can_be_waited_for(headers: dict[str, str], now: float | None) -> None:
    error = JINA.decode_error(429, headers, b"", now=now)
    assert error.retry_after is None or 0 <= error.retry_after <= errors.LONGEST_WAIT
    sent = JINA.encode_error(error)[1].get("retry-after")
    assert sent is None or (sent.isdigit() and int(sent) <= 86_400)


@pytest.mark.parametrize(
    ("given_wait", "wait"),
    [(-3, 0), (0, 0), (7, 7), (10**400, errors.LONGEST_WAIT), (1e308, errors.LONGEST_WAIT)]
    + [(odd, None) for odd in (float("nan"), float("inf"), float("-inf"), None)],
)
def test_every_error_has_a_time_that_can_be_waited_for(given_wait: Any, wait: float | None) -> None:
    error = ru.RateLimitError("x", retry_after=given_wait)
    group = ru.AllProvidersFailedError("all", [ru.ConnectError("x"), error])
    assert error.retry_after == group.retry_after == wait
    both = ru.AllProvidersFailedError("all", [error, ru.RateLimitError("y", retry_after=2)])
    assert both.retry_after == (0 if wait == 0 else 2)


# --- what must never be in a message ---------------------------------------------------------------------------------

SECRET = "Confidential merger of Alpha and Beta in the third quarter"
PRIVATE_KEY = "jina_0123456789abcdef"


def test_queries_and_documents_stay_out_of_messages() -> None:
    request = ru.RerankRequest(query="who merges?", documents=["short", {"note": SECRET, "n": [SECRET[::-1]]}])
    call = JINA.prepare(request, api_key="jina_0123456789abcdef")
    message = f"bad input 'who merges?': {SECRET[5:40]}; {SECRET[::-1]} for key jina_0123456789abcdef, shorter, short."
    with pytest.raises(ru.BadRequestError) as caught:
        call.decode(422, {}, json.dumps({"detail": message}).encode())
    assert caught.value.message == "bad input '[…]': […]; […] for key [key], shorter, […]."
    assert caught.value.body is not None
    assert SECRET[5:40].encode() in caught.value.body
    with pytest.raises(ru.InvalidResponseError) as hidden:
        call.decode(200, {}, json.dumps({"detail": message}).encode())
    assert SECRET[5:40] not in str(hidden.value)


@pytest.mark.parametrize(
    "message",
    [
        "Incorrect API key provided: sk-abcdefghijklmnop",
        "Bearer abcdefghijklmnop is not valid",
        "key pa-abcdefghijklmnop expired",
        "api_key=abcdefghijklmnop",
    ],
)
def test_keys_stay_out_of_messages(message: str) -> None:
    error = error_of(401, {"detail": message})
    assert "abcdefghijklmnop" not in str(error)
    assert "[key]" in str(error)


@pytest.mark.parametrize(
    "message", ["no api key supplied", "invalid api token", "Invalid API key. Verify your API key at https://jina.ai"]
)
def test_plain_words_about_keys_stay(message: str) -> None:
    assert error_of(401, {"detail": message}).message == message


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a\nFORGED LINE", "a FORGED LINE"),
        ("a\r\n\t b", "a b"),
        ("a\x1b[31mred\x1b[0m b\x07", "a red b"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("a\u202eb\u2066c\x00", "a b c"),
        ("\x1b]0;title\x07", "]0;title"),
        ("模型 not there", "模型 not there"),
        # White space in texts counts as in the message.
        ("one  two\tthree\nfour five", "[…]"),
        ("it says one two three four five.", "it says […]."),
        ("天然有机　护肤产品 天然有机　护肤产品", "[…]"),
        # The window `abcdefgh` stands twice in the texts, and only the second time with more of the message.
        ("abcdefghijklmnopq", "[…]"),
        ("xy abcdefghij xy", "xy abcdefghij xy"),
    ],
)
def test_messages_are_one_line_without_texts_of_the_request(words: str, shown: str) -> None:
    documents = [
        "one  two\nthree\u2028four five",
        "天然有机　护肤产品 天然有机　护肤产品",
        "abcdefgh, abcdefghijklmnopq and so on",
    ]
    call = JINA.prepare(ru.RerankRequest(query="q", documents=documents), api_key=PRIVATE_KEY)
    with pytest.raises(ru.BadRequestError) as caught:
        call.decode(400, {}, to_json({"detail": words}))
    assert caught.value.message == shown


@pytest.mark.parametrize("url", ["https://gw/v1?api_key=hush-0123", "https://gw/v1?x=1&Token=hush%2D0123"])
def test_a_key_in_the_url_stays_out_of_messages(url: str) -> None:
    call = JINA.prepare(ru.RerankRequest(query="q", documents=["d"]), api_key="k", base_url=url)
    with pytest.raises(ru.BadRequestError, match="bad key \\[key\\]!"):
        call.decode(400, {}, b'{"detail": "bad key hush-0123!"}')


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("07734bd2-2473-4f07-94e1-0d9f0e6843cf", "07734bd2-2473-4f07-94e1-0d9f0e6843cf"),
        ("rerank-0123456789abcdef", "rerank-0123456789abcdef"),
        ("req_A.b:c-9", "req_A.b:c-9"),
        ("x" * 128, "x" * 128),
        ("x" * 129, None),
        ("a b", None),
        ("a\n", None),
        ("é", None),
        ("", None),
        (7, None),
        (["r"], None),
        ("jina_0123456789abcdef", None),  # the key
        ("id:jina_0123456789abcdef", None),
        ("Confidential-merger-of-Alpha", None),  # a document
        ("re:Confidential-merger-of", None),
    ],
)
def test_an_id_is_an_id_only_if_it_looks_like_one(found: Any, expected: str | None) -> None:
    request = ru.RerankRequest(query="q", documents=["Confidential-merger-of-Alpha", "oil"])
    call = JINA.prepare(request, api_key=PRIVATE_KEY)
    rows = [{"index": 0, "relevance_score": 0.5}]
    assert call.decode(200, {}, to_json({"results": rows, "id": found})).id == expected
    for status, body in ((500, {"detail": "boom"}), (200, {"error": "boom"})):
        with pytest.raises(ru.RerankError) as caught:
            call.decode(status, {}, to_json({**body, "request_id": found}))
        assert caught.value.request_id == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-request-id": "r-1", "cf-ray": "ray-1"}, "r-1"),
        ({"x-request-id": "r 1", "cf-ray": "ray-1"}, "ray-1"),
        ({"x-request-id": "r" * 129, "request-id": "é", "cf-ray": ""}, None),
        ({"x-request-id": PRIVATE_KEY}, None),
        ({"x-request-id": "Confidential-merger-of-Alpha"}, None),
    ],
)
def test_an_id_in_a_header_must_look_like_one_too(headers: dict[str, str], expected: str | None) -> None:
    request = ru.RerankRequest(query="q", documents=["Confidential-merger-of-Alpha"])
    with pytest.raises(ru.ProviderServerError) as caught:
        JINA.prepare(request, api_key=PRIVATE_KEY).decode(500, headers, b'{"detail": "boom", "request_id": "no id"}')
    assert caught.value.request_id == expected


@pytest.mark.parametrize(
    ("stated", "model"),
    [
        ("jina-reranker-m0", "jina-reranker-m0"),
        ("org/other:v1", "org/other:v1"),
        ("x\ny\x1b[31m", "x y"),
        ("m" * 5000, "m" * 199 + "…"),
        (f"m for {PRIVATE_KEY}", "m for [key]"),
        ("m of Confidential merger of Alpha", "m of […]"),
        ("oil-reranker", "oil-reranker"),  # one short document is a part of many names
        ("\x1b", "jina-reranker-v2-base-multilingual"),
    ],
)
def test_the_model_of_a_response_is_a_name(stated: str, model: str) -> None:
    request = ru.RerankRequest(query="q", documents=["Confidential merger of Alpha", "oil"])
    body = to_json({"model": stated, "results": [{"index": 0, "relevance_score": 0.5}]})
    assert JINA.prepare(request, api_key=PRIVATE_KEY).decode(200, {}, body).model == model


def test_warnings_of_a_response_are_few_and_short() -> None:
    request = ru.RerankRequest(query="q", documents=["Confidential merger of Alpha"])
    stated = [
        f"a\nb {PRIVATE_KEY} Confidential merger of Alpha\x1b[31m",
        "",
        "w" * 1000,
        *(f"w{n}" for n in range(1000)),
    ]
    body = to_json({"results": [{"index": 0, "relevance_score": 0.5}], "meta": {"warnings": stated}})
    warnings = ru.provider("cohere").prepare(request, api_key=PRIVATE_KEY).decode(200, {}, body).warnings
    assert warnings[:2] == ("a b [key] […]", "w" * 299 + "…")
    assert warnings[2:] == (*(f"w{n}" for n in range(7)), "993 further warnings of the provider")


# --- any words, in any field -----------------------------------------------------------------------------------------

# Hex digits alone may be an id, also where they stand in a document.
_PROSE = st.text(st.sampled_from("gh \n"), max_size=60) | st.text(
    st.characters(codec="utf-8", exclude_characters="0123456789abcdefABCDEF"), max_size=60
)
_ODD = st.sampled_from(
    ("\n", "\x1b[31m", "\u2028", "\u2029", "\x00", "\r", " ", ".", PRIVATE_KEY, "Bearer ", '"', "\\n")
)


@st.composite
def _words(draw: st.DrawFn, texts: list[str]) -> str:
    """What a provider may write: pieces of the texts, of the key and of anything else."""
    piece = st.sampled_from(texts) | st.sampled_from(texts).flatmap(_slice) | _ODD | st.text(max_size=8)
    return "".join(draw(st.lists(piece, max_size=8))) * draw(st.sampled_from((1, 1, 1, 50)))


def _slice(text: str) -> st.SearchStrategy[str]:
    return st.integers(0, max(len(text) - 1, 0)).map(lambda at: text[at : at + 20])


def _assert_safe(words: str | None, texts: list[str], limit: int) -> None:
    if words is None:
        return
    assert len(words) <= limit
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", words), words
    assert PRIVATE_KEY not in words
    runs = {text[at : at + 15] for text in texts for at in range(len(text) - 14)}
    assert not [words[at : at + 15] for at in range(len(words) - 14) if words[at : at + 15] in runs]


@given(data=st.data(), status=st.sampled_from((200, 400, 404, 429, 500, 503)), good=st.booleans())
def test_any_message_of_a_provider_is_made_safe(data: st.DataObject, status: int, good: bool) -> None:
    documents = data.draw(st.lists(_PROSE, min_size=1, max_size=3))
    query = data.draw(_PROSE.filter(str.strip))
    texts, written = [query, *documents], _words([query, *documents])
    fields = ("detail", "message", "code", "request_id", "id", "model", "trace", "type")
    body: dict[str, Any] = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(fields, written)))
    body["warnings"] = body["meta"] = data.draw(st.lists(written, max_size=12))
    body["meta"] = {"warnings": body["warnings"]}
    if good:
        body["results"] = [{"index": 0, "relevance_score": 0.5}]
    name = data.draw(st.sampled_from(("jina", "cohere", "xinference")))
    request = ru.RerankRequest(query=query, documents=[*documents, "x"])
    call = ru.provider(name).prepare(request, api_key=PRIVATE_KEY)
    headers = {"x-request-id": data.draw(written), "retry-after": data.draw(written)}
    try:
        response = call.decode(status, headers, to_json(body))
    except ru.RerankError as error:
        _assert_safe(error.message, texts, errors.MESSAGE_LIMIT + 60)  # with our words before it
        _assert_safe(error.code, texts, 64)
        _assert_safe(error.request_id, texts, 128)
        _assert_safe(str(error), [], 600)
        for client in ("jina", "cohere", "voyage", "xinference"):
            _, message, sent = ru.provider(client).encode_error(error)
            for value in (*message.values(), *sent.values()):
                _assert_safe(value, texts if value not in _OURS else [], errors.MESSAGE_LIMIT + 60)
    else:
        _assert_safe(response.model, texts, errors.MODEL_LIMIT)
        _assert_safe(response.id, texts, 128)
        assert len(response.warnings) <= 12
        for warning in response.warnings:
            _assert_safe(warning, texts, errors.MESSAGE_LIMIT)


_OURS = ("application/json", "the gateway's credentials were not accepted upstream", "upstream_credentials")


def test_long_messages_are_cut() -> None:
    error = error_of(400, {"detail": "x" * 160_000})
    assert len(error.message) == errors.MESSAGE_LIMIT
    assert error.message.endswith("…")


def test_a_key_is_in_no_repr() -> None:
    key = "jina_0123456789abcdef"
    request = ru.RerankRequest(query="q", documents=["a"])
    call = JINA.prepare(request, api_key=key, headers={"X-Other-Token": key}, base_url=f"https://gw/v1?api_key={key}")
    assert key in call.http.headers["authorization"]
    for value in (call, call.http, call.provider, call.encoded):
        assert key not in repr(value)


# --- towards a client ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ru.InvalidRequestError("x"), 400),
        (ru.UnsupportedRequestError("x"), 400),
        (ru.UnknownProviderError("x"), 404),
        (ru.BadRequestError("x", status=422), 400),
        (ru.ModelNotFoundError("x", status=404), 400),
        (ru.WrongEndpointError("x", status=404), 502),
        (ru.NotFoundError("x", status=404), 404),
        (ru.RequestTooLargeError("x", status=400), 413),
        (ru.RateLimitError("x", status=200), 429),
        (ru.ProviderOverloadedError("x", status=529), 503),
        (ru.ProviderServerError("x", status=500), 500),
        (ru.ProviderServerError("x", status=504), 504),
        (ru.ProviderServerError("x", status=520), 502),
        (ru.InvalidResponseError("x", status=200), 502),
        (ru.TimeoutError("x"), 504),
        (ru.ConnectError("x"), 502),
        (ru.MissingExtraError("x"), 500),
        (ru.AllProvidersFailedError("x", [ru.ConnectError("a"), ru.RateLimitError("b", retry_after=2)]), 429),
        (ru.AllProvidersFailedError("x", [ru.AllProvidersFailedError("y", [ru.RateLimitError("z")])]), 429),
    ],
)
def test_a_client_of_jinas_dialect_gets(error: ru.RerankError, status: int) -> None:
    assert JINA.encode_error(error)[0] == status


@pytest.mark.parametrize("kind", [ru.AuthenticationError, ru.QuotaExceededError, ru.PermissionDeniedError])
def test_an_upstreams_credentials_are_not_the_clients(kind: type[ru.StatusError]) -> None:
    error = kind("key sk-1 is bad", status=401, code="secret_code")
    status, _, body = JINA.encode_error(error)
    assert (status, body["code"]) == (502, "upstream_credentials")
    assert "sk-1" not in json.dumps(body)
    relayed = JINA.encode_error(error, relay=True)
    assert relayed[0] in (401, 402, 403)
    assert relayed[2] == {"detail": "key sk-1 is bad", "code": "secret_code"}
    assert JINA.encode_error(ru.MissingApiKeyError("x"), relay=True)[0] == 502


@pytest.mark.parametrize(
    ("wait", "header"),
    [(0.2, "1"), (-3, "0"), (float("inf"), None), (float("nan"), None), (86_399.5, "86400"), (1e6, "86400")],
)
def test_a_time_to_wait_is_whole_seconds(wait: float, header: str | None) -> None:
    assert JINA.encode_error(ru.RateLimitError("x", retry_after=wait))[1].get("retry-after") == header


def test_each_dialect_has_its_words() -> None:
    error = ru.RateLimitError("slow", status=429, code="C", request_id="r", retry_after=0.2)
    assert JINA.encode_error(error)[1:] == (
        {"content-type": "application/json", "retry-after": "1"},
        {"detail": "slow", "code": "C", "request_id": "r"},
    )
    assert ru.provider("cohere").encode_error(error)[2] == {"message": "slow", "id": "r"}
    assert ru.provider("voyage").encode_error(error)[2] == {"detail": "slow"}
    assert ru.provider("xinference").encode_error(error)[2] == {"detail": "slow"}
    assert ru.provider("xinference").encode_error(ru.ModelNotFoundError("x"))[0] == 404
    assert ru.provider("voyage").encode_error(ru.RequestTooLargeError("x"))[0] == 400
