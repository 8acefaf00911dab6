"""LiteLLM with the conversions of rerank-unify: LiteLLM chooses, sends, retries and logs, and the formats are ours.

LiteLLM has no hook for rerank in a custom handler (`CustomLLM`), and takes no provider beyond its own list. For each
call it makes a configuration object, whose class it looks up as an attribute of `litellm`. This file replaces that
class for one of its providers. The proxy imports the file where its settings name `handler` as a callback.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.llms.base_llm.chat.transformation import BaseLLMException
from litellm.llms.base_llm.rerank.transformation import BaseRerankConfig
from litellm.types.rerank import RerankResponse

import rerank_unify as ru

FIELDS = ("query", "documents", "top_n", "rank_fields", "return_documents", "max_tokens_per_doc")


class Conversion(BaseRerankConfig):
    """Converts one request of LiteLLM, and the response to it. LiteLLM calls the methods in this order."""

    provider: ClassVar[str]
    call: ru.Call

    def get_supported_cohere_rerank_params(self, *_: Any, **__: Any) -> list[str]:
        """Name the fields that a request may have."""
        return list(FIELDS)

    def map_cohere_rerank_params(self, non_default_params: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        """Return the fields of the request."""
        return {name: non_default_params[name] for name in FIELDS if non_default_params.get(name) is not None}

    def validate_environment(
        self,
        headers: dict[str, Any],
        model: str,
        api_key: str | None = None,
        optional_params: dict[str, Any] | None = None,
        litellm_params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Convert the request, and return its headers."""
        request = ru.RerankRequest.model_validate({**(optional_params or {}), "model": model})
        base_url = (litellm_params or {}).get("api_base")
        self.call = ru.provider(self.provider).prepare(request, api_key=api_key, base_url=base_url)
        return {**self.call.http.headers, **headers}

    def get_complete_url(self, *_: Any, **__: Any) -> str:
        """Return the URL of the request."""
        return self.call.http.url

    def transform_rerank_request(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the body of the request."""
        body: dict[str, Any] = json.loads(self.call.http.content)
        return body

    def transform_rerank_response(self, model: str, raw_response: Any, *_: Any, **__: Any) -> RerankResponse:  # noqa: ARG002
        """Convert the response to LiteLLM's, which has Cohere's form."""
        try:
            response = self.call.decode(raw_response.status_code, raw_response.headers, raw_response.content)
        except ru.RerankError as error:
            raise BaseLLMException(status_code=502, message=str(error)) from error
        body = ru.provider("cohere").encode_response(response)
        return RerankResponse(id=response.id, results=body["results"], meta=body.get("meta"))

    def get_error_class(self, error_message: str, status_code: int, headers: Any) -> BaseLLMException:
        """Convert an error: the provider's message on one line, without keys and documents."""
        try:
            self.call.decode(status_code, headers, error_message)
        except ru.RerankError as error:
            error_message = str(error)
        return BaseLLMException(status_code=status_code, message=error_message, headers=headers)


class VoyageConversion(Conversion):
    """For models named ``voyage/…``."""

    provider = "voyage"


setattr(litellm, "VoyageRerankConfig", VoyageConversion)  # noqa: B010 - type checkers refuse a class as a variable
handler = CustomLogger()  # it does nothing: the proxy imports this file to find it
