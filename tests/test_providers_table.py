"""The table of docs/providers.md is what the declarations say, and what requests really carry."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import pytest

import rerank_unify as ru
from rerank_unify._json import ABSENT, dig
from rerank_unify.cli.providers import FIELDS, describe

ROOT = Path(__file__).parent.parent
HINTS: Mapping[str, Any] = {
    "instruction": "Find it.",
    "max_tokens_per_doc": 64,
    "truncation": True,
    "return_embeddings": True,
}


def test_the_page_has_the_table() -> None:
    """``python docs/providers_table.py`` writes it."""
    table = runpy.run_path(str(ROOT / "docs" / "providers_table.py"))["table"]()
    assert table in (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ru.provider_names())
def test_the_table_says_what_is_sent(name: str) -> None:
    """A field in the table is in the body, of a model that supports it; any other is a loss or made good here."""
    provider = ru.provider(name)
    supporting = [model for model, about in provider.models.items() if about.supports]
    model = next(iter(supporting), provider.default_model or "m")
    request = ru.RerankRequest(query="q", documents=["a", "b"], model=model, top_n=1, return_documents=True, **HINTS)
    encoded = provider.encode_request(request)
    lost = {loss.field for loss in provider.losses(request)}
    written = {field: path for path, field in provider.dialect.request.written.items()}
    for field in FIELDS:
        sent = field in written and dig(encoded, written[field]) is not ABSENT
        if field in HINTS:
            assert sent or field in lost or provider.dialect.request.postprocess, field
        assert sent <= (field in describe(provider)["fields"]), field


def test_declarations_are_short() -> None:
    """Lines of code without imports, comments and closing brackets, at the median: a provider is data."""
    files = [path for path in (ROOT / "providers").glob("*.py") if path.stem != "__init__"]
    assert median(_lines(path.read_text()) for path in files) <= 30


def _lines(source: str) -> int:
    after_imports = source.rpartition("\nfrom ")[2].partition("\n\n")[2]
    lines = map(str.strip, after_imports.splitlines())
    return sum(1 for line in lines if line and not line.startswith("#") and set(line) - set(")]},"))
