"""Authentication that a plain header cannot carry: signatures, and credentials that are exchanged for a token.

Every function is pure: of the request, the credentials and the clock. The credentials are one string, as every other
key is. Libraries that sign are imported with the first signature.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from . import errors as e
from ._endpoint import Auth, Token, with_query
from ._http import HttpRequest, HttpResponse, MaskedHeaders, validate_header_value
from ._json import is_object, parse_json
from ._shell import ShellRequest, variable_of

_CODE: Final = re.compile(r"[\w.:-]{1,64}")
_FORM: Final = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
_LONGEST_TOKEN: Final = 86_400.0  # seconds: no token is trusted for longer than a day


@dataclass(frozen=True, slots=True)
class _Signed(Auth):
    """Base of all that write the key, a token or a signature right before a request is sent."""

    signs: ClassVar[bool] = True

    def _with(self, http: HttpRequest, headers: Mapping[str, str]) -> HttpRequest:
        return HttpRequest(http.method, http.url, MaskedHeaders({**http.headers, **headers}, self.header), http.content)

    def _bearer(self, http: HttpRequest, key: str) -> HttpRequest:
        scheme = "" if " " in key else f"{self.scheme} "
        return self._with(http, {self.header: validate_header_value(f"{scheme}{key}", "api_key")})

    def _unsigned(self, http: HttpRequest, credentials: str | None) -> bool:
        """Whether there is nothing to sign with, or another header carries the key."""
        headers = cast("MaskedHeaders", http.headers)
        return credentials is None or headers.auth_header not in ("", self.header)


def _pair(variables: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    """Return the values of the variables, joined with a colon; None where one is not set."""
    values = [environ.get(name, "").strip() for name in variables]
    return ":".join(values) if values and all(values) else None


def _missing(cloud: str, extra: str) -> e.MissingExtraError:
    return e.MissingExtraError(f"signing for {cloud} needs its extra: pip install 'rerank-unify[{extra}]'")


def _content_type(http: HttpRequest) -> dict[str, str]:
    return {name: value for name, value in http.headers.items() if name == "content-type"}


def _stamp(now: float) -> str:
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y%m%dT%H%M%SZ")


# --- AWS -------------------------------------------------------------------------------------------------------------

_REGION: Final = re.compile(r"(?<=\.)[a-z]{2,3}(?:-[a-z]+)+-\d+(?=\.)")
_ENCODED_BY_AWS: Final = re.compile(r"[^\w./~-]", re.ASCII)  # characters that the signed path has percent-encoded
_PAIR: Final = "expected ACCESS_KEY_ID:SECRET_ACCESS_KEY, or with :SESSION_TOKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigV4(_Signed):
    """AWS Signature Version 4, made by botocore (extra ``aws``).

    The key is ``ACCESS_KEY_ID:SECRET_ACCESS_KEY`` or the same with ``:SESSION_TOKEN``, which ``AWS_SESSION_TOKEN`` adds
    to the two variables.

    Attributes:
        service: the service's name within the signature.
        region: the region where the host names none.
        bearer: the variable that holds a plain key, one without a colon, which counts first; "" where the service takes
            no plain key.
    """

    service: str
    region: str
    bearer: str = ""
    variables: tuple[str, ...] = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    shared: bool = True

    def key(self, environ: Mapping[str, str]) -> str | None:
        """Return the key in the environment, or None."""
        pair, token = _pair(self.variables, environ), environ.get("AWS_SESSION_TOKEN", "").strip()
        plain = environ.get(self.bearer, "").strip()
        return plain or (f"{pair}:{token}" if pair and token else pair)

    def sign(self, http: HttpRequest, credentials: str | None, now: float) -> HttpRequest:
        """Return the request signed; see `Auth.sign`.

        Raises:
            InvalidRequestError: the key has no secret in it, and the service takes no plain key.
            MissingExtraError: botocore is not installed.
        """
        if credentials is None or self._unsigned(http, credentials):
            return http
        identity, _, secret = credentials.partition(":")
        secret, _, token = secret.partition(":")
        if not secret:
            if self.bearer and ":" not in credentials:
                return self._bearer(http, credentials)
            raise e.InvalidRequestError(f"api_key: {_PAIR}", field="api_key")
        try:
            from botocore.auth import SigV4Auth
            from botocore.awsrequest import AWSRequest
            from botocore.credentials import Credentials
        except ImportError:
            raise _missing("AWS", "aws") from None
        region = _REGION.search(urlsplit(http.url).netloc)
        signer = SigV4Auth(
            Credentials(identity, secret, token or None), self.service, region[0] if region else self.region
        )
        # Only what no HTTP client changes is signed.
        headers = {**_content_type(http), "x-amz-date": _stamp(now)}
        if token:
            headers["x-amz-security-token"] = token
        request = AWSRequest(http.method, http.url, headers, http.content)
        request.context["timestamp"] = headers["x-amz-date"]
        signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        signed = signer.signed_headers(signer.headers_to_sign(request))
        value = f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={signed}, Signature={signature}"
        return self._with(http, {**headers, self.header: value})

    def command(self, request: ShellRequest, environ: Mapping[str, str]) -> str:
        """Return the command line of curl, which signs; see `Auth.command`."""
        if environ.get(self.bearer, "").strip():
            return request.curl(self._key_argument(f"${self.bearer}"))
        url = urlsplit(request.url)
        region = _REGION.search(url.netloc)
        arguments = [
            f'--aws-sigv4 "aws:amz:{region[0] if region else self.region}:{self.service}"',
            f'--user "{":".join(f"${name}" for name in self.variables)}"',
        ]
        if environ.get("AWS_SESSION_TOKEN", "").strip():
            arguments.append('-H "X-Amz-Security-Token: $AWS_SESSION_TOKEN"')
        # karthink/gptel#918, read 2026-11-26; measured here: 7.88.1 does, 8.23.0 does not.
        note = "# curl before 8.9 signs this path wrongly\n" if _ENCODED_BY_AWS.search(url.path) else ""
        return note + request.curl(*arguments)


# --- Volcengine ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Volcengine(_Signed):
    """Volcengine's signature, HMAC-SHA256, as the SDK makes it (volcengine 1.0.229, ``auth/SignerV4.py``).

    The key is ``ACCESS_KEY:SECRET_KEY`` or the same with ``:SESSION_TOKEN``. One without a colon is an API key, sent
    as it is (vikingdb 0.1.35, ``auth.py``).

    Attributes:
        service: the service's name within the signature.
        region: the region within the signature.
    """

    service: str
    region: str

    def key(self, environ: Mapping[str, str]) -> str | None:
        """Return the key in the environment, or None: the values of two variables are joined."""
        return _pair(self.variables, environ)

    def sign(self, http: HttpRequest, credentials: str | None, now: float) -> HttpRequest:
        """Return the request signed; see `Auth.sign`."""
        if credentials is None or self._unsigned(http, credentials):
            return http
        if ":" not in credentials:
            return self._bearer(http, credentials)
        identity, _, secret = credentials.partition(":")
        secret, _, token = secret.partition(":")
        parts, date = urlsplit(http.url), _stamp(now)
        digest = sha256(http.content).hexdigest()
        headers = {
            **_content_type(http),
            "host": parts.netloc,
            "x-content-sha256": digest,
            "x-date": date,
        }
        if token:
            headers["x-security-token"] = token
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(parse_qsl(parts.query)))
        canonical = "\n".join((http.method, quote(parts.path, safe="/%"), query, lines, names, digest))
        scope = "/".join((date[:8], self.region, self.service, "request"))
        text = "\n".join(("HMAC-SHA256", date, scope, sha256(canonical.encode()).hexdigest()))
        key = secret.encode()
        for part in (date[:8], self.region, self.service, "request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        del headers["host"]  # the HTTP client writes it
        value = f"HMAC-SHA256 Credential={identity}/{scope}, SignedHeaders={names}, Signature={signature}"
        return self._with(http, {**headers, self.header: value})

    def command(self, request: ShellRequest, environ: Mapping[str, str]) -> str:  # noqa: ARG002
        """Return the command line with an API key: curl makes no such signature; see `Auth.command`.

        Its ``--aws-sigv4`` writes a 4 into algorithm, scope and key, whatever the provider (CURLOPT_AWS_SIGV4(3)).
        """
        note = (
            f"# $API_KEY is an API key: curl cannot sign with {' and '.join(f'${name}' for name in self.variables)}\n"
        )
        return note + request.curl(self._key_argument("$API_KEY"))


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")


# --- Oracle Cloud ----------------------------------------------------------------------------------------------------

_OCI: Final = ("tenancy", "user", "fingerprint", "key_content")


@dataclass(frozen=True, slots=True, kw_only=True)
class Oci(_Signed):
    """Oracle Cloud's request signature, version 1, RSA by cryptography (extra ``oci``).

    docs.oracle.com "Request Signatures"; the SDK oci 2.189.0, ``signer.py``. The key is a JSON object of the SDK's own
    settings: ``tenancy``, ``user``, ``fingerprint``, ``key_content`` (PEM) and perhaps ``pass_phrase``. The variables
    of its command line, such as ``OCI_CLI_TENANCY``, give it.
    """

    variables: tuple[str, ...] = tuple(f"OCI_CLI_{name.upper()}" for name in _OCI)
    shared: bool = True

    def key(self, environ: Mapping[str, str]) -> str | None:
        """Return the key in the environment, or None."""
        settings = dict(zip(_OCI, (environ.get(name, "").strip() for name in self.variables), strict=True))
        if not all(settings.values()):
            return None
        phrase = environ.get("OCI_CLI_PASSPHRASE", "").strip()
        return json.dumps({**settings, "pass_phrase": phrase} if phrase else settings)

    def sign(self, http: HttpRequest, credentials: str | None, now: float) -> HttpRequest:
        """Return the request signed; see `Auth.sign`.

        Raises:
            InvalidRequestError: the key is no JSON object with all that a signature needs.
        """
        if credentials is None or self._unsigned(http, credentials):
            return http
        settings: Any = parse_json(credentials)
        if not is_object(settings) or not all(isinstance(settings.get(name), str) for name in _OCI):
            raise e.InvalidRequestError(f"api_key: expected a JSON object with {', '.join(_OCI)}", field="api_key")
        parts = urlsplit(http.url)
        target = f"{http.method.lower()} {parts.path}{'?' if parts.query else ''}{parts.query}"
        headers = {
            "date": datetime.fromtimestamp(now, timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "(request-target)": target,
            "host": parts.netloc,
            "content-length": str(len(http.content)),
            **_content_type(http),
            "x-content-sha256": b64encode(sha256(http.content).digest()).decode(),
        }
        text = "\n".join(f"{name}: {value}" for name, value in headers.items())
        signature = _rsa(settings["key_content"], settings.get("pass_phrase"), text.encode())
        identity = "/".join(settings[name] for name in _OCI[:3])
        value = (
            f'Signature algorithm="rsa-sha256",headers="{" ".join(headers)}",keyId="{identity}",'
            f'signature="{signature}",version="1"'
        )
        sent = {name: headers[name] for name in ("date", "x-content-sha256")}
        return self._with(http, {**sent, self.header: validate_header_value(value, "api_key")})

    def command(self, request: ShellRequest, environ: Mapping[str, str]) -> str:  # noqa: ARG002
        """Return the command line of Oracle's own tool, as curl makes no such signature; see `Auth.command`."""
        note = "# curl cannot make this signature; `oci` does, with ~/.oci/config or the variables OCI_CLI_…\n"
        return note + request.oci_raw_request()


def _rsa(key: str, phrase: str | None, text: bytes) -> str:
    """Return the RSA-SHA256 signature of a text, in base64."""
    try:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise _missing("Oracle Cloud", "oci") from None
    try:
        private = load_pem_private_key(key.encode(), phrase.encode() if phrase else None)
    except (ValueError, TypeError):
        raise e.InvalidRequestError("api_key: key_content is no private key in PEM", field="api_key") from None
    if not isinstance(private, RSAPrivateKey):
        raise e.InvalidRequestError("api_key: key_content is no RSA key", field="api_key")
    return b64encode(private.sign(text, PKCS1v15(), SHA256())).decode()


# --- tokens ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Exchanged(_Signed):
    """Base of all whose credentials are exchanged for a token, which is then sent as a bearer token."""

    def sign(self, http: HttpRequest, credentials: str | None, now: float) -> HttpRequest:
        """Return the request with the token; see `Auth.sign`.

        Raises:
            InvalidRequestError: these are credentials to exchange; they are never sent to the provider itself.
        """
        if credentials is None or self._unsigned(http, credentials):
            return http
        if self.token_request(credentials, now) is not None:
            message = "api_key: expected the token that the key is exchanged for; see Auth.token_request"
            raise e.InvalidRequestError(message, field="api_key")
        if self.query:
            return HttpRequest(http.method, with_query(http.url, self.query, credentials), http.headers, http.content)
        return self._bearer(http, credentials)

    def token_from(self, response: HttpResponse, now: float) -> Token:
        """Read the token in a response; see `Auth.token_from`.

        Raises:
            AuthenticationError: the key was refused.
            InvalidResponseError: the response lacks the token, or the seconds for which it is valid.
        """
        status, _, body = response
        value: Any = parse_json(body)
        found: Mapping[str, Any] = value if is_object(value) else {}
        if not 200 <= status < 300:
            code = found.get("errorCode") or found.get("error")
            code = code if isinstance(code, str) and _CODE.fullmatch(code) else None
            kind = e.AuthenticationError if status in (400, 401, 403) else e.by_status(status)
            raise kind("the key could not be exchanged for a token", status=status, code=code, body=b"")
        token: Any = found.get("access_token")
        seconds: Any = found.get("expires_in")
        if not isinstance(token, str) or not token:
            raise e.InvalidResponseError("access_token is missing", path="access_token", status=status)
        if type(seconds) not in (int, float) or not seconds > 0:
            raise e.InvalidResponseError("expires_in is no number of seconds", path="expires_in", status=status)
        return Token(token, now + min(float(seconds), _LONGEST_TOKEN))


_API_KEY_GRANT: Final = "urn:ibm:params:oauth:grant-type:apikey"


def _exchanged(exchange: str, call: str) -> str:
    """Return the command lines of an exchange and of the call with its token."""
    return f"TOKEN=$({exchange} | jq -r .access_token)\n{call}"


def _form(url: str, values: Mapping[str, str]) -> HttpRequest:
    return HttpRequest("POST", url, _FORM, urlencode(values).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class IbmIam(_Exchanged):
    """IBM Cloud's IAM: an API key is exchanged for a token.

    cloud.ibm.com/docs/account?topic=account-iamtoken_from_apikey, read 2026-11-26. A token is sent as it is, and so is
    ``ZenApiKey KEY``, which software on one's own premises takes.

    Attributes:
        token_url: the URL of the exchange.
    """

    token_url: str = "https://iam.cloud.ibm.com/identity/token"  # noqa: S105 - a URL

    def token_request(self, credentials: str | None, now: float) -> HttpRequest | None:  # noqa: ARG002
        """Return the request that exchanges the API key; see `Auth.token_request`."""
        if credentials is None or credentials.startswith(("ZenApiKey ", "eyJ")) or " " in credentials:
            return None
        return _form(self.token_url, {"grant_type": _API_KEY_GRANT, "apikey": credentials})

    def command(self, request: ShellRequest, environ: Mapping[str, str]) -> str:
        """Return two command lines of curl: the exchange, and the call; see `Auth.command`."""
        variable = variable_of(self.variables, environ)
        key = environ.get(variable, "").strip()
        if key and self.token_request(key, 0.0) is None:
            scheme = "" if " " in key else f"{self.scheme} "
            return request.curl(f'-H "{self.header.title()}: {scheme}${variable}"')
        exchange = (
            f"curl -sS {self.token_url} -H 'Accept: application/json' \\\n"
            f'  -d grant_type={quote(_API_KEY_GRANT, safe=":")} --data-urlencode "apikey=${variable}"'
        )
        return _exchanged(exchange, request.curl(self._key_argument("$TOKEN")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Baidu(_Exchanged):
    """Baidu's accounts: a pair of keys is exchanged for a token, which stands in the query (bce-qianfan-sdk).

    The key is ``API_KEY:SECRET_KEY``, or a token.

    Attributes:
        token_url: the URL of the exchange.
    """

    query: str = "access_token"
    token_url: str = "https://aip.baidubce.com/oauth/2.0/token"  # noqa: S105 - a URL

    def key(self, environ: Mapping[str, str]) -> str | None:
        """Return the key in the environment, or None: the values of two variables are joined."""
        return _pair(self.variables, environ)

    def token_request(self, credentials: str | None, now: float) -> HttpRequest | None:  # noqa: ARG002
        """Return the request that exchanges the pair; see `Auth.token_request`."""
        identity, colon, secret = (credentials or "").partition(":")
        if not colon:
            return None
        pair = {"grant_type": "client_credentials", "client_id": identity, "client_secret": secret}
        return HttpRequest("POST", f"{self.token_url}?{urlencode(pair)}", {"accept": "application/json"}, b"")

    def command(self, request: ShellRequest, environ: Mapping[str, str]) -> str:  # noqa: ARG002
        """Return two command lines of curl: the exchange, and the call; see `Auth.command`."""
        identity, secret = self.variables or ("API_KEY", "SECRET_KEY")
        pair = f"grant_type=client_credentials&client_id=${identity}&client_secret=${secret}"
        exchange = f"curl -sS -X POST \"{self.token_url}?{pair}\" -H 'Accept: application/json'"
        return _exchanged(exchange, request.curl(query=self.query, variable="TOKEN"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Google(_Exchanged):
    """Google Cloud: the JSON of a service account, signed by google-auth (extra ``gcp``), or of a user's login.

    The key is that JSON, or an access token, which is sent as it is. ``GOOGLE_APPLICATION_CREDENTIALS`` names a file
    with the JSON.

    Attributes:
        token_url: the URL of the exchange. The one within the JSON is not called: a key may come from a stranger.
        scope: the scope of the token.
    """

    token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - a URL
    scope: str = "https://www.googleapis.com/auth/cloud-platform"
    variables: tuple[str, ...] = ("GOOGLE_APPLICATION_CREDENTIALS",)
    shared: bool = True

    def key(self, environ: Mapping[str, str]) -> str | None:
        """Return the content of the file that the environment names, or None."""
        file = Auth.key(self, environ)
        with suppress(OSError, UnicodeDecodeError):
            return None if file is None else Path(file).read_text(encoding="utf-8")
        return None

    def token_request(self, credentials: str | None, now: float) -> HttpRequest | None:
        """Return the request that exchanges the credentials; see `Auth.token_request`.

        Raises:
            InvalidRequestError: the key is JSON, and neither that of a service account nor of a user's login.
        """
        if credentials is None or not credentials.lstrip().startswith("{"):
            return None
        about: Any = parse_json(credentials)
        kind = about.get("type") if is_object(about) else None
        if kind == "authorized_user":
            names = ("client_id", "client_secret", "refresh_token")
            if all(isinstance(about.get(name), str) for name in names):
                return _form(self.token_url, {"grant_type": "refresh_token", **{name: about[name] for name in names}})
        if kind == "service_account":
            grant = {
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "assertion": self._assertion(about, now),
            }
            return _form(self.token_url, grant)
        message = "api_key: expected the JSON of a service account or of a user's login"
        raise e.InvalidRequestError(message, field="api_key")

    def _assertion(self, about: Mapping[str, Any], now: float) -> str:
        try:
            crypt: Any = import_module("google.auth.crypt")  # its functions have no types
            jwt: Any = import_module("google.auth.jwt")
        except ImportError:
            raise _missing("Google Cloud", "gcp") from None
        try:
            signer = crypt.RSASigner.from_service_account_info(about)
            issuer = about["client_email"]
        except (ValueError, KeyError, TypeError):
            message = "api_key: expected a service account with client_email and private_key"
            raise e.InvalidRequestError(message, field="api_key") from None
        claims = {"iss": issuer, "scope": self.scope, "aud": self.token_url, "iat": int(now), "exp": int(now) + 3600}
        assertion: bytes = jwt.encode(signer, claims)
        return assertion.decode()

    def command(self, request: ShellRequest, environ: Mapping[str, str]) -> str:  # noqa: ARG002
        """Return the command line of curl with a token of ``gcloud``; see `Auth.command`."""
        return request.curl(self._key_argument("$(gcloud auth print-access-token)"))
