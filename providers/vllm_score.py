"""vLLM's ``/score``: the query against each document, in input order, for servers without ``/rerank``.

Read at 055e47c (2026-11). The older names ``text_1`` and ``text_2`` are still taken; newer servers document these.
"""

from __future__ import annotations

from dataclasses import replace

from rerank_unify.declaration import Dialect, Endpoint, Unsupported

from .vllm import provider as vllm

dialect = Dialect(
    request=replace(
        vllm.dialect.request, query="queries", top_n=None, return_documents=None, max_tokens_per_doc=Unsupported()
    ),
    response=replace(vllm.dialect.response, rows="data", score="score", document="", ignored=frozenset(("object",))),
    errors=vllm.dialect.errors,
)

provider = replace(vllm, name="vllm-score", dialect=dialect, endpoint=Endpoint("http://localhost:8000/v1/score"))
