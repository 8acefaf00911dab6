"""Infini-AI. DB-GPT's client, read 2026-11-25; what its docs say is not known."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    # ? `top_n` and `return_documents` are not known to be read: rows are cut and documents filled in here.
    request=RequestFormat(top_n=None, return_documents=None, extra_fields=("return_raw_scores",)),
    response=ResponseFormat(),
    errors=ErrorFormat(message="error.message", code="error.code"),
)

provider = Provider(
    name="infini-ai",
    dialect=dialect,
    endpoint=Endpoint("https://cloud.infini-ai.com/maas/v1/rerank"),
    auth=bearer("INFINIAI_API_KEY"),
    default_model="bge-reranker-v2-m3",
    unknown_model=Model(),
    docs="https://docs.infini-ai.com/",
)
