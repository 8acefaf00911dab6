"""NVIDIA's hosted catalogue. Routes: langchain-nvidia-ai-endpoints 1.5.0; docs.api.nvidia.com, read 2026-11-22."""

from __future__ import annotations

from rerank_unify.declaration import Endpoint, Limits, Model, Provider, bearer

from .nim import dialect, models

_HOST = "https://ai.api.nvidia.com/v1/retrieval/nvidia"

provider = Provider(
    name="nvidia",
    dialect=dialect,
    endpoint=Endpoint(
        # For models without a route of their own (RAGFlow b1b8cd6).
        "https://integrate.api.nvidia.com/v1/ranking",
        by_model={
            "nv-rerank-qa-mistral-4b:1": f"{_HOST}/reranking",
            "nvidia/llama-3.2-nv-rerankqa-1b-v2": f"{_HOST}/llama-3_2-nv-rerankqa-1b-v2/reranking",
            "nvidia/llama-nemotron-rerank-1b-v2": f"{_HOST}/llama-nemotron-rerank-1b-v2/reranking",
            "nvidia/llama-nemotron-rerank-vl-1b-v2": f"{_HOST}/llama-nemotron-rerank-vl-1b-v2/reranking",
        },
    ),
    auth=bearer("NVIDIA_API_KEY"),
    default_model="nvidia/llama-nemotron-rerank-1b-v2",
    models=models,
    unknown_model=Model(score_kind="logit", limits=Limits(documents=512)),
    docs="https://docs.api.nvidia.com/nim/reference/nvidia-llama-3_2-nv-rerankqa-1b-v2-infer",
)
