"""One run at a time on one output."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path

from .exit_codes import Failure

_BUSY = "{}: another run writes to it"
_NO_FILE = "{}: expected a file to write to"


def locked(path: Path) -> AbstractContextManager[None]:
    """Make the file where there is none, and hold it alone.

    The system forgets the lock of a process that was killed. Where it has none, a file beside it is the lock.

    Raises:
        Failure: another run holds it, or it is no file.
        OSError: it cannot be opened.
    """
    if path.exists() and not path.is_file() and not path.is_dir():  # a folder gets the system's own sentence
        raise Failure(_NO_FILE.format(path))
    return _by_system(path) if find_spec("fcntl") is not None else _by_file_beside(path)


@contextmanager
def _by_system(path: Path) -> Generator[None]:
    import fcntl

    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(_BUSY.format(path)) from None
        # A run that has just ended may have put another file in this one's place.
        if not os.path.samestat(os.fstat(handle), path.stat()):
            raise Failure(_BUSY.format(path))
        yield
    finally:
        os.close(handle)


@contextmanager
def _by_file_beside(path: Path) -> Generator[None]:
    path.open("ab").close()
    beside = path.with_name(f"{path.name}.lock")
    try:
        beside.open("xb").close()
    except FileExistsError:
        raise Failure(f"{_BUSY.format(path)}; or one was killed, then remove {beside}") from None
    try:
        yield
    finally:
        beside.unlink()
