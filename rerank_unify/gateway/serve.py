"""`rerank-unify serve`: the app under uvicorn, in one process or several."""

from __future__ import annotations

import logging
import os
from math import ceil
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import uvicorn

from .app import create_app
from .settings import GatewaySettings

if TYPE_CHECKING:
    from starlette.applications import Starlette

_HANDED: Final = "RERANK_UNIFY_SETTINGS_AS_READ"  # to the workers; no key stands in settings


def serve(settings: GatewaySettings) -> None:
    """Listen until a signal ends it; what is under way then is finished.

    Raises:
        InvalidRequestError: it would be open to other machines without a key, or a route lacks its key.
    """
    host = settings.checked_host()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    app = create_app(settings)  # what is wrong is told here, not by each worker
    _announce(app, settings)
    if settings.workers == 1:
        _run(app, host, settings)
        return
    with TemporaryDirectory(prefix="rerank-unify-") as counters:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counters
        os.environ[_HANDED] = settings.model_dump_json()
        _run(f"{__name__}:handed_app", host, settings)


def _run(app: Starlette | str, host: str, settings: GatewaySettings) -> None:
    uvicorn.run(
        app,
        host=host,
        port=settings.port,
        workers=settings.workers,
        factory=isinstance(app, str),
        access_log=False,  # its lines hold the query string; the gateway writes its own
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=ceil(settings.drain_seconds),
    )


def handed_app() -> Starlette:
    """The app in a worker, with the settings that the first process read."""
    return create_app(GatewaySettings.model_validate_json(os.environ[_HANDED]))


def _announce(app: Starlette, settings: GatewaySettings) -> None:
    log = logging.getLogger("rerank_unify.gateway")
    router = app.state.gateway.router
    if router.offline:
        log.warning("no key of any vendor is set: local ranks by word overlap, whatever model is asked for")
    else:
        log.info("keys for %s; models %s", ", ".join(router.keyed) or "none", ", ".join(settings.models) or "by name")
    if not settings.keys:
        log.info("no gateway keys are set: whoever reaches %s may ask", settings.host)
