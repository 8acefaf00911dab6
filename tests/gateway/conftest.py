"""No key and no setting of whoever runs the tests gets into one."""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib.metadata import EntryPoint

import pytest

import rerank_unify as ru
from rerank_unify import names, registry

from .helpers import VENDOR_KEY


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {name for provider in ru.provider_names() for name in ru.provider(provider).env}
    for name in (*own, *(name for name in os.environ if name.startswith("RERANK_UNIFY_"))):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UPSTREAM_KEY", VENDOR_KEY)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    """The vendors of `vendors`, as an installed package registers them."""
    for name, value in (("made-up", "gateway.vendors:made_up"), ("faulty", "gateway.vendors:faulty")):
        monkeypatch.setitem(names.entry_points(), name, EntryPoint(name, value, names.GROUP))
    yield
    registry.provider.cache_clear()
