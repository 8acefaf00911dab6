"""What does ``import rerank_unify`` cost, beside pydantic? ``python benchmarks/imports.py``; exit code 1 on a FAIL.

Whole processes, in turn: our import, and a script that imports pydantic and defines one model of one field, which is
the least that anything built on pydantic does.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from time import perf_counter
from typing import Final

from timing import Bar, Times, judge, machine, print_table, ratio

OURS: Final = "import rerank_unify"
PYDANTIC: Final = "import pydantic\nclass Model(pydantic.BaseModel):\n    field: int\n"
NOTHING: Final = "pass"
# What the import puts off has to be paid some time: the model's schema, the entry points, one provider's table.
FIRST_CALL: Final = """
import rerank_unify
request = rerank_unify.RerankRequest(query="query", documents=["document"])
call = rerank_unify.provider("jina").prepare(request, api_key="k")
call.decode(200, {}, b'{"results":[{"index":0,"relevance_score":0.5}]}').to_json()
"""
FIRST_TRANSCODED: Final = """
import rerank_unify
back = rerank_unify.transcoder("jina", "jina")
sent = back.request(b'{"query":"query","documents":["document"]}')
back.response(200, {}, b'{"results":[{"index":0,"relevance_score":0.5}]}', sent)
"""
RULE: Final = "import <= 1.2 x pydantic and one model (wall time)"
NOT_LOADED: Final = "import loads no HTTP client, YAML, extra or provider"

UNWANTED: Final = (
    *("httpx", "httpcore", "anyio", "aiohttp", "requests", "ssl", "yaml", "click", "rich", "numpy", "bm25s", "orjson"),
    *("hypothesis", "cohere", "voyageai", "xinference_client", "rerank_unify.providers", "rerank_unify.testing"),
)
REPORTED: Final = ("asyncio", "importlib.metadata", "urllib.request", "email", "inspect")
SHOWN: Final = 8


@dataclass(frozen=True)
class Spent:
    """Seconds of one process: on the clock, and of the processor in its own code and the system's."""

    wall: float
    cpu: float


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for byte code, so that every module has some, as installed packages do, and none is left behind."""
    return tempfile.TemporaryDirectory(prefix="rerank-unify-imports-")


def run(code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run Python code as a process of its own, away from this folder so that only what is installed is found."""
    where = _scratch().name
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, *flags, "-c", code]
    return subprocess.run(  # noqa: S603 - our own code
        command, check=True, capture_output=True, text=True, cwd=where, env=environment | {"PYTHONPYCACHEPREFIX": where}
    )


def spend(code: str) -> Spent:
    """Time one process."""
    before, start = getrusage(RUSAGE_CHILDREN), perf_counter()
    run(code)
    wall, after = perf_counter() - start, getrusage(RUSAGE_CHILDREN)
    return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(rounds: int) -> Bar:
    """Time the processes in turn; two rounds before that warm the disk and write the byte code."""
    programs = {
        "rerank_unify": OURS,
        "pydantic": PYDANTIC,
        "and one call": FIRST_CALL,
        "and one transcoded": FIRST_TRANSCODED,
        "nothing": NOTHING,
    }
    wall: Times = {name: [] for name in programs}
    cpu: Times = {name: [] for name in programs}
    names = list(programs)
    for turn in range(-2, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            spent = spend(programs[name])
            if turn >= 0:
                wall[name].append(spent.wall)
                cpu[name].append(spent.cpu)
    rows = [
        [name, *(cell for times in (wall, cpu) for cell in (f"{median(times[name]) * 1e3:.1f}", _by(times, name)))]
        for name in names
    ]
    head = ["process", "wall ms", "by pydantic", "user+system ms", "by pydantic"]
    print_table(f"Whole processes, medians of {rounds} rounds", head, rows)
    share = ratio(wall, "rerank_unify", "pydantic")
    return Bar(RULE, "import rerank_unify", share / 1.2, f"{share:.2f} x on the clock, {_by(cpu, 'rerank_unify')} CPU")


def _by(times: Times, name: str) -> str:
    return f"{ratio(times, name, 'pydantic'):.2f}x"


def modules(code: str) -> set[str]:
    """What is loaded after that code."""
    loaded: list[str] = json.loads(run(f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))").stdout)
    return set(loaded)


def inspect_modules() -> Bar:
    """Which modules our import loads that it should not, and which that are worth knowing."""
    ours, theirs = modules(OURS), modules(PYDANTIC)
    found = sorted(name for name in ours - theirs if _within(name, UNWANTED))
    print(f"\nModules: {len(ours)} loaded, {len(ours - theirs)} of them not by pydantic and one model")
    print(f"unwanted: {', '.join(found) or 'none'}")
    for name in REPORTED:
        how = "not loaded" if name not in ours else "loaded by pydantic too" if name in theirs else "loaded by us alone"
        print(f"{name}: {how}")
    summary = f"loads {', '.join(found)}" if found else f"none of {len(UNWANTED)} names"
    return Bar(NOT_LOADED, "import rerank_unify", 2.0 if found else 0.0, summary)


def _within(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def import_times(code: str) -> dict[str, int]:
    """Microseconds by module, without those that it imports itself."""
    lines = run(code, "-X", "importtime").stderr.splitlines()
    parts = [line.removeprefix("import time:").split("|") for line in lines if line.startswith("import time:")]
    return {name.strip(): int(microseconds) for microseconds, _, name in parts if microseconds.strip().isdigit()}


def show_waste(rounds: int) -> None:
    """The modules that only our import loads, the dearest first. Tracing makes every one of them a little dearer."""
    theirs = import_times(PYDANTIC)
    runs = [import_times(OURS) for _ in range(rounds)]
    added = {name: median(times.get(name, 0) for times in runs) for name in runs[0] if name not in theirs}
    dearest = sorted(added.items(), key=lambda item: -item[1])[:SHOWN]
    total = sum(added.values())
    rows = [[name, f"{spent / 1e3:.2f}", f"{spent / total:.0%}"] for name, spent in dearest]
    rows += [[f"all {len(added)} modules", f"{total / 1e3:.2f}", "100%"]]
    head = ["module", "own ms", "of what we add"]
    print_table(f"What our import adds to pydantic's, by -X importtime, medians of {rounds}", head, rows)


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21, help="how often each process runs (default: %(default)s)")
    rounds = max(15, int(parser.parse_args().rounds))
    print(machine())
    bars = [measure(rounds), inspect_modules()]
    show_waste(7)
    return judge(bars)


if __name__ == "__main__":
    sys.exit(main())
