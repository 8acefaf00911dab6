"""`rerank-unify serve` as a real process: one worker or two, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from scripted_server import PATIENCE, Play, ScriptedServer

import rerank_unify as ru
from rerank_unify.gateway.auth import hash_of
from rerank_unify.gateway.server import serve
from rerank_unify.gateway.settings import GatewaySettings

from .helpers import BODY, Wire, refuses, rerank, until
from .process import SERVE, running

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


def configured(tmp_path: Path, server: ScriptedServer, further: str = "") -> str:
    path = tmp_path / "gateway.toml"
    route = f'[[models.m.targets]]\nprovider = "jina"\nbase_url = "{server.url}"\nkey_env = "UPSTREAM_KEY"\n'
    path.write_text(f"{further}\n{route}")
    return str(path)


# --- one worker ------------------------------------------------------------------------------------------------------


def test_it_serves_without_key_file_and_flag() -> None:
    with running() as gateway:
        assert rerank(gateway.port).status == 200
        assert gateway.end() == 0
    log = gateway.log.all()
    assert "no key of any provider is set: local ranks, for every model name" in log
    assert "no gateway keys are set: every client that reaches 127.0.0.1 may send requests" in log
    assert "DEBUG" not in log
    assert re.search(r"rerank_unify\.gateway [0-9a-f]{32} jina 200 \d+\.\d ms local=ok", log)
    assert "Traceback" not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_finished(tmp_path: Path, number: int) -> None:
    with ScriptedServer([Play(delay=3600)]) as upstream, running("--config", configured(tmp_path, upstream)) as gateway:
        body = json.dumps(BODY).encode()
        with Wire(gateway.port) as wire, Wire(gateway.port) as idle:
            wire.head(content_length=str(len(body)))
            wire.socket.sendall(body)
            upstream.wait_calls(1)
            gateway.process.send_signal(number)
            assert idle.at_end()
            until(lambda: refuses(gateway.port))
            upstream.release()
            assert wire.response().status == 200
        assert gateway.process.wait(PATIENCE) == 0
    log = gateway.log.all()
    assert "providers with a key: none" in log
    assert "model m: jina" in log
    assert "Traceback" not in log


def test_what_takes_too_long_is_not_waited_for(tmp_path: Path) -> None:
    upstream = ScriptedServer([Play(delay=3600)])
    with upstream, running("--config", configured(tmp_path, upstream, "drain_seconds = 0.1")) as gateway:
        wire = Wire(gateway.port)
        body = json.dumps(BODY).encode()
        wire.head(content_length=str(len(body)))
        wire.socket.sendall(body)
        upstream.wait_calls(1)
        assert gateway.end() == 0
        upstream.wait_left(1)
        wire.socket.close()


def test_a_port_that_is_taken_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-c", SERVE, "serve", "--port", port]
        completed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert completed.returncode != 0
    assert f"Error: cannot listen on 127.0.0.1:{port}: Address already in use" in completed.stderr


def test_the_command_in_the_log_works() -> None:
    with running() as gateway:
        line = gateway.log.wait(r"try: curl (.*)")[0]
        url, *flags = shlex.split(line)
        named = dict(zip(flags[::2], flags[1::2], strict=True))
        assert named["-H"] == "content-type: application/json"
        with httpx.Client(trust_env=False) as client:
            response = client.post(url, content=named["-d"], headers={"content-type": "application/json"})
        assert [row["index"] for row in response.json()["results"]] == [1, 0]


def test_a_worker_that_is_killed_is_replaced() -> None:
    with running() as gateway:
        assert rerank(gateway.port).status == 200
        # Granian ends at once where a worker dies within seconds of its start, so that a supervisor sees a crash loop.
        os.kill(int(gateway.log.wait(r"worker (\d+) starts")[0]), signal.SIGKILL)
        gateway.log.wait(r"worker (\d+) starts", 2)
        until(lambda: not refuses(gateway.port))
        assert rerank(gateway.port).status == 200
        assert gateway.end() == 0


def test_workers_end_after_the_first_process_was_killed() -> None:
    with running("--workers", "2") as gateway:
        gateway.log.wait(r"worker (\d+) starts", 2)
        gateway.process.kill()
        until(lambda: refuses(gateway.port))


# --- several ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_workers_count_as_one_and_end_as_one(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f'workers = 2\n[keys]\ntests = "{hash_of("ru-tests")}"\n')
    key = {"x_api_key": "ru-tests"}
    with running("--config", str(path), TMPDIR=str(tmp_path)) as gateway:
        workers = [int(number) for number in gateway.log.wait(r"worker (\d+) starts", 2)]
        assert len(set(workers)) == 2
        counters = next(tmp_path.glob("rerank-unify-*"))
        count = 0

        def both_have_responded() -> bool:
            nonlocal count
            count += 1
            assert rerank(gateway.port, **key).status == 200
            files = [counters / f"counter_{worker}.db" for worker in workers]
            return all(file.exists() and b"rerank_requests_total" in file.read_bytes() for file in files)

        until(both_have_responded)
        with Wire(gateway.port) as wire:
            wire.head("/metrics", "GET", **key)
            metrics = wire.response().body.decode()
        assert f'rerank_requests_total{{dialect="jina",status="200"}} {count}.0' in metrics
        assert gateway.end() == 0
        for worker in workers:
            with pytest.raises(ProcessLookupError):
                os.kill(worker, 0)
        assert not counters.exists()
    assert gateway.log.all().count(" jina 200 ") == count


# --- in this process, for what is decided before anything listens ----------------------------------------------------


@pytest.fixture
def handler() -> Generator[None, None, None]:
    """The signal handler of whoever runs the tests."""
    previous = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, previous)


@pytest.mark.usefixtures("handler")
def test_nothing_is_served_where_the_port_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    settings = GatewaySettings(unknown_model="reject", keys={"tests": hash_of("ru-tests")})
    sentence = "cannot listen on 127.0.0.1:"
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ru.InvalidRequestError, match=sentence):
        serve(settings.model_copy(update={"port": taken.getsockname()[1]}))
    assert "no gateway keys are set" not in caplog.text
    with pytest.raises(SystemExit) as asked_to_end:
        signal.raise_signal(signal.SIGTERM)
    assert asked_to_end.value.code == 0


@pytest.mark.usefixtures("handler")
def test_nothing_listens_beyond_the_loopback_without_a_key() -> None:
    with pytest.raises(ru.InvalidRequestError, match="other machines can reach"):
        serve(GatewaySettings(host="0.0.0.0"))  # noqa: S104 - that is the point
