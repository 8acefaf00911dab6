"""What the tests of every pair of dialects share: a gateway on the loopback, the providers behind it, and the table of
what each API's documentation says.

A client's dialect is called ``client``, a provider's ``upstream``. Each provider is a real server, and the gateway has
a model name, a key and a model of its own for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

import anyio
import httpx
import pytest
from scripted_server import ScriptedServer, respond_as
from typing_extensions import Self

from rerank_unify.gateway import create_app

from .helpers import serving

DIALECTS: Final = ("jina", "cohere", "cohere-v1", "voyage", "xinference")
PATHS: Final = {
    "jina": "/jina/v1/rerank",
    "cohere": "/cohere/v2/rerank",
    "cohere-v1": "/cohere/v1/rerank",
    "voyage": "/voyage/v1/rerank",
    "xinference": "/xinference/v1/rerank",
}
every_client = pytest.mark.parametrize("client", DIALECTS)
every_upstream = pytest.mark.parametrize("upstream", DIALECTS)

CLIENT_KEY: Final = "client-key-0123456789abcdef"
"""The key that clients send, though the gateway requires none: no provider may receive it."""

ONCE: Final[Mapping[str, Any]] = {"retries": 0, "rules": {"ProviderOverloadedError": {"retries": 0}}}
"""Settings with which no target is tried twice."""


def model_of(upstream: str) -> str:
    """Return the model name that clients send for a provider."""
    return f"public-{upstream}"


def default_model(upstream: str) -> str:
    """Return the model name that the provider receives."""
    return f"own-model-of-{upstream}"


def own_key(upstream: str) -> str:
    """Return the gateway's key for that provider."""
    return f"gateway-key-at-{upstream}"


def variable(upstream: str) -> str:
    """Return the environment variable that holds that key."""
    return f"PAIRS_{upstream.upper().replace('-', '_')}_KEY"


def set_keys(patch: pytest.MonkeyPatch) -> None:
    """Put all keys where the gateway looks for them."""
    for upstream in DIALECTS:
        patch.setenv(variable(upstream), own_key(upstream))


# --- what the APIs' documentation says -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Published:
    """An API as its provider describes it.

    Attributes:
        path: of the provider's own host.
        supports: all fields of a request, as far as they are documented.
        top_n: what it calls the number of rows.
        rows: what it calls the rows.
        needs: for each field that an response always has, by dotted path, the types that it may have.
        may: further fields of an response.
        row: for each field that a row always has, its types.
        row_may: further fields of a row.
        echo: from a document, a string or an object, to what a row shows of it where the request says so.
        objects: whether documents may be objects.
        withholds: whether empty texts are refused, so that none is sent.
        source, date: where that stands, and of which day it is.
    """

    path: str
    supports: frozenset[str]
    top_n: str = "top_n"
    rows: str = "results"
    needs: Mapping[str, tuple[type, ...]]
    may: frozenset[str] = frozenset()
    row: Mapping[str, tuple[type, ...]] = field(default_factory=lambda: _ROW)
    row_may: frozenset[str] = frozenset({"document"})
    echo: Callable[[Any], Any]
    objects: bool = False
    withholds: bool = False
    source: str
    date: str

    @property
    def base(self) -> frozenset[str]:
        """The top-level fields that every response has."""
        return frozenset(path.split(".")[0] for path in self.needs)


_ROW: Final[Mapping[str, tuple[type, ...]]] = {"index": (int,), "relevance_score": (float,)}
_NONE: Final = type(None)
_COHERE: Final = "https://github.com/cohere-ai/cohere-developer-experience/blob/e814c8a/cohere-openapi.yaml"


def _as_object(document: Any) -> Any:
    return {"text": document} if isinstance(document, str) else document


def _as_text(document: Any) -> Any:
    return document if isinstance(document, str) else document["text"]


def _nested(document: Any) -> Any:
    return {"text": document}


PUBLISHED: Final[Mapping[str, Published]] = {
    "jina": Published(
        path="/v1/rerank",
        supports=frozenset(("model", "query", "documents", "top_n", "return_documents")),
        needs={"model": (str,), "object": (str,), "usage": (dict,), "results": (list,)},
        # Not Jina's own: the canonical format has a place for what other providers send.
        may=frozenset(("id", "warnings")),
        echo=_as_object,
        objects=True,
        source="https://api.jina.ai/openapi.json",
        date="2026-09-09",
    ),
    "cohere": Published(
        path="/v2/rerank",
        supports=frozenset(("model", "query", "documents", "top_n", "max_tokens_per_doc", "priority")),
        needs={"results": (list,), "meta.api_version.version": (str,)},
        may=frozenset(("id",)),
        echo=_as_object,
        withholds=True,
        source=f"{_COHERE} /v2/rerank",
        date="2026-08-20",
    ),
    "cohere-v1": Published(
        path="/v1/rerank",
        supports=frozenset(("model", "query", "documents", "top_n", "return_documents", "rank_fields")),
        needs={"results": (list,), "meta.api_version.version": (str,)},
        may=frozenset(("id",)),
        echo=_as_object,
        objects=True,
        withholds=True,
        source=f"{_COHERE} /v1/rerank",
        date="2026-08-20",
    ),
    "voyage": Published(
        path="/v1/rerank",
        supports=frozenset(("model", "query", "documents", "top_k", "return_documents", "truncation")),
        top_n="top_k",
        rows="data",
        # The total is null where the provider tells none: nothing is invented.
        needs={"object": (str,), "data": (list,), "model": (str,), "usage.total_tokens": (int, _NONE)},
        echo=_as_text,
        withholds=True,
        source="https://docs.voyageai.com/reference/reranker-api",
        date="2026-11-22",
    ),
    "xinference": Published(
        path="/v1/rerank",
        supports=frozenset(
            ("model", "query", "documents", "top_n", "return_documents", "return_len", "max_chunks_per_doc", "kwargs")
        ),
        needs={
            "results": (list,),
            "meta.api_version": (_NONE,),
            "meta.billed_units": (_NONE,),
            "meta.tokens": (dict, _NONE),
            "meta.warnings": (list, _NONE),
        },
        may=frozenset(("id",)),
        row={**_ROW, "document": (dict, _NONE)},
        echo=_nested,
        objects=True,
        source="https://github.com/xorbitsai/inference, xinference/types.py and api/schemas/requests.py of 4.1.0",
        date="2026-10-25",
    ),
}


def assert_published(client: str, response: Any) -> None:
    """Assert that a response has all fields that the client's API requires, and no undocumented field."""
    api = PUBLISHED[client]
    assert api.base <= response.keys() <= api.base | api.may
    for path, types in api.needs.items():
        value = response
        for step in path.split("."):
            assert step in value, f"{path} is missing"
            value = value[step]
        assert isinstance(value, types), f"{path}: {value!r}"
    for row in response[api.rows]:
        assert api.row.keys() <= row.keys() <= api.row.keys() | api.row_may
        assert all(type(row[key]) in types for key, types in api.row.items()), row


# --- a gateway and its providers --------------------------------------------------------------------------------


class Served:
    """A gateway that listens on a free port of the loopback, between ``with`` and its end.

    Attributes:
        url: the root, without a slash.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._serving = serving(config)

    def __enter__(self) -> Self:
        self.url = f"http://127.0.0.1:{self._serving.__enter__()}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._serving.__exit__(kind, error, trace)


def target(upstream: str, server: ScriptedServer, **more: Any) -> dict[str, Any]:
    """One provider as a target of a route."""
    return {
        "provider": upstream,
        "model": default_model(upstream),
        "base_url": server.url,
        "key_env": variable(upstream),
        **more,
    }


def config_for(servers: Mapping[str, ScriptedServer], **more: Any) -> dict[str, Any]:
    """Settings with a route to each provider, none of which is tried twice."""
    routes = {model_of(name): {"targets": [target(name, server)]} for name, server in servers.items()}
    return {"models": routes, "unknown_model": "reject", "upstream": ONCE, **more}


def server_for(upstream: str) -> ScriptedServer:
    """Return a server that responds without errors, in the provider's dialect."""
    return ScriptedServer(respond=respond_as(upstream))


def request_body(client: str, upstream: str, query: str, documents: Sequence[Any], **more: Any) -> dict[str, Any]:
    """A request in the client's own words; `top_n` is put where its API has it."""
    body = {"model": model_of(upstream), "query": query, "documents": list(documents)}
    if more.get("top_n") is not None:
        body[PUBLISHED[client].top_n] = more["top_n"]
    return body | {key: value for key, value in more.items() if key != "top_n"}


def post(config: Mapping[str, Any], path: str, *bodies: bytes, key: str = CLIENT_KEY) -> list[httpx.Response]:
    """Send requests to a new gateway in this process, one after another; return its responses."""
    app = create_app(config)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    async def main() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://gateway") as http,
        ):
            return [await http.post(path, content=body, headers=headers) for body in bodies]

    return anyio.run(main)
