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
from scripted_server import ScriptedServer, respond_as

from rerank_unify.cli.app import app

QUERY = "organic skincare for sensitive skin"
DOCUMENTS = [
    "motor oil",
    "organic cream for sensitive skin",
    "针对敏感肌专门设计的天然有机护肤产品",
    "skin",
]
REQUEST: dict[str, Any] = {"query": QUERY, "documents": DOCUMENTS, "top_n": 2}
SECRET = "pa-a-key-that-no-output-repeats"
SCRIPT = (sys.executable, "-m", "rerank_unify.cli")


def run(*args: object, stdin: Any = None) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, list(map(str, args)), input=stdin)


def ok(*args: object, stdin: Any = None) -> Any:
    """Return the JSON of a command that succeeds and writes nothing on stderr."""
    result = run(*args, stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes.count(b"\n") == 1
    return json.loads(result.stdout_bytes)


def failed(*args: object, stdin: Any = None, code: int = 1) -> str:
    """Return the error of a command that fails: the last line on stderr, and the only one if the code is 1."""
    result = run(*args, stdin=stdin)
    assert (result.exit_code, result.stdout) == (code, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 1 or code == 2
    assert lines[-1].startswith("Error: ")
    return lines[-1].removeprefix("Error: ")


def write(path: Path, value: Any) -> str:
    """Write bytes, or a value as JSON, and return the path as text."""
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode())
    return str(path)


def plain(output: bytes) -> str:
    """Return the text of a screen, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", output.decode()).replace("\r\n", "\n")


class Terminal:
    """A pseudo-terminal: text written to its one end is collected from the other."""

    def __init__(self) -> None:
        self.near, self.far = os.openpty()
        self.output = b""
        self.reader = Thread(target=self._collect)
        self.reader.start()

    def _collect(self) -> None:
        try:
            while some := os.read(self.near, 65536):
                self.output += some
        except OSError:  # on Linux: the other end is closed
            pass

    def finish(self) -> str:
        """Return the text of the screen, once the other end is closed."""
        self.reader.join()
        os.close(self.near)
        return plain(self.output)


ON_TERMINAL = {"TERM": "xterm", "COLUMNS": "100"}


def process(
    *args: object, env: Mapping[str, str] | None = None, stdout: int | IO[bytes] = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    """Run a command as a process."""
    command, env = (*SCRIPT, *map(str, args)), {**os.environ, **(env or {})}
    return subprocess.run(command, env=env, stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=False)


def process_on_terminal(*args: object, env: Mapping[str, str] | None = None) -> str:
    """Run a command as a process whose stdout is a terminal of 100 columns; return the text of the screen."""
    terminal = Terminal()
    ended = process(*args, env={**ON_TERMINAL, **(env or {})}, stdout=terminal.far)
    os.close(terminal.far)
    assert (ended.returncode, ended.stderr) == (0, b"")
    return terminal.finish()


TEXTS = ("--query", "skin", "--document", "motor oil", "--document", "skin cream")


def served(script: Sequence[Any] = (), name: str = "xinference") -> Any:
    """Start a server that responds as a provider, after the plays of the script."""
    return ScriptedServer(script, respond=respond_as(name))


def over(server: Any, *more: str) -> tuple[str, ...]:
    """Return the arguments that rerank two texts with a server."""
    return ("rerank", *TEXTS, "--provider", "xinference", "--base-url", server.url, *more)


CONVERT = ("convert", "request", "--from", "jina", "--to", "voyage")
