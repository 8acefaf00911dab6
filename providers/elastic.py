"""Elasticsearch's inference API. elasticsearch-specification 9d9b9a5 (2026-08-20). Set ``base_url`` to your cluster.

The model is the name of your inference endpoint; the scores are those of the service behind it. Where that is Elastic's
own service, which alone takes images, say so with ``base_model="elastic"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rerank_unify.declaration import (
    Auth,
    Content,
    Dialect,
    Documents,
    EncodeContext,
    Endpoint,
    ErrorFormat,
    Model,
    ModelNotFoundError,
    Provider,
    RequestFormat,
    ResponseFormat,
    UnsupportedRequestError,
    as_string,
    is_list,
    is_object,
)


def unpack_values(wire: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write query and inputs that are objects of type, format and value as Jina's strings and objects."""
    given: Any = wire.get("input")
    read = {key: _unpacked(wire[key]) for key in ("query",) if key in wire}
    if is_list(given):
        read["input"] = [_unpacked(item) for item in given]
    elif "input" in wire:  # a single input needs no list
        read["input"] = [_unpacked(given)] if isinstance(given, str) or is_object(given) else given
    return {**wire, **read}


def _unpacked(item: Any) -> Any:
    """Return one value: a text, or an image by its URL or in base64."""
    if not is_object(item) or not isinstance(item.get("value"), str) or item.get("type") not in ("text", "image"):
        return item
    return item["value"] if item["type"] == "text" else {"image": item["value"]}


def as_values(context: EncodeContext, query: Content, documents: list[Content]) -> tuple[Any, list[Any]]:
    """Write texts and images as objects of type, format and value. A URL is taken from 9.6.0 on."""

    def value(content: Content, place: str, index: int | None) -> dict[str, str]:
        if isinstance(content, str):
            return {"type": "text", "format": "text", "value": content}
        if "text" in content:
            message = f"{place}: has a text beside its image, and {context.provider} takes one of them"
            raise UnsupportedRequestError(message, field=place, index=index, provider=context.provider)
        image: str = content["image"]
        return {"type": "image", "format": "url" if image.startswith("http") else "base64", "value": image}

    written = [value(document, f"documents[{index}]", index) for index, document in enumerate(documents)]
    return query if isinstance(query, str) else value(query, "query", None), written


dialect = Dialect(
    request=RequestFormat(
        model=None,
        documents=Documents("input", media=as_values),
        extra_fields=("task_settings",),
        preprocess=unpack_values,
    ),
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
    models={"elastic": Model(images=True)},
    docs="https://www.elastic.co/docs/api/elasticsearch/operation/operation-inference-rerank",
)
