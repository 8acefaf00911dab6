"""Every test that asks for `rerank` runs over each transport, and one that asks for `over` on each asynchronous one."""

from __future__ import annotations

from typing import Any

import pytest

import rerank_unify as ru

from .helpers import ASYNC, TRANSPORTS, Rerank, ask, call

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
    def run(
        targets: Any, rerank_request: ru.RerankRequest | None = None, *, settings: Any = None, **options: Any
    ) -> ru.RerankResponse:
        return call(request.param, targets, rerank_request or ask(), settings or {}, options)

    return run


@pytest.fixture(params=ASYNC)
def over(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
