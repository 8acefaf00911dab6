"""Infinity, self-hosted. Read at fcb951c (2025-10) and infinity_emb 0.0.78; measured on 0.0.78, 2026-11-25."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Flag,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    Unsupported,
    as_string,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        # false and true pass, null is 422 (measured).
        return_documents=Flag(),
        truncation=Unsupported("Infinity always cuts long documents", no_op_values=(True,)),
        extra_fields=("raw_scores",),
    ),
    response=ResponseFormat(
        form=as_string,
        model="model",
        id="id",
        # 405 for 113 tokens (measured). Its clients need integers.
        usage_warning="usage is left out: Infinity counts characters, not tokens",
        usage_copies={"usage.prompt_tokens": "prompt_tokens", "usage.total_tokens": "total_tokens"},
        fixed={"object": "rerank", "usage.prompt_tokens": 0, "usage.total_tokens": 0},
        ignored=frozenset(("object",)),
    ),
    errors=ErrorFormat(
        message="error.message",
        code="error.type",
        # 422 for more than 2,048 documents and for one beyond 122,880 characters (measured): common codes.
    ),
)

provider = Provider(
    name="infinity",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:7997/rerank"),
    auth=bearer("INFINITY_API_KEY", required=False),
    # What its schema has for a request without a model; with one model served any name is (measured).
    default_model="default/not-specified",
    # Sigmoid, unless `raw_scores`.
    unknown_model=Model(score_kind="probability", limits=Limits(documents=2_048)),
    docs="https://michaelfeil.eu/infinity/",
)
