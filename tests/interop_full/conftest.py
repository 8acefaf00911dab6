"""A provider that always fails, and a gateway as the command line serves it, both on the loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import httpx
import pytest

import rerank_unify as ru

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else LiteLLM requests a table of prices where it is imported


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

GATEWAY_KEY = "ru-0123456789abcdef-of-a-team"


def ranking(top_n: int, texts: Sequence[str] = TEXTS) -> list[tuple[int, float]]:
    """Return index and score of what `local` ranks first, without any gateway."""
    with ru.Client("local") as client:
        return [(result.index, result.relevance_score) for result in client.rerank(QUERY, texts, top_n=top_n)]


@contextmanager
def running(command: Sequence[str], health: str, environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """Run a server on a free port, and give its URL once it responds there."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "--port", str(port)], stdout=output, stderr=output, env=dict(environment))
    try:
        ends = monotonic() + 120
        while not _is_up(url + health):
            assert process.poll() is None, log.read_text()
            assert monotonic() < ends, log.read_text()
            sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def serving(settings: str, folder: Path) -> Iterator[str]:
    """Serve a gateway with these settings, with a key for its clients, and with none of a provider but Voyage's."""
    from rerank_unify.gateway.auth import hash_of

    file = folder / "gateway.toml"
    file.write_text(f'{settings}\n[keys]\nteam = "{hash_of(GATEWAY_KEY)}"\n')
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    command = [sys.executable, "-m", "rerank_unify.cli", "serve", "--config", str(file)]
    with running(command, "/ready", {**environment, "VOYAGE_KEY": "pa-0123456789"}, folder / "gateway.log") as url:
        yield url
