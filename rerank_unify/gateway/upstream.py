"""Calls to vendors, over one session for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._http import HttpRequest, HttpResponse
from ..transport import AiohttpSender
from .settings import UpstreamSettings

if TYPE_CHECKING:
    import aiohttp


class Upstream:
    """Sends over one aiohttp session, made with the first call: a mounted app's own start may never be told."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._sender: AiohttpSender | None = None

    async def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
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
            self._session, connect=self._settings.connect_timeout, max_bytes=self._settings.max_response_bytes
        )

    async def aclose(self) -> None:
        """Close the connections."""
        session, self._session, self._sender = self._session, None, None
        if session is not None:
            await session.close()
