"""Measure what ``import rerank_unify`` costs, beside pydantic.

``python benchmarks/imports.py [--rounds N]``; exit code 1 on a FAIL. Whole processes in turn: our import, and a script
that imports pydantic and defines a model of one field, which is the least that a library on pydantic does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from harness import HERE, Bar, in_turn, judge, machine, print_table, ratio

OURS: Final = "import rerank_unify"
PYDANTIC: Final = "pydantic and one model"
PROGRAMS: Final = {
    OURS: "import rerank_unify",
    PYDANTIC: "import pydantic\nclass Model(pydantic.BaseModel):\n    field: int\n",
    # What the import puts off: the schema of a request, the entry points, one provider's declaration.
    "and one call": """
import rerank_unify
request = rerank_unify.RerankRequest(query="query", documents=["document"])
call = rerank_unify.provider("jina").prepare(request, api_key="k")
call.decode(200, {}, b'{"results":[{"index":0,"relevance_score":0.5}]}').to_json()
""",
    "nothing": "pass",
}


def seconds(code: str, folder: str) -> float:
    """Measure Python code in a process of its own.

    The byte code goes to a folder of this run, whatever the environment says: installed packages have byte code too.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPYCACHEPREFIX": folder, "PYTHONPATH": str(HERE.parent)}
    start = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder, env=environment)  # noqa: S603 - our own code
    return perf_counter() - start


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21, help="how often each process runs (default: %(default)s)")
    rounds: int = parser.parse_args().rounds
    with TemporaryDirectory() as folder:
        measures = {name: partial(seconds, code, folder) for name, code in PROGRAMS.items()}
        in_turn(measures, 2)  # writes the byte code
        times = in_turn(measures, rounds)
    print(machine())
    rows = [[name, f"{median(times[name]) * 1e3:.1f}", f"{ratio(times, name, PYDANTIC):.2f}x"] for name in PROGRAMS]
    print_table(f"Whole processes, medians of {rounds} rounds", ["process", "ms", "by pydantic"], rows)
    share = ratio(times, OURS, PYDANTIC)
    return judge([Bar("import <= 1.2 x pydantic and one model", OURS, share / 1.2, f"{share:.2f} x")])


if __name__ == "__main__":
    sys.exit(main())
