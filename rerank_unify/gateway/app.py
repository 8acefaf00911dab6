"""The app: routes from the registry, and what a server has besides."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ..canonical import RerankRequest
from ..endpoint import HttpRequest
from ..errors import AuthenticationError, RerankError
from ..registry import Answer, Provider, provider, provider_names
from ..transport import AiohttpSender
from .exchange import RerankRoute
from .intake import Room
from .keys import admit
from .metrics import CONTENT_TYPE, Metrics
from .openapi import document, page
from .routing import LOCAL, Router
from .settings import GatewaySettings, UpstreamSettings, read_settings

if TYPE_CHECKING:
    import aiohttp

PLAIN = {"/v1/rerank": "jina", "/v2/rerank": "cohere"}
"""Routes without a prefix, for clients that were told of a host alone."""


class Upstream:
    """Sends over one aiohttp session, made with the first call: a mounted app's own start may never be told."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._sender: AiohttpSender | None = None

    async def __call__(self, http: HttpRequest, timeout: float, /) -> Answer:
        """Send; see `AsyncSender`."""
        if self._sender is None:
            self._sender = self._open()
        return await self._sender(http, timeout)

    def _open(self) -> AiohttpSender:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # the gateway's own limit counts
            cookie_jar=aiohttp.DummyCookieJar(),  # a vendor's cookies are nobody's
            trust_env=self._settings.trust_env,
        )
        return AiohttpSender(
            self._session, connect=self._settings.connect_timeout, most=self._settings.max_response_bytes
        )

    async def aclose(self) -> None:
        """Close the connections."""
        session, self._session, self._sender = self._session, None, None
        if session is not None:
            await session.close()


class Gateway:
    """What the routes of one app share.

    Attributes:
        settings: as they were read.
        metrics: what is counted.
        router: who answers for a model.
        room: how much is under way.
        hidden: hosts of the operator's own, which no client is told.
    """

    def __init__(self, settings: GatewaySettings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.upstream = Upstream(settings.upstream)
        self.router = Router(settings, environ, self.upstream, self.metrics)
        self.room = Room(settings.limits, self.metrics)
        routes = [*settings.models.values(), *([] if isinstance(settings.default, str) else [settings.default])]
        hosts = {urlsplit(one.base_url or "").netloc for route in routes for one in route.targets}
        self.hidden = tuple(host.encode() for host in sorted(hosts, key=len, reverse=True) if host)

    async def start(self) -> None:
        """Load what the first request would wait for."""
        if self.router.offline:
            vendor = provider(LOCAL)
            call = vendor.prepare(RerankRequest(query="q", documents=["d"]))
            if vendor.sender is not None:
                await anyio.to_thread.run_sync(vendor.sender, call.http)

    # --- beside reranking

    def admit(self, request: Request) -> None:
        """Refuse who has no key.

        Raises:
            AuthenticationError: where the gateway has keys, and the request has none of them.
        """
        admit(self.settings.keys, request.headers)

    async def health(self, _: Request) -> Response:
        """Alive."""
        return _json({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Ready: the settings hold, and there is somebody to ask."""
        return _json({"status": "ready", "offline": self.router.offline})

    async def models(self, request: Request) -> Response:
        """The names that are known to be served."""
        self.admit(request)
        data = [{"id": name, "object": "model", "owned_by": owner} for name, owner in self.router.names]
        return _json({"object": "list", "data": data})

    async def prometheus(self, request: Request) -> Response:
        """The counters."""
        self.admit(request)
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)


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
        await gateway.start()
        yield
        await gateway.upstream.aclose()

    described = to_json(document(served))

    async def openapi(_: Request) -> Response:
        return Response(described, media_type="application/json")

    async def docs(request: Request) -> Response:
        return HTMLResponse(page(served, str(request.base_url)))

    routes = [
        *(Route(path, RerankRoute(gateway, provider(name)), methods=["POST"]) for path, name in served.items()),
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
    app.state.gateway = gateway
    return app


def rerank_paths() -> dict[str, str]:
    """Each rerank path with the dialect that is spoken there, from the registry."""
    served = dict(PLAIN)
    for name in provider_names():
        served.setdefault(f"/{_prefix(name)}{_path_of(provider(name))}", name)
    return served


def _prefix(name: str) -> str:
    """The vendor's name, without the version that its path has anyway."""
    return re.sub(r"-v\d+$", "", name)


def _path_of(vendor: Provider) -> str:
    return _with_path(urlsplit(vendor.endpoint.url).path)


def _with_path(path: str) -> str:
    """Names of models may hold slashes."""
    return path.replace("{model}", "{model:path}")


def _asides(gateway: Gateway) -> list[Route]:
    """What official clients ask beside reranking, as their dialect declares it."""
    return [
        Route(f"/{_prefix(name)}{_with_path(path)}", _aside(gateway, answer), methods=["GET"])
        for name in provider_names()
        for path, answer in provider(name).asides.items()
    ]


def _aside(gateway: Gateway, answer: Any) -> Any:
    async def endpoint(request: Request) -> Response:
        model = request.path_params.get("model")
        if model is not None:
            gateway.admit(request)
        return _json(answer(model, bool(gateway.settings.keys)))

    return endpoint


def _json(value: Any, status: int = 200) -> Response:
    return Response(to_json(value), status, media_type="application/json")


async def _nothing(request: Request, error: Any) -> Response:
    told = "no such path" if error.status_code == 404 else f"{request.method} is not allowed here"
    response = _json({"detail": f"{told}; / lists what there is"}, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _refused(_: Request, error: Exception) -> Response:
    status = 401 if isinstance(error, AuthenticationError) else 400
    return _json({"detail": str(error)}, status)
