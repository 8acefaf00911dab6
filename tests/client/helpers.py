"""What the tests of the clients share: targets, a request, and one way to call for each transport."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from threading import Thread
from typing import Any, Final, TypeVar

import anyio
import pytest
from scripted_server import PATIENCE, Play, ScriptedServer, score

import rerank_unify as ru
from rerank_unify.transport import AiohttpSender

KEY: Final = "jina_0123456789abcdef"
DOCUMENTS: Final = ["aloe vera cream", "motor oil", "天然有机护肤产品 🌿", "cream for skin"]
RANKED: Final = sorted(range(4), key=lambda index: -score(DOCUMENTS[index]))
MANY: Final = [f"document {n}" for n in range(2500)]  # more than Voyage takes in two calls
NEVER: Final = Play(delay=3600)  # a response that never comes

# The asynchronous transports, and the event loop that each runs on.
ASYNC: Final = {"async": "asyncio", "trio": "trio", "aiohttp": "asyncio"}
TRANSPORTS: Final = ("httpx", *ASYNC)

Rerank = Callable[..., ru.RerankResponse]
T = TypeVar("T")


# --- targets and requests --------------------------------------------------------------------------------------------


def ask(**fields: Any) -> ru.RerankRequest:
    given: dict[str, Any] = {"query": "skin", "documents": DOCUMENTS, **fields}
    return ru.RerankRequest(**given)


def target(name: str, server: ScriptedServer, **more: Any) -> ru.Target:
    """A target with a key that looks like that provider's own."""
    keys = {"jina": KEY, "voyage": "pa-0123456789"}
    return ru.Target(name, api_key=keys.get(name, "co-0123456789abcdef"), base_url=server.url, **more)


def jina(server: ScriptedServer, **more: Any) -> ru.Target:
    return target("jina", server, **more)


def voyage(server: ScriptedServer, **more: Any) -> ru.Target:
    return target("voyage", server, **more)


# --- what came back --------------------------------------------------------------------------------------------------


def indices(response: ru.RerankResponse) -> list[int]:
    return [result.index for result in response]


def tried(response: ru.RerankResponse) -> list[tuple[str, type[ru.RerankError] | None]]:
    """Each attempt's provider and class of error, in order."""
    return [(one.provider, type(one.error) if one.error is not None else None) for one in response.attempts]


def failure(call: Callable[..., object], *args: Any, **more: Any) -> ru.RerankError:
    """What the call raises."""
    with pytest.raises(ru.RerankError) as caught:
        call(*args, **more)
    return caught.value


def causes(error: ru.RerankError) -> list[tuple[str | None, type[ru.RerankError]]]:
    """Each cause's provider and class, in order."""
    assert isinstance(error, ru.AllProvidersFailedError), error
    return [(cause.provider, type(cause)) for cause in error.causes]


# --- calling ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def opened(over: str, targets: Any, **settings: Any) -> AsyncGenerator[ru.AsyncClient, None]:
    """An asynchronous client over httpx or aiohttp."""
    settings = {"connect_timeout": PATIENCE, **settings}
    if over != "aiohttp":
        async with ru.AsyncClient(targets, **settings) as client:
            yield client
        return
    import aiohttp

    connect, read = settings["connect_timeout"], settings.get("read_timeout")
    max_bytes = settings.get("max_response_bytes", 2**26)
    async with aiohttp.ClientSession() as session:
        sender = AiohttpSender(session, connect=connect, read=read, max_bytes=max_bytes)
        async with ru.AsyncClient(targets, sender=sender, **settings) as client:
            yield client


def run(over: str, main: Callable[[], Awaitable[T]]) -> T:
    """Run on the transport's event loop."""
    return anyio.run(main, backend=ASYNC[over])


def call(over: str, targets: Any, rerank_request: ru.RerankRequest, settings: Any, options: Any) -> ru.RerankResponse:
    """One `rerank` over a transport, by a client of its own."""

    async def main() -> ru.RerankResponse:
        async with opened(over, targets, **settings) as client:
            return await client.rerank(rerank_request, **options)

    if over in ASYNC:
        return run(over, main)
    with ru.Client(targets, **settings) as client:
        return client.rerank(rerank_request, **options)


def rerank_over(transport: str) -> Rerank:
    """Return a function that reranks over a transport, each time with a client of its own."""

    def rerank(
        targets: Any, request: ru.RerankRequest | None = None, *, settings: Any = None, **options: Any
    ) -> ru.RerankResponse:
        return call(transport, targets, request or ask(), settings or {}, options)

    return rerank


@contextmanager
def released(then: ScriptedServer, after: Mapping[ScriptedServer, int]) -> Generator[None, None, None]:
    """As soon as some servers have had so many calls, the delays of another end."""

    def work() -> None:
        for server, calls in after.items():
            server.wait_calls(calls)
        then.release()

    thread = Thread(target=work)
    thread.start()
    yield
    thread.join()
