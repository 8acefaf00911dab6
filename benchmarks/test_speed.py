"""Absolute times, to be compared over time: ``pytest benchmarks --benchmark-only``. The bars are in `ratios`.

The tests are made in conftest.py: one for every case and candidate, grouped by case.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.benchmark(max_time=0.1, min_time=0.00005, min_rounds=5, warmup=False)


def test_answer(benchmark: BenchmarkFixture, work: Callable[[], object]) -> None:
    """A provider's answer, read and written."""
    benchmark(work)


def test_request(benchmark: BenchmarkFixture, work: Callable[[], object]) -> None:
    """A client's request, read and written for a provider."""
    benchmark(work)
