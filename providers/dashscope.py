"""Alibaba Cloud Model Studio (DashScope), compatible. help.aliyun.com text-rerank-api (2026-03-15); LiteLLM 1.110.2.

The base is ``compatible-api``, not the chat base ``compatible-mode``. Other regions: set ``base_url``, such as
``https://dashscope-intl.aliyuncs.com``.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Limits,
    Model,
    ModelNotFoundError,
    Provider,
    QuotaExceededError,
    RequestFormat,
    ResponseFormat,
    Unsupported,
    bearer,
    error_unless_code,
)

dashscope_errors = ErrorFormat(
    message="message",
    code="code",
    request_id="request_id",
    # Errors come under 200 too; the SDK looks at the code (dashscope 2.0.2).
    # InvalidApiKey, Throttling.* and InvalidParameter are common codes.
    codes={"ModelNotFound": ModelNotFoundError, "Arrearage": QuotaExceededError},
    is_error_body=error_unless_code(),
)

dialect = Dialect(
    request=RequestFormat(
        instruction=Field("instruct"),
        truncation=Unsupported("DashScope always cuts long documents", no_op_values=(True,)),
    ),
    response=ResponseFormat(
        model="model", id="id", usage={"total_tokens": "usage.total_tokens"}, fixed={"object": "list"}
    ),
    errors=dashscope_errors,
)

# Whether a call may hold 30,000 or 120,000 tokens is disputed between two pages (2026-03-15): the lower one.
qwen3 = Model(score_kind="probability", limits=Limits(documents=500, pair_tokens=4_000, total_tokens=30_000))

provider = Provider(
    name="dashscope",
    dialect=dialect,
    endpoint=Endpoint(
        "https://dashscope.aliyuncs.com/compatible-api/v1/reranks",
        by_host=("https://dashscope-intl.aliyuncs.com/compatible-api/v1/reranks",),
    ),
    auth=bearer("DASHSCOPE_API_KEY"),
    default_model="qwen3-rerank",
    models={
        "qwen3-rerank": qwen3,
        "qwen3.7-text-rerank": Model(score_kind="probability", limits=Limits(pair_tokens=32_768)),
    },
    docs="https://help.aliyun.com/zh/model-studio/text-rerank-api",
)
