"""Seven clients that speak the formats of self-hosted servers and of SiliconFlow, each with its own package."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from .conftest import GATEWAY_KEY, QUERY, TEXTS, ranking, serving

pytestmark = pytest.mark.filterwarnings("ignore")  # the clients' packages warn, and leave connections open

Ranked: TypeAlias = list[tuple[int, float]]
PAGE = Path(__file__).parents[2] / "docs" / "point-your-client.md"
TOP_N = 2


def _litellm(prefix: str) -> Callable[[str], Ranked]:
    def rerank(url: str) -> Ranked:
        litellm = pytest.importorskip("litellm")
        given: Mapping[str, Any] = {"query": QUERY, "documents": TEXTS, "top_n": TOP_N, "api_key": GATEWAY_KEY}
        response = litellm.rerank(model=f"{prefix}/m", api_base=url, **given)
        assert [row["document"]["text"] for row in response.results] == [
            TEXTS[row["index"]] for row in response.results
        ]
        return [(row["index"], row["relevance_score"]) for row in response.results]

    return rerank


def _infinity_client(url: str) -> Ranked:
    pytest.importorskip("infinity_client")
    from infinity_client.api.default import rerank
    from infinity_client.client import AuthenticatedClient
    from infinity_client.models import RerankInput

    body = RerankInput(query=QUERY, documents=TEXTS, model="m", top_n=TOP_N, return_documents=True)
    with AuthenticatedClient(base_url=url, token=GATEWAY_KEY) as client:
        response = rerank.sync(client=client, body=body)
    assert response.usage.total_tokens >= response.usage.prompt_tokens > 0
    assert [row.document for row in response.results] == [TEXTS[row.index] for row in response.results]
    return [(row.index, row.relevance_score) for row in response.results]


def _langchain_infinity(url: str) -> Ranked:
    pytest.importorskip("infinity_client")
    from infinity_client.client import Client
    from langchain_community.document_compressors import InfinityRerank
    from langchain_core.documents import Document

    with Client(base_url=url, headers={"Authorization": f"Bearer {GATEWAY_KEY}"}) as client:
        compressor = InfinityRerank(client=client, model="m", top_n=TOP_N)
        documents = [Document(page_content=text, metadata={"at": at}) for at, text in enumerate(TEXTS)]
        ranked = compressor.compress_documents(documents, QUERY)
    return [(document.metadata["at"], document.metadata["relevance_score"]) for document in ranked]


def _llama_index(processor: Any) -> Ranked:
    from llama_index.core.schema import NodeWithScore, TextNode

    nodes = [NodeWithScore(node=TextNode(text=text, id_=str(at))) for at, text in enumerate(TEXTS)]
    ranked = processor.postprocess_nodes(nodes, query_str=QUERY)
    return [(int(node.node.node_id), node.score) for node in ranked]


def _llama_index_tei(url: str) -> Ranked:
    module = pytest.importorskip("llama_index.postprocessor.tei_rerank")
    bearer = f"Bearer {GATEWAY_KEY}"
    return _llama_index(module.TextEmbeddingInference(base_url=url, top_n=TOP_N, auth_token=bearer))


def _llama_index_siliconflow(url: str) -> Ranked:
    module = pytest.importorskip("llama_index.postprocessor.siliconflow_rerank")
    return _llama_index(module.SiliconFlowRerank(model="m", base_url=url, api_key=GATEWAY_KEY, top_n=TOP_N))


CLIENTS: Mapping[str, Callable[[str], Ranked]] = {
    "infinity_client.AuthenticatedClient": _infinity_client,
    "langchain_community.document_compressors.InfinityRerank": _langchain_infinity,
    "litellm.rerank, model infinity/…": _litellm("infinity"),
    "litellm.rerank, model huggingface/…": _litellm("huggingface"),
    "litellm.rerank, model hosted_vllm/…": _litellm("hosted_vllm"),
    "llama_index.postprocessor.tei_rerank.TextEmbeddingInference": _llama_index_tei,
    "llama_index.postprocessor.siliconflow_rerank.SiliconFlowRerank": _llama_index_siliconflow,
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a gateway at which `local` ranks for every model name."""
    with serving("", tmp_path_factory.mktemp("gateway")) as url:
        yield url


def paths() -> dict[str, str]:
    """Return the paths in the page's table, by client."""
    rows = re.findall(
        r"^\| `([^`]+)` \|[^|]*\| `http://127\.0\.0\.1:8080(/[^`]+)` \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    return dict(rows)


def test_each_client_of_the_table_is_tested() -> None:
    assert set(paths()) == set(CLIENTS)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_gets_the_ranking_of_local(gateway: str, client: str) -> None:
    ranked = CLIENTS[client](gateway + paths()[client])
    assert [index for index, _ in ranked] == [index for index, _ in ranking(TOP_N)]
    assert [score for _, score in ranked] == pytest.approx([score for _, score in ranking(TOP_N)])
