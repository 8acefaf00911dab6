"""Output: JSON for a pipe, and text that is safe for a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence

import click
from pydantic_core import from_json, to_json
from rich import box
from rich.console import Console
from rich.table import Table

from ..canonical import Loss, RerankResponse

# A document or a message of a provider must not move the cursor, colour the screen, break a line or change the
# direction of the text. Joiners pass: emoji and Persian need them.
_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_LISTED = 10  # most indices to list on a line


def on_terminal() -> bool:
    """Whether stdout is a terminal; it is None in a process without stdout."""
    return sys.stdout is not None and sys.stdout.isatty()


def escape(text: str) -> str:
    """Escape control characters, apart from line feeds, as JSON writes them."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """Put a text on one line, with control characters escaped."""
    return escape(re.sub("[ \t\r\n]+", " ", text).strip())


def write_json(content: bytes) -> None:
    """Print JSON in UTF-8 in any locale: indented and escaped on a terminal, unchanged in a pipe."""
    if on_terminal():
        content = escape(to_json(from_json(content), indent=2).decode()).encode()
    _write(content)


def write_text(text: str) -> None:
    """Print lines in UTF-8 in any locale, with control characters escaped."""
    _write(escape(text).encode())


def _write(content: bytes) -> None:
    """Write bytes and a line feed to stdout."""
    if sys.stdout is None:  # a process can start without stdout
        return
    # Not `click.echo`: with PYTHONUNBUFFERED a write may be partial, and it would lose the rest on a full disk.
    left = memoryview(content + b"\n")
    while left:
        left = left[sys.stdout.buffer.write(left) :]
    sys.stdout.buffer.flush()


def write_notes(lines: Iterable[str]) -> None:
    """Print lines on stderr."""
    for line in lines:
        click.echo(line, err=True)


def loss_line(loss: Loss) -> str:
    """Format a loss: field, action, reason, documents."""
    where = f" ({_documents(loss.indices)})" if loss.indices else ""
    effect = "" if loss.affects_result else "; the ranking is the same"
    return one_line(f"loss: {loss.field} {loss.action}: {loss.reason}{where}{effect}")


def response_notes(response: RerankResponse) -> list[str]:
    """Return the warnings, the losses and the documents without a score, a line each."""
    lines = [one_line(f"warning: {warning}") for warning in response.warnings]
    lines += map(loss_line, response.losses)
    if response.missing:
        lines.append(f"missing: no score for {_documents(response.missing)}")
    return lines


def _documents(indices: Sequence[int]) -> str:
    more = f" and {len(indices) - _LISTED:,} more" if len(indices) > _LISTED else ""
    return f"document{'s' if len(indices) > 1 else ''} {', '.join(map(str, indices[:_LISTED]))}{more}"


def console() -> Console:
    """Return a console on stdout that prints text as it is, without markup and colours."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def new_table(*, expand: bool = False, show_lines: bool = False) -> Table:
    """Return an empty table in the common style."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), expand=expand, show_lines=show_lines)
