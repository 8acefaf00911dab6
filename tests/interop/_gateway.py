"""The official SDKs as clients of a gateway: each made by the lines of the page that tells people how."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

import rerank_unify as ru
from rerank_unify.gateway.auth import hash_of

from . import _page

sys.path.append(str(Path(__file__).parents[1]))

from gateway.pairs import Served
from scripted_server import Play, ScriptedServer, respond_as

__all__ = ["Play", "ScriptedServer", "Served", "respond_as"]

GATEWAY_KEY: Final = "ru-0123456789abcdef-of-a-team"
LOCKED: Final = {"keys": {"team": hash_of(GATEWAY_KEY)}}
VENDOR_KEYS: Final = ("JINA_API_KEY", "CO_API_KEY", "COHERE_API_KEY", "VOYAGE_API_KEY")
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


class Ranked(NamedTuple):
    """What an SDK made of an answer: its own object, and the rows in it with index, score and document."""

    answer: Any
    rows: list[tuple[int, float, Any]]

    @property
    def ranking(self) -> list[tuple[int, float]]:
        """Indices and scores."""
        return [(index, score) for index, score, _ in self.rows]


def needed(heading: str) -> str:
    """The module of an SDK; without it the test is skipped."""
    module = heading.rpartition(".")[0]
    pytest.importorskip(module)
    return module


@contextmanager
def left_open() -> Generator[None]:
    """For what leaves sockets open to the garbage collector: they go here, and not in another test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def made(heading: str, url: str, key: str) -> Any:
    """The object that the page's lines make."""
    module = needed(heading)
    root = module.partition(".")[0]
    namespace: dict[str, Any] = {root: sys.modules[root]}
    exec(_page.after(heading, url, key), namespace)  # noqa: S102 - our own page
    return namespace["client"]


def rank(client: str, url: str, *, key: str = "any-word", model: str = "m", **fields: Any) -> Ranked:
    """Rank by one SDK, trying once."""
    needed(client)
    fields = {"query": QUERY, "documents": list(DOCUMENTS), "top_n": None, **fields}
    dialect = CLIENTS[client]
    if ".Async" in client:
        return asyncio.run(_LATER[dialect](client, url, key, model, fields))
    return _NOW[dialect](client, url, key, model, fields)


# --- Cohere ----------------------------------------------------------------------------------------------------------


def _for_cohere(client: str, model: str, fields: dict[str, Any]) -> dict[str, Any]:
    arguments = {**fields, "model": model, "request_options": {"max_retries": 0}}
    return arguments if client.endswith("V2") else {**arguments, "return_documents": True}


def _of_cohere(answer: Any) -> Ranked:
    rows = [(row.index, row.relevance_score, getattr(row, "document", None)) for row in answer.results]
    return Ranked(answer, [(index, score, shown and shown.text) for index, score, shown in rows])


def _cohere(client: str, url: str, key: str, model: str, fields: dict[str, Any]) -> Ranked:
    with made(client, url, key) as opened:
        return _of_cohere(opened.rerank(**_for_cohere(client, model, fields)))


async def _cohere_later(client: str, url: str, key: str, model: str, fields: dict[str, Any]) -> Ranked:
    async with made(client, url, key) as opened:
        return _of_cohere(await opened.rerank(**_for_cohere(client, model, fields)))


# --- Voyage ----------------------------------------------------------------------------------------------------------


def _for_voyage(model: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"model": model, "query": fields["query"], "documents": fields["documents"], "top_k": fields["top_n"]}


def _of_voyage(answer: Any) -> Ranked:
    return Ranked(answer, [(row.index, row.relevance_score, row.document) for row in answer.results])


def _voyage(client: str, url: str, key: str, model: str, fields: dict[str, Any]) -> Ranked:
    return _of_voyage(made(client, url, key).rerank(**_for_voyage(model, fields)))


async def _voyage_later(client: str, url: str, key: str, model: str, fields: dict[str, Any]) -> Ranked:
    return _of_voyage(await made(client, url, key).rerank(**_for_voyage(model, fields)))


# --- Xinference ------------------------------------------------------------------------------------------------------


def _of_xinference(answer: Any) -> Ranked:
    rows = [(row["index"], row["relevance_score"], row["document"]) for row in answer["results"]]
    return Ranked(answer, [(index, score, shown and shown["text"]) for index, score, shown in rows])


def _xinference(client: str, url: str, key: str, model: str, fields: dict[str, Any]) -> Ranked:
    opened = made(client, url, key)
    try:
        handle = opened.get_model(model)
        try:
            return _of_xinference(handle.rerank(**fields, return_documents=True))
        finally:
            handle.close()
    finally:
        opened.close()


async def _xinference_later(client: str, url: str, key: str, model: str, fields: dict[str, Any]) -> Ranked:
    with left_open():  # it asks whether keys are needed by a session that it never closes
        opened = made(client, url, key)
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
    """What `local` returns without any gateway."""
    response = local_response(query, documents, top_n)
    return [(row.index, row.relevance_score) for row in response]


def local_response(
    query: str = QUERY, documents: Sequence[str] = DOCUMENTS, top_n: int | None = None
) -> ru.RerankResponse:
    """The response of `local` without any gateway."""
    local = ru.provider("local")
    call = local.prepare(ru.RerankRequest(query=query, documents=documents, top_n=top_n))
    assert local.sender is not None
    return call.decode(*local.sender(call.http))
