"""Cloudflare Workers AI. developers.cloudflare.com/workers-ai, read 2026-11-22; six clients, 2026-11-25.

The account: ``CLOUDFLARE_ACCOUNT_ID``, or a ``base_url`` such as ``https://api.cloudflare.com/client/v4/accounts/ID``.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
    is_object,
)


def is_error_body(body: object) -> bool:
    """Every body says whether it is one."""
    return is_object(body) and body.get("success") is False


dialect = Dialect(
    request=RequestFormat(
        model=None,
        # Bare strings are 400 "Invalid input".
        documents=Documents("contexts", wrap="text"),
        top_n="top_k",
        return_documents=None,
    ),
    # A row's index is called id.
    response=ResponseFormat(rows="result.response", index="id", score="score", document="", fixed={"success": True}),
    errors=ErrorFormat(message="errors.0.message", code="errors.0.code", is_error_body=is_error_body),
)

provider = Provider(
    name="cloudflare",
    dialect=dialect,
    endpoint=Endpoint(
        "https://api.cloudflare.com/client/v4/accounts/{account}/ai/run/{model:path}",
        variables={"account": ("CLOUDFLARE_ACCOUNT_ID",)},
    ),
    # Keys of an account are set for other services too.
    auth=bearer("CLOUDFLARE_API_KEY", "CLOUDFLARE_API_TOKEN", shared=True),
    default_model="@cf/baai/bge-reranker-base",
    unknown_model=Model(score_kind="probability"),
    docs="https://developers.cloudflare.com/workers-ai/models/bge-reranker-base/",
)
