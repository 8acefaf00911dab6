"""The attempts of a request, as lines or as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from ..canonical import RerankResponse
from ..errors import AllProvidersFailedError, RerankError
from .tables import new_table
from .text import one_line

if TYPE_CHECKING:
    from ..client import AttemptEnded


@dataclass(frozen=True)
class AttemptLine:
    """One attempt.

    Attributes:
        provider: the provider's name.
        model: the model that was sent; "–" if nothing was sent.
        seconds: the duration as text, with its unit.
        outcome: "succeeded", "cancelled", "not called: …", or the error.
    """

    provider: str
    model: str
    seconds: str
    outcome: str


def attempts_of_response(response: RerankResponse, ended: Sequence[AttemptEnded]) -> list[AttemptLine]:
    """Return the attempts of a successful request in order, targets that were skipped included."""
    failed = {id(one.error): one for one in ended if one.error is not None}
    others = iter([one for one in ended if one.error is None])
    return [
        _passed_over(tried.error) if tried.error and id(tried.error) not in failed
        else _line(failed.get(id(tried.error)) or next(others))
        for tried in response.attempts
    ]  # fmt: skip


def attempts_of_error(error: RerankError, ended: Sequence[AttemptEnded]) -> list[AttemptLine]:
    """Return the attempts of a failed request, then the targets that were not called, each with its reason."""
    causes = error.causes if isinstance(error, AllProvidersFailedError) else (error,)
    called = {id(one.error) for one in ended}
    return [*map(_line, ended), *(_passed_over(cause) for cause in causes if id(cause) not in called)]


def _line(ended: AttemptEnded) -> AttemptLine:
    outcome = "succeeded"
    if ended.cancelled:
        outcome = "cancelled"
    elif ended.error is not None:
        outcome = _short(ended.error)
    return AttemptLine(ended.started.provider, one_line(ended.started.model), f"{ended.seconds:.3f} s", outcome)


def _passed_over(error: RerankError) -> AttemptLine:
    return AttemptLine(error.provider or "–", "–", "–", f"not called: {_short(error)}")


def _short(error: Exception) -> str:
    provider = getattr(error, "provider", None)
    return one_line(str(error).removeprefix(f"{provider}: "))


def attempt_line(line: AttemptLine) -> str:
    """Format an attempt on one line."""
    return f"attempt: {line.provider}, {line.model}, {line.seconds}: {line.outcome}"


def show_attempts(out: Console, attempts: Iterable[AttemptLine]) -> None:
    """Print a table of the attempts, or nothing if there are none."""
    table = new_table()
    for title in ("provider", "model", "seconds", "outcome"):
        table.add_column(title, justify="right" if title == "seconds" else "left", overflow="fold")
    for line in attempts:
        table.add_row(line.provider, Text(line.model), line.seconds.removesuffix(" s"), Text(line.outcome))
    if table.rows:
        out.print()
        out.print(table)
