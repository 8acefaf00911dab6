"""GPUStack, self-hosted: it passes the request to vLLM, llama-box or its own engine. Read at 47277d79, 2026-11-22."""

from __future__ import annotations

from rerank_unify.declaration import Endpoint, Provider, bearer

from .vllm import dialect

provider = Provider(
    name="gpustack",
    # Measured by a user with vLLM behind it: its echo, and a usage of the total alone (gpustack#5176).
    dialect=dialect,
    endpoint=Endpoint("http://localhost/v1/rerank"),
    auth=bearer(required=False),
    # Scores are the engine's.
    docs="https://docs.gpustack.ai/latest/",
)
