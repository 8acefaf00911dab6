"""Progress of a ranking in this process: a provider reports it, and the command line draws a bar."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeAlias

Watcher: TypeAlias = Callable[[int, int], object]
"""Called with the number of documents that are ranked, and of all documents."""

# A context variable, so that two rankings in two threads or tasks never share a bar.
_WATCHER: Final[ContextVar[Watcher | None]] = ContextVar("rerank_unify_progress", default=None)


@contextmanager
def watch_progress(watcher: Watcher) -> Generator[None]:
    """Call ``watcher`` with the progress of each ranking that runs in this context."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def report_progress(done: int, total: int) -> None:
    """Report how many documents are ranked. Without a watcher, such as the command line's bar, nothing happens.

    Args:
        done: the number of documents that are ranked, 0 or more.
        total: the number of all documents.
    """
    watcher = _WATCHER.get()
    if watcher is not None:
        watcher(done, total)
