"""The input of a batch: a file with one request per line, read as a stream."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from .._json import is_object
from .exit_codes import Failure

_MARK = b"\xef\xbb\xbf"  # the byte order mark that Windows writes before UTF-8
_NO_FILE = "{}: expected a regular file, because a resumed run reads it again"


def fingerprint(line: bytes) -> int:
    """Return the fingerprint of a line: the first 64 bits of its SHA-256, or 0 for an empty line."""
    return int.from_bytes(sha256(line).digest()[:8], "big") if line else 0


class Lines:
    """The lines of a file. Only a fingerprint of eight bytes per line stays in memory.

    Attributes:
        path: the file.
        prints: the fingerprints by zero-based line, 0 for an empty one.

    Raises:
        Failure: the path is a pipe or another special file.
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_file() and not path.is_dir():  # a folder gets the system's own sentence
            raise Failure(_NO_FILE.format(path))
        self.path = path
        self.prints = array("Q", map(fingerprint, self))

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the lines, each without surrounding white space."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file):
                yield (line if number else line.removeprefix(_MARK)).strip()

    @property
    def requests(self) -> int:
        """The number of lines that are not empty."""
        return sum(map(bool, self.prints))


def request_id(line: bytes) -> Any:
    """Return the ``id`` or ``custom_id`` of a request, any JSON value; None if the request has none or is no object."""
    if b'id"' not in line:
        return None
    try:
        wire: Any = from_json(line, allow_inf_nan=False)
    except ValueError:
        return None
    return (
        next((wire[name] for name in ("id", "custom_id") if wire.get(name) is not None), None)
        if is_object(wire)
        else None
    )
