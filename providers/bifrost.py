"""Bifrost, self-hosted: documents as objects. docs.getbifrost.ai/quickstart/gateway/reranking, read 2026-11-26.

A model is named ``provider/model``, such as ``cohere/rerank-v3.5``.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Field,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        documents=Documents(wrap="text"),
        max_tokens_per_doc=Field("max_tokens_per_doc"),
        extra_fields=("priority", "fallbacks"),
    ),
    response=ResponseFormat(model="model", id="id"),
    errors=ErrorFormat(message="error.message", code="error.code"),
)

provider = Provider(
    name="bifrost",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:8080/v1/rerank"),
    auth=bearer(required=False),
    docs="https://docs.getbifrost.ai/quickstart/gateway/reranking",
)
