"""Baseten's BEI: TEI's format at a deployment of your own. baseten-performance-client, read 2026-11-25.

Your model: a ``base_url`` such as ``https://model-ID.api.baseten.co``.
"""

from __future__ import annotations

from rerank_unify.declaration import Auth, Endpoint, Model, Provider

from .tei import dialect

provider = Provider(
    name="baseten",
    dialect=dialect,
    endpoint=Endpoint("https://model-{deployment}.api.baseten.co/environments/production/sync/rerank"),
    # ? The scheme is that of its other routes.
    auth=Auth(scheme="Api-Key", variables=("BASETEN_API_KEY",)),
    default_model="default",
    # `raw_scores` as TEI's. Its limit of a batch is its own, and not documented.
    unknown_model=Model(score_kind="probability"),
    docs="https://docs.baseten.co/engines/bei/overview",
)
