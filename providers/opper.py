"""Opper. docs.opper.ai/build/gateway/rerank, read 2026-11-26."""

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
    # The model is the endpoint that served the request. 0 tokens where the provider behind reports none.
    response=ResponseFormat(model="model", id="id", usage={"total_tokens": "usage.total_tokens"}),
    errors=ErrorFormat(message="error.message", code="error.code"),
)

provider = Provider(
    name="opper",
    dialect=dialect,
    endpoint=Endpoint("https://api.opper.ai/v3/rerank"),
    auth=bearer("OPPER_API_KEY"),
    default_model="bge-reranker-v2-m3",
    # The kind of scores is that of the model's server.
    unknown_model=Model(limits=Limits(documents=1_000)),
    docs="https://docs.opper.ai/build/gateway/rerank",
)
