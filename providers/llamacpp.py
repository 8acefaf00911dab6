"""llama.cpp's server, started with ``--rerank``. Its README and `server-context.cpp`, and measured, October 2026."""

from __future__ import annotations

from rerank_unify.declaration import (
    TOKEN_USAGE,
    Dialect,
    Endpoint,
    ErrorFormat,
    Flag,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    Unsupported,
    WrongEndpointError,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        # Strings only: an object is 400. `texts` would switch to TEI's dialect (measured), so it is never written.
        # It never echoes (measured), and knows no such field.
        return_documents=Flag(supported=False),
        # 0 would be none. Builds before 2025 ignore it: rows are cut here as well.
        top_n="top_n",
        truncation=Unsupported("llama.cpp refuses what exceeds its physical batch", no_op_values=(False,)),
    ),
    response=ResponseFormat(
        model="model",
        document="",
        usage=TOKEN_USAGE,
        fixed={"object": "list"},
    ),
    # 501 is a server that was not started for reranking, 503 one that still loads; too long is 500 (measured).
    errors=ErrorFormat(
        message="error.message",
        code="error.type",
        codes={"not_supported_error": WrongEndpointError},
        non_retryable_statuses=frozenset((501,)),
    ),
)

_LOGIT, _PROBABILITY = Model(score_kind="logit"), Model(score_kind="probability")

provider = Provider(
    name="llamacpp",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:8080/v1/rerank", aliases=("/rerank", "/reranking", "/v1/reranking")),
    auth=bearer("LLAMA_API_KEY", required=False),
    # Any name is taken, and echoed (measured).
    default_model="default",
    # The same weights are probabilities elsewhere. Logits: measured, and node-llama-cpp#617; Qwen3: source, 2026-11.
    models={
        "bge-reranker-v2-m3": _LOGIT,
        "Qwen3-Reranker-0.6B": _PROBABILITY,
        "Qwen3-Reranker-4B": _PROBABILITY,
        "Qwen3-Reranker-8B": _PROBABILITY,
    },
    docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
)
