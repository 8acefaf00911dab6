"""The checkpoint of a batch: its output file, appended line by line and read again by a resumed run."""

from __future__ import annotations

import os
import shutil
from array import array
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from .batch_input import Lines
from .exit_codes import Failure
from .lock import locked
from .records import InputLine, OutputLine, read_output_line

OPEN: Final = 0
SUCCEEDED: Final = 1
FAILED: Final = 2

_OTHER = "use --overwrite to start again, or name another OUT"
_STRANGE = "{}: line {} was not written by a batch; " + _OTHER
_FOREIGN = "{}: line {} belongs to another request than {} has on line {}; " + _OTHER
_UNWRITTEN = "{}: {}; earlier lines are safe, run the same command again to resume"
_BEGINNING = b'{"index":'
_BLOCK = 2**16  # bytes to read at a time


@contextmanager
def checkpoint(path: Path, lines: Lines, *, overwrite: bool, ordered: bool) -> Generator[Checkpoint]:
    """Lock and open the output of an input, with the lines of earlier runs; tidy it on exit.

    Raises:
        Failure: another run has locked it, or it belongs to another input.
        OSError: it cannot be opened.
    """
    with locked(path):
        if overwrite:
            os.truncate(path, 0)
        mend(path)
        opened = Checkpoint(path, lines)
        try:
            yield opened
        finally:
            opened.close()
            opened.tidy(ordered=ordered)


class Checkpoint:
    """The finished requests of an input: on disk as lines, in memory as one byte per request.

    Attributes:
        path: the output.
        states: by zero-based line of the input: `OPEN`, `SUCCEEDED` or `FAILED`.
    """

    def __init__(self, path: Path, lines: Lines) -> None:
        self.path = path
        self.states = bytearray(len(lines.prints))
        self._lines = lines
        self._last = -1
        self._ascending = True
        self._doubled = False
        for _, found in self._records():
            self._note(found.index, failed=found.failed)
        self._file = path.open("ab", buffering=0)

    @property
    def succeeded(self) -> int:
        """The number of requests with a response."""
        return self.states.count(SUCCEEDED)

    @property
    def failed(self) -> int:
        """The number of failed requests."""
        return self.states.count(FAILED)

    def write(self, input_line: InputLine, record: bytes, *, failed: bool) -> None:
        """Append a whole line.

        Raises:
            Failure: the disk refuses the write.
        """
        left = memoryview(record)
        with self._writing():
            while left:
                left = left[self._file.write(left) :]
        self._note(input_line.index, failed=failed)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def tidy(self, *, ordered: bool) -> None:
        """Keep only the last line of each request, in the order of the input if ``ordered``.

        A complete file replaces the old one, so that nothing is lost if the process is killed.

        Raises:
            Failure: the disk refuses the write.
        """
        if self._doubled or (ordered and not self._ascending):
            starts = array("q", [-1]) * len(self.states)
            for start, found in self._records():
                starts[found.index] = start
            self._rewrite(start for start in (starts if ordered else sorted(starts)) if start >= 0)

    def _rewrite(self, starts: Iterable[int]) -> None:
        with self._writing(), _replacement(self.path.resolve()) as new, self.path.open("rb") as old:
            for start in starts:
                old.seek(start)
                new.write(old.readline())

    @contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise Failure(_UNWRITTEN.format(self.path, error.strerror)) from error

    def _note(self, index: int, *, failed: bool) -> None:
        self._doubled = self._doubled or self.states[index] != OPEN
        self._ascending = self._ascending and index > self._last
        self._last = index
        self.states[index] = FAILED if failed else SUCCEEDED

    def _records(self) -> Generator[tuple[int, OutputLine]]:
        """Yield every line with its start in bytes.

        Raises:
            Failure: a line does not belong to this input.
        """
        start = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield start, self._checked(read_output_line(line), number)
                start += len(line)

    def _checked(self, found: OutputLine | None, number: int) -> OutputLine:
        if found is None:
            raise Failure(_STRANGE.format(self.path, number))
        prints = self._lines.prints
        if not 0 <= found.index < len(prints) or not found.print == prints[found.index] != 0:
            raise Failure(_FOREIGN.format(self.path, number, self._lines.path, found.index + 1))
        return found


def mend(path: Path) -> None:
    """Cut off a torn last line, and end a whole last line with a line break."""
    with path.open("r+b") as file:
        start = _last_line(file)
        file.seek(start)
        line = file.read()
        if line and read_output_line(line) is not None:
            file.write(b"\n")
        elif line[: len(_BEGINNING)] == _BEGINNING[: len(line)]:  # cut only text that a batch wrote
            file.truncate(start)


def _last_line(file: IO[bytes]) -> int:
    """Return the start of the last line in bytes; the end of the file if it ends with a line break."""
    at = file.seek(0, os.SEEK_END)
    while at:
        begin = max(at - _BLOCK, 0)
        file.seek(begin)
        end = file.read(at - begin).rfind(b"\n")
        if end >= 0:
            return begin + end + 1
        at = begin
    return 0


@contextmanager
def _replacement(path: Path) -> Generator[IO[bytes]]:
    """Open a new file that replaces ``path`` once it is complete and on disk."""
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
