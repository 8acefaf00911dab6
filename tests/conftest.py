"""What a run of the tests selects: slow tests run where RERANK_UNIFY_PROFILE is ``thorough``, as in `make check`."""

from __future__ import annotations

import os
import signal
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest
from example_budget import THOROUGH
from hypothesis import HealthCheck, settings

# The workers of pytest-xdist already use every core. Threads of NumPy's BLAS would wait for a core in a busy loop: the
# tests of `local` took six times the CPU time. NumPy reads it on import, in the processes of tests too.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Each httpx client reads the file of authorities that it trusts: up to 20 ms for the public ones, which no test needs.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("authority.pem"))

# A thorough run tries each law with every provider, so it needs fewer examples for each.
EXAMPLES = 8 if THOROUGH else 15
settings.register_profile("tests", max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

# The providers' SDKs are installed in a separate environment: see `make interop`.
collect_ignore = [] if find_spec("cohere") else ["interop"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave slow tests to a thorough run."""
    if THOROUGH:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if not item.get_closest_marker("slow")]


# What a shell starts with `&` ignores Ctrl-C, and so would the processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
