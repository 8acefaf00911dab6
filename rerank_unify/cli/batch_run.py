"""One run of a batch: from input lines through the client to output lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, TypeAlias

from ..canonical import RerankRequest
from ..errors import RerankError
from ..registry import provider as provider_by_name
from .batch_input import Lines, fingerprint, request_id
from .checkpoint import FAILED, OPEN, Checkpoint
from .exit_codes import Failure
from .inputs import CANONICAL
from .progress import Tick
from .records import InputLine, error_record, response_record
from .targets import TargetOptions

if TYPE_CHECKING:
    from ..client import AsyncClient, Completed

_CHANGED = "{}: the file changed during the run"


class Run:
    """One run over an input.

    Args:
        lines: the input.
        checkpoint: the output.
        tick: called after each request.
        again: send failed requests again.
    """

    def __init__(self, lines: Lines, checkpoint: Checkpoint, tick: Tick, *, again: bool) -> None:
        self._lines, self._checkpoint, self._tick = lines, checkpoint, tick
        self._wished = (OPEN, FAILED) if again else (OPEN,)
        self._failed = checkpoint.failed
        self._under_way: dict[int, InputLine] = {}

    def requests(self) -> Iterator[RerankRequest]:
        """Yield the requests to send as the client has room. Write an error for a line without a valid request."""
        provider = provider_by_name(CANONICAL)
        count = 0
        for line, input_line in self._open():
            try:
                request = provider.decode_request(line)
            except RerankError as error:
                self._write(input_line, error_record(input_line, error), failed=True)
                continue
            self._under_way[count] = input_line
            count += 1
            yield request

    def take(self, done: Completed) -> None:
        """Write the response or the error of a finished request."""
        input_line = self._under_way.pop(done.index)
        failed = done.error is not None
        record = error_record(input_line, done.error) if done.error else response_record(input_line, done.unwrap())
        self._write(input_line, record, failed=failed)

    def _open(self) -> Iterator[tuple[bytes, InputLine]]:
        states = self._checkpoint.states
        for number, (line, known) in enumerate(zip(self._lines, self._lines.prints, strict=False)):
            if fingerprint(line) != known:
                raise Failure(_CHANGED.format(self._lines.path))
            if known and states[number] in self._wished:
                yield line, InputLine(number, known, request_id(line))

    def _write(self, input_line: InputLine, record: bytes, *, failed: bool) -> None:
        self._failed += failed - (self._checkpoint.states[input_line.index] == FAILED)
        self._checkpoint.write(input_line, record, failed=failed)
        self._tick(self._failed)


Rank: TypeAlias = Callable[[Run], None]


def ranker(target_options: TargetOptions, concurrency: int) -> Rank:
    """What drives a run, its clients made and checked.

    Raises:
        RerankError: a key or an extra is missing, or an option is wrong.
    """
    return (
        _in_process(target_options, concurrency)
        if target_options.in_process
        else _over_http(target_options, concurrency)
    )


def _in_process(target_options: TargetOptions, concurrency: int) -> Rank:
    client = target_options.client()

    def rank(run: Run) -> None:
        done = client.rerank_many(run.requests(), concurrency=concurrency, must_keep=target_options.required_fields)
        with client, closing(done) as results:
            for one in results:
                run.take(one)

    return rank


def _over_http(target_options: TargetOptions, concurrency: int) -> Rank:
    """Call providers asynchronously, so that Ctrl-C ends calls in progress at once; a thread would run to its end."""
    client = target_options.async_client()

    def rank(run: Run) -> None:
        import asyncio

        import anyio

        try:
            anyio.run(_rank_all, client, run, target_options, concurrency)
        except asyncio.CancelledError:  # Ctrl-C on Python 3.10
            raise KeyboardInterrupt from None

    return rank


async def _rank_all(client: AsyncClient, run: Run, target_options: TargetOptions, concurrency: int) -> None:
    done = client.rerank_many(run.requests(), concurrency=concurrency, must_keep=target_options.required_fields)
    async with client, aclosing(done) as results:
        async for one in results:
            run.take(one)
