"""Amazon's own model by Bedrock's InvokeModel. LiteLLM 1.110.2 and botocore 1.44.5, read 2026-11-25.

As `bedrock-cohere`, without ``api_version``, which is for Cohere's models alone.
"""

from __future__ import annotations

from rerank_unify.declaration import Dialect, Model, Provider, RequestFormat

from .bedrock import bedrock_errors
from .bedrock_cohere import auth, endpoint, response

provider = Provider(
    name="bedrock-amazon",
    dialect=Dialect(request=RequestFormat(model=None, return_documents=None), response=response, errors=bedrock_errors),
    endpoint=endpoint,
    auth=auth,
    default_model="amazon.rerank-v1:0",
    models={"amazon.rerank-v1:0": Model(score_kind="probability")},
    docs="https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-use.html",
)
