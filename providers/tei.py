"""Text Embeddings Inference (Hugging Face), self-hosted or as an Inference Endpoint. Read at 0d124dc (2026-07-24)."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Field,
    Flag,
    Limits,
    Model,
    Provider,
    ProviderOverloadedError,
    ProviderServerError,
    RequestFormat,
    ResponseFormat,
    as_string,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        # It serves one model and has no field for it, nor for top_n: rows are cut here. LiteLLM's clients send it.
        model=None,
        documents=Documents("texts"),
        top_n="top_n",
        read_only=frozenset(("top_n",)),
        return_documents=Flag("return_text"),
        # Without it the server's flag `--auto-truncate` decides.
        truncation=Field("truncate"),
        extra_fields=("raw_scores", "truncation_direction"),
    ),
    # Counts of tokens are in headers alone.
    response=ResponseFormat(rows="", score="score", document="text", form=as_string),
    errors=ErrorFormat(
        message="error",
        code="error_type",
        # 429 is a full queue, 424 the backend, 503 unhealthy; 401 comes with an empty body. The code `validation` is
        # for a full batch and for a long text too: their sentences differ.
        codes={
            "overloaded": ProviderOverloadedError,
            "unhealthy": ProviderOverloadedError,
            "backend": ProviderServerError,
        },
        bad_request=422,
    ),
)

provider = Provider(
    name="tei",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:8080/rerank"),
    # `--api-key`, compared as it is.
    auth=bearer(required=False),
    default_model="default",
    # Sigmoid whatever the model, unless `raw_scores`. `--max-client-batch-size` is 32 unless set.
    unknown_model=Model(score_kind="probability", limits=Limits(documents=32)),
    docs="https://huggingface.github.io/text-embeddings-inference/",
)
