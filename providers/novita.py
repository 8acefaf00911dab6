"""Novita AI. novita.ai/docs rerank, read 2026-11-22."""

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
    # No field for it: always echoed.
    request=RequestFormat(return_documents=Flag(default=True, supported=False)),
    response=ResponseFormat(
        id="id",
        usage={**TOKEN_USAGE, "completion_tokens": "usage.completion_tokens"},
    ),
    errors=ErrorFormat(message="message", code="reason"),
)

provider = Provider(
    name="novita",
    dialect=dialect,
    endpoint=Endpoint("https://api.novita.ai/openai/v1/rerank"),
    auth=bearer("NOVITA_API_KEY"),
    default_model="baai/bge-reranker-v2-m3",
    unknown_model=Model(score_kind="probability"),
    docs="https://novita.ai/docs/api-reference/model-apis-llm-create-rerank",
)
