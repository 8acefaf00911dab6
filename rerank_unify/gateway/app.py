"""The ASGI app: a rerank route per registered provider, and the other routes of a server."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from .._json import dump
from .._provider import SdkRoute
from ..cache import MemoryScoreCache, RedisScoreCache, ScoreCache
from ..canonical import RerankRequest
from ..errors import InvalidRequestError, NotFoundError, RerankError
from ..registry import provider as provider_by_name
from ..registry import provider_names
from .auth import ConcurrencyLimiter, admit
from .explain_route import ExplainRoute
from .metrics import CONTENT_TYPE, Metrics
from .openapi import document, page
from .playground import HEADERS, playground_routes
from .redact import Redactor
from .rerank_route import RerankRoute
from .router import LOCAL, Router
from .settings import CacheSettings, GatewaySettings, read_settings
from .upstream import Upstream

PLAIN: Final = {"/v1/rerank": "jina", "/v2/rerank": "cohere"}
"""Routes without a prefix, for clients that only let their user set a host."""
SPELLINGS: Final = (
    (re.compile(r"/{2,}"), "/"),
    (re.compile(r"(?<=.)/$"), ""),
    (re.compile(r"(?:/rerank)+$"), "/rerank"),  # the base URL was the full path, as in /v1/rerank/rerank
    (re.compile(r"(?:/(?:v\d+|rerank))+(?=/v\d+/)"), ""),  # of several versions the client's, which is the last
)
"""Other spellings of paths, for base URLs that have too much: patterns and replacements, applied in turn."""


def create_app(config: GatewaySettings | Mapping[str, Any] | str | Path | None = None) -> Starlette:
    """Create the gateway as an ASGI app, to serve or to mount.

    Args:
        config: settings, a mapping of the same shape, the path of a TOML file, or None for environment variables alone.

    Returns:
        The app. Its lifespan opens and closes the connections to providers.

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
            if gateway.cache is not None:
                gateway.cache.close()

    async def openapi(request: Request) -> Response:
        return JSONResponse({**document(paths), "servers": [{"url": request.scope.get("root_path") or "/"}]})

    async def docs(request: Request) -> Response:
        return HTMLResponse(page(paths, request.scope.get("root_path", "")), headers=HEADERS)

    app = Starlette(
        routes=[
            *(
                Route(path, RerankRoute(gateway, provider_by_name(name)), methods=["POST"])
                for path, name in paths.items()
            ),
            Route("/v1/explain", ExplainRoute(gateway, provider_by_name(PLAIN["/v1/rerank"])), methods=["POST"]),
            *_sdk_routes(gateway),
            Route("/v1/models", gateway.models),
            Route("/health", gateway.health),
            Route("/ready", gateway.ready),
            Route("/metrics", gateway.prometheus),
            Route("/openapi.json", openapi),
            Route("/docs", docs),
            *(playground_routes() if gateway.settings.playground else ()),
        ],
        lifespan=lifespan,
        exception_handlers={404: _not_found, 405: _not_found, RerankError: _refused},
    )
    app.router.redirect_slashes = False  # a redirect would go to the host in the client's Host header
    not_found = app.router.default

    async def other_spelling(scope: Any, receive: Any, send: Any) -> None:
        root = scope.get("root_path", "")
        path = root + canonical_path(scope["path"].removeprefix(root), paths)
        if scope["type"] == "http" and path != scope["path"]:
            await app.router({**scope, "path": path}, receive, send)
        else:
            await not_found(scope, receive, send)

    app.router.default = other_spelling
    app.state.gateway = gateway
    return app


def rerank_paths() -> dict[str, str]:
    """Return each rerank path with the name of the provider whose dialect it speaks."""
    paths = dict(PLAIN)
    for name in provider_names():
        endpoint = provider_by_name(name).endpoint
        if not provider_by_name(name).ranks:
            continue  # the end of a chain, no choice of a client
        for path in (urlsplit(endpoint.url).path, *endpoint.aliases):
            paths.setdefault(f"/{_prefix(name)}{_with_path(path)}", name)
    return paths


def canonical_path(path: str, paths: dict[str, str]) -> str:
    """Return the path that is meant by another spelling; ``paths`` are the rerank paths."""
    for pattern, replacement in SPELLINGS:
        path = pattern.sub(replacement, path)
    if path in paths:
        return path
    other = {path: served for served in reversed(paths) for path in _other_versions(served)}
    return other.get(path, path)


def _other_versions(path: str) -> tuple[str, ...]:
    """Return a rerank path without its version, and one without a version as version 1."""
    bare = re.sub(r"/v\d+(?=/rerank$)", "", path)
    return (bare,) if bare != path else (re.sub(r"(?=/rerank$)", "/v1", path),)


def _prefix(name: str) -> str:
    """Return the provider's name without a version, because the path has the version too."""
    return re.sub(r"-v\d+$", "", name)


def _with_path(path: str) -> str:
    """Let a model name in the path contain slashes."""
    return path.replace("{model}", "{model:path}")


class Gateway:
    """The objects that the routes of one app share, and the routes that do not rerank.

    Attributes:
        settings: the validated settings.
        metrics: the Prometheus counters.
        upstream: the HTTP sender for calls to providers.
        cache: the cache of scores; None for no cache.
        router: finds the client for a model name.
        limiter: limits concurrent requests.
        redactor: removes the operator's machines from responses.
    """

    def __init__(self, settings: GatewaySettings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.upstream = Upstream(settings.upstream)
        self.cache = _score_cache(settings.cache, environ, self.metrics)
        self.router = Router(settings, environ, self.upstream, self.metrics, self.cache)
        self.limiter = ConcurrencyLimiter(settings.limits)
        self.redactor = Redactor(settings)

    def warm(self) -> None:
        """Load `local` now if it is the only provider, so that the first request does not wait for it.

        Raises:
            MissingExtraError: the packages of `local` are not installed.
        """
        provider = provider_by_name(LOCAL)
        if self.router.offline and provider.sender is not None:
            provider.sender(provider.prepare(RerankRequest(query="q", documents=["d"])).http)

    async def health(self, _: Request) -> Response:
        """Answer that the process is alive."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Answer that the gateway accepts requests."""
        return JSONResponse({"status": "ready", "offline": self.router.offline})

    async def models(self, request: Request, respond: SdkRoute | None = None) -> Response:
        """List the model names that are served, each with what the official client of a dialect reads of it."""
        admit(self.settings.keys, request.headers)
        rows: list[dict[str, Any]] = [
            {"id": name, "object": "model", "owned_by": owner} for name, owner in self.router.names
        ]
        if respond is not None:
            rows = [{**row, **respond(row["id"], bool(self.settings.keys))} for row in rows]
        return JSONResponse({"object": "list", "data": rows})

    async def sdk(self, respond: SdkRoute, request: Request) -> Response:
        """Answer another request of an official client."""
        model = request.path_params.get("model")
        if model == "":
            return await self.models(request, respond)
        if model is not None:
            admit(self.settings.keys, request.headers)
        return JSONResponse(respond(model, bool(self.settings.keys)))

    async def prometheus(self, request: Request) -> Response:
        """Return the counters in Prometheus' text format."""
        admit(self.settings.keys, request.headers)
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)


def _score_cache(settings: CacheSettings, environ: Mapping[str, str], metrics: Metrics) -> ScoreCache | None:
    """Make the cache that the settings name."""
    given: dict[str, Any] = {"ttl": settings.ttl, "on_count": metrics.cached}
    given["pointwise_models"] = settings.pointwise_models
    if settings.store == "memory":
        return MemoryScoreCache(max_entries=settings.max_entries, **given)
    if settings.store is None:
        return None
    url = environ.get(settings.url_env, "").strip()
    if not url:
        raise InvalidRequestError(f"cache: redis needs its URL in {settings.url_env}, which is not set")
    try:
        return RedisScoreCache(url, timeout=settings.timeout, **given)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"cache: {settings.url_env}: {error.message}") from None


def _sdk_routes(gateway: Gateway) -> Iterator[Route]:
    """Yield routes for the other requests of official SDKs, as each provider declares them; and for its models."""
    for name in provider_names():
        for path, respond in provider_by_name(name).sdk_routes.items():
            parent, model, _ = path.partition("/{model")
            if model:
                yield Route(f"/{_prefix(name)}{parent}", partial(gateway.models, respond=respond))
            yield Route(f"/{_prefix(name)}{_with_path(path)}", partial(gateway.sdk, respond))


async def _not_found(request: Request, error: Any) -> Response:
    served = " or ".join(path.replace(":path", "") for path in _paths_near(request))
    reason = "no such path" if error.status_code == 404 else f"{request.method} is not allowed here"
    sentence = f"{reason}; send POST to {served}; GET /docs lists all paths"
    response = await _refused(request, NotFoundError(sentence), error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _refused(request: Request, error: Any, status: int | None = None) -> Response:
    """Encode an error outside the rerank routes, in the dialect of the path's first step."""
    dialect = provider_by_name(next(iter(_paths_near(request).values())))
    encoded, headers, body = dialect.encode_error(error, relay=True)
    return Response(dump(body), status or encoded, headers)


def _paths_near(request: Request) -> dict[str, str]:
    """Return the rerank path of a request, else those with the same first step, else those without a prefix."""
    path: str = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    head = path.lstrip("/").partition("/")[0]
    paths = rerank_paths()
    near = {served: name for served, name in paths.items() if served.split("/")[1] == head}
    return {path: paths[path]} if path in paths else near or PLAIN
