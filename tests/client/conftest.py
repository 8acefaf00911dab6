"""A test with `rerank` runs over each transport; one with `rerank_async` or `over`, over each asynchronous one."""

from __future__ import annotations

import pytest

from .helpers import ASYNC, TRANSPORTS, Rerank, rerank_over

# What an error says and what a policy does is decided above the transport: two of them show it in every run.
ABOVE_THE_TRANSPORT = ("test_isolation", "test_policy", "test_words")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the transports that add little to a thorough run."""
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if item.path.stem in ABOVE_THE_TRANSPORT and parameters.get("rerank") in ("trio", "aiohttp"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(params=TRANSPORTS)
def rerank(request: pytest.FixtureRequest) -> Rerank:
    return rerank_over(request.param)


@pytest.fixture(params=ASYNC)
def rerank_async(request: pytest.FixtureRequest) -> Rerank:
    return rerank_over(request.param)


@pytest.fixture(params=ASYNC)
def over(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
