"""The gateway's HTTP responses."""

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
    """One HTTP response to a client."""

    status: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    content: bytes = b""


async def write(send: Send, reply: Reply, further: Mapping[str, str] | None = None, *, more: bool = False) -> None:
    """Send a reply.

    Args:
        send: of ASGI.
        reply: the reply.
        further: further headers.
        more: leave the body open, so that the connection stays open until an empty chunk is sent.
    """
    headers = {**reply.headers, **(further or {}), "content-length": str(len(reply.content))}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": reply.content, "more_body": more})


def as_json(value: Any, status: int = 200) -> Response:
    """Build a JSON response of a route other than rerank."""
    return Response(dump(value), status, media_type="application/json")


def refusal(error: RerankError, dialect: Provider, status: int | None = None) -> Reply:
    """Encode an error outside a rerank route in a dialect."""
    encoded, headers, body = dialect.encode_error(error, relay=True)
    return Reply(status or encoded, headers, dump(body))
