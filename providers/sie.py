"""SIE, Superlinked's inference engine, self-hosted. Read at superlinked/sie 8634c1b and its SDK 0.10.1, 2026-11-25."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Field,
    Item,
    Provider,
    ProviderOverloadedError,
    ProviderServerError,
    RequestFormat,
    ResponseFormat,
    StatusError,
    bearer,
    text_positions,
)


def classify_message(status: int, body: str, message: str | None) -> type[StatusError] | None:
    """202 is no response: capacity is being provided, and ``Retry-After`` says when to come again."""
    return ProviderOverloadedError if status == 202 else None


dialect = Dialect(
    request=RequestFormat(
        model=None,
        query="query.text",
        documents=Documents("items", wrap=Item("text", id="id")),
        top_n=None,
        return_documents=None,
        instruction=Field("instruction"),
        extra_fields=("options",),
    ),
    response=ResponseFormat(
        rows="scores",
        index="item_id",
        score="score",
        document="",
        shape=text_positions("item_id"),
        ignored=frozenset(("rank",)),
        model="model",
        id="query_id",
    ),
    errors=ErrorFormat(
        message="detail.message",
        code="detail.code",
        codes={
            "MODEL_LOADING": ProviderOverloadedError,
            "RESOURCE_EXHAUSTED": ProviderOverloadedError,
            "MODEL_LOAD_FAILED": ProviderServerError,
        },
        classify_message=classify_message,
        # MODEL_LOAD_FAILED, which is permanent.
        non_retryable_statuses=frozenset((502,)),
        error_statuses=frozenset((202,)),
    ),
)

provider = Provider(
    name="sie",
    dialect=dialect,
    # The response is MessagePack unless `Accept` asks for JSON.
    endpoint=Endpoint("http://localhost:8080/v1/score/{model:path}", headers={"accept": "application/json"}),
    auth=bearer(required=False),
    docs="https://github.com/superlinked/sie",
)
