"""The lines of a batch's output: writing them, and reading them in a resumed run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic_core import from_json, to_json

from .._json import is_object
from ..canonical import RerankResponse
from ..errors import AllProvidersFailedError, RerankError


@dataclass(frozen=True, slots=True)
class InputLine:
    """A line of the input.

    Attributes:
        index: the zero-based line number.
        print: the fingerprint.
        id: the id of the request, any JSON value, or None.
    """

    index: int
    print: int
    id: Any

    def head(self) -> dict[str, Any]:
        """Return the first keys of the output line."""
        id_field = {} if self.id is None else {"id": self.id}
        return {"index": self.index, **id_field, "sha": f"{self.print:016x}"}


def response_record(input_line: InputLine, response: RerankResponse) -> bytes:
    """Build the output line of a response, with its line break."""
    head: dict[str, Any] = {**input_line.head(), "provider": response.provider}
    if response.losses:
        head["losses"] = [asdict(loss) for loss in response.losses]
    if response.missing:
        head["missing"] = response.missing
    if response.warnings:
        head["warnings"] = response.warnings
    return b'%s,"response":%s}\n' % (to_json(head)[:-1], response.to_json())


def error_record(input_line: InputLine, error: RerankError) -> bytes:
    """Build the output line of an error, with its line break."""
    causes = error.causes if isinstance(error, AllProvidersFailedError) else ()
    details = {**_plain(error), "causes": [_plain(cause) for cause in causes]}
    return to_json({**input_line.head(), "error": details}) + b"\n"


def _plain(error: RerankError) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "message": error.message,
        "status": error.status,
        "code": error.code,
        "provider": error.provider,
    }


@dataclass(frozen=True, slots=True)
class OutputLine:
    """An output line as a resumed run reads it: the input line it belongs to, and whether the request failed."""

    index: int
    print: int
    failed: bool


def read_output_line(record: bytes) -> OutputLine | None:
    """Parse an output line; None if `response_record` or `error_record` did not write it."""
    try:
        line: Any = from_json(record)
        index, sha = line["index"], int(line["sha"], 16)
    except (ValueError, LookupError, TypeError):
        return None
    is_whole = is_object(line) and ("response" in line) is not ("error" in line)
    return OutputLine(index, sha, "error" in line) if is_whole and type(index) is int else None
