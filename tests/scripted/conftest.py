"""Every test that asks for `rerank` runs over each transport, and one that asks for `over` on each asynchronous one."""

from __future__ import annotations

from typing import Any

import pytest

import rerank_unify as ru

from .helpers import ASYNC, TRANSPORTS, Rerank, ask, call


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
