"""What must never happen: a key that shows, a response without end in time or memory, a wrong connection."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
import traceback
import tracemalloc
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import httpx2
import pytest
from scripted_server import PATIENCE, Play, ScriptedServer, no_server_listens, respond_as

import rerank_unify as ru

from .helpers import KEY, NEVER, RANKED, TRANSPORTS, Rerank, ask, call, failure, indices, jina, opened, run, tried

ONCE: Final[dict[str, Any]] = {"policy": ru.FallbackPolicy(retries=0)}

# --- keys ------------------------------------------------------------------------------------------------------------

FAILING: Final = {
    "refused": Play(status=401, body={"detail": f"Bearer {KEY} is no key"}),
    "failed": Play(status=500, body={"detail": f"key {KEY}"}),
    "nonsense": Play(body={"results": KEY}),
    "too slow": NEVER,
    "reset": Play(how="reset"),
    "closed in mid-body": Play(how="close_mid_body"),
    "no HTTP": Play(how="garbage"),
    "too long": Play(how="endless"),
}


@pytest.mark.parametrize("name", FAILING)
def test_no_error_shows_the_key(rerank: Rerank, name: str) -> None:
    with ScriptedServer([FAILING[name]]) as server:
        settings = {**ONCE, "timeout": 0.2 if FAILING[name] is NEVER else 60, "max_response_bytes": 10**5}
        error = failure(rerank, jina(server), settings=settings)
    assert KEY not in f"{error!r} {error} {error.args} {error.code} {error.message}"
    assert KEY not in "".join(traceback.format_exception(error))


QUIET: Final = {
    "refused": Play(status=401, body={"detail": "no"}),
    "failed": Play(status=500, body={"detail": "no"}),
    "nonsense": Play(body={"results": "no"}),
    **{name: FAILING[name] for name in ("too slow", "reset", "closed in mid-body", "no HTTP", "too long")},
}


@pytest.mark.parametrize(("transport", "name"), [(one, name) for one in TRANSPORTS for name in QUIET])
def test_no_local_variable_shows_the_key(transport: str, name: str) -> None:
    """What a debugger or an error monitor shows of each frame."""
    with ScriptedServer([QUIET[name]]) as server:
        settings = {**ONCE, "timeout": 0.2 if QUIET[name] is NEVER else 60, "max_response_bytes": 10**5}
        error = failure(call, transport, jina(server), ask(), settings, {})
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "rerank_fields" in shown
    assert KEY not in shown


def test_no_repr_shows_the_key() -> None:
    shown: list[Any] = []
    target = ru.Target("jina", api_key=KEY)
    for client in (ru.Client(target), ru.Client("jina", api_key=KEY, headers={"authorization": KEY})):
        with client:
            shown += [client, client.settings, client.settings.targets, vars(client)]
    plan = ru.FallbackPlan([target])
    shown += [target, plan.next(0), vars(plan)]
    assert KEY not in f"{shown!r} {shown}"


# --- time ------------------------------------------------------------------------------------------------------------

SLOW: Final = {
    "silent": NEVER,
    "dripping its head": Play(how="drip", gap=0.08, body=b"", headers={"x-long": "x" * 1000}),  # 80 s
    "dripping its body": Play(how="drip", gap=0.08, body=b" " * 1000),
}


# httpx limits each of its operations: a server that drips its head can outlast the synchronous client's timeout.
OVER: Final = [(transport, name) for transport in TRANSPORTS for name in SLOW]
ON_TIME: Final = [one for one in OVER if one != ("httpx", "dripping its head")]


@pytest.mark.parametrize(("transport", "name"), ON_TIME)
def test_an_attempt_ends_on_time(transport: str, name: str) -> None:
    began = time.monotonic()
    with ScriptedServer([SLOW[name]]) as server:
        error = failure(call, transport, jina(server), ask(), {**ONCE, "timeout": 0.2}, {})
        server.wait_disconnected()
    assert (type(error), error.message) == (ru.TimeoutError, "no response within 0.2 seconds")
    assert time.monotonic() - began < PATIENCE


def test_a_gap_in_the_response_may_have_its_limit(rerank: Rerank) -> None:
    began = time.monotonic()
    with ScriptedServer([Play(how="drip", gap=3600)]) as server:
        error = failure(rerank, jina(server), settings={**ONCE, "timeout": 3000, "read_timeout": 0.2})
    assert type(error) is ru.TimeoutError
    assert time.monotonic() - began < PATIENCE


def test_gaps_shorter_than_the_limit_pass(rerank: Rerank) -> None:
    with ScriptedServer([Play(how="drip", gap=0.0001)], respond=respond_as("jina")) as server:
        assert indices(rerank(jina(server), settings={"timeout": 100, "read_timeout": 60})) == RANKED


# --- size ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["endless", "endless_chunked", "gzip_bomb"])
def test_reading_stops_at_the_limit(rerank: Rerank, how: Any) -> None:
    with ScriptedServer([Play(how=how)]) as server:
        error = failure(rerank, jina(server), settings={"max_response_bytes": 2**20})
        assert len(server.calls) == 1
        if how != "gzip_bomb":  # whose wire form is short, and read by then
            server.wait_left()
    assert (type(error), error.retryable) == (ru.TransportError, False)
    assert error.message == "the response is too long and was not read to its end"


def test_a_response_of_just_that_length_passes(rerank: Rerank) -> None:
    body = b'{"results": [{"index": 0, "relevance_score": 0.5}]}'
    with ScriptedServer([Play(body=body)]) as server:
        assert indices(rerank(jina(server), settings={"max_response_bytes": len(body)})) == [0]
        error = failure(rerank, jina(server), settings={"max_response_bytes": len(body) - 1})
    assert type(error) is ru.TransportError


def test_a_bomb_does_not_fill_the_memory(rerank: Rerank) -> None:
    with ScriptedServer([Play(how="gzip_bomb", inflated=2**28)]) as server:
        tracemalloc.start()
        try:
            failure(rerank, jina(server), settings={"max_response_bytes": 2**20})
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 2**28  # a piece off the wire is inflated whole, 64 KiB to 64 MiB, and held more than once


# --- HTTP clients of the caller's own --------------------------------------------------------------------------------


class Subclass(httpx.Client):
    """A client of the caller's own making."""


class AsyncSubclass(httpx.AsyncClient):
    """The same."""


@pytest.mark.parametrize("kind", [httpx.Client, httpx2.Client, Subclass])
def test_any_synchronous_client_will_do(kind: Any) -> None:
    with ScriptedServer([Play(), Play(how="reset"), NEVER, Play()]) as server, kind() as mine:
        with ru.Client(jina(server), http_client=mine, **ONCE) as client:
            assert indices(client.rerank(ask())) == RANKED
            assert type(failure(client.rerank, ask())) is ru.TransportError
        with ru.Client(jina(server), http_client=mine, timeout=0.5, **ONCE) as client:
            assert type(failure(client.rerank, ask())) is ru.TimeoutError
        assert not mine.is_closed


@pytest.mark.parametrize("kind", [httpx.AsyncClient, httpx2.AsyncClient, AsyncSubclass])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_any_asynchronous_client_will_do(kind: Any, backend: str) -> None:
    async def main() -> None:
        async with kind() as mine:
            async with ru.AsyncClient(jina(server), http_client=mine, **ONCE) as client:
                assert indices(await client.rerank(ask())) == RANKED
                with pytest.raises(ru.TransportError) as lost:
                    await client.rerank(ask())
            async with ru.AsyncClient(jina(server), http_client=mine, timeout=0.5, **ONCE) as client:
                with pytest.raises(ru.TimeoutError):
                    await client.rerank(ask())
            assert type(lost.value) is ru.TransportError
            assert not mine.is_closed

    with ScriptedServer([Play(), Play(how="reset"), NEVER]) as server:
        anyio.run(main, backend=backend)


@pytest.mark.parametrize(
    ("client", "given", "sentence"),
    [
        (ru.Client, httpx.AsyncClient, "expected an httpx.Client, not AsyncClient"),
        (ru.AsyncClient, httpx.Client, "expected an httpx.AsyncClient, not Client"),
        (ru.Client, httpx2.AsyncClient, "expected an httpx.Client, not AsyncClient"),
        (ru.Client, object, "expected an httpx.Client, not object"),
        (ru.AsyncClient, dict, "expected an httpx.AsyncClient, not dict"),
    ],
)
def test_the_wrong_kind_of_client_is_one_sentence(client: Any, given: Any, sentence: str) -> None:
    with pytest.raises(ru.InvalidRequestError) as caught:
        client("jina", api_key=KEY, http_client=given() or {"no": "client"})
    assert (str(caught.value), caught.value.field) == (f"http_client: {sentence}", "http_client")


# --- life time -------------------------------------------------------------------------------------------------------


def test_a_closed_client_makes_no_call(over: str) -> None:
    async def main() -> ru.RerankError:
        async with opened(over, jina(server)) as client:
            await client.aclose()
            await client.aclose()
            with pytest.raises(ru.InvalidRequestError) as caught:
                await client.rerank(ask())
            return caught.value

    with ScriptedServer() as server:
        outcomes = [run(over, main)]
        client = ru.Client(jina(server))
        client.close()
        client.close()
        outcomes.append(failure(client.rerank, ask()))
        assert server.calls == []
    assert [str(error) for error in outcomes] == ["the client is closed"] * 2


# --- settings --------------------------------------------------------------------------------------------------------

BAD_HEADERS: Final[list[dict[str, str]]] = [{"x-a": "b\r\nx-c: d"}, {"x-a": "b\n"}, {"x\r\n-a": "b"}, {"x a": "b"}]


@pytest.mark.parametrize("headers", BAD_HEADERS)
def test_headers_cannot_begin_another(rerank: Rerank, headers: dict[str, str]) -> None:
    with ScriptedServer() as server:
        error = failure(rerank, jina(server), settings={"headers": headers})
        assert (type(error), server.calls) == (ru.InvalidRequestError, [])
    assert "x-c: d" not in str(error)


def test_headers_of_the_caller_are_sent(rerank: Rerank) -> None:
    with ScriptedServer() as server:
        rerank(jina(server), settings={"headers": {"X-Mine": "1", "User-Agent": "me"}})
        (seen,) = server.calls
    assert (seen.headers["x-mine"], seen.headers["user-agent"]) == ("1", "me")
    assert seen.credentials == {"authorization": f"Bearer {KEY}"}


def test_the_connections_headers_may_be_the_callers(rerank: Rerank) -> None:
    with ScriptedServer() as server:
        rerank(jina(server))
        rerank(jina(server), settings={"headers": {"Host": "mine.example", "Accept-Encoding": "identity"}})
        plain, with_header = server.calls
    assert (plain.headers["host"], "gzip" in plain.headers["accept-encoding"]) == (server.url[len("http://") :], True)
    assert (with_header.headers["host"], with_header.headers["accept-encoding"]) == ("mine.example", "identity")


def test_a_request_of_megabytes_arrives_whole(rerank: Rerank) -> None:
    request = ask(documents=[f"{at} {'long ' * 500}" for at in range(1000)])
    with ScriptedServer() as server:
        response = rerank(jina(server), request)
        (seen,) = server.calls
    assert len(response) == 1000
    assert seen.headers["content-length"] == str(len(seen.body))
    assert seen.json["documents"] == list(request.documents)


SECONDS: Final = ("timeout", "connect_timeout", "read_timeout", "deadline")
COUNTS: Final = ("max_response_bytes", "concurrency")


@pytest.mark.parametrize("client", [ru.Client, ru.AsyncClient])
@pytest.mark.parametrize("name", [*SECONDS, *COUNTS])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_settings_are_checked_at_once(client: Any, name: str, value: float) -> None:
    kind = "a number of seconds above 0" if name in SECONDS else "an integer, 1 or more"
    with pytest.raises(ru.InvalidRequestError) as caught:
        client("local", **{name: value})
    assert (str(caught.value), caught.value.field) == (f"{name}: expected {kind}", name)


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [1.5, True, "8"])
def test_counts_are_integers(name: str, value: Any) -> None:
    with pytest.raises(ru.InvalidRequestError, match=f"{name}: expected an integer, 1 or more"):
        ru.Client("local", **{name: value})


# --- connections -----------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate, with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    made = tmp_path / "own.pem"
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run(
        [openssl, "req", "-x509", *key, *names, "-keyout", made, "-out", tmp_path / "cert.pem"],
        check=True,
        capture_output=True,
    )
    made.write_bytes(made.read_bytes() + (tmp_path / "cert.pem").read_bytes())
    return made


def test_a_certificate_is_refused(rerank: Rerank, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ScriptedServer(tls=context) as server:
        error = failure(rerank, jina(server), settings=ONCE)
        assert (type(error), server.calls) == (ru.ConnectError, [])
        assert error.message == "no connection: the certificate is not valid"
        assert KEY not in f"{error} {error.__cause__!r}"
        trusting = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(verify=trusting) as mine, ru.Client(jina(server), http_client=mine) as client:
            assert indices(client.rerank(ask())) == RANKED


def test_no_server_listens_in_one_line(rerank: Rerank) -> None:
    target = ru.Target("jina", api_key=KEY, base_url=no_server_listens())
    error = failure(rerank, target, settings=ONCE)
    assert type(error) is ru.ConnectError
    assert "\n" not in str(error)


def test_the_synchronous_client_is_the_same_after_a_timeout() -> None:
    # A busy machine may be late more than once: the response comes in the end, over the same client.
    again: dict[type[ru.RerankError], ru.Rule] = {ru.TimeoutError: ru.Rule(retries=100, trips_breaker=False)}
    policy = ru.FallbackPolicy(rules=again, backoff=lambda _, __: 0.0)
    with ScriptedServer([NEVER, Play()]) as server, ru.Client(jina(server), timeout=0.3, policy=policy) as client:
        response = client.rerank(ask())
        assert tried(response)[0] == ("jina", ru.TimeoutError)
        assert indices(response) == RANKED
        assert call("httpx", jina(server), ask(), {}, {}).provider == "jina"
