"""Remove the names and addresses of the operator's machines from what clients receive."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from .._http import MASK
from .._json import is_list, is_object
from .._provider import Call
from ..canonical import RerankResponse
from ..errors import one_line
from .settings import GatewaySettings


class Redactor:
    """Removes machines from JSON values: the hosts of the settings, and what a provider says about its machines."""

    def __init__(self, settings: GatewaySettings) -> None:
        routes = [*settings.models.values(), *([settings.default] if settings.default is not None else [])]
        targets = [target for route in routes for target in route.targets]
        urls = [urlsplit(url) for target in targets for url in (target.base_url, target.url) if url is not None]
        hosts = {re.escape(host) for url in urls for host in (url.netloc, url.hostname) if host}
        either = "|".join(sorted(hosts, key=len, reverse=True)) or "(?!)"
        self._hosts = re.compile(rf"(?i)(?:\w+://)?(?<!\w)(?:{either})(?![\w-])(?:/[^\s\"'<>]*)?")

    def value(self, value: Any, *, upstream: bool = True) -> Any:
        """Redact all strings of a JSON value.

        Args:
            value: the value.
            upstream: whether strings may come from a provider. Then addresses, ports, process ids and lists of models
                are removed too; else only the hosts that stand in the settings.
        """
        if is_object(value):
            return {name: self.value(inner, upstream=upstream) for name, inner in value.items()}
        if is_list(value):
            return [self.value(inner, upstream=upstream) for inner in value]
        if not isinstance(value, str):
            return value
        text = self._hosts.sub("…", value)
        return _without_machines(text) if upstream else text

    @staticmethod
    def url(call: Call) -> str:
        """Return what a client may see of a URL that the operator configured: the path that the provider documents."""
        path, url = urlsplit(call.provider.endpoint.url).path, call.http.url.partition("?")[0]
        return f"{MASK}{path}" if url.endswith(path) else MASK

    def response(self, response: RerankResponse) -> RerankResponse:
        """Redact the model and the warnings of a response."""
        model, warnings = self.value(response.model), tuple(map(self.value, response.warnings))
        if (model, warnings) == (response.model, response.warnings):
            return response
        return response.replace(model=model, warnings=warnings)


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
