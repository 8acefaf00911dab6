"""`docs/point-your-client.md`: every block on it is run by a test, and changes no more than it says."""

from __future__ import annotations

import pytest

from . import _page
from ._gateway import CLIENTS
from .test_gateway_curl import EXAMPLES
from .test_gateway_errors import FAILURES
from .test_gateway_frameworks import FRAMEWORKS

pytestmark = pytest.mark.interop


def test_every_block_is_run() -> None:
    assert set(_page.diffs()) == {*CLIENTS, *EXAMPLES, *FRAMEWORKS}
    assert _page.PAGE.read_text("utf-8").count("```diff") == len(_page.diffs())


@pytest.mark.parametrize("heading", _page.diffs())
def test_at_most_two_lines_change(heading: str) -> None:
    lines = _page.diffs()[heading]
    assert 1 <= sum(line.startswith("+") for line in lines) <= 2
    assert any(_page.HOST in line for line in lines if line.startswith("+"))
    assert all(line[:1] in ("+", "-", " ") for line in lines)


def test_every_row_of_the_errors_is_checked() -> None:
    assert set(_page.errors()) == {failure.wrong for failure in FAILURES.values()} | {"the gateway's key"}
    for failure in FAILURES.values():
        assert _page.errors()[failure.wrong].status.startswith(str(failure.status))
