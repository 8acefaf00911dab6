"""The official SDKs with base URLs that have too much or too little: each is served in its dialect."""

from __future__ import annotations

from typing import Any, Final

import pytest

from ._gateway import CLIENTS, left_open, local_ranking, rank

pytestmark = pytest.mark.interop

BASES: Final = {
    "cohere": ("/cohere", "/cohere/", "/cohere/v1", "/cohere/v2", "/cohere/v2/rerank"),
    "cohere-v1": ("/cohere", "/cohere/", "/cohere/v1", "/cohere/v2", "/cohere/v1/rerank"),
    "voyage": ("/voyage/v1", "/voyage/v1/", "/voyage", "/voyage/v1/v1", "/voyage/v1/rerank"),
    "xinference": ("/xinference", "/xinference/", "/xinference/v1", "//xinference", "/xinference/v1/rerank"),
}
"""Five spellings of the base URL for each dialect; the first is the one of docs/point-your-client.md."""
CASES: Final = [(client, base) for client, dialect in CLIENTS.items() for base in BASES[dialect]]


@pytest.mark.parametrize(("client", "base"), CASES)
def test_the_sdk_gets_its_response(offline: str, client: str, base: str) -> None:
    with left_open():
        ranked = rank(client, offline, top_n=2, bases=(BASES[CLIENTS[client]][0], base))
    assert ranked.ranking == local_ranking(top_n=2)


@pytest.mark.parametrize("base", BASES["xinference"])
def test_the_client_of_xinference_lists_models(offline: str, base: str) -> None:
    module: Any = pytest.importorskip("xinference_client")
    opened = module.RESTfulClient(f"{offline}{base}")
    listed = opened.list_models()
    opened.close()
    assert listed["local-use-multilingual"]["model_type"] == "rerank"
