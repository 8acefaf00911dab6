"""What docs/gateway.md says of settings is what they are, and the sample configuration holds."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from rerank_unify.gateway import create_app
from rerank_unify.gateway.settings import read_settings

DOCS = Path(__file__).parents[2] / "docs"
SAMPLE = DOCS / "rerank-unify.toml"


def test_the_table_of_settings_is_the_settings() -> None:
    table = runpy.run_path(str(DOCS / "gateway_settings.py"))["reference"]()
    assert table in (DOCS / "gateway.md").read_text(encoding="utf-8"), "python docs/gateway_settings.py"


def test_the_sample_configuration_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VOYAGE_API_KEY", "CO_API_KEY"):
        monkeypatch.setenv(name, "a-key-of-a-provider")
    settings = read_settings(SAMPLE)
    assert settings.keys
    assert settings.checked_host() == settings.host
    router = create_app(settings).state.gateway.router
    assert set(settings.models) <= {name for name, _ in router.names}


def test_the_sample_is_the_one_in_the_text() -> None:
    assert SAMPLE.read_text(encoding="utf-8") in (DOCS / "gateway.md").read_text(encoding="utf-8")
