"""DeepInfra: scores alone, in the order of the documents. Its model pages and LiteLLM 1.110.2, read 2026-11-25."""

from __future__ import annotations

from rerank_unify.declaration import (
    SCORES_IN_ORDER,
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        model=None,
        # A list: one query for all documents.
        query="queries.0",
        top_n=None,
        return_documents=None,
        instruction=Field("instruction"),
        extra_fields=("service_tier", "webhook"),
    ),
    response=ResponseFormat(
        rows="scores",
        document="",
        shape=SCORES_IN_ORDER,
        id="request_id",
        usage={"prompt_tokens": ("input_tokens", "inference_status.tokens_input")},
    ),
    errors=ErrorFormat(message="detail.error"),
)

provider = Provider(
    name="deepinfra",
    dialect=dialect,
    endpoint=Endpoint("https://api.deepinfra.com/v1/inference/{model:path}"),
    auth=bearer("DEEPINFRA_API_KEY"),
    default_model="Qwen/Qwen3-Reranker-8B",
    # 1,024 documents are named by one translator alone, so no limit is declared.
    unknown_model=Model(score_kind="probability"),
    docs="https://deepinfra.com/models/reranker",
)
