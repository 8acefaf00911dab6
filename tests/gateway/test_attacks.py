"""Requests, written byte by byte and without a key, that must cost the gateway little and hide nothing."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Generator, Iterable
from contextlib import suppress
from itertools import repeat
from pathlib import Path

import pytest

from rerank_unify.gateway.auth import hash_of

from .helpers import KEY, Wire
from .process import running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
MIB = 2**20
HEALTH = b"GET /health HTTP/1.1\r\nhost: test\r\n"


class Attacked:
    """A gateway with a key, and the memory of its worker."""

    def __init__(self, port: int, worker: int) -> None:
        self.port, self._worker = port, worker

    def peak(self) -> int:
        """Bytes that the worker has had in memory at most."""
        status = Path(f"/proc/{self._worker}/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def is_healthy(self) -> bool:
        with Wire(self.port) as wire:
            wire.head("/health", "GET")
            return wire.response().status == 200

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 30)

    def reads(self, pieces: Iterable[bytes]) -> None:
        """Send all pieces, or as many as the gateway reads; other clients are served meanwhile."""
        with self.connect() as attacker:
            attacker.settimeout(0.5)  # seconds without a byte read: the gateway has stopped reading
            with suppress(OSError):
                for piece in pieces:
                    attacker.sendall(piece)
            assert self.is_healthy()
        assert self.is_healthy()

    def responses(self, wire: bytes) -> list[bytes]:
        """Return the status of each response to these bytes, until the gateway closes the connection."""
        received = b""
        with self.connect() as client:
            client.sendall(wire)
            while piece := client.recv(65536):
                received += piece
        return re.findall(rb"^HTTP/1\.1 (\d+)", received, re.MULTILINE)


@pytest.fixture(scope="module")
def gateway() -> Generator[Attacked, None, None]:
    with running(RERANK_UNIFY_KEYS=f'{{"tests": "{hash_of(KEY)}"}}') as started:
        attacked = Attacked(started.port, int(started.log.wait(r"worker (\d+) starts")[0]))
        assert attacked.is_healthy()
        yield attacked


TRAILERS = b"".join(b"x-%d: %s\r\n" % (number, b"a" * 1000) for number in range(1000))


@pytest.mark.parametrize(
    ("begin", "pieces"),
    [
        pytest.param(HEALTH + b"transfer-encoding: chunked\r\n\r\n0\r\n", repeat(TRAILERS, 32), id="trailers"),
        pytest.param(b"", repeat((HEALTH + b"\r\n") * 10_000, 40), id="pipelining"),
        pytest.param(
            HEALTH + b"transfer-encoding: chunked\r\n\r\n", repeat(b"1;" + b"a" * MIB, 32), id="chunk extensions"
        ),
        pytest.param(HEALTH + b"content-length: 99999999\r\n\r\n", repeat(b"a" * MIB, 32), id="a body of no use"),
        pytest.param(HEALTH + b"x-long: ", repeat(b"a" * MIB, 32), id="a long head"),
        pytest.param(HEALTH, repeat(TRAILERS, 32), id="many headers"),
        pytest.param(b"GET /", repeat(b"a" * MIB, 32), id="a long path"),
    ],
)
def test_endless_bytes_take_little_memory(gateway: Attacked, begin: bytes, pieces: Iterable[bytes]) -> None:
    before = gateway.peak()
    gateway.reads([begin, *pieces])
    assert gateway.peak() - before < 12 * MIB


def test_many_slow_heads_leave_room_for_other_clients(gateway: Attacked) -> None:
    before = gateway.peak()
    slow = [gateway.connect() for _ in range(200)]
    try:
        for number in range(20):
            for client in slow:
                client.sendall(HEALTH if number == 0 else b"x-slow: a\r\n")
            assert gateway.is_healthy()
    finally:
        for client in slow:
            client.close()
    assert gateway.peak() - before < 32 * MIB


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.0"])
def test_a_body_with_an_upgrade_is_no_request(gateway: Attacked, protocol: bytes) -> None:
    hidden = b"GET /hidden HTTP/1.1\r\nhost: test\r\n\r\n"  # would be 404
    head = b"POST /health HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: %s\r\ncontent-length: %d\r\n\r\n"
    last = HEALTH + b"connection: close\r\n\r\n"
    assert gateway.responses(head % (protocol, len(hidden)) + hidden + last) in ([b"405"], [b"405", b"200"])


def test_a_length_beside_chunks_hides_no_request(gateway: Attacked) -> None:
    head = b"POST /health HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"
    last = HEALTH + b"connection: close\r\n\r\n"
    assert gateway.responses(head + last) in ([b"405", b"200"], [b"400"], [b"405"])


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /health HTTP/1.1\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\nhost: a\r\nhost: b\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\nhost: a\r\n", b"200"),
        (b"GET /health HTTP/1.0\r\n", b"200"),
        (b"GET /health%0a HTTP/1.1\r\nhost: a\r\n", b"400"),
        (b"POST /v1/rerank%0d%0a HTTP/1.1\r\nhost: a\r\n", b"400"),
    ],
)
def test_one_host_and_one_path(gateway: Attacked, head: bytes, status: bytes) -> None:
    with gateway.connect() as client:
        client.sendall(head + b"connection: close\r\n\r\n")
        assert client.recv(12).split()[1] == status
