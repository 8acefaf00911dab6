"""A provider that always fails, on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

import rerank_unify as ru


@dataclass
class Failing:
    """A server that responds with 503 to each request, and counts them."""

    url: str
    requests: list[str] = field(default_factory=list)

    @property
    def targets(self) -> list[str | ru.Target]:
        """Voyage at this server, then `local`."""
        return [ru.Target("voyage", base_url=self.url), "local"]


@pytest.fixture
def failing() -> Iterator[Failing]:
    """Run a server that always fails, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            record.requests.append(self.path)
            self.send_response(503)
            self.send_header("content-length", "0")
            self.send_header("retry-after", "60")  # longer than a call waits: the next target at once
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    record = Failing(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield record
    server.shutdown()
    thread.join()
    server.server_close()


TEXTS = ["A tax return is due in July.", "Bienen überwintern im Stock.", "Shoes are on sale."]
QUERY = "Where do bees spend the winter?"
