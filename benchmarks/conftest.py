"""Makes every case and candidate of `cases` a test of its own.

pytest imports test modules by file here, not by search path, so that siblings are loaded by file too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@cache
def _cases() -> ModuleType:
    """The module next to this one."""
    name = "rerank_unify_benchmark_cases"
    spec = spec_from_file_location(name, Path(__file__).with_name("cases.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for every case and candidate; the candidates of a case, made once, stand in a group of their own."""
    if metafunc.function.__name__ not in ("test_answer", "test_request"):
        return
    module = _cases()
    answers = metafunc.function.__name__ == "test_answer"
    found = [*module.answers(), *module.filled_answers()] if answers else module.requests()
    names = module.ANSWER_CANDIDATES if answers else module.REQUEST_CANDIDATES
    metafunc.parametrize(
        ("case", "candidate"),
        [pytest.param(case, name, id=f"{case}-{name}", marks=pytest.mark.benchmark(group=str(case)))
         for case in found for name in names],
    )  # fmt: skip


@pytest.fixture
def work(case: Any, candidate: str) -> Callable[[], object]:
    """What is timed."""
    return _candidates(case)[candidate]


@cache
def _candidates(case: Any) -> dict[str, Callable[[], object]]:
    """What is timed on a case, once it has been seen to do the work."""
    case.check()
    made: dict[str, Callable[[], object]] = case.candidates()
    return made
