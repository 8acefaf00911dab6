"""``batch``: rerank many requests from a file into another file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .._json import is_object, parse_json
from ..canonical import RerankRequest
from ..errors import RerankError
from ..registry import provider as provider_by_name
from .batch_output import Entry, Id, Output, open_output
from .options import CANONICAL, Chain, with_chain
from .output import write_notes
from .progress import batch_bar

if TYPE_CHECKING:
    from ..client import AsyncClient, Completed

_MAX_CONCURRENCY = 100  # the client has as many connections; more requests would only wait for one


@click.command()
@click.argument("source", metavar="IN.jsonl", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", metavar="OUT.jsonl", type=click.Path(dir_okay=False, path_type=Path))
@with_chain
@click.option(
    "--concurrency",
    type=click.IntRange(1, _MAX_CONCURRENCY),
    default=8,
    show_default=True,
    metavar="N",
    help=f"Number of concurrent requests, {_MAX_CONCURRENCY} at most.",
)
@click.option("--retry-failed", is_flag=True, help="Send the requests again that failed in an earlier run.")
def batch(source: Path, out: Path, chain: Chain, concurrency: int, retry_failed: bool) -> None:
    """Rerank many requests from a file into another file.

    Each line of IN is a request in Jina's format; empty lines are skipped. Each request becomes a line of OUT when it
    is done: a response or an error, with the request's id. That is its `id` or `custom_id`, else the number of its
    line. Lines of OUT are in the order in which requests end.

    Run the same command again after an interruption: it resumes, and sends no request again that OUT has a line for.
    Failed requests are sent again only with --retry-failed.

    Exit code 0: every request succeeded; 1: some failed, or the run was interrupted.
    """
    if str(out) == "-" or not source.is_file():
        raise click.UsageError("IN and OUT must be regular files, because the next run reads both again.")
    if out.exists() and out.samefile(source):
        raise click.UsageError("IN and OUT are the same file.")
    entries = _read_entries(source)
    client = chain.async_client()
    began = time.monotonic()
    with open_output(out) as output:
        _refuse_changes(entries, output)
        if retry_failed and output.failed:
            output.drop_failed()
        todo = entries.keys() - output.done.keys()
        try:
            with batch_bar(len(todo)) as tick:
                _rank_all(client, _Run(source, todo, output, tick), chain, concurrency)
        except KeyboardInterrupt:
            write_notes(["interrupted; run the same command again to resume"])
            raise
    failed = len(entries.keys() & output.failed)
    earlier = len(entries) - len(todo)
    seconds = time.monotonic() - began
    write_notes([f"{len(entries) - failed} succeeded, {failed} failed, {earlier} of them earlier, {seconds:.1f} s"])
    if failed:
        raise click.exceptions.Exit(1)


def _read_lines(source: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the content of each line that is not empty; numbers start at 1."""
    with source.open("rb") as file:
        for number, line in enumerate(file, 1):
            content = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
            if content:
                yield number, content


def _read_entry(number: int, line: bytes) -> Entry:
    """Return the id and the digest of a line.

    Raises:
        ClickException: its id is neither a string nor an integer.
    """
    request = parse_json(line)
    ids: list[Any] = [request.get("id"), request.get("custom_id"), number] if is_object(request) else [number]
    request_id = next(one for one in ids if one is not None)
    if type(request_id) not in (str, int):
        raise click.ClickException(f"line {number} of IN: id: expected a string or an integer")
    return Entry(request_id, sha256(line).hexdigest()[:16])


def _read_entries(source: Path) -> dict[Id, str]:
    """Return the digests of all requests by their ids, which is all that stays in memory.

    Raises:
        ClickException: two requests have the same id.
    """
    digests: dict[Id, str] = {}
    for number, line in _read_lines(source):
        entry = _read_entry(number, line)
        if entry.id in digests:
            message = f"line {number} of IN: id: expected another id than {entry.id!r}, which an earlier line has"
            raise click.ClickException(message)
        digests[entry.id] = entry.digest
    return digests


def _refuse_changes(entries: dict[Id, str], output: Output) -> None:
    """Check that the finished requests are those of the input: an error costs nothing yet.

    Raises:
        ClickException: a request has changed since it succeeded.
    """
    for request_id, digest in output.done.items():
        if request_id not in output.failed and entries.get(request_id, digest) != digest:
            message = f"{output.path}: the request with the id {request_id!r} has changed in IN; name another OUT"
            raise click.ClickException(message)


class _Run:
    """One run over an input.

    Args:
        source: the input.
        todo: the ids of the requests to send.
        output: the output.
        tick: called after each request with the number of failed requests.
    """

    def __init__(self, source: Path, todo: AbstractSet[Id], output: Output, tick: Callable[[int], None]) -> None:
        self._source, self._todo, self._output, self._tick = source, todo, output, tick
        self._running: dict[int, Entry] = {}

    def requests(self) -> Iterator[RerankRequest]:
        """Yield the requests to send as the client has room. Write an error for a line without a valid request."""
        provider = provider_by_name(CANONICAL)
        index = 0
        for number, line in _read_lines(self._source):
            entry = _read_entry(number, line)
            if entry.id not in self._todo:
                continue
            try:
                request = provider.decode_request(line)
            except RerankError as error:
                self._output.write_error(entry, error)
                self._tick(len(self._output.failed))
                continue
            self._running[index] = entry
            index += 1
            yield request

    def take(self, completed: Completed) -> None:
        """Write the response or the error of a completed request."""
        entry = self._running.pop(completed.index)
        if completed.error is not None:
            self._output.write_error(entry, completed.error)
        else:
            self._output.write_response(entry, completed.unwrap())
        self._tick(len(self._output.failed))


def _rank_all(client: AsyncClient, run: _Run, chain: Chain, concurrency: int) -> None:
    """Call providers asynchronously, so that Ctrl-C ends running calls at once; a thread would run to its end."""
    import asyncio

    import anyio

    async def work() -> None:
        results = client.rerank_many(run.requests(), concurrency=concurrency, must_keep=chain.must_keep)
        async with client, aclosing(results):
            async for completed in results:
                run.take(completed)

    try:
        anyio.run(work)
    except asyncio.CancelledError:  # Ctrl-C on Python 3.10
        raise KeyboardInterrupt from None
