"""A call stays easy to follow: it runs through few files of this project."""

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
CLIENT_RERANK = 23
REQUEST = ru.RerankRequest(query="skin", documents=["aloe vera", "motor oil"], top_n=1)


def files_entered(call: Callable[[], object]) -> set[str]:
    """Return the modules of this project in which the call, made once before, calls a function."""
    call()  # the first call compiles tables and loads modules
    entered: set[str] = set()

    def profile(frame: FrameType, event: str, _arg: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and HOME in path.parents:
            entered.add(str(path.relative_to(HOME)))

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return entered


def response_of(name: str, request: ru.RerankRequest) -> bytes:
    """Return a full response of a provider: an id where it sends one, usage and a model of another name."""
    usage = ru.Usage(total_tokens=7, search_units=1)
    response = ru.RerankResponse([ru.Result(0, 0.5)], model="another-model", usage=usage, id="8f2b9f9e")
    return ru.provider(name).dump_response(response)


@pytest.mark.parametrize("name", ["jina", "cohere", "cohere-v1", "voyage", "xinference"])
def test_prepare_and_decode(name: str) -> None:
    provider, body = ru.provider(name), response_of(name, REQUEST)

    def call() -> None:
        response = provider.prepare(REQUEST, api_key="key-123").decode(200, {"x-request-id": "1"}, body)
        assert response.results[0].index == 0

    entered = files_entered(call)
    assert {"_provider.py", "_decode.py"} <= entered
    assert len(entered) <= PREPARE_AND_DECODE, sorted(entered)


def test_client_rerank() -> None:
    body = response_of("jina", REQUEST)
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=body))
    with (
        httpx.Client(transport=transport) as http,
        ru.Client([ru.Target("jina", api_key="key-123")], http_client=http) as client,
    ):
        entered = files_entered(lambda: client.rerank("skin", ["aloe vera", "motor oil"]))
    assert "client/__init__.py" in entered or "client/sync_client.py" in entered
    assert len(entered) <= CLIENT_RERANK, sorted(entered)
