"""The description of the routes, made from what their dialects write."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from .._json import is_list, is_object
from .._provider import Provider
from ..canonical import RerankRequest, RerankResponse, Result, Usage
from ..errors import BadRequestError
from ..registry import provider as provider_by_name

_STATUSES: Final = {
    200: "The ranking.",
    400: "The request is wrong; the message names the field.",
    401: "No key, or one that is not known here.",
    402: "The client's own vendor key has no money left (relay).",
    403: "The client's own vendor key may not do this (relay).",
    404: "Nobody serves this model.",
    408: "The body did not come in time.",
    413: "Too many bytes, documents or tokens.",
    415: "The body is not application/json, or is compressed.",
    422: "The request is wrong, in dialects that say so.",
    429: "Too many requests; Retry-After says when to come again.",
    500: "The vendor failed.",
    502: "The vendor cannot be reached, or its answer or our key for it is wrong.",
    503: "The gateway or the vendor is busy; Retry-After says when to come again.",
    504: "The vendor did not answer in time.",
}
_SAMPLE: Final = RerankRequest(query="sensitive skin", documents=["aloe vera cream", "motor oil"], top_n=1)
_RESPONSE: Final = RerankResponse(
    results=[Result(0, 0.9, {"text": "aloe vera cream"})], model="a-model", usage=Usage(total_tokens=12)
)
_TYPES: Final[Mapping[type, str]] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def document(served: Mapping[str, str]) -> dict[str, Any]:
    """OpenAPI 3.1 of the rerank paths, each with its dialect's provider, and of what is there besides."""
    from .. import __version__

    paths = {_plain(path): {"post": _operation(path, provider_by_name(name))} for path, name in served.items()}
    beside = {
        "/v1/models": ("The model names that are known to be served.", True),
        "/health": ("Whether the gateway lives.", False),
        "/ready": ("Whether it can answer.", False),
        "/metrics": ("Counters for Prometheus.", True),
    }
    for path, (summary, locked) in beside.items():
        responses = {"200": {"description": summary}, **({"401": {"description": _STATUSES[401]}} if locked else {})}
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
    example = dialect.encode_response(_RESPONSE, _SAMPLE)
    fields = dialect.dialect.request
    required = sorted({name.split(".")[0] for name in (fields.query, fields.documents.path)})
    described: dict[str, Any] = {
        "summary": f"Rerank, in the dialect of {dialect.name}.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {**_schema(body), "required": required}, "example": body}},
        },
        "responses": {str(status): {"description": content} for status, content in _STATUSES.items()},
    }
    failed = dialect.encode_error(BadRequestError("what went wrong", status=400))[2]
    content = {"application/json": {"schema": {**_schema(failed), "required": list(failed)}, "example": failed}}
    for status, response in described["responses"].items():
        response["content"] = {"application/json": {"example": example}} if status == "200" else content
    if "{model" in path:
        parameter = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
        described["parameters"] = [parameter]
    return described


def _schema(value: Any) -> dict[str, Any]:
    """A schema that the sample fits."""
    if is_object(value):
        return {"type": "object", "properties": {name: _schema(inner) for name, inner in value.items()}}
    if is_list(value):
        return {"type": "array", "items": _schema(value[0]) if value else {}, "minItems": 1}
    return {"type": _TYPES[type(value)]} if type(value) in _TYPES else {}


def page(served: Mapping[str, str], base: str) -> str:
    """A page for people: the paths, and a command to try."""
    rows = "".join(
        f"<tr><td><code>POST {escape(_plain(path))}</code></td><td>{escape(name)}</td>"
        f'<td><a href="{escape(provider_by_name(name).docs)}">{escape(provider_by_name(name).docs)}</a></td></tr>'
        for path, name in served.items()
    )
    body = '{"query": "sensitive skin", "documents": ["aloe vera cream", "motor oil"]}'
    command = f"curl -s {base}v1/rerank -H 'Content-Type: application/json' -d '{body}'"
    return _PAGE.format(rows=rows, command=escape(command))


_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>rerank-unify gateway</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
td, th {{ text-align: left; padding: .25rem 1rem .25rem 0 }}
pre {{ background: #8882; padding: 1rem; overflow-x: auto }}
</style>
<h1>rerank-unify gateway</h1>
<p>Any rerank client, any rerank vendor: point your client here, it keeps its dialect.</p>
<pre>{command}</pre>
<table><tr><th>path</th><th>dialect</th><th>documented at</th></tr>{rows}</table>
<p><a href="openapi.json">openapi.json</a> · <a href="v1/models">models</a> · <a href="health">health</a> ·
<a href="ready">ready</a> · <a href="metrics">metrics</a></p>
</html>
"""
