"""Zhipu (BigModel). docs.bigmodel.cn rerank, read 2026-11-22."""

from __future__ import annotations

from rerank_unify.declaration import (
    TOKEN_USAGE,
    Dialect,
    Endpoint,
    ErrorFormat,
    Limits,
    Model,
    ModelNotFoundError,
    Provider,
    RequestFormat,
    ResponseFormat,
    as_string,
    bearer,
)

dialect = Dialect(
    # A top_n of 0 would be all.
    request=RequestFormat(extra_fields=("return_raw_scores", "request_id", "user_id")),
    response=ResponseFormat(
        form=as_string,
        id="id",
        usage=TOKEN_USAGE,
    ),
    # 1211 is an unknown model, 1214 a wrong or too large argument (cherry-studio#20486).
    errors=ErrorFormat(message="error.message", code="error.code", codes={"1211": ModelNotFoundError}),
)

provider = Provider(
    name="zhipu",
    dialect=dialect,
    endpoint=Endpoint("https://open.bigmodel.cn/api/paas/v4/rerank"),
    auth=bearer("ZHIPUAI_API_KEY"),
    default_model="rerank",
    # 128 documents; query and each document up to 4,096 characters.
    unknown_model=Model(score_kind="probability", limits=Limits(documents=128)),
    docs="https://docs.bigmodel.cn/api-reference",
)
