"""``batch``: rerank many requests from a file into another file."""

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

_MAX_CONCURRENCY = 100  # the client has as many connections; more requests would only wait for one
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
    help=f"Number of concurrent requests, {_MAX_CONCURRENCY} at most.",
)
@click.option("--ordered", is_flag=True, help="When the run ends, sort the lines of OUT in the order of IN.")
@click.option("--retry-failed", is_flag=True, help="Send the requests again that failed in an earlier run.")
@click.option("--overwrite", is_flag=True, help="Discard the content of OUT and start again.")  # fmt: skip
def batch(
    source: Path,
    out: Path,
    target_options: TargetOptions,
    concurrency: int,
    ordered: bool,
    retry_failed: bool,
    overwrite: bool,
) -> None:
    """Rerank many requests from a file into another file.

    Each line of IN is a request in Jina's format; empty lines are skipped. Each request becomes a line of OUT when it
    is done: a response or an error, with the zero-based number of its line in IN as index.

    Run the same command again after an interruption: it resumes, and sends no request again that OUT has a response
    for. Failed requests are sent again only with --retry-failed.

    Exit code 0: every request succeeded; 1: some failed; 130: interrupted.
    """
    if "-" in (str(source), str(out)):
        raise click.UsageError("IN and OUT must be files, because a resumed run reads both again.")
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
        complain(["interrupted; run the same command again to resume"])
        raise


def _counted(written: Checkpoint, before: int) -> str:
    earlier = f" ({before} in earlier runs)" if before else ""
    return f"{written.succeeded} succeeded{earlier}, {written.failed} failed"
