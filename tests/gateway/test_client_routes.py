"""Routes for clients that have a path of their own, with what each reads; bodies as their sources send them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

import rerank_unify as ru
from rerank_unify.gateway.app import create_app, rerank_paths
from rerank_unify.testing.fixtures import Case, load_cases


@pytest.fixture
def anyio_backend() -> str:
    """The gateway's own calls are aiohttp's."""
    return "asyncio"


QUERY, TEXTS = "skin", ["motor oil", "skin cream", "skin"]


async def post(path: str, body: Mapping[str, Any]) -> httpx.Response:
    app = create_app({})
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as api,
    ):
        return await api.post(path, json=body)


@pytest.mark.anyio
async def test_infinity_clients_get_integers_and_bare_strings() -> None:
    """infinity-client, LangChain's InfinityRerank, LiteLLM's ``infinity``."""
    body = {"model": "m", "query": QUERY, "documents": TEXTS, "return_documents": True, "top_n": 2}
    reply: dict[str, Any] = (await post("/infinity/rerank", body)).json()
    assert reply["object"] == "rerank"
    assert {type(reply["usage"][key]) for key in ("prompt_tokens", "total_tokens")} == {int}
    assert len(reply["results"]) == 2
    assert [row["document"] for row in reply["results"]] == ["skin", "skin cream"]


@pytest.mark.anyio
@pytest.mark.parametrize("top_n", [None, 2])
async def test_tei_clients_get_a_bare_list(top_n: int | None) -> None:
    """LlamaIndex's TextEmbeddingInference sends no ``top_n``, LiteLLM's ``huggingface`` does."""
    body: dict[str, Any] = {"query": QUERY, "texts": TEXTS, "truncate": True, "raw_scores": False, "return_text": True}
    sent = body if top_n is None else {**body, "model": "m", "top_n": top_n}
    reply: list[dict[str, Any]] = (await post("/tei/rerank", sent)).json()
    assert len(reply) == (top_n or 3)
    assert [row["text"] for row in reply] == ["skin", "skin cream", "motor oil"][:top_n]
    assert [row["score"] for row in reply] == sorted((row["score"] for row in reply), reverse=True)


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/vllm/rerank", "/vllm/v1/rerank", "/vllm/v2/rerank", "/siliconflow/v1/rerank"])
async def test_other_clients_get_results(path: str) -> None:
    """LiteLLM's ``hosted_vllm``, LlamaIndex's SiliconFlow."""
    body = {"model": "m", "query": QUERY, "documents": TEXTS, "top_n": 2, "return_documents": False}
    reply: dict[str, Any] = (await post(path, body)).json()
    assert [row["index"] for row in reply["results"]] == [2, 1]
    assert [0 <= row["relevance_score"] <= 1 for row in reply["results"]] == [True, True]


EXAMPLES = [
    case
    for case in load_cases()
    if case.name == "basic" and (case.wire or case.sent) and ru.provider(case.provider).ranks
]


@pytest.mark.anyio
@pytest.mark.parametrize("case", EXAMPLES, ids=lambda case: case.provider)
async def test_a_published_example_gets_a_response(case: Case) -> None:
    """Each provider's route takes its own request example, and ``local`` ranks."""
    provider = ru.provider(case.provider)
    path = next(path for path, name in rerank_paths().items() if name == case.provider)
    sent = case.wire or case.sent
    assert sent is not None
    reply = await post(path.replace("{model:path}", "a/b"), sent)
    assert reply.status_code == 200, reply.text
    request = provider.decode_request(sent)
    read = provider.decode(200, {}, reply.content, request.replace(model="m"))
    assert len(read) == min(request.top_n or len(request.documents), len(request.documents))
