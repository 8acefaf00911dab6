"""No key and no setting of whoever runs the tests gets into one."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

import rerank_unify as ru
from rerank_unify import registry

from . import declared
from .helpers import PROVIDER_KEY


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {name for provider in ru.provider_names() for name in ru.provider(provider).env}
    for name in (*variables, *(name for name in os.environ if name.startswith("RERANK_UNIFY_"))):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UPSTREAM_KEY", PROVIDER_KEY)


@pytest.fixture
def made_up() -> Generator[None, None, None]:
    """The providers of `declared`, as an app registers its own."""
    for made in (declared.made_up, declared.faulty):
        ru.register(made)
    yield
    for made in (declared.made_up, declared.faulty):
        registry.unregister(made.name)
