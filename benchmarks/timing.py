"""Timing in turn, bars, and plain tables: what the scripts here share."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from math import ceil
from statistics import median
from time import perf_counter
from typing import TypeAlias

Times: TypeAlias = dict[str, list[float]]
"""Seconds for one call by candidate, one figure for every round."""


def machine() -> str:
    """The line that says where the figures come from."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    packages = versions("rerank-unify", "pydantic", "pydantic_core", "orjson")
    return f"{python}, {os.cpu_count()} CPUs, {platform.platform()}, {packages}"


def installed(name: str) -> str | None:
    """A package's version; None where it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def versions(*names: str) -> str:
    """The versions of packages, in one line."""
    return ", ".join(f"{name} {installed(name) or 'not installed'}" for name in names)


def _time(work: Callable[[], object], loops: int) -> float:
    turns = range(loops)
    start = perf_counter()
    for _ in turns:
        work()
    return (perf_counter() - start) / loops


def turns(names: Sequence[str], rounds: int) -> Iterator[str]:
    """Everyone's turns: each has one in every round, and each round begins with another one."""
    for turn in range(rounds):
        first = turn % len(names)
        yield from (*names[first:], *names[:first])


def in_turn(candidates: Mapping[str, Callable[[], object]], *, rounds: int, sample: float) -> Times:
    """Time the candidates one after the other in every round, so that a busy machine is busy for all of them.

    Args:
        candidates: what to time; the garbage collector stays on, as it is for whoever uses the library.
        rounds: how often each has its turn. Each round begins with another one.
        sample: seconds that one turn takes at least.
    """
    loops = {}
    for name, work in candidates.items():
        work()  # caches are filled on first use
        loops[name] = max(1, ceil(sample / max(_time(work, 3), 1e-7)))
    names = list(candidates)
    times: Times = {name: [] for name in names}
    for name in turns(names, rounds):
        times[name].append(_time(candidates[name], loops[name]))
    return times


def ratio(times: Times, name: str, to: str = "floor", *, factor: float = 1.0, plus: float = 0.0) -> float:
    """The median, over the rounds, of a candidate's time by ``factor`` times another's ``plus`` some seconds."""
    return median(mine / (factor * other + plus) for mine, other in zip(times[name], times[to], strict=True))


def micros(times: Times, name: str) -> float:
    """A candidate's median time for one call, in microseconds."""
    return median(times[name]) * 1e6


@dataclass(frozen=True)
class Bar:
    """One measurement against what it may be.

    Attributes:
        rule: the bar, as a sentence.
        case: what was measured.
        share: the part of the bar that was used; 1.0 is the bar itself.
        figures: the figures behind it.
    """

    rule: str
    case: str
    share: float
    figures: str

    @property
    def passed(self) -> bool:
        """Whether the measurement is within its bar."""
        return self.share <= 1.0

    def __str__(self) -> str:
        by = f"{abs(1 - self.share):.0%} {'below' if self.passed else 'ABOVE'} the bar"
        return f"{self.case}: {self.figures}, {by}"


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table: the first column to the left, figures to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    print(f"\n{title}\n")
    for row in (head, ["-" * width for width in widths], *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells[1:]]))
    sys.stdout.flush()


def judge(bars: Sequence[Bar]) -> int:
    """Print every rule with its verdict and its narrowest case, every failure beside it, and return the exit code."""
    rules = list(dict.fromkeys(bar.rule for bar in bars))
    print("\nBars\n")
    for rule in rules:
        same_rule = [bar for bar in bars if bar.rule == rule]
        failed = [bar for bar in same_rule if not bar.passed]
        print(f"{'FAIL' if failed else 'pass'}  {rule}  ({len(same_rule) - len(failed)} of {len(same_rule)} cases)")
        for bar in failed or [max(same_rule, key=lambda bar: bar.share)]:
            print(f"      {'' if failed else 'narrowest: '}{bar}")
    return 0 if all(bar.passed for bar in bars) else 1
