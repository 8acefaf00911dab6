"""Volcengine's knowledge base (VikingDB). SDK vikingdb 0.1.35, read 2026-11-22.

The key is ``ACCESS_KEY:SECRET_KEY``, with which calls are signed, or an API key. Reranking is no part of Ark.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    SCORES_IN_ORDER,
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Field,
    Item,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    Volcengine,
    error_unless_code,
)

dialect = Dialect(
    request=RequestFormat(
        model="rerank_model",
        query="datas.0.query",
        documents=Documents("datas", wrap=Item("content", query="query")),
        top_n=None,
        return_documents=None,
        instruction=Field("rerank_instruction"),
        extra_fields=("endpoint_id",),
    ),
    response=ResponseFormat(
        rows="data.scores",
        document="",
        shape=SCORES_IN_ORDER,
        id="request_id",
        usage={"total_tokens": "data.token_usage"},
    ),
    # {"code": 1000xxx, "message", "request_id"}, whatever the HTTP status.
    errors=ErrorFormat(message="message", code="code", request_id="request_id", is_error_body=error_unless_code(0)),
)

provider = Provider(
    name="volcengine",
    dialect=dialect,
    endpoint=Endpoint("https://api-knowledgebase.mlp.cn-beijing.volces.com/api/knowledge/service/rerank"),
    # Region, service and variables: vikingdb 0.1.35 `knowledge/client.py`, volcengine 1.0.229 `base/Service.py`.
    auth=Volcengine(service="air", region="cn-beijing", variables=("VOLC_ACCESSKEY", "VOLC_SECRETKEY"), shared=True),
    default_model="doubao-seed-rerank",
    # 200 in the docs, 50 in a translator's code (WeKnora 412dcc4): the lower one.
    unknown_model=Model(score_kind="probability", limits=Limits(documents=50)),
    docs="https://www.volcengine.com/docs/84313/1254474",
)
