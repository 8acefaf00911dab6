"""The input of a batch: one request on each line of a file, read as a stream."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from .._json import is_object
from .exit_codes import Failure

_MARK = b"\xef\xbb\xbf"  # which Windows puts before UTF-8
_NO_FILE = "{}: expected a file, which can be read again when a run goes on after an interruption"


def fingerprint(line: bytes) -> int:
    """What tells a line from another: 64 bits of its SHA-256, 0 for an empty line."""
    return int.from_bytes(sha256(line).digest()[:8], "big") if line else 0


class Lines:
    """The lines of a file. Of each only its fingerprint is kept, eight bytes.

    Attributes:
        path: the file.
        prints: the fingerprints by zero-based line, 0 for an empty one.

    Raises:
        Failure: it is a pipe or the like.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_file() and not path.is_dir():  # a folder gets the system's own sentence
            raise Failure(_NO_FILE.format(path))
        self.path = path
        self.prints = array("Q", map(fingerprint, self))

    def __iter__(self) -> Iterator[bytes]:
        """Each line without the spaces around it and without its end."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file):
                yield (line if number else line.removeprefix(_MARK)).strip()

    @property
    def requests(self) -> int:
        """How many lines are not empty."""
        return sum(map(bool, self.prints))


def request_id(line: bytes) -> Any:
    """The ``id`` or ``custom_id`` of a request, any JSON value; None where it has none or is no JSON object."""
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
