"""Moark, once Gitee AI. FastGPT#5478, cherry-studio#17141 and #19403, 2026-11-25; `ai.gitee.com/v1` is deprecated."""

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
)

dialect = Dialect(
    request=RequestFormat(),
    response=ResponseFormat(model="model", id="id"),
    errors=ErrorFormat(message="error.message"),
)

provider = Provider(
    name="moark",
    dialect=dialect,
    endpoint=Endpoint("https://api.moark.com/v1/rerank"),
    auth=bearer(),
    # More than 25 documents are refused, and a top_n above it, which is never more than there are documents.
    unknown_model=Model(limits=Limits(documents=25)),
    docs="https://moark.com/docs",
)
