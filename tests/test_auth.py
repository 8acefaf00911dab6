"""Signatures and tokens: published test vectors, values that the vendors' own SDKs made, and what is refused."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64decode
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

import rerank_unify as ru
from rerank_unify import errors
from rerank_unify.declaration import Auth, Baidu, Google, HttpRequest, HttpResponse, IbmIam, Oci, SigV4, Volcengine

NOW = 1_767_323_045.0  # 2026-01-02T03:04:05Z
JSON = {"content-type": "application/json"}


# --- AWS: https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html, all at 2015-08-30T12:36:00Z

AWS_NOW = 1_440_938_160.0
AWS_KEY = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AWS_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwth"
    "Ax7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY"
    "9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
HOST = "https://example.amazonaws.com"


@pytest.mark.parametrize(
    ("http", "service", "key", "signed", "signature"),
    [
        pytest.param(
            HttpRequest("POST", f"{HOST}/", {}, b""),
            "service",
            AWS_KEY,
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
        pytest.param(
            HttpRequest("POST", f"{HOST}/?Param1=value1", {}, b""),
            "service",
            AWS_KEY,
            "host;x-amz-date",
            "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
            id="post-vanilla-query",
        ),
        pytest.param(
            HttpRequest("POST", f"{HOST}/", {"content-type": "application/x-www-form-urlencoded"}, b"Param1=value1"),
            "service",
            AWS_KEY,
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            id="post-x-www-form-urlencoded",
        ),
        pytest.param(
            HttpRequest("POST", f"{HOST}/", {}, b""),
            "service",
            f"{AWS_KEY}:{AWS_TOKEN}",
            "host;x-amz-date;x-amz-security-token",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            id="post-sts-header-before",
        ),
        pytest.param(
            HttpRequest(
                "GET",
                "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
                {"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
                b"",
            ),
            "iam",
            AWS_KEY,
            "content-type;host;x-amz-date",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            id="the-example-of-the-general-reference",
        ),
    ],
)
def test_aws_vectors(http: HttpRequest, service: str, key: str, signed: str, signature: str) -> None:
    made = SigV4(service=service, region="us-east-1").sign(http, key, AWS_NOW)
    assert made.headers["authorization"] == (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, "
        f"SignedHeaders={signed}, Signature={signature}"
    )
    assert made.headers["x-amz-date"] == "20150830T123600Z"
    assert "wJalr" not in repr(made) + str(made.headers.values())


def test_aws_takes_the_region_from_the_host() -> None:
    auth = SigV4(service="bedrock", region="us-west-2")
    for host, region in {
        "bedrock-agent-runtime.eu-central-1.amazonaws.com": "eu-central-1",
        "vpce-1.bedrock-agent-runtime.us-gov-west-1.vpce.amazonaws.com": "us-gov-west-1",
        "localhost:8080": "us-west-2",
    }.items():
        made = auth.sign(HttpRequest("POST", f"https://{host}/rerank", JSON, b"{}"), "A:B", NOW)
        assert f"/{region}/bedrock/" in made.headers["authorization"]


def test_aws_credentials_of_the_environment() -> None:
    auth = SigV4(service="bedrock", region="us-west-2", bearer="AWS_BEARER_TOKEN_BEDROCK")
    assert auth.key({}) is None
    assert auth.key({"AWS_ACCESS_KEY_ID": "a"}) is None
    pair = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert auth.key(pair) == "a:b"
    assert auth.key({**pair, "AWS_SESSION_TOKEN": "c"}) == "a:b:c"
    assert auth.key({**pair, "AWS_BEARER_TOKEN_BEDROCK": "k"}) == "k"
    made = auth.sign(HttpRequest("POST", "https://h/", JSON, b""), "k", NOW)
    assert made.headers["authorization"] == "Bearer k"
    with pytest.raises(ru.InvalidRequestError, match="api_key: expected ACCESS_KEY_ID:SECRET"):
        replace(auth, bearer="").sign(HttpRequest("POST", "https://h/", JSON, b""), "k", NOW)


# --- Volcengine: made by its SDK, volcengine 1.0.229, `auth/SignerV4.py`, at NOW


@pytest.mark.parametrize(
    ("key", "signed", "signature"),
    [
        (
            "AKLTexample:c2VjcmV0",
            "content-type;host;x-content-sha256;x-date",
            "dc19ba4aecc7180e674bbb886aacb6a1b7fd5b46344b8636c616fbad7d95b50d",
        ),
        (
            "AKLTexample:c2VjcmV0:STS+token/=",
            "content-type;host;x-content-sha256;x-date;x-security-token",
            "d24ddcde355866be2471e84e2a47bb3a3da5a4b63aec00c4ddace1a79ff7b955",
        ),
    ],
)
def test_volcengine_signs_as_its_sdk(key: str, signed: str, signature: str) -> None:
    url = "https://api-knowledgebase.mlp.cn-beijing.volces.com/api/knowledge/service/rerank"
    http = HttpRequest("POST", url, JSON, '{"datas":[{"query":"q","content":"文"}]}'.encode())
    made = Volcengine(service="air", region="cn-beijing").sign(http, key, NOW)
    assert made.headers["authorization"] == (
        "HMAC-SHA256 Credential=AKLTexample/20260102/cn-beijing/air/request, "
        f"SignedHeaders={signed}, Signature={signature}"
    )
    assert made.headers["x-content-sha256"] == "f5b5bc3279e8f21537ca7aabf7768e94849dfbe7f69326845cf1704112d63324"


def test_volcengine_vector() -> None:
    """The example of volcengine.com/docs/6369/67270, whose keys have no rights; read 2026-11-26."""
    key = "AKLTMjI2ODVlYzI3ZGY1NGU4ZjhjYWRjMTlmNTM5OTZkYzE:TnpCak5XWXpZV1U0WkRaaE5ERmxaR0ZpTmpjeVkyUXlZek0wTWpJMU1qWQ=="
    http = HttpRequest(
        "GET",
        "https://iam.volcengineapi.com/?Action=ListUsers&Version=2018-01-01&Limit=10&Offset=0",
        {"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
        b"",
    )
    made = Volcengine(service="iam", region="cn-north-1").sign(http, key, 1_609_316_285.0)
    assert made.headers["x-date"] == "20201230T081805Z"
    assert made.headers["x-content-sha256"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert made.headers["authorization"] == (
        "HMAC-SHA256 Credential=AKLTMjI2ODVlYzI3ZGY1NGU4ZjhjYWRjMTlmNTM5OTZkYzE/20201230/cn-north-1/iam/request, "
        "SignedHeaders=content-type;host;x-content-sha256;x-date, "
        "Signature=28eeabbbd726b87002e0fe58ad8c1c768e619b06e2646f35b6ad7ed029a6d8a7"
    )


def test_volcengine_takes_an_api_key_too() -> None:
    auth = Volcengine(service="air", region="cn-beijing", variables=("VOLC_ACCESSKEY", "VOLC_SECRETKEY"))
    assert auth.key({"VOLC_ACCESSKEY": "a", "VOLC_SECRETKEY": "b"}) == "a:b"
    assert auth.key({"VOLC_ACCESSKEY": "a"}) is None
    made = auth.sign(HttpRequest("POST", "https://h/", JSON, b""), "k", NOW)
    assert made.headers["authorization"] == "Bearer k"


# --- tokens

PRIVATE = rsa.generate_private_key(65537, 2048)
PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


def form(http: HttpRequest | None) -> dict[str, str]:
    assert http is not None
    return {name: values[0] for name, values in parse_qs(http.content.decode(), strict_parsing=True).items()}


def part(piece: str) -> bytes:
    """A part of a JSON web token, which leaves the padding out."""
    return urlsafe_b64decode(piece + "==")


def test_ibm_exchanges_a_key_for_a_token() -> None:
    auth = IbmIam()
    http = auth.token_request("an-api-key", NOW)
    assert http is not None
    assert (http.method, http.url) == ("POST", "https://iam.cloud.ibm.com/identity/token")
    assert form(http) == {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": "an-api-key"}
    assert "an-api-key" not in repr(http)
    body = {"access_token": "eyJ.a.b", "expires_in": 3600, "expiration": NOW + 3600, "token_type": "Bearer"}
    token = auth.token_from(HttpResponse(200, {}, json.dumps(body).encode()), NOW)
    assert token == ("eyJ.a.b", NOW + 3600)
    assert "eyJ" not in repr(token)
    assert auth.token_request(token.value, NOW) is None
    call = HttpRequest("POST", "https://us-south.ml.cloud.ibm.com/", JSON, b"{}")
    assert auth.sign(call, token.value, NOW).headers["authorization"] == "Bearer eyJ.a.b"
    assert auth.sign(call, "ZenApiKey abc", NOW).headers["authorization"] == "ZenApiKey abc"
    with pytest.raises(ru.InvalidRequestError, match="expected the token") as caught:
        auth.sign(call, "an-api-key", NOW)
    assert "an-api-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("response", "kind", "code"),
    [
        # The documented body of a wrong key.
        (
            HttpResponse(400, {}, b'{"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found."}'),
            errors.AuthenticationError,
            "BXNIM0415E",
        ),
        (
            HttpResponse(400, {}, b'{"error":"invalid_grant","error_description":"x"}'),
            errors.AuthenticationError,
            "invalid_grant",
        ),
        (HttpResponse(429, {}, b"slow"), errors.RateLimitError, None),
        (HttpResponse(503, {}, b""), errors.ProviderServerError, None),
        (HttpResponse(401, {}, b'{"error":"a b\\nc"}'), errors.AuthenticationError, None),
        (HttpResponse(200, {}, b"<html>"), ru.InvalidResponseError, None),
        (HttpResponse(200, {}, b'{"access_token":"t"}'), ru.InvalidResponseError, None),
        (HttpResponse(200, {}, b'{"access_token":"t","expires_in":true}'), ru.InvalidResponseError, None),
        (HttpResponse(200, {}, b'{"access_token":"t","expires_in":-1}'), ru.InvalidResponseError, None),
        (HttpResponse(200, {}, b'{"access_token":"","expires_in":1}'), ru.InvalidResponseError, None),
    ],
)
def test_a_response_without_a_token_is_a_typed_error(
    response: HttpResponse, kind: type[ru.RerankError], code: str | None
) -> None:
    with pytest.raises(kind) as caught:
        IbmIam().token_from(response, NOW)
    assert caught.value.code == code


def test_baidu_exchanges_a_pair_for_a_token_in_the_query() -> None:
    auth = Baidu(variables=("QIANFAN_AK", "QIANFAN_SK"))
    key = auth.key({"QIANFAN_AK": "identity", "QIANFAN_SK": "hidden"})
    http = auth.token_request(key, NOW)
    assert http is not None
    base, _, query = http.url.partition("?")
    assert base == "https://aip.baidubce.com/oauth/2.0/token"
    assert query == "grant_type=client_credentials&client_id=identity&client_secret=hidden"
    assert "hidden" in http.secrets
    assert "hidden" not in repr(http)
    token = auth.token_from(HttpResponse(200, {}, b'{"access_token":"24.a/b","expires_in":2592000}'), NOW)
    made = auth.sign(HttpRequest("POST", "https://h/rerank?a=1", JSON, b"{}"), token.value, NOW)
    assert made.url == "https://h/rerank?a=1&access_token=24.a%2Fb"
    assert "authorization" not in made.headers


def test_a_plain_key_in_the_query() -> None:
    auth = Auth(query="key")
    headers: dict[str, str] = {}
    auth.write(headers, "a&b", "p")
    assert headers == {}
    assert auth.in_url("https://h/r?x=1", "a&b") == "https://h/r?x=1&key=a%26b"
    assert auth.in_url("https://h/r", None) == "https://h/r"
    assert auth.in_url("https://h/r", "k", header="x-key") == "https://h/r"


def test_no_token_is_trusted_for_more_than_a_day() -> None:
    response = HttpResponse(200, {}, b'{"access_token":"t","expires_in":1e300}')
    assert Google().token_from(response, NOW).expires_at == NOW + 86_400


def test_google_signs_the_assertion_of_a_service_account() -> None:
    auth = Google()
    account = {"type": "service_account", "client_email": "a@b", "private_key": PEM, "private_key_id": "1"}
    # A stranger's JSON names where to send it; only Google's own host is called.
    http = auth.token_request(json.dumps({**account, "token_uri": "http://169.254.169.254/"}), NOW)
    assert http is not None
    assert http.url == "https://oauth2.googleapis.com/token"
    sent = form(http)
    assert sent["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    signed, _, signature = sent["assertion"].rpartition(".")
    header, claims = (json.loads(part(piece)) for piece in signed.split("."))
    assert header == {"typ": "JWT", "alg": "RS256", "kid": "1"}
    assert claims == {
        "iss": "a@b",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
    }
    PRIVATE.public_key().verify(part(signature), signed.encode(), PKCS1v15(), SHA256())


def test_google_takes_a_login_and_a_token() -> None:
    login = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
    sent = form(Google().token_request(json.dumps(login), NOW))
    assert sent == {"grant_type": "refresh_token", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
    assert Google().token_request("ya29.token", NOW) is None


@pytest.mark.parametrize(
    "key", ["{", "{}", '{"type":"service_account"}', '{"type":"authorized_user"}', '{"type":"external_account"}']
)
def test_other_json_is_refused(key: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match="api_key: expected"):
        Google().token_request(key, NOW)


def test_google_reads_the_file_that_the_environment_names(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text('{"type": "authorized_user"}')
    assert Google().key({"GOOGLE_APPLICATION_CREDENTIALS": str(file)}) == '{"type": "authorized_user"}'
    assert Google().key({"GOOGLE_APPLICATION_CREDENTIALS": f"{file}.none"}) is None
    assert Google().key({}) is None


# --- Oracle: the lines that its SDK signs (oci 2.189.0, `signer.py`), with the same order, and the signature verified


def test_oracle_signs_date_target_host_and_body() -> None:
    environ = {
        "OCI_CLI_TENANCY": "ocid1.tenancy.oc1..a",
        "OCI_CLI_USER": "ocid1.user.oc1..b",
        "OCI_CLI_FINGERPRINT": "20:3b:97",
        "OCI_CLI_KEY_CONTENT": PEM,
    }
    key = Oci().key(environ)
    assert Oci().key({**environ, "OCI_CLI_USER": ""}) is None
    url = "https://inference.generativeai.us-chicago-1.oci.oraclecloud.com/20231130/actions/rerankText"
    made = Oci().sign(HttpRequest("POST", url, JSON, b'{"input":"q"}'), key, NOW)
    value = made.headers["authorization"]
    start, _, rest = value.partition('signature="')
    assert start == (
        'Signature algorithm="rsa-sha256",'
        'headers="date (request-target) host content-length content-type x-content-sha256",'
        'keyId="ocid1.tenancy.oc1..a/ocid1.user.oc1..b/20:3b:97",'
    )
    signature, _, end = rest.partition('"')
    assert end == ',version="1"'
    text = (
        "date: Fri, 02 Jan 2026 03:04:05 GMT\n"
        "(request-target): post /20231130/actions/rerankText\n"
        "host: inference.generativeai.us-chicago-1.oci.oraclecloud.com\n"
        "content-length: 13\n"
        "content-type: application/json\n"
        "x-content-sha256: vyRynXafdRDpZGI3MQwtDWfQiX9jtYwDLw22vPXphUo="  # as the SDK wrote it for the same body
    )
    PRIVATE.public_key().verify(b64decode(signature), text.encode(), PKCS1v15(), SHA256())


# The values of docs.oracle.com "Request Signatures", as oracle/oci-go-sdk 14aa11a tests them in
# `common/http_signer_test.go`; read 2026-11-26.
ORACLE_PEM = """-----BEGIN RSA PRIVATE KEY-----
MIICXgIBAAKBgQDCFENGw33yGihy92pDjZQhl0C36rPJj+CvfSC8+q28hxA161QF
NUd13wuCTUcq0Qd2qsBe/2hFyc2DCJJg0h1L78+6Z4UMR7EOcpfdUE9Hf3m/hs+F
UR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJwoYi+1hqp1fIekaxsyQIDAQAB
AoGBAJR8ZkCUvx5kzv+utdl7T5MnordT1TvoXXJGXK7ZZ+UuvMNUCdN2QPc4sBiA
QWvLw1cSKt5DsKZ8UETpYPy8pPYnnDEz2dDYiaew9+xEpubyeW2oH4Zx71wqBtOK
kqwrXa/pzdpiucRRjk6vE6YY7EBBs/g7uanVpGibOVAEsqH1AkEA7DkjVH28WDUg
f1nqvfn2Kj6CT7nIcE3jGJsZZ7zlZmBmHFDONMLUrXR/Zm3pR5m0tCmBqa5RK95u
412jt1dPIwJBANJT3v8pnkth48bQo/fKel6uEYyboRtA5/uHuHkZ6FQF7OUkGogc
mSJluOdc5t6hI1VsLn0QZEjQZMEOWr+wKSMCQQCC4kXJEsHAve77oP6HtG/IiEn7
kpyUXRNvFsDE0czpJJBvL/aRFUJxuRK91jhjC68sA7NsKMGg5OXb5I5Jj36xAkEA
gIT7aFOYBFwGgQAQkWNKLvySgKbAZRTeLBacpHMuQdl1DfdntvAyqpAZ0lY0RKmW
G6aFKaqQfOXKCyWoUiVknQJAXrlgySFci/2ueKlIE1QqIiLSZ8V8OlpFLRnb1pzI
7U1yQXnTAEFYM560yJlzUpOb1V4cScGd365tiSMvxLOvTA==
-----END RSA PRIVATE KEY-----"""
ORACLE_BODY = b"""{
    "compartmentId": "ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa",
    "instanceId": "ocid1.instance.oc1.phx.abuw4ljrlsfiqw6vzzxb43vyypt4pkodawglp3wqxjqofakrwvou52gb6s5a",
    "volumeId": "ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q"
}"""
ORACLE_TEXT = """date: Thu, 05 Jan 2014 21:31:40 GMT
(request-target): post /20160918/volumeAttachments
host: iaas.us-phoenix-1.oraclecloud.com
content-length: 316
content-type: application/json
x-content-sha256: V9Z20UJTvkvpJ50flBzKE32+6m2zJjweHpDMX/U4Uy0="""
ORACLE_SIGNATURE = (
    "Mje8vIDPlwIHmD/cTDwRxE7HaAvBg16JnVcsuqaNRim23fFPgQfLoOOxae6WqKb1uPjYEl0qIdazWaBy/Ml8DRhqlocMwoSXv0fbukP8J5N80LCm"
    "zT/FFBvIvTB91XuXI3hYfP9Zt1l7S6ieVadHUfqBedWH0itrtPJBgKmrWso="
)


def test_oracle_vector() -> None:
    """The day of the week in the published date is wrong: it was a Sunday. All else is as published."""
    private = serialization.load_pem_private_key(ORACLE_PEM.encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)

    def signature(text: str) -> str:
        return b64encode(private.sign(text.encode(), PKCS1v15(), SHA256())).decode()

    assert signature(ORACLE_TEXT) == ORACLE_SIGNATURE
    key = {"tenancy": "t", "user": "u", "fingerprint": "f", "key_content": ORACLE_PEM}
    url = "https://iaas.us-phoenix-1.oraclecloud.com/20160918/volumeAttachments"
    made = Oci().sign(HttpRequest("POST", url, JSON, ORACLE_BODY), json.dumps(key), 1_388_957_500.0)
    assert made.headers["date"] == "Sun, 05 Jan 2014 21:31:40 GMT"
    assert f'signature="{signature(ORACLE_TEXT.replace("Thu", "Sun"))}"' in made.headers["authorization"]


@pytest.mark.parametrize("key", ["plain", "[]", '{"tenancy":"a","user":"b","fingerprint":"c"}'])
def test_oracle_refuses_other_keys(key: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match="api_key: expected a JSON object"):
        Oci().sign(HttpRequest("POST", "https://h/", JSON, b""), key, NOW)
    broken = json.dumps({"tenancy": "a", "user": "b", "fingerprint": "c", "key_content": "no PEM"})
    with pytest.raises(ru.InvalidRequestError, match="no private key"):
        Oci().sign(HttpRequest("POST", "https://h/", JSON, b""), broken, NOW)


# --- what all share


@pytest.mark.parametrize(
    "auth",
    [SigV4(service="s", region="r"), Volcengine(service="s", region="r"), Oci(), IbmIam(), Google(), Baidu()],
    ids=repr,
)
def test_without_a_key_or_with_one_in_another_header_nothing_is_signed(auth: Auth) -> None:
    http = HttpRequest("POST", "https://h/", JSON, b"")
    assert auth.sign(http, None, NOW) is http
    headers: dict[str, str] = {}
    auth.write(headers, "secret", "p")
    assert headers == {}  # `sign` writes it
    auth.write(headers, "secret", "p", header="x-key")
    assert headers == {"x-key": "secret"}
    with pytest.raises(ru.MissingApiKeyError):
        auth.write({}, None, "p")


def test_a_plain_key_needs_no_signature_and_no_token() -> None:
    auth = Auth()
    http = HttpRequest("POST", "https://h/", JSON, b"")
    assert auth.sign(http, "k", NOW) is http
    assert auth.token_request("k", NOW) is None
    with pytest.raises(ru.InvalidResponseError):
        auth.token_from(HttpResponse(200, {}, b"{}"), NOW)
