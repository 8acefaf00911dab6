"""The official SDKs as clients of a gateway: how they read its responses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

import pytest

from ._gateway import (
    CLIENTS,
    DOCUMENTS,
    GATEWAY_KEY,
    ScriptedServer,
    Served,
    every_client,
    local_ranking,
    local_response,
    rank,
    respond_as,
)

pytestmark = pytest.mark.interop

UPSTREAMS: Final = ("jina", "cohere", "cohere-v1", "voyage", "xinference")
WITH_SEARCH_UNITS: Final = ("cohere", "cohere-v1", "jina")  # Jina's dialect here has a field for them


# --- local, offline --------------------------------------------------------------------------------------------------


@every_client
@pytest.mark.parametrize("top_n", [None, 1, 3, 50])
def test_offline(offline: str, client: str, top_n: int | None) -> None:
    ranked = rank(client, offline, model="rerank-v3.5", top_n=top_n)
    assert ranked.ranking == local_ranking(top_n=top_n)
    assert [shown for _, _, shown in ranked.rows] == _shown(client, ranked.ranking)


def _shown(client: str, ranking: list[tuple[int, float]]) -> list[str | None]:
    """Return the documents that the SDK shows; Cohere's v2 SDK shows none."""
    return [None if CLIENTS[client] == "cohere" else DOCUMENTS[index] for index, _ in ranking]


@every_client
def test_no_usage_is_invented(offline: str, client: str) -> None:
    """`local` counts tokens and no search units, and so does the SDK."""
    assert _usage(client, rank(client, offline).response) == (local_response().usage.total_tokens, None)


@every_client
def test_with_the_gateways_key(locked: str, client: str) -> None:
    assert rank(client, locked, key=GATEWAY_KEY).ranking == local_ranking()


def test_cohere_by_environment_variables(offline: str) -> None:
    pytest.importorskip("cohere")
    arguments = "model='m', query='b', documents=['a', 'b']"
    code = f"import cohere; print([row.index for row in cohere.ClientV2().rerank({arguments}).results])"
    environ = {**os.environ, "CO_API_URL": f"{offline}/cohere", "CO_API_KEY": "any-word"}
    completed = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert completed.stdout == "[1, 0]\n"


# --- every provider behind a gateway --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def every_upstream(bare: None) -> Iterator[str]:
    """A gateway with a route to every provider, each a real server in that provider's dialect."""
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("INTEROP_KEY", "provider-key-0123456789")
        servers = {name: stack.enter_context(ScriptedServer(respond=respond_as(name))) for name in UPSTREAMS}
        models = {
            f"by-{name}": {"targets": [{"provider": name, "base_url": server.url, "key_env": "INTEROP_KEY"}]}
            for name, server in servers.items()
        }
        yield stack.enter_context(Served({"models": models, "unknown_model": "reject"})).url


@every_client
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_every_provider_ranks_alike(every_upstream: str, client: str, upstream: str) -> None:
    texts = [text for text in DOCUMENTS if text]
    ranked = rank(client, every_upstream, model=f"by-{upstream}", documents=texts)
    assert ranked.ranking == rank(client, every_upstream, model="by-jina", documents=texts).ranking
    assert len(ranked.rows) == len(texts)
    tokens, units = _usage(client, ranked.response)
    assert tokens == sum(map(len, texts))
    assert units == (1 if upstream in WITH_SEARCH_UNITS and CLIENTS[client].startswith("cohere") else None)


def _usage(client: str, response: Any) -> tuple[int | None, float | None]:
    """Tokens and search units, where the SDK has them."""
    if CLIENTS[client] == "voyage":
        return response.total_tokens, None
    if CLIENTS[client] == "xinference":
        return response["meta"]["tokens"] and response["meta"]["tokens"]["input_tokens"], None
    tokens, billed = response.meta.tokens, response.meta.billed_units
    return tokens and tokens.input_tokens, billed and billed.search_units
