"""The official SDKs as clients of a gateway. Each is made by the lines of `docs/point-your-client.md`."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import pytest

import rerank_unify as ru
from rerank_unify.gateway.auth import hash_of

from . import _page

sys.path.append(str(Path(__file__).parents[1]))

from gateway.pairs import Served
from scripted_server import PATIENCE, Play, ScriptedServer, no_server_listens, respond_as

__all__ = ["PATIENCE", "Play", "ScriptedServer", "Served", "no_server_listens", "respond_as"]

GATEWAY_KEY: Final = "ru-0123456789abcdef-of-a-team"
LOCKED: Final = {"keys": {"team": hash_of(GATEWAY_KEY)}}
PROVIDER_KEYS: Final = ("JINA_API_KEY", "CO_API_KEY", "COHERE_API_KEY", "VOYAGE_API_KEY")
QUERY: Final = "organic skincare for sensitive skin"
DOCUMENTS: Final = (
    "Neue Make-up-Trends setzen auf kräftige Farben",
    "Organic skincare for sensitive skin with aloe vera 🌿",
    "",
    "天然有机护肤产品，针对敏感肌 — organic",
    "Sensitive skin: what helps",
)
CLIENTS: Final = {
    "cohere.ClientV2": "cohere",
    "cohere.AsyncClientV2": "cohere",
    "cohere.Client": "cohere-v1",
    "cohere.AsyncClient": "cohere-v1",
    "voyageai.Client": "voyage",
    "voyageai.AsyncClient": "voyage",
    "xinference_client.RESTfulClient": "xinference",
    "xinference_client.AsyncRESTfulClient": "xinference",
}
every_client = pytest.mark.parametrize("client", CLIENTS)


Opening: TypeAlias = Callable[[], Any]
"""A function that makes the client of an SDK."""


class Ranked(NamedTuple):
    """A response as an SDK reads it: the SDK's object, and its rows as index, score and document."""

    response: Any
    rows: list[tuple[int, float, Any]]

    @property
    def ranking(self) -> list[tuple[int, float]]:
        """Indices and scores."""
        return [(index, score) for index, score, _ in self.rows]


def needed(heading: str) -> str:
    """Return the module of an SDK; skip the test where it is not installed."""
    module = heading.rpartition(".")[0]
    pytest.importorskip(module)
    return module


@contextmanager
def left_open() -> Generator[None]:
    """Collect sockets that an SDK leaves open here, and not in another test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def made(heading: str, url: str, key: str, bases: tuple[str, str] = ("", "")) -> Any:
    """Run the page's lines and return the client that they make.

    Args:
        heading: the heading above the lines.
        url: the root of the gateway.
        key: the key.
        bases: the end of the base URL as the page has it, and the end to put in its place.
    """
    module = needed(heading)
    root = module.partition(".")[0]
    namespace: dict[str, Any] = {root: sys.modules[root]}
    lines, documented = _page.after(heading, url, key), f'{url}{bases[0]}"'
    assert documented in lines or bases == ("", "")
    exec(lines.replace(documented, f'{url}{bases[1]}"'), namespace)  # noqa: S102 - our own page
    return namespace["client"]


def rank(
    client: str,
    url: str,
    *,
    key: str = "any-word",
    model: str = "m",
    bases: tuple[str, str] = ("", ""),
    **fields: Any,
) -> Ranked:
    """Rank with one SDK, without retries; for ``bases`` see `made`."""
    needed(client)
    fields = {"query": QUERY, "documents": list(DOCUMENTS), "top_n": None, **fields}
    dialect, opening = CLIENTS[client], partial(made, client, url, key, bases)
    if ".Async" in client:
        return asyncio.run(_LATER[dialect](client, opening, model, fields))
    return _NOW[dialect](client, opening, model, fields)


# --- Cohere ----------------------------------------------------------------------------------------------------------


def _for_cohere(client: str, model: str, fields: dict[str, Any]) -> dict[str, Any]:
    arguments = {**fields, "model": model, "request_options": {"max_retries": 0}}
    return arguments if client.endswith("V2") else {**arguments, "return_documents": True}


def _of_cohere(response: Any) -> Ranked:
    rows = [(row.index, row.relevance_score, getattr(row, "document", None)) for row in response.results]
    return Ranked(response, [(index, score, shown and shown.text) for index, score, shown in rows])


def _cohere(client: str, opening: Opening, model: str, fields: dict[str, Any]) -> Ranked:
    with opening() as opened:
        return _of_cohere(opened.rerank(**_for_cohere(client, model, fields)))


async def _cohere_later(client: str, opening: Opening, model: str, fields: dict[str, Any]) -> Ranked:
    async with opening() as opened:
        return _of_cohere(await opened.rerank(**_for_cohere(client, model, fields)))


# --- Voyage ----------------------------------------------------------------------------------------------------------


def _for_voyage(model: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"model": model, "query": fields["query"], "documents": fields["documents"], "top_k": fields["top_n"]}


def _of_voyage(response: Any) -> Ranked:
    return Ranked(response, [(row.index, row.relevance_score, row.document) for row in response.results])


def _voyage(client: str, opening: Opening, model: str, fields: dict[str, Any]) -> Ranked:
    return _of_voyage(opening().rerank(**_for_voyage(model, fields)))


async def _voyage_later(client: str, opening: Opening, model: str, fields: dict[str, Any]) -> Ranked:
    return _of_voyage(await opening().rerank(**_for_voyage(model, fields)))


# --- Xinference ------------------------------------------------------------------------------------------------------


def _of_xinference(response: Any) -> Ranked:
    rows = [(row["index"], row["relevance_score"], row["document"]) for row in response["results"]]
    return Ranked(response, [(index, score, shown and shown["text"]) for index, score, shown in rows])


def _xinference(client: str, opening: Opening, model: str, fields: dict[str, Any]) -> Ranked:
    opened = opening()
    try:
        handle = opened.get_model(model)
        try:
            return _of_xinference(handle.rerank(**fields, return_documents=True))
        finally:
            handle.close()
    finally:
        opened.close()


async def _xinference_later(client: str, opening: Opening, model: str, fields: dict[str, Any]) -> Ranked:
    with left_open():  # the client never closes the session that gets whether keys are needed
        opened = opening()
    try:
        handle = await opened.get_model(model)
        try:
            return _of_xinference(await handle.rerank(**fields, return_documents=True))
        finally:
            await handle.close()
    finally:
        await opened.close()


_NOW: Final = {"cohere": _cohere, "cohere-v1": _cohere, "voyage": _voyage, "xinference": _xinference}
_LATER: Final = {
    "cohere": _cohere_later,
    "cohere-v1": _cohere_later,
    "voyage": _voyage_later,
    "xinference": _xinference_later,
}


# --- what is expected ------------------------------------------------------------------------------------------------


def local_ranking(
    query: str = QUERY, documents: Sequence[str] = DOCUMENTS, top_n: int | None = None
) -> list[tuple[int, float]]:
    """Return the ranking of `local` without a gateway."""
    response = local_response(query, documents, top_n)
    return [(row.index, row.relevance_score) for row in response]


def local_response(
    query: str = QUERY, documents: Sequence[str] = DOCUMENTS, top_n: int | None = None
) -> ru.RerankResponse:
    """Return the response of `local` without a gateway."""
    local = ru.provider("local")
    call = local.prepare(ru.RerankRequest(query=query, documents=documents, top_n=top_n))
    assert local.sender is not None
    return call.decode(*local.sender(call.http))
