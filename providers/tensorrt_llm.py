"""TensorRT-LLM, ``trtllm-serve rerank``. docs/source/features/reranking.md in two versions, read 2026-11-25."""

from __future__ import annotations

from rerank_unify.declaration import (
    TOKEN_USAGE,
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Provider,
    RequestFormat,
    ResponseFormat,
    Unsupported,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        max_tokens_per_doc=Field("max_tokens_per_doc"),
        instruction=Field("instruction"),
        # Only the document is cut; an instruction and query that are too long by themselves are 400.
        truncation=Unsupported("TensorRT-LLM always cuts long documents", no_op_values=(True,)),
    ),
    response=ResponseFormat(
        model="model",
        id="id",
        # The older page has the total alone.
        usage=TOKEN_USAGE,
    ),
    # 429 is a full queue, 500 a model that is no reranker. The shape is not documented; OpenAI's elsewhere.
    errors=ErrorFormat(message="error.message", code="error.type", non_retryable_statuses=frozenset((500,))),
)

provider = Provider(
    name="tensorrt-llm",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:8000/v1/rerank", aliases=("/rerank",)),
    auth=bearer(required=False),
    # For one model the older page has yes_logit - no_logit (8.4, -6.1), the newer one a sigmoid (0.98): unknown.
    docs="https://github.com/NVIDIA/TensorRT-LLM/blob/main/docs/source/features/reranking.md",
)
