"""Scaleway's Generative APIs. scaleway/docs-content @062ac2a, ``query-reranking-models.mdx``, 2025-11-25."""

from __future__ import annotations

from rerank_unify.declaration import Dialect, Endpoint, ErrorFormat, Flag, Model, Provider, RequestFormat, bearer

from .vllm import response

dialect = Dialect(
    # No field for it; documents are always echoed. Without `top_n` it is 400 (OpenViking#4027, 2026-08-15).
    request=RequestFormat(return_documents=Flag(default=True, supported=False), always_top_n=True),
    # vLLM's, `multi_modal` and all.
    response=response,
    errors=ErrorFormat(message="message"),
)

provider = Provider(
    name="scaleway",
    dialect=dialect,
    endpoint=Endpoint("https://api.scaleway.ai/v1/rerank"),
    auth=bearer("SCW_SECRET_KEY"),
    default_model="qwen3-embedding-8b",
    # An embedding model: the score is the cosine of the two vectors, says that page.
    models={"qwen3-embedding-8b": Model(score_kind="cosine")},
    docs="https://www.scaleway.com/en/docs/generative-apis/how-to/query-reranking-models",
)
