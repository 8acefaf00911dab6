"""Measure the conversions beside plain parsing and writing of the same bytes.

``python benchmarks/ratios.py [--quick]``; exit code 1 on a FAIL.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import cases
import peers
from harness import Bar, Times, child, in_turn, judge, machine, micros, print_table, print_times, ratio, timed

DECODE: Final = "decode <= 3 x floor + 20 us"
READ: Final = "read <= 5 x floor, from 100 rows"
READ_SMALL: Final = "read <= 5 x floor + 20 us, below 100 rows"
BACK: Final = "back <= 2 x floor + 15 us"
BACK_JSON: Final = "back < json, from 100 rows"
THERE: Final = "there <= 1.3 x floor, 1,000 documents of 1 KB"
LINEAR: Final = "time per row at 10,000 rows <= 1.5 x that at 1,000"
LINEAR_ROWS: Final = (10, 100, 1_000, 10_000)


Measure: TypeAlias = Callable[[cases.Candidates], Times]
"""Measures candidates in turn."""


def print_ratios(title: str, measured: dict[str, Times]) -> None:
    """Print a row for each case: the floor in microseconds, then each candidate with its ratio to the floor."""
    names = [name for name in next(iter(measured.values())) if name != "floor"]
    head = ["case", "floor us", *(cell for name in names for cell in (f"{name} us", "ratio"))]
    rows: list[list[str]] = []
    for case, times in measured.items():
        cells = [(f"{micros(times, name):,.1f}", f"{ratio(times, name):.2f}x") for name in names]
        rows.append([case, f"{micros(times, 'floor'):,.1f}", *(cell for pair in cells for cell in pair)])
    print_table(title, head, rows)


def _allowed(rule: str, case: str, times: Times, name: str, factor: float, plus: float = 0.0) -> Bar:
    figures = f"{micros(times, name):,.1f} us, {ratio(times, name):.2f} x floor"
    return Bar(rule, case, ratio(times, name, factor=factor, plus=plus), figures)


def measure_responses(measure: Measure) -> list[Bar]:
    """Measure responses of all sizes, with and without documents."""
    measured: dict[str, Times] = {}
    bars: list[Bar] = []
    for name, rows, kind in cases.RESPONSES:
        case = f"{name}, {rows:,} rows, {kind}"
        times = measured[case] = measure(cases.response_candidates(name, rows, kind))
        if kind == cases.FILLED:
            continue
        bars += [_allowed(DECODE, case, times, "decode", 3, 20e-6), _allowed(BACK, case, times, "back", 2, 15e-6)]
        if rows < 100:
            bars.append(_allowed(READ_SMALL, case, times, "read", 5, 20e-6))
        else:
            share = ratio(times, "back", "json")
            bars += [_allowed(READ, case, times, "read", 5), Bar(BACK_JSON, case, share, f"{share:.2f} x json")]
    print_ratios('Responses: microseconds for one call, ratio to the floor (medians; "filled in" has no bar)', measured)
    return bars


def measure_requests(measure: Measure) -> list[Bar]:
    """Measure requests of all sizes."""
    measured = {
        f"to {name}, {count:,} documents of 1 KB": measure(cases.request_candidates(name, count))
        for name in cases.PROVIDERS
        for count in cases.SIZES
    }
    print_ratios("Requests: microseconds for one call, ratio to the floor (medians)", measured)
    return [_allowed(THERE, case, times, "there", 1.3) for case, times in measured.items() if " 1,000 " in case]


def measure_linearity(measure: Measure) -> list[Bar]:
    """Measure the time per row, the sizes in turn."""
    bars: list[Bar] = []
    table: list[list[str]] = []
    for name in ("voyage", "jina"):
        for kind in (cases.NONE, cases.WHOLE, cases.ECHOED):
            times = measure({str(rows): cases.decoding(name, rows, kind) for rows in LINEAR_ROWS})
            per_row = {rows: [time / int(rows) for time in taken] for rows, taken in times.items()}
            share = ratio(per_row, "10000", "1000")
            table.append([f"{name}, {kind}", *(f"{micros(per_row, rows):.2f}" for rows in per_row), f"{share:.2f}x"])
            bars.append(Bar(LINEAR, f"{name}, {kind}", share / 1.5, f"{share:.2f} x"))
    head = ["decode", *(f"{count:,}" for count in LINEAR_ROWS), "10,000 to 1,000"]
    print_table("Growth: microseconds per row, by the number of rows (medians)", head, table)
    return bars


def measure_peers(rounds: int) -> None:
    """Measure llm-rosetta beside the transcoder: a Voyage response of 100 rows to Jina's format, bytes to bytes."""
    if not peers.installed():
        return
    case = ("voyage", 100, cases.NONE)
    with TemporaryDirectory() as folder:
        body = Path(folder, "body.json")
        body.write_bytes(cases.response(*case)[1])
        with child(*peers.command("llm-rosetta", str(body))) as rosetta:
            back = timed(cases.response_candidates(*case)["back"], 0.003)
            times = in_turn({"transcoder": back, "llm-rosetta": partial(rosetta, 20)}, rounds)
    print_times("Beside llm-rosetta: Voyage, 100 rows, no documents (no bar)", times, "transcoder")


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    rounds, sample = (11, 0.001) if parser.parse_args().quick else (41, 0.003)
    print(f"{machine()}; {rounds} rounds; {peers.versions()}")

    def measure(candidates: cases.Candidates) -> Times:
        return in_turn({name: timed(work, sample) for name, work in candidates.items()}, rounds)

    bars = [*measure_responses(measure), *measure_requests(measure), *measure_linearity(measure)]
    measure_peers(rounds)
    return judge(bars)


if __name__ == "__main__":
    sys.exit(main())
