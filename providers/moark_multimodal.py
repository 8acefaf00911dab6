"""Moark's multimodal route, for texts: a bare list that counts from 1. RAGFlow b1b8cd6, read 2026-11-22.

How it takes images is not known.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
    positions_from_one,
)

provider = Provider(
    name="moark-multimodal",
    dialect=Dialect(
        request=RequestFormat(top_n=None, return_documents=None),
        response=ResponseFormat(rows="", score="score", document="", shape=positions_from_one("index")),
        errors=ErrorFormat(message="error.message"),
    ),
    endpoint=Endpoint("https://api.moark.com/v1/rerank/multimodal"),
    auth=bearer(),
    default_model="jina-reranker-m0",
    unknown_model=Model(limits=Limits(documents=25)),
    docs="https://moark.com/docs",
)
