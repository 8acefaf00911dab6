"""The accepted uses name the whole public surface."""

import re
from pathlib import Path

import rerank_unify as ru


def test_every_public_name_has_an_accepted_use() -> None:
    source = (Path(__file__).parent / "api.py").read_text(encoding="utf-8")
    assert [name for name in ru.__all__ if not re.search(rf"\bru\.{name}\b", source)] == []
