"""OpenVINO Model Server. Read at 7e4df0c, `src/rerank/`, and docs/model_server_rest_api_rerank.md, 2026-11-25."""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    Unsupported,
    bearer,
)

dialect = Dialect(
    # Strings alone: an object is parsed and then refused. Long documents are cut into chunks, the best one counts.
    request=RequestFormat(truncation=Unsupported("it reads long documents in chunks", no_op_values=(True,))),
    # `document` is an object in the source and a string in the page; no id, model or usage.
    response=ResponseFormat(),
    errors=ErrorFormat(message="error"),
)

provider = Provider(
    name="openvino",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:8000/v3/rerank"),
    auth=bearer(required=False),
    # "float in a range 0-1", the page says. How many documents it takes is 100, 500 or 10,000 by page and source.
    unknown_model=Model(score_kind="probability"),
    docs="https://docs.openvino.ai/2025/model-server/ovms_docs_rest_api_rerank.html",
)
