"""The route that describes the calls of a rerank request: the same request, but nothing is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from .._http import MASK, PLACEHOLDER, validate_headers
from .._json import dump
from .._provider import Call
from ..canonical import RequestFields
from ..client.attempts import calls_of, plan_of
from ..errors import RequestError, ScoreKindError, UnsupportedRequestError
from ..fallback import Target
from .auth import AuthenticatedClient
from .rerank_route import RerankRoute

if TYPE_CHECKING:
    from ..client import AsyncClient


class ExplainRoute(RerankRoute):
    """Serves explain requests, whose bodies are rerank requests in one dialect."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The name in the log."""
        return "explain"

    def _count(self, status: int, seconds: float) -> None:
        """Count nothing: the metrics are about rerank requests."""

    def _find(self, model: str | None, authenticated: AuthenticatedClient) -> tuple[AsyncClient, bool]:
        key = authenticated.provider_key or PLACEHOLDER  # a route that relays the client's key needs none here
        return self.gateway.router.find(model, replace(authenticated, provider_key=key))

    async def _handle(self, fields: RequestFields, client: AsyncClient, key_name: str) -> Response:  # noqa: ARG002
        """Return the description of each target's first call, in the order in which the targets are tried."""
        targets = plan_of(client.settings, fields).targets
        described: list[dict[str, Any]] = []
        refused: list[RequestError] = []
        for target in targets:
            model = target.sends(chained=len(targets) > 1)
            try:
                calls = calls_of(client.settings, target, fields, model)
            except (UnsupportedRequestError, ScoreKindError) as error:
                refused.append(error)
                message = self.gateway.redactor.value(error.message, upstream=False)
                described.append({"provider": target.name, "model": model or fields["model"], "error": message})
            else:
                described.append({**self._describe(calls[0], target), "calls": len(calls)})
        if len(refused) == len(targets):
            raise refused[0]
        return Response(dump({"targets": described}), media_type="application/json")

    def _describe(self, call: Call, target: Target) -> dict[str, Any]:
        """Describe a call without the operator's part of it: the machine, and the values of the headers and options."""
        described = call.describe(signed=target.api_key is not None and target.auth_header is None)
        headers = {**described["headers"], **dict.fromkeys(validate_headers(target.headers), MASK)}
        operated = target.base_url is not None or target.url is not None
        url = self.gateway.redactor.url(call) if operated else described["url"]
        body = {**described["body"], **dict.fromkeys(target.options or {}, MASK)}
        return {**described, "url": url, "headers": headers, "body": body}
