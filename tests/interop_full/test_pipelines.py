"""The three adapters, each in a pipeline of its framework, with fallback from a failing provider to `local`."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

import rerank_unify as ru

from .conftest import QUERY, TEXTS, Failing


def test_langchain(failing: Failing) -> None:
    pytest.importorskip("langchain_classic")
    from langchain_classic.retrievers import ContextualCompressionRetriever
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever

    from rerank_unify.integrations.langchain import RerankUnifyCompressor

    class Texts(BaseRetriever):
        documents: list[Document]

        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            assert query == QUERY
            assert run_manager is not None
            return self.documents

    documents = [Document(page_content=text, metadata={"at": at}) for at, text in enumerate(TEXTS)]

    async def arank() -> list[list[Document]]:
        async with ru.AsyncClient(failing.targets) as async_client:
            found: list[list[Document]] = []
            for given in (async_client, None):
                compressor = RerankUnifyCompressor(client=client, async_client=given, top_n=2)
                retriever = ContextualCompressionRetriever(
                    base_compressor=compressor, base_retriever=Texts(documents=documents)
                )
                found.append(await retriever.ainvoke(QUERY))
            return found

    with ru.Client(failing.targets) as client:
        compressor = RerankUnifyCompressor(client=client, top_n=2)
        retriever = ContextualCompressionRetriever(
            base_compressor=compressor, base_retriever=Texts(documents=documents)
        )
        ranked = retriever.invoke(QUERY)
        assert asyncio.run(arank()) == [ranked, ranked]
        assert compressor.compress_documents([], QUERY) == []
    assert len(ranked) == 2
    assert ranked[0].metadata["at"] == 1
    assert ranked[0].metadata["relevance_score"] > ranked[1].metadata["relevance_score"]
    assert documents[1].metadata == {"at": 1}  # the original is as it was
    assert failing.requests


def test_llama_index(failing: Failing) -> None:
    pytest.importorskip("llama_index.core")
    from llama_index.core.base.response.schema import Response
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.event_handlers import BaseEventHandler
    from llama_index.core.llms import MockLLM
    from llama_index.core.query_engine import RetrieverQueryEngine
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

    from rerank_unify.integrations.llama_index import RerankUnifyPostprocessor

    class Texts(BaseRetriever):
        def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
            assert query_bundle.query_str == QUERY
            return [NodeWithScore(node=TextNode(text=text, id_=str(at)), score=0.5) for at, text in enumerate(TEXTS)]

    seen: list[str] = []

    class Record(BaseEventHandler):
        def handle(self, event: Any, **_: Any) -> None:
            if event.class_name().startswith("ReRank"):
                seen.append(event.class_name())

    def engine(**clients: Any) -> RetrieverQueryEngine:
        return RetrieverQueryEngine.from_args(
            Texts(),
            llm=MockLLM(),
            node_postprocessors=[RerankUnifyPostprocessor(top_n=2, **clients)],
        )

    async def arank(client: ru.Client) -> Any:
        async with ru.AsyncClient(failing.targets) as async_client:
            return await engine(client=client, async_client=async_client).aquery(QUERY)

    get_dispatcher().add_event_handler(Record())
    with ru.Client(failing.targets) as client:
        response = engine(client=client).query(QUERY)
        assert isinstance(response, Response)
        expected = [(node.node.node_id, node.score) for node in response.source_nodes]
        assert [(node.node.node_id, node.score) for node in asyncio.run(arank(client)).source_nodes] == expected
        postprocessor = RerankUnifyPostprocessor(client=client)
        assert postprocessor.postprocess_nodes([], query_str=QUERY) == []
        with pytest.raises(ru.InvalidRequestError, match="query_bundle: is missing"):
            postprocessor.postprocess_nodes(response.source_nodes)
    assert len(expected) == 2
    assert expected[0][0] == "1"
    assert seen == ["ReRankStartEvent", "ReRankEndEvent"] * 2
    assert failing.requests


def test_haystack(failing: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("haystack")
    monkeypatch.setenv("HAYSTACK_TELEMETRY_ENABLED", "False")
    from haystack import Document, Pipeline
    from haystack.components.retrievers import InMemoryBM25Retriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    from rerank_unify.integrations.haystack import RerankUnifyRanker

    store = InMemoryDocumentStore()
    store.write_documents([Document(content=f"{text} bees winter", meta={"at": at}) for at, text in enumerate(TEXTS)])

    def pipeline(ranker: RerankUnifyRanker) -> Pipeline:
        made = Pipeline()
        made.add_component("retriever", InMemoryBM25Retriever(store))
        made.add_component("ranker", ranker)
        made.connect("retriever.documents", "ranker.documents")
        return made

    inputs: dict[str, Any] = {"retriever": {"query": QUERY}, "ranker": {"query": QUERY, "top_k": 2}}
    ranked = pipeline(RerankUnifyRanker(failing.targets)).run(inputs)["ranker"]["documents"]
    assert len(ranked) == 2
    assert ranked[0].meta["at"] == 1
    assert ranked[0].score > ranked[1].score
    assert failing.requests
    ranker = RerankUnifyRanker(failing.targets, top_k=1)
    again = asyncio.run(ranker.run_async(QUERY, ranked))["documents"]
    assert [document.meta["at"] for document in again] == [1]
    assert ranker.run(QUERY, []) == asyncio.run(ranker.run_async(QUERY, [])) == {"documents": []}
    monkeypatch.setenv("CO_API_KEY", "co-0123456789")
    saved = pipeline(RerankUnifyRanker(["cohere", "local"], top_k=2, deadline=5.0)).dumps()
    loaded = Pipeline.loads(saved, allowed_modules=["rerank_unify.integrations.haystack"])
    assert loaded.get_component("ranker").to_dict() == {
        "type": "rerank_unify.integrations.haystack.RerankUnifyRanker",
        "init_parameters": {"targets": ["cohere", "local"], "top_k": 2, "deadline": 5.0},
    }
    with pytest.raises(ValueError, match="targets: hold a Target"):
        ranker.to_dict()


def test_the_examples_of_the_page_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("langchain_core", "llama_index.core", "haystack"):
        pytest.importorskip(module)
    page = (Path(__file__).parents[2] / "docs" / "integrations.md").read_text(encoding="utf-8")
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-0123456789")
    namespace: dict[str, object] = {"__name__": "__example__"}
    for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/integrations.md", "exec"), namespace)  # noqa: S102 - our documents
