"""`rerank-unify serve` as a real process, for tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Condition, Thread
from typing import IO

from scripted_server import PATIENCE

SERVE = "from rerank_unify.cli import main; main()"


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
            assert self._changed.wait_for(lambda: len(found()) >= times, PATIENCE), "".join(self.lines)
            return found()

    def all(self) -> str:
        """Everything, once the process has ended."""
        self._thread.join(PATIENCE)
        return "".join(self.lines)


@dataclass
class Running:
    process: subprocess.Popen[str]
    log: Log
    port: int

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


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
            log.all()  # the thread must not read from a closed pipe
