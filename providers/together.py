"""Together AI. SDK together 3.1.1, `resources/rerank`, read 2026-11-22. Rerankers run on dedicated endpoints."""

from __future__ import annotations

from rerank_unify.declaration import (
    TOKEN_USAGE,
    Dialect,
    Endpoint,
    ErrorFormat,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(rank_fields="rank_fields"),
    response=ResponseFormat(
        model="model",
        id="id",
        usage={**TOKEN_USAGE, "completion_tokens": "usage.completion_tokens"},
        fixed={"object": "rerank"},
    ),
    errors=ErrorFormat(message="error.message", code="error.code"),
)

provider = Provider(
    name="together",
    dialect=dialect,
    endpoint=Endpoint("https://api.together.ai/v1/rerank"),
    auth=bearer("TOGETHER_API_KEY"),
    # 8K tokens for each document: docs.together.ai.
    models={"Salesforce/Llama-Rank-V1": Model(score_kind="probability", limits=Limits(pair_tokens=8_192))},
    docs="https://docs.together.ai/reference/rerank",
)
