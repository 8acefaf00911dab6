"""Mixedbread. SDK mixedbread 0.54.0, read 2026-11-22."""

from __future__ import annotations

from rerank_unify.declaration import (
    TOKEN_USAGE,
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Flag,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        documents=Documents("input"),
        top_n="top_k",
        return_documents=Flag("return_input"),
        rank_fields="rank_fields",
        extra_fields=("rewrite_query",),
    ),
    response=ResponseFormat(
        rows="data",
        score="score",
        document="input",
        model="model",
        ignored=frozenset(("object",)),
        usage=TOKEN_USAGE,
        fixed={"object": "list"},
    ),
    errors=ErrorFormat(message="detail"),
)

provider = Provider(
    name="mixedbread",
    dialect=dialect,
    endpoint=Endpoint("https://api.mixedbread.com/v1/reranking"),
    # The range of its scores is not documented.
    auth=bearer("MXBAI_API_KEY"),
    default_model="mixedbread-ai/mxbai-rerank-large-v2",
    docs="https://www.mixedbread.com/api-reference",
)
