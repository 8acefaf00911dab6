"""How much slower than plain parsing and writing? ``python benchmarks/ratios.py [--quick]``; exit code 1 on a FAIL."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import partial

import cases
from timing import Bar, Times, in_turn, judge, machine, micros, print_table, ratio

DECODE = "decode <= 3 x floor + 20 us"
READ = "read <= 5 x floor, from 100 rows"
READ_SMALL = "read <= 5 x floor + 20 us, below 100 rows"
BACK = "back <= 2 x floor + 15 us"
BACK_JSON = "back < json, from 100 rows"
THERE = "there <= 1.3 x floor, 1,000 documents of 1 KB"
LINEAR = "time per row at 10,000 rows <= 1.5 x that at 1,000"
LINEAR_ROWS = (10, 100, 1_000, 10_000)


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    sample: float

    def run(self, candidates: cases.Candidates) -> Times:
        """Time the candidates in turn."""
        return in_turn(candidates, rounds=self.rounds, sample=self.sample)


def _cells(times: Times, names: tuple[str, ...]) -> list[str]:
    cells = [f"{micros(times, 'floor'):,.1f}"]
    for name in names:
        cells += [f"{micros(times, name):,.1f}", f"{ratio(times, name):.2f}x"]
    return cells


def _head(first: str, names: tuple[str, ...]) -> list[str]:
    return [first, "floor us", *(cell for name in names for cell in (f"{name} us", "ratio"))]


def _allowed(rule: str, case: str, times: Times, name: str, factor: float, plus: float = 0.0) -> Bar:
    figures = f"{micros(times, name):,.1f} us, {ratio(times, name):.2f} x floor"
    return Bar(rule, case, ratio(times, name, factor=factor, plus=plus), figures)


def _response_bars(answer: cases.Answer, times: Times) -> list[Bar]:
    case = str(answer)
    bars = [_allowed(DECODE, case, times, "decode", 3, 20e-6), _allowed(BACK, case, times, "back", 2, 15e-6)]
    if answer.rows < 100:
        return [*bars, _allowed(READ_SMALL, case, times, "read", 5, 20e-6)]
    share = ratio(times, "back", "json")
    return [*bars, _allowed(READ, case, times, "read", 5), Bar(BACK_JSON, case, share, f"{share:.2f} x json")]


def measure_responses(effort: Effort) -> list[Bar]:
    """Answers of all sizes, with and without documents."""
    names = ("decode", "read", "back", "json")
    bars: list[Bar] = []
    rows: list[list[str]] = []
    for answer in cases.answers():
        answer.check()
        times = effort.run(answer.candidates())
        rows.append([str(answer), *_cells(times, names)])
        bars += _response_bars(answer, times)
    print_table("Answers: microseconds for one call, ratio to the floor (medians)", _head("answer", names), rows)
    return bars


def measure_filled_responses(effort: Effort) -> None:
    """Documents that come from the request. The floor writes them too; there is no bar."""
    names = ("decode", "read", "back", "json")
    rows: list[list[str]] = []
    for answer in cases.filled_answers():
        answer.check()
        rows.append([str(answer), *_cells(effort.run(answer.candidates()), names)])
    print_table("Answers whose documents come from the request (no bar)", _head("answer", names), rows)


def measure_requests(effort: Effort) -> list[Bar]:
    """Requests of all sizes."""
    names = ("there", "encode", "json")
    bars: list[Bar] = []
    rows: list[list[str]] = []
    for request in cases.requests():
        request.check()
        times = effort.run(request.candidates())
        rows.append([str(request), *_cells(times, names)])
        if request.documents == 1_000:
            bars.append(_allowed(THERE, str(request), times, "there", 1.3))
    print_table("Requests: microseconds for one call, ratio to the floor (medians)", _head("request", names), rows)
    return bars


def _decode(answer: cases.Answer) -> bytes:
    written: bytes = answer.decode().to_json()
    return written


def measure_linearity(effort: Effort) -> list[Bar]:
    """Time per row, the sizes in turn."""
    bars: list[Bar] = []
    rows: list[list[str]] = []
    for provider in ("voyage", "jina"):
        for kind in (cases.NONE, cases.WHOLE, cases.ECHOED):
            sizes = {str(count): cases.Answer(provider, count, kind) for count in LINEAR_ROWS}
            times = effort.run({name: partial(_decode, answer) for name, answer in sizes.items()})
            per_row = {name: [time / int(name) for time in taken] for name, taken in times.items()}
            case = f"{provider}, {kind}"
            share = ratio(per_row, "10000", "1000")
            rows.append([case, *(f"{micros(per_row, name):.2f}" for name in sizes), f"{share:.2f}x"])
            bars.append(Bar(LINEAR, case, share / 1.5, f"{share:.2f} x"))
    head = ["decode", *(f"{count:,}" for count in LINEAR_ROWS), "10,000 to 1,000"]
    print_table("Growth: microseconds per row, by the number of rows (medians)", head, rows)
    return bars


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    quick: bool = parser.parse_args().quick
    effort = Effort(11, 0.001) if quick else Effort(41, 0.003)
    print(f"{machine()}; {effort.rounds} rounds")
    bars = measure_responses(effort)
    measure_filled_responses(effort)
    bars += measure_requests(effort)
    bars += measure_linearity(effort)
    return judge(bars)


if __name__ == "__main__":
    sys.exit(main())
