"""vLLM, self-hosted. Read at 055e47c, `frontend/entrypoints/pooling/scoring`; measured on 0.32.0, 2026-11-25."""

from __future__ import annotations

from rerank_unify.declaration import (
    TOKEN_USAGE,
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Flag,
    Model,
    ModelNotFoundError,
    Provider,
    RequestFormat,
    ResponseFormat,
    Unsupported,
    bearer,
)

response = ResponseFormat(model="model", id="id", usage=TOKEN_USAGE)

dialect = Dialect(
    request=RequestFormat(
        # It has no such field and always echoes; a client that leaves it out gets documents.
        return_documents=Flag(default=True, supported=False),
        instruction=Field("instruction"),
        # Must be below the model's length: 4,096 for a short model is 400 (measured).
        max_tokens_per_doc=Field("max_tokens_per_doc"),
        # Too long is 400 (measured). `truncate_prompt_tokens` keeps the last tokens and cuts off the query
        # (WeKnora#2143): it is sent for those who insist.
        truncation=Unsupported("vLLM refuses what is too long", no_op_values=(False,)),
        # A null is 400 (measured: `top_n`); `use_activation: false` gives logits whatever the model.
        extra_fields=(
            "truncate_prompt_tokens",
            "truncation_side",
            "max_tokens_per_query",
            "use_activation",
            "priority",
            "user",
        ),
    ),
    response=response,
    # Older builds write the same object flat (vllm#14693); unknown routes and bad UTF-8 are `{"detail": …}` (measured).
    errors=ErrorFormat(message="error.message", code="error.type", codes={"NotFoundError": ModelNotFoundError}),
)

# The activation that the model's config names, else sigmoid: source and other-model issues, 2026-11.
# Pointwise: its cross-encoders "accept two prompts as input", docs of scoring, read 2026-11-26.
_PROBABILITY = Model(score_kind="probability", pointwise=True)

provider = Provider(
    name="vllm",
    dialect=dialect,
    # All three are the same (measured); LiteLLM's `hosted_vllm` appends `/rerank`.
    endpoint=Endpoint("http://localhost:8000/v1/rerank", aliases=("/rerank", "/v2/rerank")),
    auth=bearer("VLLM_API_KEY", required=False),
    models={
        "BAAI/bge-reranker-base": _PROBABILITY,
        "BAAI/bge-reranker-v2-m3": _PROBABILITY,
        # Its config names no activation but Identity.
        "cross-encoder/ms-marco-MiniLM-L-6-v2": Model(score_kind="logit", pointwise=True),
    },
    docs="https://docs.vllm.ai/en/stable/models/pooling_models/scoring/",
)
