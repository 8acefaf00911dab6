"""Jina AI. https://api.jina.ai/redoc, OpenAPI of 2026-09-09, read 2026-11-22. Its format is the canonical one.

"J-onprem" is jina-ai/jina-on-prem @c9fde81 (2026-08-13), Jina's own server, whose comments report measurements of
the hosted API in July 2026.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    AuthenticationError,
    BadRequestError,
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Flag,
    Limits,
    Model,
    ModelNotFoundError,
    NotFoundError,
    Provider,
    ProviderOverloadedError,
    ProviderServerError,
    QuotaExceededError,
    RateLimitError,
    RequestFormat,
    RequestTooLargeError,
    ResponseFormat,
    Unsupported,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        # Both specs of 2026 and J-onprem say true, dify-official-plugins#1799 (2025-10-01) says false: always sent.
        return_documents=Flag("return_documents", default=True),
        # v3 and v3.5 only, OpenAPI 2026-09-09; `max_tokens_per_doc` is its alias in J-onprem.
        max_tokens_per_doc=Field("max_doc_length", per_model=True),
        # v3 and v3.5 only; 400 on other models in J-onprem.
        return_embeddings=Field("return_embeddings", per_model=True),
        # In the OpenAPI of 2026-04-02, gone from that of 2026-09-09; J-onprem truncates by default.
        truncation=Unsupported(
            "Jina's API has no such field since September 2026 and cuts long texts", no_op_values=(True,)
        ),
        is_canonical=True,
    ),
    response=ResponseFormat(
        model="model",
        # Jina sends no id (J-onprem `serialize.rerank_response`); the canonical format has both.
        id="id",
        usage={
            "total_tokens": "usage.total_tokens",
            # Jina sends the total alone; the others are New API's, read in its documentation 2026-11-22.
            "prompt_tokens": "usage.prompt_tokens",
            "completion_tokens": "usage.completion_tokens",
            "prompt_tokens_details": "usage.prompt_tokens_details",
            "completion_tokens_details": "usage.completion_tokens_details",
            "search_units": "usage.search_units",
        },
        # Jina always sends `usage`, and its clients read it unasked (haystack-jina, measured 2026-11).
        fixed={"object": "list", "usage": {}},
    ),
    errors=ErrorFormat(
        message="detail",
        code="code",
        request_id="request_id",
        # OpenAPI 2026-09-09, `components.responses`. 402 is not in it, jina-cli and Elasticsearch handle it.
        codes={
            "INPUT_MODEL_NOT_FOUND": ModelNotFoundError,
            "INPUT_TOKEN_LIMIT_EXCEEDED": RequestTooLargeError,
            "INPUT_*": BadRequestError,
            "AUTH_*": AuthenticationError,
            "AUTHZ_INSUFFICIENT_BALANCE": QuotaExceededError,
            "AUTHZ_RESOURCE_LIMIT_EXCEEDED": QuotaExceededError,
            "RESOURCE_NOT_FOUND": NotFoundError,
            "CONFLICT_RESOURCE_BUSY": ProviderOverloadedError,
            "RATE_*": RateLimitError,
            "INTERNAL_ERROR": ProviderServerError,
            "SERVICE_UNAVAILABLE": ProviderOverloadedError,
            "SERVICE_TIMEOUT": ProviderServerError,
        },
        # As New API documents its /v1/rerank; an unknown model is 400 INPUT_MODEL_NOT_FOUND in the OpenAPI.
        bad_request=400,
        model_not_found=400,
    ),
)

_TEXT = Model(score_kind="probability")
# "A cross-encoder model that takes a query and a document pair": its model card on Hugging Face, read 2026-11-26.
_PAIRS = Model(score_kind="probability", pointwise=True)
# Cosines of projected vectors, small and sometimes negative; a block of documents is read as one list. J-onprem.
_LISTWISE = Model(
    score_kind="cosine",
    listwise=True,
    supports=frozenset(("max_tokens_per_doc", "return_embeddings")),
    limits=Limits(total_tokens=131_072),
)
# MaxSim sums on-prem, which may exceed 1; how the hosted API normalises them is not known.
_COLBERT = Model(score_kind="unknown", limits=Limits(pair_tokens=8_192))

provider = Provider(
    name="jina",
    dialect=dialect,
    endpoint=Endpoint("https://api.jina.ai/v1/rerank"),
    # jina-ai/cli `jina_cli/api.py` and jina-ai/MCP.
    auth=bearer("JINA_API_KEY"),
    # New API's default and the one of most integrations.
    default_model="jina-reranker-v2-base-multilingual",
    # J-onprem `models/catalog.json`. No cap on documents in either OpenAPI.
    models={
        "jina-reranker-v3.5": _LISTWISE,
        "jina-reranker-v3": _LISTWISE,
        "jina-reranker-m0": Model(score_kind="probability", images=True, limits=Limits(pair_tokens=10_240)),
        "jina-reranker-v2-base-multilingual": _PAIRS,
        "jina-reranker-v1-base-en": _TEXT,
        "jina-reranker-v1-turbo-en": _TEXT,
        "jina-reranker-v1-tiny-en": _TEXT,
        "jina-colbert-v2": _COLBERT,
        "jina-colbert-v1-en": _COLBERT,
    },
    docs="https://jina.ai/reranker",
    # The ids of GET https://api.jina.ai/v1/models are jina-ai/NAME, November 2026.
    organizations=("jina-ai",),
)
