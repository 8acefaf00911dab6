"""``batch``: many requests from a file, and their answers into another one."""

from __future__ import annotations

import time
from pathlib import Path

import click

from .batch_input import Lines
from .batch_run import Rank, Run, ranker
from .checkpoint import Checkpoint, checkpoint
from .exit_codes import FAILED
from .options import with_target_options
from .progress import progress_bar
from .tables import complain
from .targets import TargetOptions

_MAX_CONCURRENCY = 100  # connections that a client holds: more at a time would only wait for one
_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("source", metavar="IN.jsonl", type=_PATH)
@click.argument("out", metavar="OUT.jsonl", type=_PATH)
@with_target_options
@click.option(
    "--concurrency",
    type=click.IntRange(1, _MAX_CONCURRENCY),
    default=8,
    show_default=True,
    metavar="N",
    help=f"How many requests are under way at a time, {_MAX_CONCURRENCY} at most.",
)
@click.option("--ordered", is_flag=True, help="In the end put the lines of OUT in the order of IN.")
@click.option("--retry-failed", is_flag=True, help="Send again what has failed in an earlier run.")
@click.option("--overwrite", is_flag=True, help="Forget what OUT holds, whatever it is.")  # fmt: skip
def batch(
    source: Path,
    out: Path,
    target_options: TargetOptions,
    concurrency: int,
    ordered: bool,
    retry_failed: bool,
    overwrite: bool,
) -> None:
    """Rank many requests, from a file into a file.

    Each line of IN is a request in Jina's format; empty lines are skipped. Each becomes a line of OUT as it is done,
    an answer or an error, with the number of its line in IN, from 0, as index.

    Run the same command again after an interruption: it goes on where it stopped, and sends nothing twice that OUT has
    an answer to. What has failed stays so unless --retry-failed is given.

    Exit code 0: every request is answered; 1: some have failed; 130: interrupted.
    """
    if "-" in (str(source), str(out)):
        raise click.UsageError("IN and OUT are files: a run that goes on after an interruption reads both again.")
    if overwrite and retry_failed:
        raise click.UsageError("--overwrite and --retry-failed exclude each other.")
    if out.exists() and source.exists() and out.samefile(source):
        raise click.UsageError("IN and OUT are the same file.")
    rank, lines, began = ranker(target_options, concurrency), Lines(source), time.monotonic()
    with checkpoint(out, lines, overwrite=overwrite, ordered=ordered) as written:
        before = written.succeeded
        _run(rank, lines, written, again=retry_failed)
    complain([f"{_counted(written, before)}, {time.monotonic() - began:.1f} s"])
    if written.failed:
        raise click.exceptions.Exit(FAILED)


def _run(rank: Rank, lines: Lines, written: Checkpoint, *, again: bool) -> None:
    done = written.succeeded + (0 if again else written.failed)
    try:
        with progress_bar(lines.requests, done, written.failed) as tick:
            rank(Run(lines, written, tick, again=again))
    except KeyboardInterrupt:
        complain(["interrupted; the same command goes on from here"])
        raise


def _counted(written: Checkpoint, before: int) -> str:
    earlier = f" ({before} of them before)" if before else ""
    return f"{written.succeeded} answered{earlier}, {written.failed} failed"
