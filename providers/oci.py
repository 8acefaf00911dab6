"""Oracle Cloud Infrastructure, Generative AI. SDK oci 2.189.0, read 2026-11-22; models of 2026-11-25.

``compartmentId`` is required: ``options`` of a target, or ``provider_options`` of a request. Other regions:
``OCI_CLI_REGION`` or ``base_url``.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    ErrorFormat,
    Field,
    Flag,
    Model,
    Oci,
    Provider,
    RequestFormat,
    ResponseFormat,
)

dialect = Dialect(
    request=RequestFormat(
        model="servingMode.modelId",
        query="input",
        top_n="topN",
        return_documents=Flag("isEcho"),
        max_tokens_per_doc=Field("maxTokensPerDocument"),
        fixed={"servingMode.servingType": "ON_DEMAND"},
        extra_fields=("compartmentId", "maxChunksPerDocument"),
    ),
    response=ResponseFormat(rows="documentRanks", score="relevanceScore", model="modelId", id="id"),
    errors=ErrorFormat(message="message", code="code"),
)

provider = Provider(
    name="oci",
    dialect=dialect,
    endpoint=Endpoint(
        "https://inference.generativeai.{region}.oci.oraclecloud.com/20231130/actions/rerankText",
        parts={"region": "us-chicago-1"},
        variables={"region": ("OCI_CLI_REGION",)},
    ),
    auth=Oci(),
    default_model="cohere.rerank-v3.5",
    models=dict.fromkeys(
        ("cohere.rerank-v3.5", "cohere.rerank-v4.0-fast", "cohere.rerank-v4.0-pro"), Model(score_kind="probability")
    ),
    # The variables of Oracle's command line hold none (docs.oracle.com "CLI Environment Variables", read 2026-11-26).
    required_options=("compartmentId",),
    docs="https://docs.oracle.com/en-us/iaas/api/#/en/generative-ai-inference/latest/RerankTextResult/RerankText",
)
