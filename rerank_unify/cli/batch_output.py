"""The output of a batch: a file with one line per finished request, appended line by line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple, TypeAlias

import click
from pydantic_core import from_json, to_json

from .._json import is_object
from ..canonical import RerankResponse
from ..errors import AllProvidersFailedError, RerankError

Id: TypeAlias = str | int

_BEGINNING = b'{"id":'  # of every line


class Entry(NamedTuple):
    """A request of the input: its id, and the first 16 hexadecimal digits of the SHA-256 of its line."""

    id: Id
    digest: str


@contextmanager
def open_output(path: Path) -> Generator[Output]:
    """Lock and open the output of a batch; a torn last line is cut off.

    Raises:
        ClickException: another run has locked it, it is a symbolic link, or it holds other lines.
        OSError: it cannot be opened.
    """
    from filelock import FileLock, Timeout

    if path.is_symlink():
        raise click.ClickException(f"{path}: expected a file, not a symbolic link")
    # filelock does not follow symbolic links, and the system releases the lock of a killed process.
    try:
        lock = FileLock(f"{path}.lock", mode=0o600).acquire(timeout=0)
    except Timeout:
        raise click.ClickException(f"{path}: another run has locked it") from None
    with lock, closing(Output(path)) as output:
        output.read()
        yield output


class Output:
    """The lines of a batch's output.

    Attributes:
        path: the file.
        done: the digest of each finished request, by its id.
        failed: the ids of the failed requests.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[Id, str] = {}
        self.failed: set[Id] = set()
        self._file = _open(path)

    def read(self) -> None:
        """Read the lines of earlier runs. Cut off a torn last line."""
        end, line = 0, b"\n"
        for line, record in self._records():
            self._note(record["id"], record["sha256"], failed="error" in record)
            end += len(line)
        self._file.truncate(end)
        if not line.endswith(b"\n"):
            self._file.write(b"\n")

    def _records(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yield each line, and the JSON object that it is. End at a torn last line.

        Raises:
            ClickException: a batch did not write the line.
        """
        self._file.seek(0)
        for number, line in enumerate(self._file, 1):
            try:
                record: Any = from_json(line)
            except ValueError:
                if line.endswith(b"\n") or line[: len(_BEGINNING)] != _BEGINNING[: len(line)]:
                    raise self._not_ours(number) from None
                return
            if not _is_record(record):
                raise self._not_ours(number)
            yield line, record

    def _not_ours(self, number: int) -> click.ClickException:
        return click.ClickException(f"{self.path}: line {number} was not written by a batch; name another OUT")

    def _note(self, request_id: Id, digest: str, *, failed: bool) -> None:
        self.done[request_id] = digest
        if failed:
            self.failed.add(request_id)

    def drop_failed(self) -> None:
        """Replace the file by one without the lines of failed requests, so that they are sent again."""
        with TemporaryDirectory(dir=self.path.parent, prefix=".") as folder:
            new = Path(folder, "new")
            with _open(new) as file:
                file.writelines(line for line, record in self._records() if "error" not in record)
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(self.path, new)
            self._file.close()
            new.replace(self.path)
        self._file = _open(self.path)
        self.done = {request_id: digest for request_id, digest in self.done.items() if request_id not in self.failed}
        self.failed = set()

    def write_response(self, entry: Entry, response: RerankResponse) -> None:
        """Append the line of a response."""
        details = {
            "provider": response.provider,
            "losses": [asdict(loss) for loss in response.losses],
            "missing": response.missing,
            "warnings": response.warnings,
        }
        head = {"id": entry.id, "sha256": entry.digest, **{name: value for name, value in details.items() if value}}
        self._append(entry, b'%s,"response":%s}\n' % (to_json(head)[:-1], response.to_json()), failed=False)

    def write_error(self, entry: Entry, error: RerankError) -> None:
        """Append the line of an error."""
        causes = error.causes if isinstance(error, AllProvidersFailedError) else ()
        details = {**_details(error), "causes": [_details(cause) for cause in causes]}
        record = {"id": entry.id, "sha256": entry.digest, "error": details}
        self._append(entry, to_json(record) + b"\n", failed=True)

    def _append(self, entry: Entry, line: bytes, *, failed: bool) -> None:
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            message = f"{self.path}: {error.strerror}; earlier lines are safe, run the same command again to resume"
            raise click.ClickException(message) from error
        self._note(entry.id, entry.digest, failed=failed)

    def close(self) -> None:
        """Close the file. After a failed write nothing is left to save."""
        with suppress(OSError):
            self._file.close()


def _open(path: Path) -> IO[bytes]:
    """Open a file to read it and append to it. A new file is for its owner alone; no symbolic link is followed."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)

    return open(path, "a+b", opener=opener)  # `Path.open` takes no opener


def _is_record(record: Any) -> bool:
    return (
        is_object(record)
        and type(record.get("id")) in (str, int)
        and isinstance(record.get("sha256"), str)
        and ("response" in record) is not ("error" in record)
    )


def _details(error: RerankError) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "message": error.message,
        "status": error.status,
        "code": error.code,
        "provider": error.provider,
    }
