"""Vercel AI Gateway: Cohere's format in front of several providers. vercel.com/docs/ai-gateway, 2026-09-08."""

from __future__ import annotations

from rerank_unify.declaration import Endpoint, Model, Provider, bearer

from .cohere import dialect

provider = Provider(
    name="vercel",
    dialect=dialect,
    endpoint=Endpoint("https://ai-gateway.vercel.sh/v2/rerank"),
    auth=bearer("AI_GATEWAY_API_KEY"),
    default_model="cohere/rerank-v3.5",
    # Named there; the kinds are those of Cohere and Voyage.
    models=dict.fromkeys(
        (
            *("cohere/rerank-v3.5", "voyage/rerank-2.5", "voyage/rerank-2.5-lite"),
            *("voyage/rerank-3", "voyage/rerank-3-lite"),
        ),
        Model(score_kind="probability"),
    ),
    docs="https://vercel.com/docs/ai-gateway",
)
