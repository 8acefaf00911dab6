"""A lock on the output of a batch."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path

from .exit_codes import Failure

_BUSY = "{}: another run has locked it"
_NO_FILE = "{}: expected a regular file"


def locked(path: Path) -> AbstractContextManager[None]:
    """Create the file if there is none, and lock it.

    The operating system releases the lock of a killed process. A system without such locks gets a lock file.

    Raises:
        Failure: another run has locked it, or it is no regular file.
        OSError: the file cannot be opened.
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
        # A run that has just ended may have replaced the file.
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
        raise Failure(f"{_BUSY.format(path)}; if that run was killed, remove {beside}") from None
    try:
        yield
    finally:
        beside.unlink()
