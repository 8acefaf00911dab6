"""Pinecone Inference. SDK pinecone 10.2.0 and docs.pinecone.io, read 2026-11-22."""

from __future__ import annotations

from rerank_unify.declaration import (
    Auth,
    Choice,
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Flag,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
)

dialect = Dialect(
    request=RequestFormat(
        documents=Documents(wrap="text"),
        return_documents=Flag(default=True),
        rank_fields="rank_fields",
        truncation=Choice("parameters.truncate", {True: "END", False: "NONE"}),
    ),
    # A bill is in `usage.rerank_units`, which is no unit of the canonical usage.
    response=ResponseFormat(rows="data", score="score", model="model"),
    errors=ErrorFormat(message="error.message", code="error.code"),
)

provider = Provider(
    name="pinecone",
    dialect=dialect,
    endpoint=Endpoint("https://api.pinecone.io/rerank", headers={"x-pinecone-api-version": "2026-07"}),
    auth=Auth(header="api-key", scheme="", variables=("PINECONE_API_KEY",)),
    default_model="bge-reranker-v2-m3",
    models={
        "cohere-rerank-3.5": Model(score_kind="probability", limits=Limits(documents=200, pair_tokens=40_000)),
        # 100 documents of 1,024 tokens, by one source alone: the tolerant reading is the cap.
        "bge-reranker-v2-m3": Model(score_kind="probability", limits=Limits(documents=100)),
    },
    docs="https://docs.pinecone.io/reference/api/latest/inference/rerank",
)
