"""The rerank routes: one ASGI application per path, each in one client dialect."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from traceback import format_tb
from typing import TYPE_CHECKING, Any, Final, cast

from starlette.responses import Response

from .. import errors
from .._json import dump
from .._provider import Provider
from ..canonical import RequestFields, RerankResponse
from ..errors import AllProvidersFailedError, ProviderServerError, RequestTooLargeError, RerankError, is_id
from ..fallback import AttemptRecord
from .auth import AuthenticatedClient, admit
from .body import ClientDisconnected, Receive, RequestBody, until_disconnect

if TYPE_CHECKING:
    from ..client import AsyncClient
    from .app import Gateway

LOG: Final = logging.getLogger("rerank_unify.gateway")
LARGE: Final = 128 * 2**10
MANY_VALUES: Final = 2_000
"""Bytes and commas of a body from which on a request is handled in the second event loop.

Commas count JSON values: documents with many values are written as YAML, which takes up to 30 microseconds per value.
"""
LONGEST_WARNINGS: Final = 500  # characters
_NOT_PRINTABLE: Final = re.compile(r"[^\x20-\x7e]")
_UNSAFE: Final = re.compile(r"[^\x21-\x7e]|[,;=]")


@dataclass(frozen=True, slots=True)
class RerankRoute:
    """Serves rerank requests in one dialect."""

    gateway: Gateway
    dialect: Provider

    @property
    def name(self) -> str:
        """The name in the log."""
        return self.dialect.name

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Serve one request; the ASGI entry point."""
        began = time.perf_counter()
        # Of a repeated header the first, as Starlette's class returns it, which searches the list at each look-up.
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        client_id = headers.get("x-request-id", "")
        number = client_id if is_id(client_id) else token_hex(16)
        body = RequestBody(headers, receive, self.gateway.settings.limits)
        try:
            response = await self._respond(scope, headers, receive, body)
        except ClientDisconnected:
            response = Response(status_code=499)
        response.headers["x-request-id"] = number
        if response.status_code == 408 or (response.status_code >= 400 and not await body.discard()):
            response.headers["connection"] = "close"
        seconds = time.perf_counter() - began
        self._count(response.status_code, seconds)
        attempts = response.headers.get("x-rerank-attempts", "")
        LOG.info("%s %s %d %.1f ms %s", number, self.name, response.status_code, seconds * 1000, attempts)
        with suppress(OSError):  # some servers raise it after the client has disconnected
            await response(scope, receive, send)

    def _count(self, status: int, seconds: float) -> None:
        self.gateway.metrics.request(self.dialect.name, status, seconds)

    async def _respond(
        self, scope: Mapping[str, Any], headers: Mapping[str, str], receive: Receive, body: RequestBody
    ) -> Response:
        gateway = self.gateway
        try:
            client = admit(gateway.settings.keys, headers)
            with gateway.limiter.enter(client), gateway.metrics.under_way.track_inprogress():
                content = await body.read()
                work = self._rank(content, scope["path_params"].get("model"), client)
                if len(content) >= LARGE or content.count(b",") >= MANY_VALUES:
                    work = self._rank_aside(work)
                return await until_disconnect(receive, work)
        except RerankError as error:
            return self._failure(error, error.status)

    async def _rank_aside(self, work: Coroutine[Any, Any, Response]) -> Response:
        """Rank in the second event loop, within the deadline."""
        seconds = self.gateway.settings.upstream.deadline
        try:
            return await asyncio.wait_for(self.gateway.upstream.run_aside(work), seconds)
        except asyncio.TimeoutError:
            return self._failure(errors.TimeoutError(f"no response within {seconds:g} seconds"))

    async def _rank(self, body: bytes, model: str | None, authenticated: AuthenticatedClient) -> Response:
        """Decode the request, and encode the response or the error.

        Args:
            body: the client's JSON.
            model: the model in the path, for dialects that have it there.
            authenticated: the client of the gateway.
        """
        relayed = False
        try:
            fields = self._fields(body, model)
            client, relayed = self._find(fields["model"], authenticated)
            return await self._handle(fields, client, authenticated.name)
        except RerankError as error:
            return self._failure(error, relayed=relayed)
        except Exception as error:  # noqa: BLE001 - the client gets a response in any case
            # The traceback without the message, which may repeat a document.
            frames = "".join(format_tb(error.__traceback__))
            LOG.error("unhandled exception: %s\n%s", type(error).__name__, frames)  # noqa: TRY400 - without the message
            return self._failure(ProviderServerError("the gateway failed", status=500), 500)

    def _find(self, model: str | None, authenticated: AuthenticatedClient) -> tuple[AsyncClient, bool]:
        return self.gateway.router.find(model, authenticated)

    async def _handle(self, fields: RequestFields, client: AsyncClient, key_name: str) -> Response:
        """Return the response to a request; ``key_name`` is the name of the gateway key."""
        scope = "" if self.gateway.settings.cache.shared_between_keys else key_name
        return self._success(fields, await client.rerank_fields(fields, cache_scope=scope))

    def _fields(self, body: bytes, model: str | None) -> RequestFields:
        fields = self.dialect.decode_fields(body)
        if fields["model"] is None and model:
            fields = cast("RequestFields", {**fields, "model": model})
        limit = self.gateway.settings.limits.documents
        if len(fields["documents"]) > limit:
            name = self.dialect.dialect.request.documents.path
            raise RequestTooLargeError(f"{name}: this gateway accepts at most {limit:,} documents", status=413)
        return fields

    def _success(self, fields: RequestFields, response: RerankResponse) -> Response:
        response = self.gateway.redactor.response(response)
        self.gateway.metrics.lost(response.losses)
        # The model that ranked is reported, unless the client named a route: then that name, which is the operator's.
        alias = fields["model"] if fields["model"] in self.gateway.settings.models else None
        headers = {
            "content-type": "application/json",
            "x-rerank-provider": response.provider,
            "x-rerank-model": _safe(response.model),
            "x-rerank-reranked": None if response.reranked else "false",
            "x-rerank-attempts": _attempts(response.attempts),
            "x-rerank-cached": str(response.cached or ""),
            "x-rerank-losses": ",".join(dict.fromkeys(f"{loss.field}={loss.action}" for loss in response.losses)),
            "x-rerank-warnings": _NOT_PRINTABLE.sub("?", "; ".join(response.warnings))[:LONGEST_WARNINGS],
        }
        return Response(self.dialect.dump_response(response, alias), headers=_without_empty(headers))

    def _failure(self, error: RerankError, status: int | None = None, *, relayed: bool = False) -> Response:
        """Encode an error in the client's dialect. An error without a provider is the gateway's, and safe to show."""
        from_gateway = error.provider is None and not isinstance(error, AllProvidersFailedError)
        encoded, headers, body = self.dialect.encode_error(error, relay=from_gateway or relayed)
        content = dump(self.gateway.redactor.value(body, upstream=not from_gateway))
        further = {"x-rerank-provider": error.provider, "x-rerank-attempts": _attempts(error.attempts)}
        return Response(content, status or encoded, {**headers, **_without_empty(further)})


def _without_empty(headers: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value}


def _attempts(attempts: tuple[AttemptRecord, ...]) -> str:
    return ",".join(f"{_safe(attempt.provider)}={_outcome(attempt)}" for attempt in attempts)


def _outcome(attempt: AttemptRecord) -> str:
    if attempt.cancelled:
        return "cancelled"
    return type(attempt.error).__name__ if attempt.error is not None else "ok"


def _safe(text: str | None) -> str:
    """Return text for a header's value: printable ASCII without separators."""
    return _UNSAFE.sub("?", text or "")
