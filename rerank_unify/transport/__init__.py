"""Senders: each sends an `HttpRequest` and returns status, headers and body.

A sender translates what its HTTP library raises into `ConnectError`, `TimeoutError` or `TransportError`, keeps the
cause, follows no redirect, and stops reading at ``max_bytes`` bytes. It does not interpret the response.
"""

from .aiohttp import AiohttpSender
from .base import MAX_BYTES, AsyncSender, Sender
from .httpx import AsyncHttpxSender, HttpxSender

__all__ = ["MAX_BYTES", "AiohttpSender", "AsyncHttpxSender", "AsyncSender", "HttpxSender", "Sender"]
