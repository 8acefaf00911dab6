"""Prime Intellect. docs.primeintellect.ai/api-reference/inference-rerank, read 2026-11-26.

Of equal scores the server's order means something, which is lost here: equal scores are in the order of the request.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    bearer,
)

dialect = Dialect(
    # ? `top_n` and `return_documents` are not known to be read: rows are cut and documents filled in here.
    request=RequestFormat(top_n=None, return_documents=None, instruction=Field("instruction")),
    response=ResponseFormat(model="model", id="id", usage={"total_tokens": "usage.total_tokens"}),
    # {"error": {"message", "type", "code"}}; 401, 404 and 503 may be {"detail"}.
    errors=ErrorFormat(message="error.message", code="error.code"),
)

provider = Provider(
    name="prime-intellect",
    dialect=dialect,
    endpoint=Endpoint("https://api.pinference.ai/api/v1/rerank"),
    auth=bearer("PRIME_API_KEY"),
    default_model="qwen/qwen3-reranker-0.6b",
    models={
        # A prompt longer than 32,768 tokens is refused, never cut.
        "qwen/qwen3-reranker-0.6b": Model(score_kind="probability", limits=Limits(documents=1_000, pair_tokens=32_768)),
    },
    docs="https://docs.primeintellect.ai/api-reference/inference-rerank",
)
