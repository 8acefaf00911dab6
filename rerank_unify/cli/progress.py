"""Progress bars on stderr, of a batch and of a ranking in this process. Without a terminal they draw nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

import click

from .._progress import watch_progress

BAR_AFTER: Final = 1.0  # seconds that a ranking in this process may take without a bar


def _bar(length: int, **options: Any) -> Any:
    hidden = sys.stderr is None or not sys.stderr.isatty()
    return click.progressbar(length=length, show_pos=True, file=sys.stderr, hidden=hidden, **options)


@contextmanager
def batch_bar(total: int) -> Generator[Callable[[int], None]]:
    """Show a bar with the rate, the time left and the number of failed requests.

    Args:
        total: the number of requests.

    Yields:
        A function to call after each request, with the number of failed requests so far.
    """

    def details(failed: int | None) -> str:
        seconds = bar.time_per_iteration
        return f"{failed or 0} failed" + (f"  {1 / seconds:.1f} requests/s" if seconds else "")

    bar = _bar(total, item_show_func=details)
    with bar:
        yield lambda failed: bar.update(1, failed)


@contextmanager
def ranking_bar(after: float = BAR_AFTER) -> Generator[None]:
    """Show a bar while documents are ranked in this process.

    Args:
        after: seconds without a bar; a ranking that ends before then never shows it.
    """
    start = monotonic()
    bar = _bar(1, label="ranking")

    def show(done: int, total: int) -> None:
        if bar.pos or (done < total and monotonic() - start >= after):
            bar.length = total
            bar.update(done - bar.pos)

    try:
        with watch_progress(show):
            yield
    finally:
        if bar.pos:
            bar.render_finish()
