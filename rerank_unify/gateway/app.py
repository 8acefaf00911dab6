"""The app: routes from the registry, and what a server has besides."""

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
"""Routes without a prefix, for clients that were told of a host alone."""


def create_app(config: GatewaySettings | Mapping[str, Any] | str | Path | None = None) -> Starlette:
    """The gateway as an ASGI app, to be served or mounted.

    Args:
        config: settings, a mapping of their shape, a TOML file's path, or None for environment variables alone.

    Raises:
        InvalidRequestError: one sentence for each setting that is wrong.
    """
    gateway = Gateway(read_settings(config), os.environ)
    served = rerank_paths()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        await anyio.to_thread.run_sync(gateway.warm)
        try:
            yield
        finally:
            await gateway.upstream.aclose()

    described = document(served)

    async def openapi(request: Request) -> Response:
        return as_json({**described, "servers": [{"url": request.scope.get("root_path") or "/"}]})

    async def docs(request: Request) -> Response:
        return HTMLResponse(page(served, str(request.url.replace(query=""))))

    routes = [
        *(Route(path, RerankRoute(gateway, provider_by_name(name)), methods=["POST"]) for path, name in served.items()),
        *_asides(gateway),
        Route("/v1/models", gateway.models),
        Route("/health", gateway.health),
        Route("/ready", gateway.ready),
        Route("/metrics", gateway.prometheus),
        Route("/openapi.json", openapi),
        Route("/", docs),
    ]
    app = Starlette(
        routes=routes, lifespan=lifespan, exception_handlers={404: _nothing, 405: _nothing, RerankError: _refused}
    )
    app.router.redirect_slashes = False  # the redirect would go to the host that the client names
    app.state.gateway = gateway
    return app


def rerank_paths() -> dict[str, str]:
    """Each rerank path with the dialect that is spoken there, from the registry."""
    served = dict(PLAIN)
    for name in provider_names():
        endpoint = provider_by_name(name).endpoint
        for path in (urlsplit(endpoint.url).path, *endpoint.aliases):
            served.setdefault(f"/{_prefix(name)}{_with_path(path)}", name)
    return served


def _prefix(name: str) -> str:
    """The vendor's name, without the version that its path has anyway."""
    return re.sub(r"-v\d+$", "", name)


def _with_path(path: str) -> str:
    """Names of models may hold slashes."""
    return path.replace("{model}", "{model:path}")


def _asides(gateway: Gateway) -> list[Route]:
    """What official clients ask beside reranking, as their dialect declares it."""
    return [
        Route(f"/{_prefix(name)}{_with_path(path)}", _aside(gateway, respond), methods=["GET"])
        for name in provider_names()
        for path, respond in provider_by_name(name).sdk_routes.items()
    ]


def _aside(gateway: Gateway, respond: Any) -> Any:
    async def endpoint(request: Request) -> Response:
        model = request.path_params.get("model")
        if model is not None:
            gateway.admit(request)
        return as_json(respond(model, bool(gateway.settings.keys)))

    return endpoint


async def _nothing(request: Request, error: Any) -> Response:
    reason = "no such path" if error.status_code == 404 else f"{request.method} is not allowed here"
    kind = NotFoundError(f"{reason}; GET / lists what there is", status=error.status_code)
    response = _response(refusal(kind, _spoken_at(request), error.status_code))
    response.headers.update(error.headers or {})
    return response


async def _refused(request: Request, error: Any) -> Response:
    return _response(refusal(error, _spoken_at(request)))


def _response(reply: Reply) -> Response:
    return Response(reply.content, reply.status, reply.headers)


def _spoken_at(request: Request) -> Provider:
    """Whose dialect a client speaks that is on no rerank path, by the path's beginning."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    head = path.split("/")[1] if path.startswith("/") else ""
    names = (name for name in provider_names() if _prefix(name) == head)
    return provider_by_name(next(names, PLAIN.get(path, "jina")))
