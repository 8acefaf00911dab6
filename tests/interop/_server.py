"""An HTTP server on the loopback that records each request and sends the response that a test chose."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, cast

_JSON = {"content-type": "application/json"}


class Loopback(HTTPServer):
    """Listens on a free port of 127.0.0.1. Every POST gets the response that was set last.

    Attributes:
        posts: path and body of every POST, in order.
        pages: JSON bodies of the responses to GET, by path; any other path is 404.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.forget()

    def forget(self) -> None:
        """Remove all requests, pages and the response."""
        self.posts: list[tuple[str, bytes]] = []
        self.pages: dict[str, Any] = {}
        self.response: tuple[int, Mapping[str, str], bytes] = (500, {}, b"no response was set")

    def give(self, body: Any, status: int = 200, headers: Mapping[str, str] = _JSON) -> None:
        """Set the response to every POST from now on: JSON in raw UTF-8."""
        self.response = (status, headers, json.dumps(body, ensure_ascii=False).encode())

    @property
    def sent(self) -> dict[str, Any]:
        """The only body that was sent; an SDK that retries would have sent several."""
        ((_, body),) = self.posts
        return cast("dict[str, Any]", json.loads(body))


class _Handler(BaseHTTPRequestHandler):
    @property
    def _loopback(self) -> Loopback:
        return cast("Loopback", self.server)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self._loopback.posts.append((self.path, body))
        self._reply(*self._loopback.response)

    def do_GET(self) -> None:
        page = self._loopback.pages.get(self.path)
        self._reply(404 if page is None else 200, _JSON, json.dumps(page).encode())

    def _reply(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's word
        """Say nothing."""
