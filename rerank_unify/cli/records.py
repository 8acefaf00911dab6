"""The lines of a batch's output: how they are written, and what is read of them when a run goes on."""

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
        index: its number, zero-based.
        print: its fingerprint.
        id: the request's own, any JSON value, or None.
    """

    index: int
    print: int
    id: Any

    def head(self) -> dict[str, Any]:
        """What a line of the output begins with."""
        id_field = {} if self.id is None else {"id": self.id}
        return {"index": self.index, **id_field, "sha": f"{self.print:016x}"}


def response_record(input_line: InputLine, response: RerankResponse) -> bytes:
    """A line for an answer, its end included."""
    head: dict[str, Any] = {**input_line.head(), "provider": response.provider}
    if response.losses:
        head["losses"] = [asdict(loss) for loss in response.losses]
    if response.missing:
        head["missing"] = response.missing
    if response.warnings:
        head["warnings"] = response.warnings
    return b'%s,"response":%s}\n' % (to_json(head)[:-1], response.to_json())


def error_record(input_line: InputLine, error: RerankError) -> bytes:
    """A line for a failure, its end included."""
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
    """What is read of a line of the output: which line of the input it is for, and whether that failed."""

    index: int
    print: int
    failed: bool


def read_output_line(record: bytes) -> OutputLine | None:
    """What a whole line says; None where it is not one that `response_record` or `error_record` wrote."""
    try:
        line: Any = from_json(record)
        index, sha = line["index"], int(line["sha"], 16)
    except (ValueError, LookupError, TypeError):
        return None
    is_whole = is_object(line) and ("response" in line) is not ("error" in line)
    return OutputLine(index, sha, "error" in line) if is_whole and type(index) is int else None
