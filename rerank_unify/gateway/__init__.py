"""The gateway: any rerank client, any rerank provider. A thin ASGI app over the client, mounted or served.

    app = rerank_unify.gateway.create_app("rerank-unify.toml")

It needs the extra ``gateway``: without it, importing this package raises `MissingExtraError`.
"""

from __future__ import annotations

from ..errors import MissingExtraError

_EXTRA = ("starlette", "granian", "prometheus_client", "pydantic_settings", "aiohttp", "anyio", "tomli")

try:
    from .app import create_app
    from .settings import GatewaySettings
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in _EXTRA:
        raise
    raise MissingExtraError("the gateway needs its extra: pip install 'rerank-unify[gateway]'") from None

__all__ = ["GatewaySettings", "create_app"]
