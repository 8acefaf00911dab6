"""Requests from files, from standard input and from options. Everything is read as bytes."""

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

CANONICAL = "jina"  # whose format requests in files have


def names_from(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    """The providers whose names begin so, for the shell's completion."""
    return [name for name in provider_names() if name.startswith(incomplete)]


def read_bytes(source: str) -> bytes:
    """The whole of a file, or of standard input for ``-``, without the mark that Windows puts before UTF-8."""
    if source == "-" and sys.stdin is None:
        raise Failure("standard input is closed")
    raw = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    return raw.removeprefix(b"\xef\xbb\xbf")


def read_request(source: str | None, given: Mapping[str, Any]) -> RerankRequest:
    """A request in the canonical format.

    Args:
        source: a file, ``-`` for standard input, or None where there are only options.
        given: fields from options, which count before those of the file.
    """
    jina = provider(CANONICAL)
    if source is None:
        return jina.decode_request(given)
    raw = read_bytes(source)
    wire = _parsed(raw)
    if not given or not is_object(wire):
        return jina.decode_request(raw)  # has the sentence for what is no JSON object
    rest = {key: value for key, value in wire.items() if ALIASES.get(key, key) not in given}
    return jina.decode_request({**rest, **given})


def _parsed(raw: bytes) -> Any:
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError:
        return None


def read_documents(path: str) -> list[Any]:
    """The documents in a file, one on each line, so that an index is the line's number less one.

    Args:
        path: ``.jsonl`` for JSON strings or objects; ``.txt`` for plain text, where an empty line is an empty document.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _READERS:
        raise click.BadParameter(f"{path}: expected a .txt or a .jsonl file", param_hint="--documents")
    lines = enumerate(_lines(read_bytes(path)), 1)
    return [_READERS[suffix](line, f"{path}: line {number}") for number, line in lines]


def _lines(raw: bytes) -> list[bytes]:
    """Lines without their ends: not `bytes.splitlines`, to which a lone carriage return inside a line is an end too."""
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
