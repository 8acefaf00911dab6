"""LocalAI, self-hosted. Read at 82c191a, 2026-11-22."""

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
    # No field for it: always echoed. `top_n` below 1 is 422 with a bare JSON string.
    request=RequestFormat(return_documents=Flag(default=True, supported=False), extra_fields=("backend",)),
    # The order depends on the backend; rows are sorted here.
    response=ResponseFormat(model="model", usage=TOKEN_USAGE),
    errors=ErrorFormat(message="error.message", code="error.type"),
)

provider = Provider(
    name="localai",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:8080/v1/rerank"),
    auth=bearer("LOCALAI_API_KEY", required=False),
    # Scores are the backend's.
    docs="https://localai.io/features/reranker/",
)
