"""LangChain and LlamaIndex, where they are installed: they choose the versions of the SDKs."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import pytest

from ._gateway import DOCUMENTS, GATEWAY_KEY, QUERY, left_open, local_ranking, made

pytestmark = pytest.mark.interop

LANGCHAIN: Final = "langchain_cohere.CohereRerank"
XINFERENCE: Final = "llama_index.postprocessor.xinference_rerank.XinferenceRerank"
LLAMA_INDEX: Final = (
    "llama_index.postprocessor.cohere_rerank.CohereRerank",
    "llama_index.postprocessor.jinaai_rerank.JinaRerank",
)
FRAMEWORKS: Final = (LANGCHAIN, *LLAMA_INDEX, XINFERENCE)
TEXTS: Final = [text for text in DOCUMENTS if text]


def test_langchain(locked: str) -> None:
    with left_open():
        ranked = made(LANGCHAIN, locked, GATEWAY_KEY).rerank(TEXTS, QUERY, top_n=3)
    assert [(row["index"], row["relevance_score"]) for row in ranked] == local_ranking(documents=TEXTS, top_n=3)


@pytest.mark.parametrize("framework", LLAMA_INDEX)
def test_llama_index(locked: str, framework: str) -> None:
    with left_open():
        assert_ranked(made(framework, locked, GATEWAY_KEY))


def test_llama_index_without_a_key(offline: str) -> None:
    with left_open():
        assert_ranked(made(XINFERENCE, offline, ""))


def assert_ranked(processor: Any) -> None:
    schema: Any = import_module("llama_index.core.schema")
    processor.top_n = 2
    nodes = [schema.NodeWithScore(node=schema.TextNode(text=text)) for text in TEXTS]
    ranked = processor.postprocess_nodes(nodes, query_str=QUERY)
    expected = [(TEXTS[index], score) for index, score in local_ranking(documents=TEXTS, top_n=2)]
    assert [(node.node.text, node.score) for node in ranked] == expected
