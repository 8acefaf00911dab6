"""A call stays easy to follow: it runs through few files of this project."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest

import rerank_unify as ru

HOME = Path(ru.__file__).parent
PREPARE_AND_DECODE = 12
CLIENT_RERANK = 20
REQUEST = ru.RerankRequest(query="skin", documents=["aloe vera", "motor oil"], top_n=1)


def files_entered(call: Callable[[], object]) -> set[str]:
    """Return the modules of this project in which the call, made once before, calls a function."""
    call()  # the first call compiles tables and loads modules
    entered: set[str] = set()

    def profile(frame: FrameType, event: str, _arg: Any) -> None:
        path = Path(frame.f_code.co_filename)
        # A provider's declaration is data with perhaps a function: it belongs to no layer of the core.
        if event == "call" and HOME in path.parents and HOME / "providers" not in path.parents:
            entered.add(str(path.relative_to(HOME)))

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return entered


def response_of(name: str, **fields: Any) -> bytes:
    """Return a response of a provider, with usage and the given further fields."""
    response = ru.RerankResponse([ru.Result(0, 0.5)], usage=ru.Usage(total_tokens=7, search_units=1), **fields)
    return ru.provider(name).dump_response(response)


@pytest.mark.parametrize("name", ["jina", "cohere", "cohere-v1", "voyage", "xinference"])
def test_prepare_and_decode(name: str) -> None:
    provider, body = ru.provider(name), response_of(name, model="another-model", id="8f2b9f9e")

    def call() -> None:
        response = provider.prepare(REQUEST, api_key="key-123").decode(200, {"x-request-id": "1"}, body)
        assert response.results[0].index == 0

    entered = files_entered(call)
    assert {"_provider.py", "_decode.py"} <= entered
    assert len(entered) <= PREPARE_AND_DECODE, sorted(entered)


def files_of_client_rerank() -> list[str]:
    body = response_of("jina", model=ru.provider("jina").default_model)
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=body))
    with (
        httpx.Client(transport=transport) as http,
        ru.Client([ru.Target("jina", api_key="key-123")], http_client=http) as client,
    ):
        return sorted(files_entered(lambda: client.rerank("skin", ["aloe vera", "motor oil"])))


def test_client_rerank() -> None:
    # In a new process: clients of other tests may be garbage-collected during the call, and their files would count.
    code = "import json, test_files_entered as t; print(json.dumps(t.files_of_client_rerank()))"
    folders = os.pathsep.join([str(Path(__file__).parent), str(HOME.parent)])
    environment = {**os.environ, "PYTHONPATH": folders}
    completed = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    entered = json.loads(completed.stdout)
    assert any(name.startswith("client/") for name in entered)
    assert len(entered) <= CLIENT_RERANK, entered
