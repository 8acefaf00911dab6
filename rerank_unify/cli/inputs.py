"""Read requests from files, standard input and options, all as bytes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic_core import from_json

from .._json import is_object
from ..canonical import ALIASES, RerankRequest
from ..errors import InvalidRequestError
from ..registry import provider, provider_names
from .exit_codes import Failure

CANONICAL = "jina"  # the format of requests in files


def names_from(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    """Return the provider names that complete the input, for the shell."""
    return [name for name in provider_names() if name.startswith(incomplete)]


def read_bytes(source: str) -> bytes:
    """Read a whole file, or standard input for ``-``, without the byte order mark that Windows writes."""
    if source == "-" and sys.stdin is None:
        raise Failure("standard input is closed")
    raw = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    return raw.removeprefix(b"\xef\xbb\xbf")


def read_request(source: str | None, given: Mapping[str, Any]) -> RerankRequest:
    """Read a request in the canonical format.

    Args:
        source: a file, ``-`` for standard input, or None to use options alone.
        given: fields from options, which override those of the file.
    """
    jina = provider(CANONICAL)
    if source is None:
        return jina.decode_request(given)
    raw = read_bytes(source)
    wire = _parsed(raw)
    if not given or not is_object(wire):
        return jina.decode_request(raw)  # raises the error for a body that is no JSON object
    rest = {key: value for key, value in wire.items() if ALIASES.get(key, key) not in given}
    return jina.decode_request({**rest, **given})


def _parsed(raw: bytes) -> Any:
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError:
        return None


def read_documents(path: str) -> list[Any]:
    """Read the documents of a file, one per line, so that an index is the line number minus 1.

    Args:
        path: ``.jsonl`` with JSON strings or objects, or ``.txt`` with plain text, in which an empty line is an empty
            document.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _READERS:
        raise click.BadParameter(f"{path}: expected a .txt or a .jsonl file", param_hint="--documents")
    lines = enumerate(_lines(read_bytes(path)), 1)
    return [_READERS[suffix](line, f"{path}: line {number}") for number, line in lines]


def _lines(raw: bytes) -> list[bytes]:
    """Split into lines. `bytes.splitlines` would also split at a lone carriage return."""
    lines = [line.removesuffix(b"\r") for line in raw.split(b"\n")]
    return lines if lines[-1] else lines[:-1]


def _text(line: bytes, place: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{place}: not text in UTF-8 (byte {error.start + 1})") from None


def _json(line: bytes, place: str) -> Any:
    try:
        return from_json(line, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequestError(f"{place}: not JSON in UTF-8 ({error})") from None


_READERS = {".txt": _text, ".jsonl": _json}
