"""Messages of errors: safe, short, and with the right class."""

import json
from email.message import Message
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
    # "429 " is 429 with a space; no other is.
    assert type(error) is (ru.RateLimitError if code == "429 " else ru.ProviderServerError)
    assert error.retryable is (code == "429 ")
    assert len(str(error)) < 500


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


def test_headers_in_any_form() -> None:
    message = Message()
    message["Retry-After"] = "7"
    assert JINA.decode_error(429, message, b"").retry_after == 7  # type: ignore[arg-type]  # it has items(), as urllib's
    nothing: Any = None
    assert JINA.decode_error(429, nothing, b"").retry_after is None


def test_an_engines_failure_is_not_the_clients() -> None:
    body = b"Internal Server Error: CUDA out of memory"
    assert isinstance(XINFERENCE.decode_error(500, {}, body), ru.ProviderServerError)
