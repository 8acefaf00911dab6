"""The gateway: any rerank client, any rerank provider. A thin ASGI app over the client, mounted or served.

    app = rerank_unify.gateway.create_app("rerank-unify.toml")

It needs the extra ``gateway``. Names are imported on first use, so that a missing extra gives one clear sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError

if TYPE_CHECKING:
    from .app import create_app
    from .settings import GatewaySettings

__all__ = ["GatewaySettings", "create_app"]

_WHERE = {"create_app": "app", "GatewaySettings": "settings"}
_NEEDED = ("starlette", "uvicorn", "prometheus_client", "pydantic_settings", "aiohttp", "anyio", "tomli")


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        raise MissingExtraError("the gateway needs its extra: pip install 'rerank-unify[gateway]'") from None
