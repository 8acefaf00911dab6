"""Calls to providers, and the event loop for requests so large that encoding them would block the first loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from .._http import HttpRequest, HttpResponse
from ..transport import AiohttpSender
from .settings import UpstreamSettings

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")


class Upstream:
    """Sends over one aiohttp session per event loop.

    Sessions and the second loop start with the first call that needs them, because a mounted app's lifespan may never
    run.
    """

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._senders: dict[asyncio.AbstractEventLoop, tuple[AiohttpSender, aiohttp.ClientSession]] = {}
        self._second_loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response; see `AsyncSender`."""
        loop = asyncio.get_running_loop()
        if loop not in self._senders:
            self._senders[loop] = self._open()
        return await self._senders[loop][0](http, timeout)

    def _open(self) -> tuple[AiohttpSender, aiohttp.ClientSession]:
        import aiohttp

        settings = self._settings
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # `limits.concurrency` limits the calls
            cookie_jar=aiohttp.DummyCookieJar(),  # a cookie would be shared by all clients
            trust_env=settings.trust_env,
        )
        sender = AiohttpSender(session, connect=settings.connect_timeout, max_bytes=settings.max_response_bytes)
        return sender, session

    async def run_aside(self, work: Coroutine[Any, Any, T]) -> T:
        """Await the work in the second loop, which runs in a thread."""
        if self._second_loop is None:
            self._second_loop = asyncio.new_event_loop()
            Thread(target=_run, args=(self._second_loop,), name="rerank-unify-large", daemon=True).start()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._second_loop))

    async def aclose(self) -> None:
        """Close the sessions and their connections, and end the second loop."""
        senders, self._senders = self._senders, {}
        for loop, (_, session) in senders.items():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(session.close(), loop))
        if self._second_loop is not None:
            self._second_loop.call_soon_threadsafe(self._second_loop.stop)
            self._second_loop = None


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()
