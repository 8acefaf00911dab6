"""Nebius Token Factory. docs.tokenfactory.nebius.com/api-reference/inference/rerank-documents, read 2026-11-25."""

from __future__ import annotations

from rerank_unify.declaration import (
    TOKEN_USAGE,
    Dialect,
    Endpoint,
    ErrorFormat,
    Flag,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    # No top_n is documented: rows are cut here. It always echoes.
    request=RequestFormat(
        top_n=None, return_documents=Flag(default=True, supported=False), extra_fields=("service_tier", "user")
    ),
    response=ResponseFormat(
        model="model",
        id="id",
        usage=TOKEN_USAGE,
    ),
    errors=ErrorFormat(message="detail"),
)

provider = Provider(
    name="nebius",
    dialect=dialect,
    endpoint=Endpoint("https://api.tokenfactory.nebius.com/v1/rerank"),
    auth=bearer("NEBIUS_API_KEY"),
    default_model="Qwen/Qwen3-Reranker-8B",
    models={"Qwen/Qwen3-Reranker-8B": Model(score_kind="probability")},
    docs="https://docs.tokenfactory.nebius.com/api-reference/inference/rerank-documents",
)
