"""Voyage's models at MongoDB's host, with a model API key of Atlas. voyageai 0.5.0 ``util.py``, read 2026-11-22.

`voyage` goes there as well where its key begins with ``al-``; here every key does.
"""

from __future__ import annotations

from rerank_unify.declaration import Endpoint, Limits, Model, Provider, bearer

from .voyage import dialect, models

provider = Provider(
    name="mongodb",
    dialect=dialect,
    endpoint=Endpoint("https://ai.mongodb.com/v1/rerank"),
    # VOYAGE_API_KEY may hold a key of Voyage's own host.
    auth=bearer(),
    default_model="rerank-2.5",
    models=models,
    unknown_model=Model(limits=Limits(documents=1_000)),
    docs="https://www.mongodb.com/docs/voyageai/models/rerankers/",
)
