"""Providers that are not built in, as another package declares them."""

from __future__ import annotations

from typing import Any

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    HttpResponse,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)


def info(model: str | None, locked: bool) -> Any:
    return {"id": model, "locked": locked}


made_up = Provider(
    name="made-up",
    dialect=Dialect(
        request=RequestFormat(model=None, documents=Documents("texts"), top_n=None, return_documents=None),
        response=ResponseFormat(rows="", score="score"),
        errors=ErrorFormat(message="error"),
    ),
    endpoint=Endpoint("http://localhost:1/models/{model}/rank"),
    auth=bearer(required=False),
    default_model="served",
    sdk_routes={"/info/{model}": info},
)


def fail(http: Any) -> HttpResponse:
    raise RuntimeError(http.content.decode())


faulty = Provider(
    name="faulty",
    dialect=made_up.dialect,
    endpoint=Endpoint("inproc://faulty/rerank"),
    auth=bearer(required=False),
    default_model="served",
    sender=fail,
)
