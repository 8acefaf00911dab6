"""The gateway: any rerank client, any rerank vendor. A thin ASGI app over the client, to be mounted or served.

    app = rerank_unify.gateway.create_app("rerank-unify.toml")

It needs the extra ``gateway``, so what needs its packages is imported late: without them one sentence says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError

if TYPE_CHECKING:
    from .app import create_app
    from .settings import GatewaySettings

__all__ = ["GatewaySettings", "create_app"]

_WHERE = {"create_app": "app", "GatewaySettings": "settings"}
_NEEDED = ("starlette", "granian", "prometheus_client", "pydantic_settings", "aiohttp", "anyio", "tomli")


def __getattr__(name: str) -> Any:
    """What is loaded late."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        raise MissingExtraError("the gateway needs its extra: pip install 'rerank-unify[gateway]'") from None
