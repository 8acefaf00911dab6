"""Elasticsearch's inference API. elasticsearch-specification 9d9b9a5 (2026-08-20). Set ``base_url`` to your cluster.

The model is the name of your inference endpoint; the scores are those of the service behind it.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Auth,
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    ModelNotFoundError,
    Provider,
    RequestFormat,
    ResponseFormat,
    as_string,
)

dialect = Dialect(
    request=RequestFormat(model=None, documents=Documents("input"), extra_fields=("task_settings",)),
    response=ResponseFormat(rows="rerank", document="text", form=as_string),
    # {"error": {"type", "reason", "root_cause": […]}, "status": 400}
    # Its endpoints are this library's models.
    errors=ErrorFormat(
        message="error.reason", code="error.type", codes={"resource_not_found_exception": ModelNotFoundError}
    ),
)

provider = Provider(
    name="elastic",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:9200/_inference/rerank/{model}"),
    auth=Auth(scheme="ApiKey", variables=("ELASTIC_API_KEY",), required=False),
    docs="https://www.elastic.co/docs/api/elasticsearch/operation/operation-inference-rerank",
)
