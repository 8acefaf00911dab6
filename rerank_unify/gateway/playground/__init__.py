"""The playground: a page that ranks documents with several targets side by side, as files of this package."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
"""The headers of every page: it loads from the gateway alone, and stands in no frame."""
_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PAGE: Final = "index.html"


def playground_routes() -> Iterator[Route]:
    """Yield the routes of the page and of the files that it loads, whose URLs are relative to the page's."""
    for file in files(__name__).iterdir():
        media_type = _TYPES.get(Path(file.name).suffix)
        if media_type is not None:
            path = "/" if file.name == _PAGE else f"/playground/{file.name}"
            yield Route(path, partial(_send, file.read_bytes(), media_type))


async def _send(content: bytes, media_type: str, _: Request) -> Response:
    return Response(content, headers=HEADERS, media_type=media_type)
