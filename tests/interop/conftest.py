"""One server for all tests of this folder, emptied before each."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import pytest

from ._server import Loopback


@pytest.fixture(scope="session")
def running() -> Iterator[Loopback]:
    """A server that runs until the last test has ended."""
    with Loopback() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def loopback(running: Loopback, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    """The server, without anything of an earlier test, and without a proxy in between."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    running.forget()
    return running
