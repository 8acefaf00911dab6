"""The rerank routes: one ASGI application per path, each in one client dialect."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from traceback import format_tb
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

from .._json import dump
from .._provider import Provider
from ..canonical import RequestFields, RerankResponse
from ..errors import AllProvidersFailedError, ProviderServerError, RequestTooLargeError, RerankError, is_id
from ..fallback import AttemptRecord
from .auth import admit
from .body import BodyRefusedError, ClientDisconnected, Receive, cancel_on_disconnect, drain, is_endless, read_body
from .replies import Reply, Send, write

if TYPE_CHECKING:
    from .context import Gateway


LOG: Final = logging.getLogger("rerank_unify.gateway")
_UNSAFE = re.compile(r"[^\x21-\x7e]|[,;=]")


@dataclass(frozen=True, slots=True)
class RerankRoute:
    """Serves rerank requests in one dialect."""

    gateway: Gateway
    dialect: Provider

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request; the ASGI entry point."""
        began = time.perf_counter()
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        client_id = headers.get("x-request-id", "")
        number = client_id if is_id(client_id) else uuid4().hex
        try:
            reply = await self._reply(scope, headers, receive)
        except ClientDisconnected:
            reply = Reply(499)
        ends = reply.status >= 400 and self._must_end(scope, headers, reply.status)
        if ends:
            reply.headers["connection"] = "close"
        seconds = time.perf_counter() - began
        self.gateway.metrics.request(self.dialect.name, reply.status, seconds)
        LOG.info("%s %s %d %.1f ms%s", number, self.dialect.name, reply.status, seconds * 1000, _story(reply.headers))
        with suppress(OSError):  # some servers raise it after the client has disconnected
            await write(send, reply, {"x-request-id": number}, more=ends)
            if ends:
                await drain(receive, self.gateway.settings.limits)
                await send({"type": "http.response.body", "body": b""})

    def _must_end(self, scope: Mapping[str, Any], headers: Mapping[str, str], status: int) -> bool:
        """Return whether to close the connection after a refusal, because the rest of the body stays unread."""
        one = scope.get("http_version", "1.1").startswith("1")
        return one and (status == 408 or is_endless(headers, self.gateway.settings.limits))

    async def _reply(self, scope: Mapping[str, Any], headers: Mapping[str, str], receive: Receive) -> Reply:
        relayed = False
        try:
            authenticated = admit(self.gateway.settings.keys, headers)
            with self.gateway.limiter.enter(authenticated):
                body = await read_body(headers, receive, self.gateway.settings.limits)
                fields = self._fields(scope, body)
                client, relayed = self.gateway.router.find(fields["model"], authenticated)
                response = await cancel_on_disconnect(receive, lambda: client.rerank_fields(fields))
            return self._success(fields, self.gateway.without_hosts_in(response))
        except BodyRefusedError as refused:
            return self._failure(refused.error, refused.error.status)
        except RerankError as error:
            return self._failure(error, relayed=relayed)
        except ClientDisconnected:
            raise
        except Exception as error:  # noqa: BLE001 - the client gets a response in any case
            # The traceback without the message, which may repeat a document.
            frames = "".join(format_tb(error.__traceback__))
            LOG.error("unhandled exception: %s\n%s", type(error).__name__, frames)  # noqa: TRY400 - without the message
            return self._failure(ProviderServerError("the gateway failed", status=500), 500)

    def _fields(self, scope: Mapping[str, Any], body: bytes) -> RequestFields:
        """Decode the request. Some dialects have the model in the path."""
        fields = self.dialect.decode_fields(body)
        in_path = cast("str | None", scope.get("path_params", {}).get("model"))
        if fields["model"] is None and in_path:
            fields = cast("RequestFields", {**fields, "model": in_path})
        limit = self.gateway.settings.limits.documents
        if len(fields["documents"]) > limit:
            name = self.dialect.dialect.request.documents.path
            raise RequestTooLargeError(f"{name}: this gateway accepts at most {limit:,} documents", status=413)
        return fields

    def _success(self, fields: RequestFields, response: RerankResponse) -> Reply:
        # `local` in place of a provider reports its own model name, whatever name the client sent.
        model = None if self.gateway.router.offline else fields["model"]
        self.gateway.metrics.lost(response.losses)
        extra = {
            "x-rerank-provider": response.provider or "",
            "x-rerank-attempts": _attempts(response.attempts),
            "x-rerank-losses": ",".join(dict.fromkeys(f"{loss.field}={loss.action}" for loss in response.losses)),
        }
        return Reply(200, {**_JSON, **_without_empty(extra)}, self.dialect.dump_response(response, model))

    def _failure(self, error: RerankError, status: int | None = None, *, relayed: bool = False) -> Reply:
        """Encode an error in the client's dialect. An error without a provider is the gateway's, and safe to show."""
        from_gateway = error.provider is None and not isinstance(error, AllProvidersFailedError)
        encoded, headers, body = self.dialect.encode_error(error, relay=from_gateway or relayed)
        content = dump(self.gateway.without_hosts(body, upstream=not from_gateway))
        tried = _attempts(error.attempts) or _causes(error)
        extra = {"x-rerank-provider": error.provider or "", "x-rerank-attempts": tried}
        return Reply(status or encoded, {**headers, **_without_empty(extra)}, content)


_JSON: Final = {"content-type": "application/json"}


def _without_empty(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value}


def _attempts(tried: tuple[AttemptRecord, ...]) -> str:
    return ",".join(f"{_safe(one.provider)}={_outcome(one)}" for one in tried)


def _outcome(one: AttemptRecord) -> str:
    if one.cancelled:
        return "cancelled"
    return type(one.error).__name__ if one.error is not None else "ok"


def _causes(error: RerankError) -> str:
    causes = error.causes if isinstance(error, AllProvidersFailedError) else (error,)
    return ",".join(f"{_safe(cause.provider)}={type(cause).__name__}" for cause in causes if cause.provider)


def _safe(text: str | None) -> str:
    return _UNSAFE.sub("?", text or "")


def _story(headers: Mapping[str, str]) -> str:
    return f" {headers['x-rerank-attempts']}" if "x-rerank-attempts" in headers else ""
