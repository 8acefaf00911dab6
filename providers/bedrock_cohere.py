"""Cohere's models by Amazon Bedrock's InvokeModel. LiteLLM 1.110.2 and botocore 1.44.5, read 2026-11-25.

Signed, or with a Bedrock API key, which the agent runtime does not take. Other regions: ``AWS_REGION`` or ``base_url``.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Endpoint,
    Field,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    SigV4,
)

from .bedrock import bedrock_errors
from .cohere import cohere_documents

# No usage in the body. InvokeModel counts tokens in headers; whether it does for these models is not known.
response = ResponseFormat(document="", usage_headers={"prompt_tokens": "x-amzn-bedrock-input-token-count"})

endpoint = Endpoint(
    "https://bedrock-runtime.{region}.amazonaws.com/model/{model}/invoke",
    parts={"region": "us-west-2"},
    variables={"region": ("AWS_REGION", "AWS_DEFAULT_REGION")},
)
auth = SigV4(service="bedrock", region="us-west-2", bearer="AWS_BEARER_TOKEN_BEDROCK")

provider = Provider(
    name="bedrock-cohere",
    dialect=Dialect(
        request=RequestFormat(
            model=None,
            documents=cohere_documents,
            return_documents=None,
            max_tokens_per_doc=Field("max_tokens_per_doc"),  # ? seen in one translator
            fixed={"api_version": 2},  # required for Cohere's models
        ),
        response=response,
        errors=bedrock_errors,
    ),
    endpoint=endpoint,
    auth=auth,
    # The cards list no later one (2026-11-25).
    default_model="cohere.rerank-v3-5:0",
    models={"cohere.rerank-v3-5:0": Model(score_kind="probability")},
    docs="https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-use.html",
)
