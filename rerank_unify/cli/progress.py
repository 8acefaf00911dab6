"""The progress of a batch: a bar on a terminal, else nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console

Tick: TypeAlias = Callable[[int], object]
"""Called after each request with the number of failed requests so far."""


@contextmanager
def progress_bar(total: int, done: int, failed: int) -> Generator[Tick]:
    """Show a bar on stderr if it is a terminal.

    Args:
        total: the number of requests.
        done: requests that earlier runs have finished, failed ones included.
        failed: failed requests among them.
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
