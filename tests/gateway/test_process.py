"""`rerank-unify serve` as a real process: one worker or two, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from typing import IO

import pytest
from scripted.server import Play, ScriptedServer

import rerank_unify as ru
from rerank_unify.gateway.auth import hash_of
from rerank_unify.gateway.server import HANDED, handed_app, serve
from rerank_unify.gateway.settings import GatewaySettings

from .helpers import BODY, PROMPT, Wire, ask

SERVE = "from rerank_unify.cli import main; main()"
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


class Log:
    """What a process writes, line by line, to be waited for."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self._changed = Condition()
        self._thread = Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    def wait(self, pattern: str, times: int = 1) -> list[str]:
        """The first groups of so many lines that match."""

        def found() -> list[str]:
            return [match[1] for line in self.lines if (match := re.search(pattern, line))]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= times, PROMPT), "".join(self.lines)
            return found()

    def all(self) -> str:
        """Everything, once the process has ended."""
        self._thread.join(PROMPT)
        return "".join(self.lines)


@dataclass
class Running:
    process: subprocess.Popen[str]
    log: Log
    port: int

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PROMPT)


@contextmanager
def running(*flags: str, **environ: str) -> Generator[Running, None, None]:
    command = [sys.executable, "-c", SERVE, "serve", "--port", "0", *flags]
    environ = {**os.environ, **environ}
    # A session of its own: a worker that outlives a test that fails would hold the pipe, and the test would hang.
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ, start_new_session=True) as process:
        assert process.stderr is not None
        log = Log(process.stderr)
        try:
            port = int(log.wait(r"running on http://127\.0\.0\.1:(\d+)")[0])
            yield Running(process, log, port)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def configured(tmp_path: Path, server: ScriptedServer, further: str = "") -> str:
    path = tmp_path / "gateway.toml"
    route = f'[[models.m.targets]]\nprovider = "jina"\nbase_url = "{server.url}"\nkey_env = "UPSTREAM_KEY"\n'
    path.write_text(f"{further}\n{route}")
    return str(path)


def refuses(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), PROMPT):
            return False
    except ConnectionError:
        return True


def until(true: Callable[[], bool]) -> None:
    """Ask again and again, with a pause for the other side."""
    condition = Condition()
    with condition:
        assert any(true() or condition.wait(0.02) for _ in range(int(PROMPT / 0.02)))


# --- one worker ------------------------------------------------------------------------------------------------------


def test_no_key_no_file_no_flag_and_it_answers() -> None:
    with running() as gateway:
        assert ask(gateway.port).status == 200
        assert gateway.end() == 0
    log = gateway.log.all()
    assert "no key of any vendor is set: local ranks, whatever model is asked for" in log
    assert "no gateway keys are set: whoever reaches 127.0.0.1 may ask" in log
    assert re.search(r"rerank_unify\.gateway [0-9a-f]{32} jina 200 \d+\.\d ms local=ok", log)
    assert "Traceback" not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_finished(tmp_path: Path, number: int) -> None:
    with ScriptedServer([Play(delay=3600)]) as upstream, running("--config", configured(tmp_path, upstream)) as gateway:
        body = json.dumps(BODY).encode()
        with Wire(gateway.port) as wire, Wire(gateway.port) as idle:
            wire.head(content_length=str(len(body)))
            wire.socket.sendall(body)
            upstream.wait_calls(1, PROMPT)
            gateway.process.send_signal(number)
            assert idle.at_end()
            until(lambda: refuses(gateway.port))
            upstream.release()
            assert wire.answer().status == 200
        assert gateway.process.wait(PROMPT) == 0
    log = gateway.log.all()
    assert "keys for none; models m" in log
    assert "Traceback" not in log


def test_what_takes_too_long_is_not_waited_for(tmp_path: Path) -> None:
    upstream = ScriptedServer([Play(delay=3600)])
    with upstream, running("--config", configured(tmp_path, upstream, "drain_seconds = 0.1")) as gateway:
        wire = Wire(gateway.port)
        body = json.dumps(BODY).encode()
        wire.head(content_length=str(len(body)))
        wire.socket.sendall(body)
        upstream.wait_calls(1, PROMPT)
        assert gateway.end() == 0
        upstream.wait_left(1, PROMPT)
        wire.socket.close()


def test_a_port_that_is_taken_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-c", SERVE, "serve", "--port", port]
        completed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PROMPT)
    assert completed.returncode != 0
    assert f"error: cannot listen on 127.0.0.1:{port}: Address already in use" in completed.stderr


# --- several ---------------------------------------------------------------------------------------------------------


def test_two_workers_count_as_one_and_end_as_one(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f'workers = 2\n[keys]\ntests = "{hash_of("ru-tests")}"\n')
    key = {"x_api_key": "ru-tests"}
    with running("--config", str(path), TMPDIR=str(tmp_path)) as gateway:
        workers = [int(number) for number in gateway.log.wait(r"Started server process \[(\d+)\]", 2)]
        assert len(set(workers)) == 2
        gateway.log.wait(r"(Application startup complete)", 2)
        counters = next(tmp_path.glob("rerank-unify-*"))
        count = 0

        def both_have_responded() -> bool:
            nonlocal count
            count += 1
            assert ask(gateway.port, **key).status == 200
            files = [counters / f"counter_{worker}.db" for worker in workers]
            return all(file.exists() and b"rerank_requests_total" in file.read_bytes() for file in files)

        until(both_have_responded)
        with Wire(gateway.port) as wire:
            wire.head("/metrics", "GET", **key)
            metrics = wire.answer().body.decode()
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
    settings = GatewaySettings(default="none", keys={"tests": hash_of("ru-tests")})
    sentence = "cannot listen on 127.0.0.1:"
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ru.InvalidRequestError, match=sentence):
        serve(settings.model_copy(update={"port": taken.getsockname()[1]}))
    assert "no gateway keys are set" not in caplog.text
    with pytest.raises(SystemExit) as asked_to_end:
        signal.raise_signal(signal.SIGTERM)
    assert asked_to_end.value.code == 0


def test_a_worker_has_the_settings_of_the_first_process(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = GatewaySettings(port=9, keys={"tests": hash_of("ru-tests")}, default="none")
    monkeypatch.setenv(HANDED, settings.model_dump_json())
    monkeypatch.setenv("RERANK_UNIFY_PORT", "10")
    assert handed_app().state.gateway.settings == settings


@pytest.mark.usefixtures("handler")
def test_nothing_listens_beyond_the_loopback_without_a_key() -> None:
    with pytest.raises(ru.InvalidRequestError, match="is open to other machines"):
        serve(GatewaySettings(host="0.0.0.0"))  # noqa: S104 - that is the point
