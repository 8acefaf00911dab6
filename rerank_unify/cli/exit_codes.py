"""Exit codes: each way a command can end, with at most one line on stderr.

=====  ==============================================================
0      done
1      an error of the request, the response, a file or the installation; a batch with a failed request
2      a wrong command line (click's code and messages)
130    Ctrl-C
141    the reader of the output has closed the pipe, as in ``… | head -1``
=====  ==============================================================
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, Any

import click

from ..errors import RerankError
from .text import one_line

FAILED = 1
INTERRUPTED = 130
NO_READER = 141


class Failure(click.ClickException):
    """An error of a command, printed in the format of all errors here."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error on one line."""
        click.echo(f"error: {one_line(self.message)}", err=True, file=file)


class Commands(click.Group):
    """A group that ends with the exit codes of this module, and lists its commands in the order of declaration."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """List the names in the order of declaration; click would sort them."""
        return list(self.commands)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the arguments; ``--help`` prints here, perhaps into a closed pipe."""
        with _reader_may_go():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _reader_may_go():
            return super().invoke(ctx)

    def main(self, *args: Any, **options: Any) -> Any:
        """Run and exit. ``standalone_mode`` has no effect: this method handles the errors that click handles in it."""
        run = partial(super().main, *args, **{**options, "standalone_mode": False})
        sys.exit(guarded(run))


@contextmanager
def _reader_may_go() -> Generator[None, None, None]:
    """Turn a broken pipe into an exit code, before click turns it into a failure."""
    try:
        yield
    except BrokenPipeError:
        raise click.exceptions.Exit(NO_READER) from None


def guarded(run: Callable[[], Any]) -> int:
    """Return the exit code of ``run``, whatever it raises."""
    for stream in (sys.stdout, sys.stderr):
        # Print "?" for a character that the terminal's encoding lacks, instead of failing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    code = _outcome(run)
    for stream in (sys.stdout, sys.stderr):
        _settle(stream)
    return code


def _outcome(run: Callable[[], Any]) -> int:
    try:
        code = run()
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - a provider of another package may raise anything
        with suppress(OSError):
            click.echo(f"error: {_sentence(error)}", err=True)
        return FAILED
    return code if isinstance(code, int) else 0


def _sentence(error: Exception) -> str:
    if isinstance(error, RerankError):
        return one_line(str(error))
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return one_line(f"{error.filename}: {reason}" if error.filename is not None else reason)
    return one_line(f"unexpected {type(error).__name__}: {error}")


def _settle(stream: Any) -> None:
    """Flush the stream. Discard output that cannot be written, so that the interpreter prints no error at exit."""
    try:
        stream.flush()
    except (OSError, ValueError, AttributeError):  # broken, closed, or None
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
