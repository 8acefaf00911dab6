"""Vendors that nobody knew, as another package declares them."""

from __future__ import annotations

from typing import Any

from rerank_unify.declaration import Dialect, Endpoint, Errors, Fields, HttpResponse, Provider, Rows, Texts, bearer


def info(model: str | None, locked: bool) -> Any:
    return {"id": model, "locked": locked}


made_up = Provider(
    name="made-up",
    dialect=Dialect(
        request=Fields(model=None, documents=Texts("texts"), top_n=None, return_documents=None),
        response=Rows(rows="", score="score"),
        errors=Errors(message="error"),
    ),
    endpoint=Endpoint("http://localhost:1/models/{model}/rank"),
    auth=bearer(required=False),
    default_model="served",
    asides={"/info/{model}": info},
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
