"""Any server that speaks Jina's or Cohere's format, at a base URL of yours. Take a named provider where there is one.

What a named provider knows, this one cannot: score kinds, limits, codes, which hints are followed. It sends what every
such server takes and reads what any such server has been seen to answer (measured on five of them, 2026-11-25).
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Flag,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        # Some servers refuse a request without it (Scaleway: OpenViking#4027), others return fewer by default.
        always_top_n=True,
        # Documents come from the request. Cohere's v2 refuses the field (LightRAG#1813), some echo all the same.
        return_documents=Flag(default=True, supported=False),
        # Sent where the request has them. Most servers ignore what they do not know (measured).
        instruction=Field("instruction"),
        max_tokens_per_doc=Field("max_tokens_per_doc"),
    ),
    response=ResponseFormat(
        rows=("results", "data", ""),
        score=("relevance_score", "score"),
        model="model",
        id="id",
        usage={
            "total_tokens": ("usage.total_tokens", "meta.tokens.total_tokens", "tokens.total_tokens"),
            "prompt_tokens": (
                *("usage.prompt_tokens", "usage.input_tokens", "meta.tokens.input_tokens"),
                *("meta.billed_units.input_tokens", "tokens.input_tokens"),
            ),
            "search_units": ("meta.billed_units.search_units", "usage.search_units"),
        },
        fixed={"object": "list"},
    ),
    errors=ErrorFormat(message="error.message", code="error.code"),
)

provider = Provider(
    name="compatible",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:8000/v1/rerank"),
    auth=bearer(required=False),
    default_model="default",
    docs="https://jina.ai/reranker",
)
