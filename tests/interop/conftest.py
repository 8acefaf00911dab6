"""One server for all tests of this folder, reset before each test, and the gateways that many tests call."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import pytest

from ._gateway import LOCKED, PROVIDER_KEYS, Served
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
    """The server, without the data of an earlier test, and without a proxy in between."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    running.forget()
    return running


@pytest.fixture(scope="session")
def bare() -> Iterator[None]:
    """An environment without any provider's key, and without a proxy in between."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PROVIDER_KEYS:
            patch.delenv(name, raising=False)
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1")
        yield


@pytest.fixture(scope="session")
def offline(bare: None) -> Iterator[str]:
    """A gateway without settings: `local` ranks for every model name."""
    with Served({}) as served:
        yield served.url


@pytest.fixture(scope="session")
def locked(bare: None) -> Iterator[str]:
    """The same, but clients must send the key GATEWAY_KEY."""
    with Served(LOCKED) as served:
        yield served.url
