"""The seam: send this HttpRequest, give me (status, headers, body). Each built-in sender is a thin one.

A sender translates what its HTTP library raises into `ConnectError`, `TimeoutError` or `TransportError`, keeps the
cause, follows no redirect, and stops reading at ``most`` bytes. What the answer means is not its business.
"""

from .aiohttp import AiohttpSender
from .base import MAX_BYTES, AsyncSender, Sender
from .httpx import AsyncHttpxSender, HttpxSender

__all__ = ["MAX_BYTES", "AiohttpSender", "AsyncHttpxSender", "AsyncSender", "HttpxSender", "Sender"]
