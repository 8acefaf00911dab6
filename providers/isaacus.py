"""Isaacus, for law. SDK isaacus 0.22.1, read 2026-11-22."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    Unsupported,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        # A blank text fails the whole call.
        documents=Documents("texts", refuse_empty=True),
        return_documents=None,
        truncation=Unsupported("it reads long texts in chunks", no_op_values=(True,)),
        extra_fields=("is_iql", "scoring_method", "chunking_options"),
    ),
    response=ResponseFormat(score="score", document="", usage={"prompt_tokens": "usage.input_tokens"}),
    errors=ErrorFormat(message="detail"),
)

provider = Provider(
    name="isaacus",
    dialect=dialect,
    endpoint=Endpoint("https://api.isaacus.com/v1/rerankings"),
    auth=bearer("ISAACUS_API_KEY"),
    default_model="kanon-2-reranker",
    unknown_model=Model(score_kind="probability"),
    docs="https://docs.isaacus.com/api-reference/rerankings",
)
