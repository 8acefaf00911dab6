"""Calls to providers over one shared session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._http import HttpRequest, HttpResponse
from ..transport import AiohttpSender
from .settings import UpstreamSettings

if TYPE_CHECKING:
    import aiohttp


class Upstream:
    """Sends over one aiohttp session, opened with the first call, because a mounted app's lifespan may never run."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._sender: AiohttpSender | None = None

    async def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response; see `AsyncSender`."""
        if self._sender is None:
            self._sender = self._open()
        return await self._sender(http, timeout)

    def _open(self) -> AiohttpSender:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # `limits.concurrency` limits the calls
            cookie_jar=aiohttp.DummyCookieJar(),  # a cookie would be shared by all clients
            trust_env=self._settings.trust_env,
        )
        return AiohttpSender(
            self._session, connect=self._settings.connect_timeout, max_bytes=self._settings.max_response_bytes
        )

    async def aclose(self) -> None:
        """Close the session and its connections."""
        session, self._session, self._sender = self._session, None, None
        if session is not None:
            await session.close()
