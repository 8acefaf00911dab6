"""DashScope's own API, for gte-rerank-v2 and images. SDK dashscope 2.0.2 and text-rerank-api (2026-03-15)."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    Field,
    Flag,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    Unsupported,
    bearer,
)

from .dashscope import dashscope_errors, qwen3

dialect = Dialect(
    request=RequestFormat(
        query="input.query",
        documents=Documents("input.documents"),
        top_n="parameters.top_n",
        return_documents=Flag("parameters.return_documents"),
        instruction=Field("parameters.instruct"),
        truncation=Unsupported("DashScope always cuts long documents", no_op_values=(True,)),
    ),
    response=ResponseFormat(rows="output.results", id="request_id", usage={"total_tokens": "usage.total_tokens"}),
    errors=dashscope_errors,
)

provider = Provider(
    name="dashscope-native",
    dialect=dialect,
    endpoint=Endpoint("https://dashscope.aliyuncs.com/api/v1/services/rerank/text-rerank/text-rerank"),
    auth=bearer("DASHSCOPE_API_KEY"),
    default_model="gte-rerank-v2",
    # gte-rerank is gone since 2026-05-30. The VL model takes 100 texts or 40 images.
    models={
        "gte-rerank-v2": Model(
            score_kind="probability", limits=Limits(documents=500, pair_tokens=4_000, total_tokens=30_000)
        ),
        "qwen3-rerank": qwen3,
        "qwen3-vl-rerank": Model(score_kind="probability", images=True, limits=Limits(documents=40, pair_tokens=8_000)),
    },
    docs="https://help.aliyun.com/zh/model-studio/text-rerank-api",
)
