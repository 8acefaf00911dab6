"""Amazon Bedrock, its agent runtime's Rerank: several models, one format. botocore 1.44.5, read 2026-11-22.

The model is an ARN, whose region is that of the host: for another region than us-west-2 set ``AWS_REGION`` or
``base_url``, and the model. Calls are signed; the service takes no bearer token here.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Item,
    Limits,
    Model,
    Provider,
    ProviderServerError,
    QuotaExceededError,
    RequestFormat,
    ResponseFormat,
    SigV4,
)

_RANKING = "rerankingConfiguration.bedrockRerankingConfiguration"

# {"message"}, and the class in the header x-amzn-ErrorType: 400 ValidationException and ServiceQuotaExceededException,
# 403, 404, 409, 424 DependencyFailedException, 429 ThrottlingException, 500, 502.
bedrock_errors = ErrorFormat(
    message="message",
    code="__type",
    code_header="x-amzn-errortype",
    codes={"ServiceQuotaExceededException": QuotaExceededError, "DependencyFailedException": ProviderServerError},
)

dialect = Dialect(
    request=RequestFormat(
        model=f"{_RANKING}.modelConfiguration.modelArn",
        query="queries.0.textQuery.text",
        documents=Documents(
            "sources",
            wrap=Item(
                "inlineDocumentSource.textDocument.text",
                fixed={"type": "INLINE", "inlineDocumentSource.type": "TEXT"},
            ),
        ),
        top_n=f"{_RANKING}.numberOfResults",
        # Optional in the schema, which names no default. LiteLLM always writes it too (read 2026-11-26).
        always_top_n=True,
        # In the schema, and absent in practice (litellm#38006).
        return_documents=None,
        fixed={"queries.0.type": "TEXT", "rerankingConfiguration.type": "BEDROCK_RERANKING_MODEL"},
        extra_fields=("nextToken",),
    ),
    # Where a token comes all the same, the response has a warning, and names the rows that are missing.
    response=ResponseFormat(score="relevanceScore", document="", next_page="nextToken"),
    errors=bedrock_errors,
)

_ARN = "arn:aws:bedrock:us-west-2::foundation-model"

provider = Provider(
    name="bedrock",
    dialect=dialect,
    endpoint=Endpoint(
        "https://bedrock-agent-runtime.{region}.amazonaws.com/rerank",
        parts={"region": "us-west-2"},
        variables={"region": ("AWS_REGION", "AWS_DEFAULT_REGION")},
    ),
    auth=SigV4(service="bedrock", region="us-west-2"),
    default_model=f"{_ARN}/amazon.rerank-v1:0",
    # 1 to 1,000 sources, of 32,000 characters each.
    unknown_model=Model(score_kind="probability", limits=Limits(documents=1_000)),
    docs="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html",
)
