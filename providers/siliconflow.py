"""SiliconFlow. docs.siliconflow.cn/api-reference/rerank, 2026-11-22. The international host is api.siliconflow.com."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Model,
    ModelNotFoundError,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
    error_unless_code,
)

dialect = Dialect(
    request=RequestFormat(
        instruction=Field("instruction", per_model=True),
        # For the bge and bce models. `truncate_prompt_tokens` goes through to vLLM and cuts off the query: never sent.
        extra_fields=("max_chunks_per_doc", "overlap_tokens"),
    ),
    response=ResponseFormat(
        id="id",
        usage={
            "prompt_tokens": ("meta.tokens.input_tokens", "tokens.input_tokens", "meta.billed_units.input_tokens"),
            "completion_tokens": ("meta.tokens.output_tokens", "tokens.output_tokens"),
            "search_units": "meta.billed_units.search_units",
        },
    ),
    # {"code":20012,"message":"Model does not exist…"} (blinko#587, new-api#2734); 401 and 404 are JSON strings.
    # Under 200 the rows may be missing (ragflow#2977): no response.
    errors=ErrorFormat(
        message="message", code="code", codes={"20012": ModelNotFoundError}, is_error_body=error_unless_code(0, 200)
    ),
)

_QWEN = Model(score_kind="probability", supports=frozenset(("instruction",)))
_BGE = Model(score_kind="probability")

provider = Provider(
    name="siliconflow",
    dialect=dialect,
    endpoint=Endpoint("https://api.siliconflow.cn/v1/rerank", by_host=("https://api.siliconflow.com/v1/rerank",)),
    auth=bearer("SILICONFLOW_API_KEY"),
    default_model="BAAI/bge-reranker-v2-m3",
    models={
        "BAAI/bge-reranker-v2-m3": _BGE,
        "Pro/BAAI/bge-reranker-v2-m3": _BGE,
        "netease-youdao/bce-reranker-base_v1": _BGE,
        "Qwen/Qwen3-Reranker-0.6B": _QWEN,
        "Qwen/Qwen3-Reranker-4B": _QWEN,
        "Qwen/Qwen3-Reranker-8B": _QWEN,
    },
    docs="https://docs.siliconflow.cn/en/api-reference/rerank/create-rerank",
)
