"""Errors: the tree, the tolerant reader, the classes, the waiting time, and what must never be in a message."""

import json
import pickle
from typing import Any

import pytest

import rerank_unify as ru
from rerank_unify import errors
from rerank_unify.errors import tree

JINA = ru.provider("jina")


def error_of(status: int, body: Any, headers: Any = (), name: str = "jina") -> ru.RerankError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ru.provider(name).decode_error(status, headers, raw)


# --- the tree --------------------------------------------------------------------------------------------------------


def test_the_drawing_is_the_tree() -> None:
    drawn = [line.split("──")[1].split()[0] for line in (tree.__doc__ or "").splitlines() if "──" in line]
    names = {name for name, kind in vars(tree).items() if isinstance(kind, type) and issubclass(kind, ru.RerankError)}
    several = [name for line in (tree.__doc__ or "").splitlines() for name in line.split() if name in names]
    assert set(several) == names
    assert len(several) == len(set(several)), "a class is drawn twice"
    assert drawn[0] == "RequestError"


def test_groups_cannot_be_raised() -> None:
    for kind in (ru.RerankError, ru.RequestError, ru.StatusError):
        with pytest.raises(TypeError, match="only groups other errors"):
            kind("x")


def test_retryable_means_the_same_vendor_later() -> None:
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


def test_the_sentence_is_ours() -> None:
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
        ({"errors": [{"code": "x", "message": "no"}], "trace": "t1"}, "no", "x", "t1"),
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
        (b"", "the vendor gave no reason", None, None),
        (b"\xff\xfe", "\ufffd\ufffd", None, None),
        (b"{}", "the vendor gave no reason", None, None),
        (b"null", "null", None, None),
        ({"detail": {"a": {"b": {"c": {"d": "e"}}}}}, "the vendor gave no reason", None, None),
        ({"detail": "", "message": "no"}, "no", None, None),
        ({"code": 0, "detail": True, "error": 5}, "the vendor gave no reason", None, None),
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
        (418, "nobody knows", ru.BadRequestError),
    ],
)
def test_the_code_refines_it(status: int, code: str, kind: type[ru.RerankError]) -> None:
    assert type(error_of(status, {"detail": "x", "code": code})) is kind


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
    ],
)
def test_seconds_to_wait(headers: dict[str, str], now: float | None, seconds: float | None) -> None:
    assert JINA.decode_error(429, headers, b"", now=now).retry_after == seconds


# --- what must never be in a message ---------------------------------------------------------------------------------

SECRET = "Confidential merger of Alpha and Beta in the third quarter"


def test_queries_and_documents_stay_out_of_messages() -> None:
    request = ru.RerankRequest(query="who merges?", documents=["short", {"note": SECRET, "n": [SECRET[::-1]]}])
    call = JINA.prepare(request, api_key="jina_0123456789abcdef")
    told = f"bad input 'who merges?': {SECRET[5:40]}; {SECRET[::-1]} for key jina_0123456789abcdef, shorter, short."
    with pytest.raises(ru.BadRequestError) as caught:
        call.decode(422, {}, json.dumps({"detail": told}).encode())
    assert caught.value.message == "bad input '[…]': […]; […] for key [key], shorter, […]."
    assert caught.value.body is not None
    assert SECRET[5:40].encode() in caught.value.body
    with pytest.raises(ru.InvalidResponseError) as hidden:
        call.decode(200, {}, json.dumps({"detail": told}).encode())
    assert SECRET[5:40] not in str(hidden.value)


@pytest.mark.parametrize(
    "told",
    [
        "Incorrect API key provided: sk-abcdefghijklmnop",
        "Bearer abcdefghijklmnop is not valid",
        "key pa-abcdefghijklmnop expired",
        "api_key=abcdefghijklmnop",
    ],
)
def test_keys_stay_out_of_messages(told: str) -> None:
    error = error_of(401, {"detail": told})
    assert "abcdefghijklmnop" not in str(error)
    assert "[key]" in str(error)


@pytest.mark.parametrize(
    "told", ["no api key supplied", "invalid api token", "Invalid API key. Verify your API key at https://jina.ai"]
)
def test_plain_words_about_keys_stay(told: str) -> None:
    assert error_of(401, {"detail": told}).message == told


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


@pytest.mark.parametrize(("wait", "header"), [(0.2, "1"), (-3, "0"), (float("inf"), None), (float("nan"), None)])
def test_a_time_to_wait_is_whole_seconds(wait: float, header: str | None) -> None:
    assert JINA.encode_error(ru.RateLimitError("x", retry_after=wait))[1].get("retry-after") == header


def test_each_dialect_has_its_own_words() -> None:
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
