"""Cohere, version 2 of its API. https://docs.cohere.com/reference/rerank, OpenAPI @e814c8a (2026-08-20).

"C-err" is https://docs.cohere.com/reference/errors, "C-sdk" the Python SDK 7.3.1, both read 2026-11-22.
"""

from __future__ import annotations

from dataclasses import replace

from rerank_unify.declaration import (
    BadRequestError,
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Field,
    Flag,
    Limits,
    Model,
    ModelNotFoundError,
    Provider,
    RequestFormat,
    ResponseFormat,
    StatusError,
    Unsupported,
    bearer,
)


def classify_message(status: int, body: str, message: str | None) -> type[StatusError] | None:
    """Cohere has no codes. C-err: a 404 is an unknown model or an unknown page; only the message differs."""
    if status == 404 and message is not None and message.startswith("model "):
        return ModelNotFoundError
    # C-err: 498 is a deny-listed token in the request, which has nothing to do with keys.
    return BadRequestError if status == 498 else None


cohere_errors = ErrorFormat(
    # OpenAPI: every documented error is {"message": string, "id"?: string}. 403 may be an HTML page instead
    # (cohere-typescript#185).
    message="message",
    request_id="id",
    classify_message=classify_message,
    # 501 is declared for both versions; C-sdk retries 408, 409, 429 and 5xx.
    non_retryable_statuses=frozenset((501,)),
    bad_request=400,
    model_not_found=404,
)

# Only `search_units` is filled up to v4; what v5 fills is not known. The input tokens are at either path.
cohere_usage = {
    "prompt_tokens": ("meta.tokens.input_tokens", "meta.billed_units.input_tokens"),
    "completion_tokens": ("meta.tokens.output_tokens", "meta.billed_units.output_tokens"),
    "search_units": "meta.billed_units.search_units",
}

# C-err lists 400 `document at index 0 cannot be empty`; OmniRoute#7809 saw them pass. Withheld: right either way.
cohere_documents = Documents("documents", refuse_empty=True)

# Nothing is refused for its length: it is cut (best-practices page).
always_cut = Unsupported("Cohere always cuts long documents", no_op_values=(True,))

dialect = Dialect(
    request=RequestFormat(
        # OpenAPI v2: strings only. An unknown field is 422 (HKUDS/LightRAG#1813).
        documents=cohere_documents,
        # Gone from spec and SDK since July 2025 (cohere-python#678); LiteLLM's clients still send it, so it is read.
        return_documents=Flag("return_documents", supported=False),
        max_tokens_per_doc=Field("max_tokens_per_doc"),
        truncation=always_cut,
        # `relevant_spans`: C-sdk `types/rerank_relevant_spans.py`, v5 only; not in the OpenAPI yet.
        extra_fields=("priority", "relevant_spans"),
        # Of version 1; clients send them here too.
        ignored_fields=("rank_fields", "max_chunks_per_doc"),
    ),
    response=ResponseFormat(
        id="id",
        warnings="meta.warnings",
        usage=cohere_usage,
        # @ai-sdk/cohere refuses a response without `meta` (measured 2026-11).
        fixed={"meta.api_version.version": "2"},
    ),
    errors=cohere_errors,
)

# OpenAPI: 1 to 10,000 documents; best-practices page: scores in 0..1; query cut at half the context.
_V5 = Model(score_kind="probability", limits=Limits(documents=10_000, query_tokens=16_384, pair_tokens=32_768))
_V4 = _V5
_V3 = Model(score_kind="probability", limits=Limits(documents=10_000, query_tokens=2_048, pair_tokens=4_096))
# "Reads the query and a candidate document together"; "runs per-candidate":
# https://vercel.com/ai-gateway/models/rerank-v3.5/faq, read 2026-11-26. Of the others no source says how they score.
_V3_5 = replace(_V3, pointwise=True)
unknown_model = Model(limits=Limits(documents=10_000))

models = {
    "rerank-v5.0-pro": _V5,
    "rerank-v5.0-fast": _V5,
    "rerank-v4.0-pro": _V4,
    "rerank-v4.0-fast": _V4,
    "rerank-v3.5": _V3_5,
    "rerank-english-v3.0": _V3,
    "rerank-multilingual-v3.0": _V3,
}

# C-sdk `client.py`: CO_API_KEY is documented, COHERE_API_KEY a fallback.
auth = bearer("CO_API_KEY", "COHERE_API_KEY")

provider = Provider(
    name="cohere",
    dialect=dialect,
    endpoint=Endpoint("https://api.cohere.com/v2/rerank"),
    auth=auth,
    # The default of most integrations, and the only one that v1, v2 and the clouds all have.
    default_model="rerank-v3.5",
    models=models,
    unknown_model=unknown_model,
    docs="https://docs.cohere.com/reference/rerank",
)
