"""Helpers of the command line's tests: runners, terminals, processes and a provider's server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import IO, Any

from click.testing import CliRunner, Result
from scripted_server import ScriptedServer
from scripted_server import respond_as as answers_of

from rerank_unify.cli.app import app

QUERY = "organic skincare for sensitive skin"
DOCUMENTS = [
    "motor oil",
    "organic cream for sensitive skin",
    "针对敏感肌专门设计的天然有机护肤产品",
    "skin",
]
REQUEST: dict[str, Any] = {"query": QUERY, "documents": DOCUMENTS, "top_n": 2}
HIDDEN = "pa-a-key-that-nobody-may-see"
SCRIPT = (sys.executable, "-m", "rerank_unify.cli")


def run(*args: str, stdin: Any = None) -> Result:
    return CliRunner().invoke(app, args, input=stdin)


def ok(*args: str, stdin: Any = None) -> Any:
    """What a command that succeeds without a word on stderr writes, as JSON."""
    result = run(*args, stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes.count(b"\n") == 1
    return json.loads(result.stdout_bytes)


def failed(*args: str, stdin: Any = None, code: int = 1) -> str:
    """The one line on stderr of a command that fails."""
    result = run(*args, stdin=stdin)
    assert (result.exit_code, result.stdout) == (code, "")
    (line,) = result.stderr.splitlines()
    return line


def write(path: Path, value: Any) -> str:
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode())
    return str(path)


def plain(output: bytes) -> str:
    """What stands on the screen, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", output.decode()).replace("\r\n", "\n")


class Terminal:
    """A pseudo-terminal: whatever is written to its one end is collected from the other."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        self.output = b""
        self.decoder = Thread(target=self._collect)
        self.decoder.start()

    def _collect(self) -> None:
        try:
            while some := os.read(self.ours, 65536):
                self.output += some
        except OSError:  # how Linux says that the other end is closed
            pass

    def finish(self) -> str:
        self.decoder.join()
        os.close(self.ours)
        return plain(self.output)


ON_TERMINAL = {"TERM": "xterm", "COLUMNS": "100"}


def process(
    *args: str, env: Mapping[str, str] | None = None, stdout: int | IO[bytes] = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, **(env or {})}
    return subprocess.run((*SCRIPT, *args), env=env, stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=False)


def process_on_terminal(*args: str, env: Mapping[str, str] | None = None) -> str:
    terminal = Terminal()
    ended = process(*args, env={**ON_TERMINAL, **(env or {})}, stdout=terminal.theirs)
    os.close(terminal.theirs)
    assert (ended.returncode, ended.stderr) == (0, b"")
    return terminal.finish()


TEXTS = ("--query", "skin", "--document", "motor oil", "--document", "skin cream")


def served(script: Sequence[Any] = (), name: str = "xinference") -> Any:
    return ScriptedServer(script, respond=answers_of(name))


def over(server: Any, *more: str) -> tuple[str, ...]:
    return ("rerank", *TEXTS, "--provider", "xinference", "--base-url", server.url, *more)


CONVERT = ("convert", "request", "--from", "jina", "--to", "voyage")
