"""The ASGI app: a rerank route per registered provider, and the other routes of a server."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from .._provider import Provider
from ..errors import NotFoundError, RerankError
from ..registry import provider as provider_by_name
from ..registry import provider_names
from .context import Gateway
from .openapi import document, page
from .replies import Reply, as_json, refusal
from .rerank_route import RerankRoute
from .settings import GatewaySettings, read_settings

PLAIN = {"/v1/rerank": "jina", "/v2/rerank": "cohere"}
"""Routes without a prefix, for clients that only let their user set a host."""


def create_app(config: GatewaySettings | Mapping[str, Any] | str | Path | None = None) -> Starlette:
    """Create the gateway as an ASGI app, to serve or to mount.

    Args:
        config: settings, a mapping of the same shape, the path of a TOML file, or None for environment variables alone.

    Raises:
        InvalidRequestError: a setting is wrong; the message has one sentence for each.
    """
    gateway = Gateway(read_settings(config), os.environ)
    paths = rerank_paths()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        await anyio.to_thread.run_sync(gateway.warm)
        try:
            yield
        finally:
            await gateway.upstream.aclose()

    schema = document(paths)

    async def openapi(request: Request) -> Response:
        return as_json({**schema, "servers": [{"url": request.scope.get("root_path") or "/"}]})

    async def docs(request: Request) -> Response:
        return HTMLResponse(page(paths, str(request.url.replace(query=""))))

    routes = [
        *(Route(path, RerankRoute(gateway, provider_by_name(name)), methods=["POST"]) for path, name in paths.items()),
        *_sdk_routes(gateway),
        Route("/v1/models", gateway.models),
        Route("/health", gateway.health),
        Route("/ready", gateway.ready),
        Route("/metrics", gateway.prometheus),
        Route("/openapi.json", openapi),
        Route("/", docs),
    ]
    app = Starlette(
        routes=routes, lifespan=lifespan, exception_handlers={404: _not_found, 405: _not_found, RerankError: _refused}
    )
    app.router.redirect_slashes = False  # a redirect would go to the host in the client's Host header
    app.state.gateway = gateway
    return app


def rerank_paths() -> dict[str, str]:
    """Return each rerank path with the name of the provider whose dialect it speaks."""
    paths = dict(PLAIN)
    for name in provider_names():
        endpoint = provider_by_name(name).endpoint
        for path in (urlsplit(endpoint.url).path, *endpoint.aliases):
            paths.setdefault(f"/{_prefix(name)}{_with_path(path)}", name)
    return paths


def _prefix(name: str) -> str:
    """Return the provider's name without a version, because the path has the version too."""
    return re.sub(r"-v\d+$", "", name)


def _with_path(path: str) -> str:
    """Let a model name in the path contain slashes."""
    return path.replace("{model}", "{model:path}")


def _sdk_routes(gateway: Gateway) -> list[Route]:
    """Return routes for the other requests of official SDKs, as each provider declares them."""
    return [
        Route(f"/{_prefix(name)}{_with_path(path)}", _sdk_route(gateway, respond), methods=["GET"])
        for name in provider_names()
        for path, respond in provider_by_name(name).sdk_routes.items()
    ]


def _sdk_route(gateway: Gateway, respond: Any) -> Any:
    async def endpoint(request: Request) -> Response:
        model = request.path_params.get("model")
        if model is not None:
            gateway.admit(request)
        return as_json(respond(model, bool(gateway.settings.keys)))

    return endpoint


async def _not_found(request: Request, error: Any) -> Response:
    reason = "no such path" if error.status_code == 404 else f"{request.method} is not allowed here"
    kind = NotFoundError(f"{reason}; GET / lists all paths", status=error.status_code)
    response = _response(refusal(kind, _dialect_of(request), error.status_code))
    response.headers.update(error.headers or {})
    return response


async def _refused(request: Request, error: Any) -> Response:
    return _response(refusal(error, _dialect_of(request)))


def _response(reply: Reply) -> Response:
    return Response(reply.content, reply.status, reply.headers)


def _dialect_of(request: Request) -> Provider:
    """Return the provider whose dialect an error is written in, from the start of the path."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    head = path.split("/")[1] if path.startswith("/") else ""
    names = (name for name in provider_names() if _prefix(name) == head)
    return provider_by_name(next(names, PLAIN.get(path, "jina")))
