"""The scripted server does what its script says, and nothing else."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from http.client import HTTPConnection, HTTPException, IncompleteRead, RemoteDisconnected
from itertools import pairwise
from typing import Any

import pytest
from scripted_server import PATIENCE, Play, ScriptedServer, respond_as, score
from typing_extensions import Self

import rerank_unify as ru

SECRET = "Bearer k-secret"
DOCUMENTS = ("aloe vera cream", "motor oil", "天然 soap 🌿")
REQUEST = {"query": "q", "documents": list(DOCUMENTS)}


class Client(HTTPConnection):
    """One connection that stays open for as long as the server lets it."""

    def __init__(self, server: ScriptedServer, timeout: float = PATIENCE) -> None:
        super().__init__("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def post(self, path: str = "/v1/rerank", body: Any = REQUEST) -> tuple[int, dict[str, str], bytes]:
        self.request("POST", path, json.dumps(body), {"authorization": SECRET})
        with self.getresponse() as response:
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()


def post(server: ScriptedServer, path: str = "/v1/rerank", body: Any = REQUEST) -> tuple[int, dict[str, str], bytes]:
    with Client(server) as client:
        return client.post(path, body)


def dialled(server: ScriptedServer) -> socket.socket:
    """A plain socket that has sent a request."""
    plain = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=PATIENCE)
    plain.sendall(b"POST /v1/rerank HTTP/1.1\r\ncontent-length: 30\r\n\r\n" + b'{"query":"q","documents":["d"]}'[:30])
    return plain


def everything(plain: socket.socket) -> bytes:
    return b"".join(iter(lambda: plain.recv(65536), b""))


@pytest.mark.parametrize("name", ["jina", "voyage", "cohere"])
@pytest.mark.parametrize("more", [{}, {"top_n": 2}, {"return_documents": False}])
def test_good_responses_are_the_providers(name: str, more: dict[str, Any]) -> None:
    request = ru.RerankRequest(query="q", documents=(*DOCUMENTS, {"title": "t", "text": "soap"}), **more)
    with ScriptedServer(respond=respond_as(name)) as server, Client(server) as client:
        call = ru.provider(name).prepare(request, api_key="k", base_url=server.url)
        client.request("POST", call.http.url.removeprefix(server.url), call.http.content, dict(call.http.headers))
        with client.getresponse() as got:
            response = call.decode(got.status, dict(got.getheaders()), got.read())
        (seen,) = server.calls
    expected = sorted((-score(text), at) for at, text in enumerate((*DOCUMENTS, "soap")))[: more.get("top_n")]
    assert [(-result.relevance_score, result.index) for result in response] == expected
    assert all((result.document is None) is (more.get("return_documents") is False) for result in response)
    assert seen.credentials == {"authorization": "Bearer k"}
    assert seen.json == json.loads(call.http.content)
    assert not response.warnings


def test_a_faulty_request_gets_the_providers_error() -> None:
    with ScriptedServer(respond=respond_as("voyage")) as server:
        status, _, body = post(server, body={"query": "q", "documents": []})
    assert status == 400
    assert "documents" in json.loads(body)["detail"]


def test_the_server_records_each_request() -> None:
    before = time.monotonic()
    with ScriptedServer() as server:
        with Client(server) as client:
            client.post("/a?b=c")
            client.post("/d")
            client.request("POST", "/e", iter((b'{"query":"q",', b'"documents":["d"]}')))  # goes out in chunks
            with client.getresponse() as response:
                assert response.status == 200
        with Client(server) as client:
            client.request("GET", "/f")
            with client.getresponse() as response:
                assert response.status == 400
        calls = server.wait_calls(4)
    assert [(c.method, c.path, c.connection) for c in calls] == [
        ("POST", "/a?b=c", 0),
        ("POST", "/d", 0),
        ("POST", "/e", 0),
        ("GET", "/f", 1),
    ]
    assert calls[0].body == json.dumps(REQUEST).encode()
    assert calls[2].json == {"query": "q", "documents": ["d"]}
    assert (calls[3].body, calls[3].json, calls[3].credentials) == (b"", None, {})
    assert all(a.at <= b.at for a, b in pairwise(calls))
    assert before <= calls[0].at <= time.monotonic()
    assert server.left == 0


def test_the_server_repeats_the_last_play() -> None:
    busy = Play(status=429, headers={"retry-after": "0"}, body={"detail": "slow down"})
    with ScriptedServer([Play(), busy]) as server, Client(server) as client:
        first, *rest = (client.post() for _ in range(4))
    assert first[0] == 200
    assert [(status, headers["retry-after"], body) for status, headers, body in rest] == [
        (429, "0", b'{"detail": "slow down"}')
    ] * 3


def test_good_responses_follow_the_script() -> None:
    with ScriptedServer([Play(status=503), Play(status=529)], respond=lambda _: {"good": True}) as server:
        received = [post(server) for _ in range(4)]
    assert [status for status, _, _ in received] == [503, 529, 200, 200]
    assert json.loads(received[0][2]) == {"detail": "Service Unavailable"}
    assert received[3][2] == b'{"good": true}'


def test_a_script_for_each_path() -> None:
    with ScriptedServer({"/a": [Play(status=500)], "/b": [Play(body=b"raw")]}) as server:
        assert post(server, "/a")[0] == 500
        assert post(server, "/b?c")[2] == b"raw"
        assert post(server, "/c")[0] == 404


def test_a_delay_ends_with_the_server() -> None:
    with ScriptedServer([Play(delay=3600)]) as server:
        plain = dialled(server)
        server.wait_calls()
    with plain:
        assert everything(plain) == b""  # within the time limit of the socket, which is shorter than the delay


def test_a_delay_delays_the_response() -> None:
    with ScriptedServer([Play(delay=0.05)]) as server:
        assert post(server)[0] == 200
        ended = time.monotonic()
    assert ended - server.calls[0].at >= 0.045


def test_a_delay_can_be_released() -> None:
    with ScriptedServer([Play(delay=3600)]) as server:
        received: list[int] = []
        threads = [threading.Thread(target=lambda: received.append(post(server)[0])) for _ in range(3)]
        for thread in threads:
            thread.start()
        server.wait_calls(3)
        assert not received
        server.release()
        for thread in threads:
            thread.join()
    assert received == [200] * 3
    assert server.peak == 3


def test_a_response_may_have_a_delay() -> None:
    with ScriptedServer(respond=lambda _: Play(body={"good": 1}, delay=0.05)) as server:
        assert post(server)[2] == b'{"good": 1}'
        ended = time.monotonic()
    assert ended - server.calls[0].at >= 0.045


def test_a_client_that_leaves_is_counted() -> None:
    with ScriptedServer([Play(delay=3600)]) as server:
        for _ in range(2):
            dialled(server).close()
        server.wait_left(2)
        with pytest.raises(AssertionError, match="2 calls"):
            server.wait_calls(3, timeout=0.01)


def test_close_before_response() -> None:
    with ScriptedServer([Play(how="close_before_answer")]) as server:
        with pytest.raises(RemoteDisconnected):
            post(server)
        assert len(server.calls) == 1


def test_a_persistent_connection_closes_on_the_second_request() -> None:
    with ScriptedServer([Play(), Play(how="close_before_answer"), Play()]) as server, Client(server) as client:
        assert client.post()[0] == 200
        with pytest.raises(RemoteDisconnected):
            client.post()
        assert client.post()[0] == 200
        assert [call.connection for call in server.calls] == [0, 0, 1]


def test_close_mid_body() -> None:
    with (
        ScriptedServer([Play(how="close_mid_body", body=b"0123456789")]) as server,
        pytest.raises(IncompleteRead) as caught,
    ):
        post(server)
    assert caught.value.partial == b"01234"
    assert caught.value.expected == 5


@pytest.mark.parametrize(("how", "named"), [("endless", None), ("endless_chunked", "transfer-encoding")])
def test_endless(how: Any, named: str | None) -> None:
    with ScriptedServer([Play(how=how)]) as server:
        with Client(server) as client:
            client.request("POST", "/", json.dumps(REQUEST))
            with client.getresponse() as response:
                assert response.getheader("content-length") is None
                assert named is None or response.getheader(named) == "chunked"
                assert len(response.read(3_000_000)) == 3_000_000
                assert server.left == 0
        server.wait_left()


@pytest.mark.parametrize("how", ["endless", "endless_chunked"])
def test_endless_ends_with_the_server(how: Any) -> None:
    with ScriptedServer([Play(how=how)]) as server:
        plain = dialled(server)  # and does not read, so that the server's buffers fill up
        server.wait_calls()
    plain.close()


def test_drip() -> None:
    with ScriptedServer([Play(how="drip", gap=0.001, body=b"slow")]) as server:
        assert post(server)[2] == b"slow"
        ended = time.monotonic()
    assert ended - server.calls[0].at >= 0.05  # a head of about 70 bytes


def test_drip_is_byte_by_byte() -> None:
    with ScriptedServer([Play(how="drip", gap=3600)]) as server, dialled(server) as plain:
        assert plain.recv(100) == b"H"
        server.release()
        assert plain.recv(1) == b"T"


def test_a_length_too_small() -> None:
    with ScriptedServer([Play(how="wrong_length", off=-3, body=b"0123456789")]) as server:
        assert post(server)[1:] == ({"content-type": "application/json", "content-length": "7"}, b"0123456")
        with dialled(server) as plain:
            got = b""
            while not got.endswith(b"0123456789"):
                got += plain.recv(1000)
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")  # the connection stayed open
            assert plain.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_length_too_large() -> None:
    longer = Play(how="wrong_length", off=7, body=b"0123456789")
    with ScriptedServer([longer]) as server, pytest.raises(IncompleteRead) as caught:
        post(server)
    assert (caught.value.partial, caught.value.expected) == (b"0123456789", 7)


def test_garbage() -> None:
    with ScriptedServer([Play(how="garbage"), Play(how="garbage", body=b"\xff\r\n")]) as server:
        with pytest.raises(HTTPException):
            post(server)
        with dialled(server) as plain:
            assert everything(plain) == b"\xff\r\n"


def test_html() -> None:
    with ScriptedServer([Play(how="html", status=502), Play(how="html", body=b"<p>")]) as server:
        status, headers, body = post(server)
        assert (status, headers["content-type"]) == (502, "text/html; charset=utf-8")
        assert body.startswith(b"<!DOCTYPE html>")
        assert post(server)[::2] == (200, b"<p>")


def test_gzip_bomb() -> None:
    with ScriptedServer([Play(how="gzip_bomb", inflated=8_000_000)], respond=lambda _: {"good": 1}) as server:
        _, headers, body = post(server)
    assert headers["content-encoding"] == "gzip"
    assert len(body) < 16_000
    inflated = gzip.decompress(body)
    assert len(inflated) > 8_000_000
    assert json.loads(inflated) == {"good": 1}


@pytest.mark.parametrize(("status", "expected"), [(200, 302), (307, 307)])
def test_redirect(status: int, expected: int) -> None:
    with ScriptedServer() as other, ScriptedServer([Play(how="redirect", status=status, location=other.url)]) as server:
        got, headers, body = post(server)
        assert (got, headers["location"], body) == (expected, other.url, b"")
        assert other.calls == []
        post(other)  # as a careless client would, with the key
        assert other.calls[0].credentials == {"authorization": SECRET}


def test_reset() -> None:
    with ScriptedServer([Play(how="reset")]) as server, dialled(server) as plain:
        with pytest.raises(ConnectionResetError):
            everything(plain)
        assert len(server.calls) == 1


def test_what_a_response_raises_is_not_lost() -> None:
    def fails(_: Any) -> Any:
        raise LookupError("raised by the test")

    server = ScriptedServer(respond=fails)
    with pytest.raises(LookupError, match="raised by the test"), server, pytest.raises(RemoteDisconnected):
        post(server)


def test_an_idle_server_closes_at_once() -> None:
    with ScriptedServer() as server, Client(server) as client:
        client.post()
    with pytest.raises(ConnectionRefusedError):
        post(server)
    assert not [thread for thread in threading.enumerate() if thread.name == "scripted"]
