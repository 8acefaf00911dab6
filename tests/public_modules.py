"""The modules whose ``__all__`` is public: the API reference has each of their names."""

from __future__ import annotations

import importlib
from typing import Final

MODULES: Final = {
    name: importlib.import_module(name)
    for name in (
        "rerank_unify",
        "rerank_unify.batching",
        "rerank_unify.cache",
        "rerank_unify.client",
        "rerank_unify.declaration",
        "rerank_unify.errors",
        "rerank_unify.fallback",
        "rerank_unify.gateway",
        "rerank_unify.testing",
        "rerank_unify.transcode",
        "rerank_unify.transport",
    )
}
