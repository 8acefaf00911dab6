"""The command `providers`."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from rich.console import Console

import rerank_unify as ru
from rerank_unify.cli import providers

from .helpers import ok


def test_providers_lists_the_registry() -> None:
    listed = ok("providers")
    assert [about["name"] for about in listed] == ru.provider_names()
    by_name = {about["name"]: about for about in listed}
    voyage = by_name["voyage"]
    assert voyage["endpoints"] == ["https://api.voyageai.com/v1/rerank", "https://ai.mongodb.com/v1/rerank"]
    assert (voyage["env"], voyage["needs_key"]) == (["VOYAGE_API_KEY"], True)
    assert voyage["limits"]["documents"] == ru.provider("voyage").limits().documents == 1000
    assert by_name["jina"]["images"] == ["jina-reranker-m0"]
    assert by_name["jina"]["models"]["jina-reranker-v3"]["score_kind"] == "cosine"
    assert by_name["local"]["limits"]["documents"] is None
    for about in listed:
        p = ru.provider(about["name"])
        assert (about["default_model"], about["score_kind"]) == (p.default_model, p.score_kind())
        assert set(about["models"]) == set(p.models)


def test_providers_on_a_terminal_are_a_table(on_terminal: Any) -> None:
    screen = on_terminal("providers")
    for word in ru.provider_names():
        assert re.search(rf"^{re.escape(word)} ", screen, re.MULTILINE)
    for word in ("VOYAGE_API_KEY", "https://api.voyageai.com/", "rerank-2.5", "jina-reranker-m0"):
        assert word in screen
    for word in ("1,000 documents", "600,000 tokens in all", "probability, by model", "inproc://local/v1/rerank"):
        assert word in screen
    assert json.loads(on_terminal("providers", "--json"))[0]["name"] == ru.provider_names()[0]


def test_a_narrow_terminal_folds_and_leaves_nothing_out() -> None:
    out = Console(file=io.StringIO(), width=60)
    providers.show_providers(out, ok("providers"))
    assert isinstance(out.file, io.StringIO)
    screen = out.file.getvalue()
    assert max(map(len, screen.splitlines())) <= 60
    assert "…" not in screen
