"""LangSearch. docs.langsearch.com rerank API, read 2026-11-25."""

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
    error_unless_code,
)

dialect = Dialect(
    request=RequestFormat(),
    response=ResponseFormat(model="model", id="log_id", fixed={"code": 200}),
    # The body carries a code, 200 where all is well.
    errors=ErrorFormat(message="msg", code="code", request_id="log_id", is_error_body=error_unless_code(200, "200")),
)

provider = Provider(
    name="langsearch",
    dialect=dialect,
    endpoint=Endpoint("https://api.langsearch.com/v1/rerank"),
    auth=bearer("LANGSEARCH_API_KEY"),
    default_model="langsearch-reranker-v1",
    unknown_model=Model(score_kind="probability", limits=Limits(documents=50)),
    docs="https://docs.langsearch.com/api/semantic-rerank-api",
)
