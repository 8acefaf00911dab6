"""The objects that the routes of one app share, and the routes that do not rerank."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from .._json import is_list, is_object
from ..canonical import RerankRequest, RerankResponse
from ..errors import one_line
from ..registry import provider as provider_by_name
from .auth import admit
from .limits import ConcurrencyLimiter
from .metrics import CONTENT_TYPE, Metrics
from .replies import as_json
from .router import LOCAL, Router
from .settings import GatewaySettings
from .upstream import Upstream


class Gateway:
    """The objects that the routes of one app share.

    Attributes:
        settings: the validated settings.
        metrics: the Prometheus counters.
        upstream: the HTTP sender for calls to providers.
        router: finds the client for a model name.
        limiter: limits concurrent requests.
    """

    def __init__(self, settings: GatewaySettings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.upstream = Upstream(settings.upstream)
        self.router = Router(settings, environ, self.upstream, self.metrics)
        self.limiter = ConcurrencyLimiter(settings.limits, self.metrics)
        self._hosts = _configured_hosts(settings)

    def warm(self) -> None:
        """Load `local` now if it is the only provider, so that the first request does not wait for it.

        Raises:
            MissingExtraError: the packages of `local` are not installed.
        """
        provider = provider_by_name(LOCAL)
        if self.router.offline and provider.sender is not None:
            provider.sender(provider.prepare(RerankRequest(query="q", documents=["d"])).http)

    def without_hosts(self, value: Any, *, upstream: bool = True) -> Any:
        """Remove the names and addresses of the operator's machines from all strings of a JSON value.

        Args:
            value: the value.
            upstream: whether strings may come from a provider. Then addresses, ports, process ids and lists of models
                are removed too; else only the hosts that stand in the settings.
        """
        if is_object(value):
            return {name: self.without_hosts(inner, upstream=upstream) for name, inner in value.items()}
        if is_list(value):
            return [self.without_hosts(inner, upstream=upstream) for inner in value]
        if not isinstance(value, str):
            return value
        text = self._hosts.sub("…", value) if self._hosts is not None else value
        return _without_machines(text) if upstream else text

    def without_hosts_in(self, response: RerankResponse) -> RerankResponse:
        """Do the same for the model and the warnings of a response."""
        found = (response.model, response.warnings)
        model, warnings = self.without_hosts(response.model), tuple(map(self.without_hosts, response.warnings))
        return response if (model, warnings) == found else response.replace(model=model, warnings=warnings)

    # --- routes other than rerank

    def admit(self, request: Request) -> None:
        """Refuse a client without a valid gateway key.

        Raises:
            AuthenticationError: the gateway has keys, and the request has none of them.
        """
        admit(self.settings.keys, request.headers)

    async def health(self, _: Request) -> Response:
        """Answer that the process is alive."""
        return as_json({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Answer that the gateway accepts requests."""
        return as_json({"status": "ready", "offline": self.router.offline})

    async def models(self, request: Request) -> Response:
        """List the model names that are served."""
        self.admit(request)
        data = [{"id": name, "object": "model", "owned_by": owner} for name, owner in self.router.names]
        return as_json({"object": "list", "data": data})

    async def prometheus(self, request: Request) -> Response:
        """Return the counters in Prometheus' text format."""
        self.admit(request)
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)


def _configured_hosts(settings: GatewaySettings) -> re.Pattern[str] | None:
    """Compile a pattern that matches the URLs and hosts of the settings."""
    routes = [*settings.models.values(), *([] if isinstance(settings.default, str) else [settings.default])]
    targets = [target for route in routes for target in route.targets]
    urls = [urlsplit(url) for target in targets for url in (target.base_url, target.url) if url is not None]
    hosts = {re.escape(host) for url in urls for host in (url.netloc, url.hostname) if host}
    found = "|".join(sorted(hosts, key=len, reverse=True))
    return re.compile(rf"(?i)(?:\w+://)?(?<!\w)(?:{found})(?![\w-])(?:/[^\s\"'<>]*)?") if hosts else None


# --- machines in a provider's messages -------------------------------------------------------------------------------

_ACTOR = re.compile(r"\[address=[^\]]*(?:\]\s*|$)")  # xoscar's, before each message of Xinference's
_LISTED = "available|supported|valid|known|existing|loaded|registered"
# To the end of the message, because the end of a list is unknown. Jina and Xinference list models.
_MODELS = re.compile(
    rf"(?is)\b(?:{_LISTED})\s+(?:model|engine|deployment)"
    r"[\w -]*?(?:[:=\[(]|\s(?:are|is|include)\b).*"
)
_PROCESS = re.compile(r"(?i)\b(?:p?pid|process[ _-]?id|port)\s*[=:#]?\s*\d+|\bhost(?:name)?\s*=\s*[^\s,;)]+")
_SCHEME = r"[a-z][a-z0-9+.-]*://"
_URL = rf"(?:{_SCHEME})?"
_INNER = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.(?:local|localdomain|internal|lan|svc|cluster)|[a-z0-9_-]+"
_ADDRESS = re.compile(
    r"(?i)(?:"
    rf"(?<![\w.]){_URL}(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?::\d+|['\"],\s*\d+)?(?![\w-]|\.\w)"  # IPv4, ('10.0.0.1', 80) too
    r"|(?<![\w.-])(?:"
    rf"{_SCHEME}[^\s/@]*@[^\s/\"'<>]+"  # with a user, perhaps a password
    rf"|{_URL}\[(?=[^\]]*:[^\]]*:)[0-9a-f:.]+(?:%\w+)?\](?::\d+)?"  # [IPv6], perhaps with a port
    rf"|{_URL}(?:[a-z0-9_-]+\.)+[a-z0-9_-]+:\d{{2,5}}(?!\w)"  # host.name:port
    rf"|{_URL}[a-z][a-z0-9_-]*:\d{{4,5}}(?!\w)"  # name:port
    rf"|{_SCHEME}(?:{_INNER})(?![\w-]|\.\w)(?::\d+)?"  # a URL without a public name
    r"|localhost(?![\w-]|\.\w)"
    r"|(?<!\]):\d{4,5}(?!\w)"  # a port alone
    r"))(?:/[^\s\"'<>]*)?"
)
_COLONS = re.compile(r"(?i)(?<![\w:.])(?=[0-9a-f:.]*[0-9a-f])[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*(?![\w:])")


# A fast test: nearly every string, such as the name of a model, matches none of these and is returned at once.
_HINT = re.compile(rf"(?i)\d\.\d+\.\d|:[0-9a-f:/]|@|localhost|address|pid|process|port|host|{_LISTED}")


def _without_machines(text: str) -> str:
    """Remove addresses, ports, process ids and lists of models from a provider's message; put it on one line."""
    if not _HINT.search(text):
        return text if text.isprintable() else one_line(text)
    shorter = _MODELS.sub("", _ACTOR.sub("", text)).rstrip(" ,;(") or "…"
    shorter = _ADDRESS.sub("…", _PROCESS.sub("…", shorter))
    return one_line(_COLONS.sub(_without_ipv6, shorter))


def _without_ipv6(found: re.Match[str]) -> str:
    """Replace an IPv6 address; leave other text with colons, such as a time of day."""
    try:
        ip_address(found[0].rstrip(":."))
    except ValueError:
        return found[0]
    return "…"
