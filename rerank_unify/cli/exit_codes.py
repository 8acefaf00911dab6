"""Every way a command can end, as an exit code and at most one line on stderr.

=====  ==============================================================
0      done
1      an error of the request, the answer, a file or the installation; a batch in which a request has failed
2      the command line itself is wrong (click's own code and words)
130    Ctrl-C
141    whoever read the output has gone, as in ``… | head -1``
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
    """What a command says when it cannot do what it was asked, in the words of every other error here."""

    def show(self, file: IO[Any] | None = None) -> None:
        """One line."""
        click.echo(f"error: {one_line(self.message)}", err=True, file=file)


class Commands(click.Group):
    """A group that ends as this module says, and lists its commands in the order in which they are declared."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names in their own order: click would sort them."""
        return list(self.commands)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse; ``--help`` writes here, to a reader who may have gone."""
        with _reader_may_go():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _reader_may_go():
            return super().invoke(ctx)

    def main(self, *args: Any, **options: Any) -> Any:
        """Run and exit. ``standalone_mode`` makes no difference: what click does in it is done here."""
        run = partial(super().main, *args, **{**options, "standalone_mode": False})
        sys.exit(guarded(run))


@contextmanager
def _reader_may_go() -> Generator[None, None, None]:
    """A broken pipe as an exit code, before click sees it and makes it a failure."""
    try:
        yield
    except BrokenPipeError:
        raise click.exceptions.Exit(NO_READER) from None


def guarded(run: Callable[[], Any]) -> int:
    """The exit code of ``run``, whatever it raises."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal whose locale lacks a character shows "?" for it, and nothing fails.
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
    """Flush; what cannot be written any more goes nowhere, else the interpreter complains of it when it exits."""
    try:
        stream.flush()
    except (OSError, ValueError, AttributeError):  # gone, closed, or never there
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
