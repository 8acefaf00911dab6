"""OGX, once Llama Stack, self-hosted. Read in ogx-client 1.5.0, 2026-11-25."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(documents=Documents("items"), top_n="max_num_results", return_documents=None),
    # Rows hold an index and a score alone. The score is the engine's behind it.
    response=ResponseFormat(rows="data", document=""),
    errors=ErrorFormat(message="detail"),
)

provider = Provider(
    name="ogx",
    dialect=dialect,
    # 8321 is Llama Stack's port (its README).
    endpoint=Endpoint("http://localhost:8321/v1alpha/inference/rerank"),
    auth=bearer(required=False),
    docs="https://github.com/ogx-ai/ogx",
)
