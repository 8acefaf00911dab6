"""SGLang, self-hosted: Jina's request, a bare list back. Read in sglang 0.5.23, 2026-11-22."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Flag,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        # Ignored by the server, which serves one model.
        model="model",
        # True where it is left out.
        return_documents=Flag(default=True),
        instruction=Field("instruct"),
    ),
    # SGLang's router, in front of several servers, returns an object of `results` and the key `score` too.
    response=ResponseFormat(
        rows=("", "results"), score=("score", "relevance_score"), ignored=frozenset(("meta_info",))
    ),
    errors=ErrorFormat(message="message", code="type"),
)

# Qwen3's yes against no is a probability; cross-encoders have no activation (source).
_QWEN, _LOGIT = Model(score_kind="probability"), Model(score_kind="logit")

provider = Provider(
    name="sglang",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:30000/v1/rerank"),
    auth=bearer(required=False),
    default_model="default",
    models={
        "Qwen/Qwen3-Reranker-0.6B": _QWEN,
        "Qwen/Qwen3-Reranker-4B": _QWEN,
        "Qwen/Qwen3-Reranker-8B": _QWEN,
        "BAAI/bge-reranker-v2-m3": _LOGIT,
    },
    docs="https://docs.sglang.io/docs/supported-models/rerank_models",
)
