"""Portkey's hosted gateway. Portkey-AI/openapi @a2191f4 (2026-06-12), read 2026-11-25.

Beside the key, a header says where it goes: ``headers={"x-portkey-virtual-key": …}`` or ``x-portkey-provider``.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Auth,
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Provider,
    RequestFormat,
    ResponseFormat,
)

dialect = Dialect(
    request=RequestFormat(
        max_tokens_per_doc=Field("max_tokens_per_doc"),
        truncation=Field("truncation"),
        extra_fields=("priority", "parameters"),
    ),
    response=ResponseFormat(
        model="model", id="id", usage={"search_units": "usage.search_units"}, fixed={"object": "list"}
    ),
    errors=ErrorFormat(message="error.message", code="error.code"),
)

provider = Provider(
    name="portkey",
    dialect=dialect,
    endpoint=Endpoint("https://api.portkey.ai/v1/rerank"),
    auth=Auth(header="x-portkey-api-key", scheme="", variables=("PORTKEY_API_KEY",)),
    # Models, kinds and limits are those of the provider behind it.
    docs="https://portkey.ai/docs/api-reference/inference-api/rerank",
)
