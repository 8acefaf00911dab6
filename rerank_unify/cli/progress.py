"""How far a batch has come: a bar for who watches on a terminal, nothing for everybody else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console

Tick: TypeAlias = Callable[[int], object]
"""Told after each request how many have failed so far."""


@contextmanager
def progress_bar(total: int, done: int, failed: int) -> Generator[Tick]:
    """A bar on stderr, where that is a terminal.

    Args:
        total: requests in all.
        done: how many an earlier run has done, failed ones among them.
        failed: how many of these have failed.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )  # fmt: skip

    columns = (
        BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]} failed"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        task = progress.add_task("", total=total, completed=done, failed=failed)
        yield lambda failed: progress.update(task, advance=1, failed=failed)
