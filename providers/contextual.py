"""Contextual AI. SDK contextual-client 0.11.0, read 2026-11-22."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    # `metadata` is a list of strings beside the documents.
    request=RequestFormat(return_documents=None, instruction=Field("instruction"), extra_fields=("metadata",)),
    # No id, model or usage.
    response=ResponseFormat(document=""),
    errors=ErrorFormat(message="detail"),
)

provider = Provider(
    name="contextual",
    dialect=dialect,
    endpoint=Endpoint("https://api.contextual.ai/v1/rerank"),
    auth=bearer("CONTEXTUAL_API_KEY"),
    default_model="ctxl-rerank-v2-instruct-multilingual",
    # 8,000 tokens of query, instruction and document, 400,000 of the whole.
    unknown_model=Model(score_kind="probability", limits=Limits(pair_tokens=8_000, total_tokens=400_000)),
    docs="https://docs.contextual.ai/api-reference/rerank/rerank",
)
