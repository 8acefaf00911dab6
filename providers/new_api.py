"""New API, self-hosted: Jina's format in front of many providers. docs.newapi.pro, read 2026-11-26."""

from __future__ import annotations

from rerank_unify.declaration import (
    TOKEN_USAGE,
    Dialect,
    Endpoint,
    ErrorFormat,
    Flag,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(return_documents=Flag(default=True)),
    response=ResponseFormat(usage={**TOKEN_USAGE, "completion_tokens": "usage.completion_tokens"}),
    errors=ErrorFormat(message="error.message", code="error.code"),
)

provider = Provider(
    name="new-api",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:3000/v1/rerank"),
    auth=bearer("NEWAPI_API_KEY", required=False),
    docs="https://docs.newapi.pro/api/jinaai-rerank",
)
