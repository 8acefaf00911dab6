"""LiteLLM's proxy: Cohere's format in front of many providers. docs.litellm.ai/docs/rerank (2026-10-10), 1.110.2."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

from .cohere import cohere_usage

dialect = Dialect(
    request=RequestFormat(
        max_tokens_per_doc=Field("max_tokens_per_doc"),
        extra_fields=("max_chunks_per_doc",),
    ),
    # `types/rerank.py`: billed units may hold the total of tokens.
    response=ResponseFormat(id="id", usage={**cohere_usage, "total_tokens": "meta.billed_units.total_tokens"}),
    errors=ErrorFormat(message="error.message", code="error.code"),
)

provider = Provider(
    name="litellm",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:4000/v1/rerank", aliases=("/rerank", "/v2/rerank")),
    auth=bearer("LITELLM_API_KEY", required=False),
    # Models, kinds and limits are those of its settings.
    docs="https://docs.litellm.ai/docs/rerank",
)
