"""NVIDIA NeMo Retriever Reranking NIM, self-hosted. docs.nvidia.com/nim, versions 2.3 and 2.4, 2026-11-25."""

from __future__ import annotations

from rerank_unify.declaration import (
    TOKEN_USAGE,
    Choice,
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        query="query.text",
        # An image as a base64 data URL beside the text or without it; an empty text is refused.
        documents=Documents("passages", wrap="text"),
        # Any further field is 400 `unknown field, expected one of model, query, passages, truncate`.
        top_n=None,
        return_documents=None,
        truncation=Choice("truncate", {True: "END", False: "NONE"}),
    ),
    response=ResponseFormat(
        rows="rankings",
        score="logit",
        document="",
        usage=TOKEN_USAGE,
    ),
    # It has no codes: too long without ``truncate`` is 400, by its sentence alone (nim-anywhere#58).
    errors=ErrorFormat(message="error"),
)

_TEXT = Model(score_kind="logit", limits=Limits(documents=512))
_IMAGES = Model(score_kind="logit", images=True, limits=Limits(documents=512))

models = {
    "nvidia/llama-nemotron-rerank-1b-v2": _TEXT,
    "nvidia/llama-nemotron-rerank-500m-v2": _TEXT,
    "nvidia/llama-nemotron-rerank-vl-1b-v2": _IMAGES,
}

provider = Provider(
    name="nim",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:8000/v1/ranking"),
    auth=bearer("NVIDIA_API_KEY", required=False),
    default_model="nvidia/llama-nemotron-rerank-1b-v2",
    models=models,
    unknown_model=_TEXT,
    docs="https://docs.nvidia.com/nim/nemo-retriever/reranking/latest/",
)
