"""HTTP responses of the gateway to its clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.responses import Response

from .._json import dump
from .._provider import Provider
from ..errors import RerankError
from .body import Message

Send: TypeAlias = Callable[[Message], Awaitable[None]]


@dataclass(slots=True)
class Reply:
    """What goes back."""

    status: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    content: bytes = b""


async def write(send: Send, reply: Reply, further: Mapping[str, str] | None = None, *, more: bool = False) -> None:
    """Send an answer; with ``more`` the connection stays as it is until an empty piece is sent."""
    headers = {**reply.headers, **(further or {}), "content-length": str(len(reply.content))}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": reply.content, "more_body": more})


def as_json(value: Any, status: int = 200) -> Response:
    """An answer of another route than a rerank route."""
    return Response(dump(value), status, media_type="application/json")


def refusal(error: RerankError, dialect: Provider, status: int | None = None) -> Reply:
    """An error outside a rerank route."""
    encoded, headers, body = dialect.encode_error(error, relay=True)
    return Reply(status or encoded, headers, dump(body))
