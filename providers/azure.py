"""Cohere's models in Azure AI Foundry. LiteLLM 1.110.2, ``azure_ai/rerank``, read 2026-11-25.

Your resource: ``AZURE_AI_API_BASE``, or a ``base_url`` such as ``https://NAME.services.ai.azure.com``. A serverless
deployment is another host, ``https://NAME.REGION.models.ai.azure.com``, with another path.
"""

from __future__ import annotations

from rerank_unify.declaration import Auth, Endpoint, Provider

from .cohere import dialect, models, unknown_model

_NAMES = {
    "cohere-rerank-v5-pro": "rerank-v5.0-pro",
    "cohere-rerank-v5-fast": "rerank-v5.0-fast",
    "cohere-rerank-v4.0-pro": "rerank-v4.0-pro",
    "cohere-rerank-v4.0-fast": "rerank-v4.0-fast",
    "cohere-rerank-v3-english": "rerank-english-v3.0",
    "cohere-rerank-v3-multilingual": "rerank-multilingual-v3.0",
}

provider = Provider(
    name="azure",
    dialect=dialect,
    endpoint=Endpoint(
        "https://{resource}.services.ai.azure.com/providers/cohere/v2/rerank",
        by_host=("https://{deployment}.{region}.models.ai.azure.com/v2/rerank",),
        variables={"": ("AZURE_AI_API_BASE",)},
    ),
    auth=Auth(header="api-key", scheme="", variables=("AZURE_AI_API_KEY",)),
    default_model="cohere-rerank-v4.0-fast",
    models={name: models[original] for name, original in _NAMES.items()},
    unknown_model=unknown_model,
    docs="https://learn.microsoft.com/azure/ai-foundry/foundry-models/how-to/use-foundry-models",
)
