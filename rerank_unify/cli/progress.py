"""Progress bars on stderr, of a batch and of a ranking in this process. Without a terminal they draw nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeAlias

from rich.console import Console

from .._progress import watch_progress

if TYPE_CHECKING:
    from rich.progress import Progress

Tick: TypeAlias = Callable[[int], object]
"""Called after each request with the number of failed requests so far."""

BAR_AFTER: Final = 1.0  # seconds that a ranking in this process may take without a bar


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


@contextmanager
def ranking_bar(after: float = BAR_AFTER) -> Generator[None]:
    """Draw a bar on stderr while documents are ranked in this process, where stderr is a terminal.

    Args:
        after: seconds without a bar; a ranking that ends before then never shows it.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    start = monotonic()
    bars: list[Progress] = []

    def show(done: int, total: int) -> None:
        if not bars and done < total and monotonic() - start >= after:
            bars.append(_start_bar(total))
        for bar in bars:
            bar.update(bar.task_ids[0], completed=done, refresh=True)

    try:
        with watch_progress(show):
            yield
    finally:
        for bar in bars:
            bar.stop()


def _start_bar(total: int) -> Progress:
    """Start a bar that leaves nothing on the screen when it stops."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("ranking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(file=sys.stderr), transient=True)
    bar.add_task("", total=total)
    bar.start()
    return bar
