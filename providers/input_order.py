"""The documents in the order of the request, for the end of a chain: a search that must not fail with its reranker.

It ranks nothing: every score is 0.0, the kind of scores is ``none``, and a warning says so. A `FallbackPlan` starts it
after the deadline too, and never beside a slow target. It speaks Jina's dialect to a sender in this process.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pydantic_core import to_json

from rerank_unify.declaration import Auth, Endpoint, HttpRequest, HttpResponse, Model, Provider

from .jina import dialect as jina_dialect

MODEL: Final = "input-order"
WARNING: Final = "the documents are in the order of the request: no model ranked them"


def send(http: HttpRequest) -> HttpResponse:
    """Return the documents in the order of the request, the first ``top_n`` of them."""
    fields = provider.decode_fields(http.content)
    indices = range(len(fields["documents"]))[: fields["top_n"]]
    body = {
        "model": MODEL,
        "results": [{"index": index, "relevance_score": 0.0} for index in indices],
        "warnings": [WARNING],
    }
    return HttpResponse(200, {"content-type": "application/json"}, to_json(body))


provider = Provider(
    name="input-order",
    # Jina's format has no warnings; here the field says that no model ranked.
    dialect=replace(jina_dialect, response=replace(jina_dialect.response, warnings="warnings")),
    endpoint=Endpoint("inproc://input-order/v1/rerank"),
    auth=Auth(required=False),
    default_model=MODEL,
    models={MODEL: Model(score_kind="none", images=True)},
    unknown_model=Model(score_kind="none", images=True),
    docs="https://github.com/rerank-unify/rerank-unify/blob/main/docs/fallback.md",
    sender=send,
)
