"""What the routes of one app share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from ..canonical import RerankRequest
from ..paths import is_object
from ..registry import provider
from .exchange import as_json
from .intake import Room
from .keys import admit
from .metrics import CONTENT_TYPE, Metrics
from .routing import LOCAL, Router
from .settings import GatewaySettings
from .upstream import Upstream


class Gateway:
    """What the routes of one app share.

    Attributes:
        settings: as they were read.
        metrics: what is counted.
        router: who answers for a model.
        room: how much is under way.
    """

    def __init__(self, settings: GatewaySettings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.upstream = Upstream(settings.upstream)
        self.router = Router(settings, environ, self.upstream, self.metrics)
        self.room = Room(settings.limits, self.metrics)
        self._hosts = _own_hosts(settings)

    def warm(self) -> None:
        """Load what the first request would wait for.

        Raises:
            MissingExtraError: `local` is all there is, and its packages are not installed.
        """
        vendor = provider(LOCAL)
        if self.router.offline and vendor.sender is not None:
            vendor.sender(vendor.prepare(RerankRequest(query="q", documents=["d"])).http)

    def without_hosts(self, value: Any) -> Any:
        """A JSON value in which no text names a host of the operator's own: no client is told of these."""
        if self._hosts is None:
            return value
        if is_object(value):
            return {name: self.without_hosts(inner) for name, inner in value.items()}
        return self._hosts.sub("…", value) if isinstance(value, str) else value

    # --- beside reranking

    def admit(self, request: Request) -> None:
        """Refuse who has no key.

        Raises:
            AuthenticationError: where the gateway has keys, and the request has none of them.
        """
        admit(self.settings.keys, request.headers)

    async def health(self, _: Request) -> Response:
        """Alive."""
        return as_json({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Ready: the settings hold, and there is somebody to ask."""
        return as_json({"status": "ready", "offline": self.router.offline})

    async def models(self, request: Request) -> Response:
        """The names that are known to be served."""
        self.admit(request)
        data = [{"id": name, "object": "model", "owned_by": owner} for name, owner in self.router.names]
        return as_json({"object": "list", "data": data})

    async def prometheus(self, request: Request) -> Response:
        """The counters."""
        self.admit(request)
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)


def _own_hosts(settings: GatewaySettings) -> re.Pattern[str] | None:
    """Finds URLs and hosts that stand in the settings."""
    routes = [*settings.models.values(), *([] if isinstance(settings.default, str) else [settings.default])]
    urls = [urlsplit(one.base_url) for route in routes for one in route.targets if one.base_url is not None]
    hosts = {re.escape(host) for url in urls for host in (url.netloc, url.hostname) if host}
    found = "|".join(sorted(hosts, key=len, reverse=True))
    return re.compile(rf"(?i)(?:\w+://)?(?<!\w)(?:{found})(?![\w-])(?:/[^\s\"'<>]*)?") if hosts else None
