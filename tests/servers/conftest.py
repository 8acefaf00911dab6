"""Start a real server with the tiny model, end it, and print a table of what each server did in each case."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

import rerank_unify as ru

ROOT = Path(__file__).parents[2]
NAMES = os.environ.get("SERVERS", "").split()
RECORD = os.environ.get("SERVERS_RECORD")  # a folder for the replies, as they came
START_S, CALL_S, ALL_S = 180, 120, 900

collect_ignore_glob = [] if NAMES else ["test_*.py"]

KEY = "sk-0123456789-of-this-test"

# One thread, because the machine has other work, and no download of models.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_NO_USAGE_STATS": "1",
    "XINFERENCE_DISABLE_METRICS": "1",
    "XINFERENCE_ENABLE_VIRTUAL_ENV": "0",
}

LLAMACPP = f"""
import sys, threading, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port = sys.argv[1], int(sys.argv[2])
params.hostnames, params.api_keys = ["127.0.0.1"], ["{KEY}"]
params.embedding, params.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
params.n_ctx = params.n_batch = params.n_ubatch = 512
params.n_parallel = params.cpuparams.n_threads = 1
server = xllamacpp.Server(params)
threading.Event().wait()
"""


def _infinity(model: Path, port: int) -> list[str]:
    return [
        *("bin/infinity_emb", "v2", "--model-id", f"{model}", "--served-model-name", "tiny", "--api-key", KEY),
        *("--engine", "torch", "--device", "cpu", "--no-bettertransformer", "--no-model-warmup", "--no-compile"),
        *("--host", "127.0.0.1", "--port", f"{port}"),
    ]


def _llamacpp(model: Path, port: int) -> list[str]:
    return ["bin/python", "-c", LLAMACPP, f"{model / 'model.gguf'}", f"{port}"]


def _vllm(model: Path, port: int) -> list[str]:
    # Not `vllm serve`: in this package it looks for a distribution named vllm.
    return [
        *("bin/python", "-m", "vllm.entrypoints.openai.api_server", "--model", f"{model}"),
        *("--served-model-name", "tiny", "--api-key", KEY, "--runner", "pooling", "--dtype", "float32"),
        *("--enforce-eager", "--max-model-len", "512", "--max-num-seqs", "8"),
        *("--host", "127.0.0.1", "--port", f"{port}"),
    ]


def _xinference(_model: Path, port: int) -> list[str]:
    return ["bin/xinference-local", "--host", "127.0.0.1", "--port", f"{port}"]


def _launch_in_xinference(url: str, model: Path, log: Path) -> str:
    """Make the first account, register the model, launch it, and return a key."""
    token = re.search(r"Setup token: (\S+)", log.read_text("utf-8"))
    assert token, log.read_text("utf-8")
    account = {"username": "tiny", "password": KEY}
    family = {
        "version": 2,
        "model_name": "tiny-reranker",
        "type": "normal",
        "max_tokens": 512,
        "language": ["en"],
        "virtualenv": None,
        "model_specs": [{"model_format": "pytorch", "model_uri": f"{model}", "quantization": "none"}],
    }
    launch = {
        "model_uid": "tiny",
        "model_name": "tiny-reranker",
        "model_type": "rerank",
        "model_engine": "sentence_transformers",
        "n_gpu": None,
    }
    with httpx.Client(base_url=url, timeout=START_S) as client:
        client.post("/v1/admin/setup", json={"setup_token": token[1], **account}).raise_for_status()
        key: str = client.post("/token", json=account).raise_for_status().json()["access_token"]
        client.headers["authorization"] = f"Bearer {key}"
        body = {"model": json.dumps(family), "persist": False}
        client.post("/v1/model_registrations/rerank", json=body).raise_for_status()
        client.post("/v1/models", json=launch).raise_for_status()
    return key


def _known_key(_url: str, _model: Path, _log: Path) -> str:
    return KEY


@dataclass(frozen=True)
class Kind:
    """How one server is started, and where it ranks."""

    path: str
    command: Callable[[Path, int], Sequence[str]]  # the model's folder and the port
    package: str
    ready: str = "/health"
    prepare: Callable[[str, Path, Path], str] = _known_key  # URL, the model's folder and the log; returns the key


KINDS: Mapping[str, Kind] = {
    "infinity": Kind("/rerank", _infinity, "infinity-emb"),
    "llamacpp": Kind("/v1/rerank", _llamacpp, "xllamacpp"),
    "vllm": Kind("/v1/rerank", _vllm, "vllm-cpu"),
    "xinference": Kind("/v1/rerank", _xinference, "xinference", "/v1/cluster/auth", _launch_in_xinference),
}


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    name: str
    url: str
    key: str

    @property
    def endpoint(self) -> str:
        """The URL at which it ranks."""
        return self.url + KINDS[self.name].path


@dataclass(frozen=True)
class Route:
    """A server, and the provider through which it is called."""

    server: Server
    provider: ru.Provider

    @property
    def column(self) -> str:
        """The heading of its column in the table."""
        return self.server.name + (" by compatible" if self.provider.name == "compatible" else "")

    @property
    def target(self) -> ru.Target:
        """The server as an entry of a client."""
        target = ru.Target(self.provider, model="tiny", api_key=self.server.key, timeout=CALL_S)
        if self.provider.name == "compatible":
            return replace(target, url=self.server.endpoint)
        return replace(target, base_url=self.server.url)

    def call(
        self,
        request: ru.RerankRequest,
        case: str,
        *,
        model: str = "tiny",
        key: str | None = None,
        url: str | None = None,
        echo_documents: bool = True,
    ) -> ru.RerankResponse:
        """Call the server once with exactly this request, and decode what comes."""
        target = self.target
        call = self.provider.prepare(
            request,
            model=model,
            api_key=key or self.server.key,
            base_url=None if url else target.base_url,
            url=url or target.url,
            echo_documents=echo_documents,
        )
        sent = call.http
        reply = httpx.request(sent.method, sent.url, headers=dict(sent.headers), content=sent.content, timeout=CALL_S)
        if RECORD:
            record = {"sent": json.loads(sent.content), "status": reply.status_code, "headers": dict(reply.headers)}
            file = Path(RECORD) / f"{self.server.name}-{self.provider.name}-{case.replace(' ', '-')}.json"
            file.write_text(json.dumps({**record, "body": reply.text}, indent=2, ensure_ascii=False), "utf-8")
        return call.decode(reply.status_code, dict(reply.headers), reply.content)


def _python(name: str) -> Path:
    folder = ROOT / f".venv-server-{name}"
    assert (folder / "bin" / "python").exists(), (
        f"{folder.name} is not installed; expected `make servers SERVERS={name}`"
    )
    return folder


def _versions(name: str) -> str:
    code = f"import importlib.metadata as m; print(m.version('{KINDS[name].package}'))"
    return subprocess.check_output([_python(name) / "bin" / "python", "-c", code], text=True).strip()


@contextmanager
def _running(name: str, model: Path, folder: Path) -> Generator[Server]:
    """Run a server on a free port in a process group that ends with it, after 15 minutes at the latest."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    kind, url, log = KINDS[name], f"http://127.0.0.1:{port}", folder / f"{name}.log"
    program, *arguments = kind.command(model, port)
    command = ["timeout", "-k", "10", f"{ALL_S}", f"{_python(name) / program}", *arguments]
    environment = {**os.environ, **ENVIRONMENT, "XINFERENCE_HOME": f"{folder / 'xinference'}"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=folder, env=environment, start_new_session=True
        )
    try:
        ends = monotonic() + START_S
        while not _is_up(url + kind.ready):
            assert process.poll() is None, log.read_text("utf-8")
            assert monotonic() < ends, log.read_text("utf-8")
            sleep(0.1)
        yield Server(name, url, kind.prepare(url, model, log))
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole process group: first by request, and what is left of it by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            continue


def _is_up(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the tiny model, and its GGUF file where llama.cpp is one of the servers."""
    folder = tmp_path_factory.mktemp("model")
    script = Path(__file__).with_name("tiny_model.py")
    from .tiny_model import write_transformers

    write_transformers(folder)
    if "llamacpp" in NAMES:
        subprocess.run([_python("llamacpp") / "bin" / "python", script, folder, "--gguf"], check=True)
    return folder


@pytest.fixture(scope="module", params=NAMES)
def server(request: pytest.FixtureRequest, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run the servers one after the other."""
    with _running(request.param, model, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(params=["own", "compatible"])
def route(request: pytest.FixtureRequest, server: Server) -> Route:
    """Call the server through its own provider, then through `compatible`."""
    return Route(server, ru.provider(server.name if request.param == "own" else "compatible"))


_CELLS: dict[str, dict[str, str]] = defaultdict(dict)


@pytest.fixture
def cell(request: pytest.FixtureRequest, route: Route) -> Callable[[str], None]:
    """Give a function that writes the test's cell of the table; without a call of it the cell is a failure."""
    row = request.node.originalname.removeprefix("test_").replace("_", " ")
    case = getattr(request.node, "callspec", None)
    row = case.params.get("case", row) if case else row
    _CELLS[row][route.column] = "FAILED"

    def write(text: str) -> None:
        _CELLS[row][route.column] = text

    return write


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, as Markdown."""
    if not _CELLS:
        return
    columns = list(dict.fromkeys(column for row in _CELLS.values() for column in row))
    terminalreporter.section("real servers")
    for name in NAMES:
        terminalreporter.write_line(f"{name}: {KINDS[name].package} {_versions(name)}")
    terminalreporter.write_line("")
    terminalreporter.write_line(f"| case | {' | '.join(columns)} |")
    terminalreporter.write_line(f"|---|{'---|' * len(columns)}")
    for row, cells in _CELLS.items():
        terminalreporter.write_line(f"| {row} | {' | '.join(cells.get(column, '–') for column in columns)} |")
