"""A short run of ``benchmarks/chaos.py``: each response is right or a typed error, and nothing is left open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos.py"


@pytest.mark.slow
@pytest.mark.skipif(not CHAOS.exists(), reason="the benchmarks are not here")
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open sockets in /proc")
def test_every_response_is_right_when_many_providers_are_not() -> None:
    command = [sys.executable, str(CHAOS), "150", "--seed", "7"]
    completed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "FAIL" not in completed.stdout
