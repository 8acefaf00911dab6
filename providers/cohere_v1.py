"""Cohere, version 1 of its API. https://docs.cohere.com/v1/reference/rerank, OpenAPI @e814c8a (2026-08-20).

Azure AI Foundry's serverless deployments speak it too: set ``base_url`` to the deployment's host.
"""

from __future__ import annotations

from rerank_unify.declaration import Dialect, Endpoint, Flag, Provider, RequestFormat, ResponseFormat

from .cohere import always_cut, auth, cohere_documents, cohere_errors, cohere_usage, models, unknown_model

dialect = Dialect(
    request=RequestFormat(
        # v1 accepts objects with `rank_fields`, too. Texts are sent, so that every provider ranks the same.
        documents=cohere_documents,
        return_documents=Flag("return_documents"),
        rank_fields="rank_fields",
        truncation=always_cut,
        # Not the same as max_tokens_per_doc: it counts chunks. Its default is 10 in the OpenAPI, 1 in best practices.
        extra_fields=("max_chunks_per_doc",),
    ),
    response=ResponseFormat(
        id="id",
        warnings="meta.warnings",
        usage=cohere_usage,
        fixed={"meta.api_version.version": "1"},
    ),
    errors=cohere_errors,
)

provider = Provider(
    name="cohere-v1",
    dialect=dialect,
    endpoint=Endpoint("https://api.cohere.com/v1/rerank"),
    auth=auth,
    default_model="rerank-v3.5",
    models=models,
    unknown_model=unknown_model,
    docs="https://docs.cohere.com/v1/reference/rerank",
)
