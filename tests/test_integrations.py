"""The adapters without their frameworks; ``make interop-full`` tests them with."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("adapter", "module", "message"),
    [
        ("langchain", "langchain_core", "the LangChain adapter needs langchain-core"),
        ("llama_index", "llama_index", "the LlamaIndex adapter needs llama-index-core"),
        ("haystack", "haystack", "the Haystack adapter needs haystack-ai"),
    ],
)
def test_a_missing_framework_is_one_sentence(adapter: str, module: str, message: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "import rerank_unify as ru\n"
        f"try: import rerank_unify.integrations.{adapter}\n"
        "except ru.MissingExtraError as error: print(error.message)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == f"{message}: pip install 'rerank-unify[{adapter.replace('_', '-')}]'\n"
