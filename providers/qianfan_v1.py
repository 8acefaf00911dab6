"""Baidu Qianfan, first version: a token in the query. baidubce/bce-qianfan-sdk, read 2026-11-26.

The key is ``API_KEY:SECRET_KEY``, exchanged for a token, or a token. Take `qianfan` for keys of its second version.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Baidu,
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Flag,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    as_string,
    is_object,
)


def is_error_body(body: object) -> bool:
    """Errors come under 200: {"error_code": 336003, "error_msg": "…"}."""
    return is_object(body) and "error_code" in body


dialect = Dialect(
    request=RequestFormat(
        model=None,
        documents=Documents(refuse_empty=True),
        return_documents=Flag(default=True, supported=False),
        extra_fields=("user_id",),
    ),
    response=ResponseFormat(
        form=as_string,
        id="id",
        usage={"total_tokens": "usage.total_tokens", "prompt_tokens": "usage.prompt_tokens"},
        fixed={"object": "reranker_list"},
    ),
    errors=ErrorFormat(message="error_msg", code="error_code", is_error_body=is_error_body),
)

provider = Provider(
    name="qianfan-v1",
    dialect=dialect,
    endpoint=Endpoint("https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/reranker/bce_reranker_base"),
    auth=Baidu(variables=("QIANFAN_AK", "QIANFAN_SK")),
    default_model="bce-reranker-base_v1",
    unknown_model=Model(score_kind="probability", limits=Limits(documents=64)),
    docs="https://github.com/baidubce/bce-qianfan-sdk",
)
