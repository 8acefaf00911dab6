"""Baidu Qianfan, version 2 of its API. cloud.baidu.com/doc/qianfan-api, 2025-11, read 2026-11-22."""

from __future__ import annotations

from rerank_unify.declaration import (
    TOKEN_USAGE,
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Flag,
    Limits,
    Model,
    Provider,
    RequestFormat,
    RequestTooLargeError,
    ResponseFormat,
    Unsupported,
    as_string,
    bearer,
)

dialect = Dialect(
    request=RequestFormat(
        # One empty text fails the whole call.
        documents=Documents(refuse_empty=True),
        # No field for it: always echoed, as a string.
        return_documents=Flag(default=True, supported=False),
        truncation=Unsupported("Qianfan always cuts long documents", no_op_values=(True,)),
        extra_fields=("user",),
    ),
    response=ResponseFormat(
        form=as_string,
        model="model",
        id="id",
        # An estimate, the documentation says.
        usage=TOKEN_USAGE,
        fixed={"object": "reranker_list"},
    ),
    # 336221 is version 1's, for too many documents, in a body under 200 (FastGPT#1968, 2024-07-07).
    errors=ErrorFormat(
        message="error.message", code="error.code", request_id="id", codes={"336221": RequestTooLargeError}
    ),
)

provider = Provider(
    name="qianfan",
    dialect=dialect,
    endpoint=Endpoint("https://qianfan.baidubce.com/v2/rerank"),
    auth=bearer(),
    default_model="bce-reranker-base",
    # 64 documents; a query is cut at 400 tokens, a document at 1,024.
    unknown_model=Model(score_kind="probability", limits=Limits(documents=64)),
    docs="https://cloud.baidu.com/doc/qianfan-api/s/2m7u4zt74",
)
