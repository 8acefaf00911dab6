"""Voyage AI. https://docs.voyageai.com/reference/reranker-api and MongoDB's OpenAPI of it, both read 2026-11-22."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Field,
    Flag,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    as_string,
    bearer,
)
from rerank_unify.declaration import folded_into_query as folded

dialect = Dialect(
    request=RequestFormat(
        # "" fails the whole call with 400, " " is ranked (OmniRoute#7809 and #7813, measured 2026-07-19).
        documents=Documents("documents", refuse_empty=True),
        # `top_n` is 400 (OmniRoute#7809). Whether more than there are documents passes is disputed: it is clamped.
        top_n="top_k",
        return_documents=Flag("return_documents", default=False),
        truncation=Field("truncation"),
        # No field: the blog of 2025-08-11 and the docs say to write it into the query.
        instruction=folded,
    ),
    response=ResponseFormat(
        rows="data",
        # A plain string, asserted by the live tests of voyage-ai/typescript-sdk @32450b4.
        form=as_string,
        model="model",
        usage={"total_tokens": "usage.total_tokens"},
        # The Python SDK always reads the total, and crashes where it is absent (0.3.7 and 0.5.0, measured 2026-11).
        fixed={"object": "list", "usage.total_tokens": None},
    ),
    # Voyage has no codes, and 400 is also an unknown model or too many tokens: their sentences differ.
    # The Python SDK reads `detail` and crashes on a list there, so it is a string (measured 2026-11). It has a
    # class for 400, any wrong request; at 413 it raises its most general error.
    errors=ErrorFormat(message="detail", bad_request=400, model_not_found=400, too_large=400),
)

# 1,000 documents for every model; tokens from the docs, 2026-11-22.
_ANY = Limits(documents=1_000)
_INSTRUCTION = frozenset(("instruction",))


# Pointwise: "rerankers are cross-encoders that jointly process a pair of query and document",
# https://docs.voyageai.com/docs/reranker and https://mongodb.com/docs/voyageai/models/rerankers, read 2026-11-26.
def _model(query: int, pair: int, total: int | None, supports: frozenset[str] = frozenset()) -> Model:
    limits = Limits(documents=1_000, query_tokens=query, pair_tokens=pair, total_tokens=total)
    return Model(score_kind="probability", supports=supports, pointwise=True, limits=limits)


# The limits of rerank-3 for query and total are not documented.
_V3 = Model(
    score_kind="probability",
    supports=_INSTRUCTION,
    pointwise=True,
    limits=Limits(documents=1_000, pair_tokens=32_000),
)

models = {
    "rerank-3": _V3,
    "rerank-3-lite": _V3,
    "rerank-2.5": _model(8_000, 32_000, 600_000, _INSTRUCTION),
    "rerank-2.5-lite": _model(8_000, 32_000, 600_000, _INSTRUCTION),
    "rerank-2": _model(4_000, 16_000, 600_000),
    "rerank-2-lite": _model(2_000, 8_000, 600_000),
    "rerank-1": _model(2_000, 8_000, 300_000),
    "rerank-lite-1": _model(1_000, 4_000, 300_000),
}

provider = Provider(
    name="voyage",
    dialect=dialect,
    # Keys that begin with `al-` are MongoDB Atlas's and belong to its host: voyageai 0.5.0 `util.py`.
    endpoint=Endpoint("https://api.voyageai.com/v1/rerank", by_key={"al-": "https://ai.mongodb.com/v1/rerank"}),
    auth=bearer("VOYAGE_API_KEY"),
    default_model="rerank-2.5",
    models=models,
    unknown_model=Model(limits=_ANY),
    docs="https://docs.voyageai.com/reference/reranker-api",
    # Its names on GitHub (the SDK's repository) and Hugging Face (voyageai/rerank-3-lite), November 2026.
    organizations=("voyage-ai", "voyageai"),
)
