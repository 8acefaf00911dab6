"""The output of a batch: a line for each request, written whole as it comes, and read again by the run that goes on."""

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

_OTHER = "--overwrite starts anew, or name another OUT"
_STRANGE = "{}: line {} is none that a batch has written; " + _OTHER
_FOREIGN = "{}: line {} is for another request than {} has on line {}; " + _OTHER
_UNWRITTEN = "{}: {}; what was written before is kept, and the same command goes on from there"
_BEGINNING = b'{"index":'
_BLOCK = 2**16  # bytes that are looked through at a time


@contextmanager
def checkpoint(path: Path, lines: Lines, *, overwrite: bool, ordered: bool) -> Generator[Checkpoint]:
    """Open the output of an input for this run alone, with what an earlier run has written, and leave it tidy.

    Raises:
        Failure: another run holds it, or it is not this input's.
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
    """What is done of an input, on disk, and in memory as one byte for each line.

    Attributes:
        path: the output.
        states: by zero-based line of the input: open, answered or failed.
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
        """How many requests have an answer."""
        return self.states.count(SUCCEEDED)

    @property
    def failed(self) -> int:
        """How many have failed."""
        return self.states.count(FAILED)

    def write(self, input_line: InputLine, record: bytes, *, failed: bool) -> None:
        """Append a line, all of it.

        Raises:
            Failure: the disk does not take it.
        """
        left = memoryview(record)
        with self._writing():
            while left:
                left = left[self._file.write(left) :]
        self._note(input_line.index, failed=failed)

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def tidy(self, *, ordered: bool) -> None:
        """Leave one line for each request, the last, in the order of the input if so wished.

        Nothing is lost on the way: the file is replaced by one that is complete.

        Raises:
            Failure: the disk does not take it.
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
        """Every line, and where it begins, in bytes.

        Raises:
            Failure: it is not the output of this input.
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
    """Cut off a last line that was torn when its writer was killed, and give one that is whole its end."""
    with path.open("r+b") as file:
        start = _last_line(file)
        file.seek(start)
        line = file.read()
        if line and read_output_line(line) is not None:
            file.write(b"\n")
        elif line[: len(_BEGINNING)] == _BEGINNING[: len(line)]:  # nobody else's text is cut
            file.truncate(start)


def _last_line(file: IO[bytes]) -> int:
    """Where the last line begins, in bytes; the end of the file where that is the end of a line."""
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
    """A file that takes the place of another one once it is complete and on the disk."""
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
