"""Fireworks AI. docs.fireworks.ai and LiteLLM 1.110.2 `fireworks_ai/rerank`, read 2026-11-25."""

from __future__ import annotations

from rerank_unify.declaration import (
    TOKEN_USAGE,
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Flag,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    as_string,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        # Whether it is true or false where it is left out is disputed: always sent.
        return_documents=Flag(default=True),
        instruction=Field("task"),
    ),
    # Rows have been seen at either place, the echo is a string.
    response=ResponseFormat(
        rows=("data", "results"),
        form=as_string,
        model="model",
        usage={**TOKEN_USAGE, "completion_tokens": "usage.completion_tokens"},
        fixed={"object": "list"},
    ),
    errors=ErrorFormat(message="error.message", code="error.type"),
)

provider = Provider(
    name="fireworks",
    dialect=dialect,
    endpoint=Endpoint("https://api.fireworks.ai/inference/v1/rerank"),
    auth=bearer("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
    default_model="accounts/fireworks/models/qwen3-reranker-8b",
    unknown_model=Model(score_kind="probability"),
    docs="https://docs.fireworks.ai/api-reference/rerank-documents",
)
