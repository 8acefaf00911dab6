"""IBM watsonx.ai. SDK ibm-watsonx-ai 1.8.1, read 2026-11-22; names of variables as LiteLLM's (1.110.2).

``project_id`` or ``space_id`` is required: ``options`` of a target, ``provider_options`` of a request, or
``WATSONX_PROJECT_ID``. Scores are raw. Other regions, and software on one's own premises: ``WATSONX_URL`` or
``base_url``.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Field,
    Flag,
    IbmIam,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
)

dialect = Dialect(
    request=RequestFormat(
        model="model_id",
        documents=Documents("inputs", wrap="text"),
        top_n="parameters.return_options.top_n",
        return_documents=Flag("parameters.return_options.inputs"),
        # Without it a pair beyond the model's length fails the call.
        max_tokens_per_doc=Field("parameters.truncate_input_tokens"),
        extra_fields=("project_id", "space_id"),
    ),
    response=ResponseFormat(
        score="score", document="input", model="model_id", usage={"prompt_tokens": "input_token_count"}
    ),
    # ? {"errors": [{"code", "message"}], "trace", "status_code"}
    errors=ErrorFormat(message="errors.0.message", code="errors.0.code"),
)

provider = Provider(
    name="watsonx",
    dialect=dialect,
    endpoint=Endpoint(
        "https://{region}.ml.cloud.ibm.com/ml/v1/text/rerank?version=2024-05-01",
        parts={"region": "us-south"},
        variables={"": ("WATSONX_URL",)},
    ),
    auth=IbmIam(variables=("WATSONX_API_KEY", "WATSONX_TOKEN")),
    default_model="cross-encoder/ms-marco-minilm-l-12-v2",
    unknown_model=Model(score_kind="logit"),
    required_options=("project_id", "space_id"),
    # IBM's Java SDK (ibm.github.io/watsonx-ai-java-sdk/setup) and langchain-ibm, read 2026-11-26. The Python SDK takes
    # PROJECT_ID and SPACE_ID, which other services may have set.
    option_variables={"project_id": "WATSONX_PROJECT_ID"},
    docs="https://cloud.ibm.com/apidocs/watsonx-ai#text-rerank",
)
