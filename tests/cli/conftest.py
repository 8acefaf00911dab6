"""Fixtures of the command line's tests."""

from __future__ import annotations

import os
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from rerank_unify.cli.app import app

from .helpers import ON_TERMINAL, REQUEST, Terminal, write


@pytest.fixture
def request_file(tmp_path: Path) -> str:
    return write(tmp_path / "request.json", REQUEST)


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that runs a command in this process on a terminal of 100 columns."""
    for name, value in ON_TERMINAL.items():
        monkeypatch.setenv(name, value)

    def on_terminal(*args: str) -> str:
        terminal = Terminal()
        stdout = os.fdopen(terminal.far, "w", encoding="utf-8")
        with stdout, redirect_stdout(stdout), pytest.raises(SystemExit) as ended:
            app.main(list(args), prog_name="rerank-unify")
        assert ended.value.code == 0
        return terminal.finish()

    return on_terminal
