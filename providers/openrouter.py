"""OpenRouter. SDK openrouter 1.3.84, read 2026-11-22. Models, kinds and images are those of the provider behind it."""

from __future__ import annotations

from rerank_unify.declaration import (
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
    # No field for it: always echoed.
    request=RequestFormat(
        return_documents=Flag(default=True, supported=False),
        extra_fields=("provider", "user", "session_id", "trace"),
    ),
    response=ResponseFormat(
        model="model",
        id="id",
        usage={"total_tokens": "usage.total_tokens", "search_units": "usage.search_units"},
    ),
    errors=ErrorFormat(message="error.message", code="error.code"),
)

provider = Provider(
    name="openrouter",
    dialect=dialect,
    endpoint=Endpoint("https://openrouter.ai/api/v1/rerank"),
    auth=bearer("OPENROUTER_API_KEY"),
    default_model="cohere/rerank-v3.5",
    models={"cohere/rerank-v3.5": Model(score_kind="probability")},
    docs="https://openrouter.ai/docs/api-reference/rerank",
)
