"""A sender over aiohttp: more calls per second, on asyncio only."""

from __future__ import annotations

from functools import lru_cache, partial
from io import BytesIO
from typing import TYPE_CHECKING, Final

from .._http import HttpRequest, HttpResponse
from .base import CONNECT, MAX_BYTES, Body, bare, lost, no_connection, too_late

if TYPE_CHECKING:
    import aiohttp


_LARGE: Final = 2**20  # bytes: aiohttp warns about a larger body in one piece, and streams a file-like body


class AiohttpSender:
    """Sends over an ``aiohttp.ClientSession``, which its owner closes.

    Args:
        session: the aiohttp session.
        connect: seconds for a connection.
        read: seconds between two chunks of a response; None for no limit but that of the call.
        max_bytes: most bytes to read of a response.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        connect: float = CONNECT,
        read: float | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._session, self._max_bytes = session, max_bytes
        self._limits = lru_cache(maxsize=1)(
            partial(_limits, connect, read)
        )  # calls without a deadline share one object

    async def __call__(self, http: HttpRequest, timeout: float, /) -> HttpResponse:
        """Send a request and read the whole response; see `Sender`."""
        import asyncio

        import aiohttp

        limits = self._limits(timeout)
        data = http.content if len(http.content) <= _LARGE else BytesIO(http.content)
        try:
            response = await self._session.request(
                http.method, http.url, headers=http.headers, data=data, timeout=limits, allow_redirects=False
            )
            body, content = Body(self._max_bytes, timeout), response.content
            if content.is_eof():  # the body came with the headers, and the connection is already free
                body.add(content.read_nowait())
            else:
                async with response:
                    while (chunk := await content.readany()) and body.add(chunk):
                        pass
            return HttpResponse(response.status, response.headers, body.whole())
        except asyncio.TimeoutError as error:  # another class than TimeoutError on Python 3.10
            raise too_late(timeout) from bare(error)
        except aiohttp.ClientConnectorError as error:
            raise no_connection(error) from bare(error)
        except aiohttp.ClientError as error:
            raise lost(error) from bare(error)


def _limits(connect: float, read: float | None, timeout: float) -> aiohttp.ClientTimeout:
    import aiohttp

    return aiohttp.ClientTimeout(total=timeout, sock_connect=min(connect, timeout), sock_read=read)
