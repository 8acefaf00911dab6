"""A batch's requests on their way: from the lines of the input, through the client, to the lines of the output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, TypeAlias

from ..canonical import RerankRequest
from ..errors import RerankError
from ..registry import provider
from .batch_input import Lines, fingerprint, own_id
from .checkpoint import FAILED, OPEN, Journal
from .exit_codes import Failure
from .inputs import CANONICAL
from .progress import Tick
from .records import Asked, answer_record, error_record
from .targets import Wanted

if TYPE_CHECKING:
    from ..client import AsyncClient, Done

_CHANGED = "{}: changed while it was read"


class Run:
    """One run over an input.

    Args:
        lines: the input.
        journal: the output.
        tick: told after each request.
        again: whether requests that have failed are sent again.
    """

    def __init__(self, lines: Lines, journal: Journal, tick: Tick, *, again: bool) -> None:
        self._lines, self._journal, self._tick = lines, journal, tick
        self._wished = (OPEN, FAILED) if again else (OPEN,)
        self._failed = journal.failed
        self._under_way: dict[int, Asked] = {}

    def requests(self) -> Iterator[RerankRequest]:
        """What is still to be sent, read as there is room for it. A line that is no request fails here."""
        vendor = provider(CANONICAL)
        sent = 0
        for line, asked in self._open():
            try:
                request = vendor.decode_request(line)
            except RerankError as error:
                self._write(asked, error_record(asked, error), failed=True)
                continue
            self._under_way[sent] = asked
            sent += 1
            yield request

    def take(self, done: Done) -> None:
        """Write what came of a request."""
        asked = self._under_way.pop(done.index)
        failed = done.error is not None
        record = error_record(asked, done.error) if done.error else answer_record(asked, done.unwrap())
        self._write(asked, record, failed=failed)

    def _open(self) -> Iterator[tuple[bytes, Asked]]:
        states = self._journal.states
        for number, (line, known) in enumerate(zip(self._lines, self._lines.prints, strict=False)):
            if fingerprint(line) != known:
                raise Failure(_CHANGED.format(self._lines.path))
            if known and states[number] in self._wished:
                yield line, Asked(number, known, own_id(line))

    def _write(self, asked: Asked, record: bytes, *, failed: bool) -> None:
        self._failed += failed - (self._journal.states[asked.index] == FAILED)
        self._journal.write(asked, record, failed=failed)
        self._tick(self._failed)


Rank: TypeAlias = Callable[[Run], None]


def ranker(wanted: Wanted, concurrency: int) -> Rank:
    """What drives a run, its clients made and checked.

    Raises:
        RerankError: a key or an extra is missing, or an option is wrong.
    """
    return _in_process(wanted, concurrency) if wanted.in_process else _over_http(wanted, concurrency)


def _in_process(wanted: Wanted, concurrency: int) -> Rank:
    client = wanted.client()

    def rank(run: Run) -> None:
        done = client.rerank_many(run.requests(), concurrency=concurrency, must_keep=wanted.kept)
        with client, closing(done) as results:
            for one in results:
                run.take(one)

    return rank


def _over_http(wanted: Wanted, concurrency: int) -> Rank:
    """Asynchronously, so that Ctrl-C ends what is under way at once: a thread would be waited for."""
    client = wanted.async_client()

    def rank(run: Run) -> None:
        import asyncio

        import anyio

        try:
            anyio.run(_rank_all, client, run, wanted, concurrency)
        except asyncio.CancelledError:  # so Ctrl-C comes out on Python 3.10
            raise KeyboardInterrupt from None

    return rank


async def _rank_all(client: AsyncClient, run: Run, wanted: Wanted, concurrency: int) -> None:
    done = client.rerank_many(run.requests(), concurrency=concurrency, must_keep=wanted.kept)
    async with client, aclosing(done) as results:
        async for one in results:
            run.take(one)
