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

_STATUSES: Final = {
    200: "The ranking.",
    400: "The request is wrong; the message names the field.",
    401: "No gateway key, or an unknown one.",
    402: "The account of the client's own provider key has no credit (relay).",
    403: "The client's own provider key lacks permission (relay).",
    404: "No configured provider serves this model.",
    408: "The body did not arrive in time.",
    413: "Too many bytes, documents or tokens.",
    415: "The body is not application/json, or is compressed.",
    422: "The request is wrong; used by dialects that have this status.",
    429: "Too many requests; Retry-After says how long to wait.",
    500: "The provider failed.",
    502: "The provider is unreachable, its response is invalid, or it rejects the gateway's key.",
    503: "The gateway or the provider is overloaded; Retry-After says how long to wait.",
    504: "The provider did not respond in time.",
}
_SAMPLE: Final = RerankRequest(query="sensitive skin", documents=["aloe vera cream", "motor oil"], top_n=1)
_RESPONSE: Final = RerankResponse(
    results=[Result(0, 0.9, {"text": "aloe vera cream"})], model="a-model", usage=Usage(total_tokens=12)
)
_TYPES: Final[Mapping[type, str]] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def document(served: Mapping[str, str]) -> dict[str, Any]:
    """Build the OpenAPI 3.1 document.

    Args:
        served: rerank paths, each with the name of the provider whose dialect it speaks.
    """
    from .. import __version__

    paths = {_plain(path): {"post": _operation(path, provider_by_name(name))} for path, name in served.items()}
    others = {
        "/v1/models": ("The model names that are served.", True),
        "/health": ("Whether the process is alive.", False),
        "/ready": ("Whether the gateway accepts requests.", False),
        "/metrics": ("Prometheus metrics.", True),
    }
    for path, (summary, locked) in others.items():
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
    described["parameters"] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)", path)
    ]
    return described


def _schema(value: Any) -> dict[str, Any]:
    """Derive a JSON schema from a sample value."""
    if is_object(value):
        return {"type": "object", "properties": {name: _schema(inner) for name, inner in value.items()}}
    if is_list(value):
        return {"type": "array", "items": _schema(value[0]) if value else {}, "minItems": 1}
    return {"type": _TYPES[type(value)]} if type(value) in _TYPES else {}


def page(served: Mapping[str, str], base: str) -> str:
    """Build an HTML page with all paths and a sample command."""
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
<p>Any rerank client, any rerank provider: set this host in your client and keep its SDK.</p>
<pre>{command}</pre>
<table><tr><th>path</th><th>dialect</th><th>documented at</th></tr>{rows}</table>
<p><a href="openapi.json">openapi.json</a> · <a href="v1/models">models</a> · <a href="health">health</a> ·
<a href="ready">ready</a> · <a href="metrics">metrics</a></p>
</html>
"""
