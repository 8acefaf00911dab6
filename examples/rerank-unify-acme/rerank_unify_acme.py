"""Acme, a made-up provider. In yours, name the documentation and the day on which it was read."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Field,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(documents=Documents("passages"), top_n="limit", instruction=Field("options.task")),
    response=ResponseFormat(rows="ranking", score="score", document="", usage={"total_tokens": "tokens"}),
    errors=ErrorFormat(message="error.message", code="error.code"),
)

provider = Provider(
    name="acme",
    dialect=dialect,
    endpoint=Endpoint("https://api.acme.example/v1/rank"),
    auth=bearer("ACME_API_KEY"),
    default_model="acme-1",
    unknown_model=Model(score_kind="probability", limits=Limits(documents=100)),
    docs="https://acme.example/docs",
)
