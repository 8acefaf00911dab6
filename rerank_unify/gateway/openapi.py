"""The OpenAPI document and the HTML page, generated from the declared dialects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from .._json import is_list, is_object
from .._provider import Provider
from ..canonical import RerankRequest, RerankResponse, Result, Usage
from ..errors import BadRequestError
from ..registry import provider as provider_by_name

_SAMPLE: Final = RerankRequest(query="sensitive skin", documents=["aloe vera cream", "motor oil"], top_n=1)
_RESPONSE: Final = RerankResponse(
    results=[Result(0, 0.9, {"text": "aloe vera cream"})], model="a-model", usage=Usage(total_tokens=12)
)
_TYPES: Final[Mapping[type, str]] = {bool: "boolean", int: "integer", float: "number", str: "string"}
_EXPLAIN: Final = "Describe the calls that the same request to /v1/rerank would make. Nothing is sent."
_OTHERS: Final = {
    "/v1/models": "The model names that are served; needs a key.",
    "/health": "Whether the process is alive.",
    "/ready": "Whether the gateway accepts requests.",
    "/metrics": "Prometheus metrics; needs a key.",
}


def document(served: Mapping[str, str]) -> dict[str, Any]:
    """Build the OpenAPI 3.1 document.

    Args:
        served: rerank paths, each with the name of the provider whose dialect it speaks.
    """
    from .. import __version__

    paths = {_plain(path): {"post": _operation(path, provider_by_name(name))} for path, name in served.items()}
    paths["/v1/explain"] = {"post": _explain_operation()}
    for path, summary in _OTHERS.items():
        responses = {"200": {"description": summary}, "401": {"description": "No gateway key, or an unknown one."}}
        paths[path] = {"get": {"summary": summary, "responses": responses}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "rerank-unify gateway", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"key": []}],
    }


def _plain(path: str) -> str:
    return path.replace("{model:path}", "{model}")


def _operation(path: str, dialect: Provider) -> dict[str, Any]:
    body = dialect.encode_request(_SAMPLE, model=dialect.default_model or "a-model")
    fields = dialect.dialect.request
    required = sorted({name.split(".")[0] for name in (fields.query, fields.documents.path)})
    failed = dialect.encode_error(BadRequestError("what went wrong", status=400))[2]
    error = {"application/json": {"schema": {**_schema(failed), "required": list(failed)}, "example": failed}}
    described: dict[str, Any] = {
        "summary": f"Rerank, in the dialect of {dialect.name}.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {**_schema(body), "required": required}, "example": body}},
        },
        "responses": {
            "200": {
                "description": "The ranking.",
                "content": {"application/json": {"example": dialect.encode_response(_RESPONSE, _SAMPLE)}},
            },
            "4XX": {
                "description": "The request, its key, model or size is refused, or a rate limit.",
                "content": error,
            },
            "5XX": {"description": "The gateway or the provider failed, is overloaded or too slow.", "content": error},
        },
    }
    string = {"in": "path", "required": True, "schema": {"type": "string"}}
    described["parameters"] = [{"name": name, **string} for name in re.findall(r"{(\w+)", path)]
    return described


def _explain_operation() -> dict[str, Any]:
    """Describe `/v1/explain`, which takes what `/v1/rerank` takes."""
    jina = provider_by_name("jina")
    example = {**jina.prepare(_SAMPLE, api_key="k").describe(), "calls": 1}
    operation = _operation("/v1/explain", jina)
    described = {"description": "The calls.", "content": {"application/json": {"example": {"targets": [example]}}}}
    responses = {**operation["responses"], "200": described}
    return {**operation, "summary": _EXPLAIN, "responses": responses}


def _schema(value: Any) -> dict[str, Any]:
    """Derive a JSON schema from a sample value."""
    if is_object(value):
        return {"type": "object", "properties": {name: _schema(inner) for name, inner in value.items()}}
    if is_list(value):
        return {"type": "array", "items": _schema(value[0]) if value else {}, "minItems": 1}
    return {"type": _TYPES[type(value)]} if type(value) in _TYPES else {}


def page(served: Mapping[str, str], root: str) -> str:
    """Build an HTML page with all paths and a sample command; ``root`` is the path at which the app is mounted."""
    rows = (
        f'POST {escape(_plain(path)):40} <a href="{escape(provider_by_name(name).docs)}">{escape(name)}</a>'
        for path, name in served.items()
    )
    explain = f"POST {'/v1/explain':40} {escape(_EXPLAIN)}"
    links = (f'GET  <a href="{path[1:]}">{path}</a>' for path in ("/openapi.json", *_OTHERS))
    body = '{"query": "sensitive skin", "documents": ["aloe vera cream", "motor oil"]}'
    command = escape(f"curl -s $GATEWAY{root}/v1/rerank -H 'Content-Type: application/json' -d '{body}'")
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>rerank-unify gateway</title>'
    return "\n".join((f"{head}<pre>{command}\n", *rows, explain, "", *links, "</pre></html>"))
