"""What is measured: requests and answers made from one seed, and the candidates that work on them.

The floor of every ratio is parsing and writing the same bytes with pydantic's own JSON code: no library that reads an
answer and writes it again can be faster with the same parser.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from random import Random
from typing import Any, Final, TypeAlias

from pydantic_core import from_json, to_json

from rerank_unify import Call, Provider, RerankRequest, TranscodedRequest, Transcoder, transcoder
from rerank_unify import provider as provider_by_name

Candidates: TypeAlias = dict[str, Callable[[], object]]
"""What is timed, by name; each call does the whole work once."""

ANSWER_CANDIDATES: Final = ("floor", "decode", "read", "back", "json")
REQUEST_CANDIDATES: Final = ("floor", "there", "encode", "json")
DOCUMENT_BYTES: Final = 1024
SIZES: Final = (10, 100, 1_000)
QUERY: Final = "Welche Hautpflege hilft empfindlicher Haut? 敏感肌肤用什么护肤品?"
_WORDS: Final = (
    *("organic", "skincare", "with", "aloe", "vera", "for", "sensitive", "skin", "and", "a", "bold", "new", "trend"),
    *("Bio-Hautpflege", "für", "empfindliche", "Haut", "größer", "crème", "apaisante", "peau", "señal", "żel"),
    *("天然", "有机护肤产品", "敏感肌", "の保湿", "クリーム", "увлажняющий", "крем", "🌿", 'the "best"', "line\nbreak"),
)


def text(random: Random, size: int = DOCUMENT_BYTES) -> str:
    """A text of that many bytes in UTF-8, in several scripts."""
    words: list[str] = []
    room = size
    while room > 0:
        word = random.choice(_WORDS)
        words.append(word)
        room -= len(word.encode()) + 1
    cut = " ".join(words).encode()[:size].decode("utf-8", "ignore")
    return cut + "." * (size - len(cut.encode()))


@cache
def texts(count: int) -> tuple[str, ...]:
    """The documents of every request of that size."""
    random = Random(1)  # noqa: S311 - the same data in every run
    return tuple(text(random) for _ in range(count))


def scored(count: int) -> list[tuple[int, float]]:
    """Index and score of every document, best first."""
    random = Random(1)  # noqa: S311 - the same data in every run
    indices = list(range(count))
    random.shuffle(indices)
    scores = sorted((random.random() for _ in indices), reverse=True)
    return list(zip(indices, scores, strict=True))


# --- answers ---------------------------------------------------------------------------------------------------------


def _voyage(rows: Iterable[tuple[int, float]], echo: tuple[str, ...] | None) -> dict[str, Any]:
    data = [{"relevance_score": score, "index": at} | ({"document": echo[at]} if echo else {}) for at, score in rows]
    return {"object": "list", "data": data, "model": "rerank-2.5", "usage": {"total_tokens": 26_000}}


def _jina(rows: Iterable[tuple[int, float]], echo: tuple[str, ...] | None) -> dict[str, Any]:
    results = [
        {"index": at, "relevance_score": score} | ({"document": {"text": echo[at]}} if echo else {})
        for at, score in rows
    ]
    model = "jina-reranker-v2-base-multilingual"
    return {"model": model, "object": "list", "usage": {"total_tokens": 26_000}, "results": results}


def _cohere(rows: Iterable[tuple[int, float]], _echo: tuple[str, ...] | None) -> dict[str, Any]:
    return {
        "id": "07734bd2-2473-4f07-94e1-0d9f0e6843cf",
        "results": [{"index": at, "relevance_score": score} for at, score in rows],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
    }


def _xinference(rows: Iterable[tuple[int, float]], echo: tuple[str, ...] | None) -> dict[str, Any]:
    tokens = {"input_tokens": 26_000, "output_tokens": 26_000}
    return {
        "id": "12b77b4a-e646-11f1-b523-02fc00000001",
        "results": [
            {"index": at, "relevance_score": score, "document": {"text": echo[at]} if echo else None}
            for at, score in rows
        ],
        "meta": {"api_version": None, "billed_units": None, "tokens": tokens, "warnings": None},
    }


ANSWERS: Final = {"voyage": _voyage, "cohere": _cohere, "jina": _jina, "xinference": _xinference}
PROVIDERS: Final = tuple(ANSWERS)

NONE: Final = "no documents"
ECHOED: Final = "1 KB documents"
FILLED: Final = "1 KB filled in"
WHOLE: Final = "whole numbers"


@dataclass(frozen=True)
class Answer:
    """A provider's answer to a request of that many documents.

    Attributes:
        provider_name: the provider's name.
        rows: how many results it has.
        documents: ``NONE``: not asked for and not there. ``ECHOED``: asked for and in the answer. ``FILLED``: asked for
            and not in the answer, so that the library fills them in from the request. ``WHOLE``: none, and every
            score is an integer.
    """

    provider_name: str
    rows: int
    documents: str = NONE

    def __str__(self) -> str:
        return f"{self.provider_name}, {self.rows:,} rows, {self.documents}"

    @cached_property
    def body(self) -> bytes:
        """The provider's answer."""
        echo = texts(self.rows) if self.documents == ECHOED else None
        rows = scored(self.rows)
        if self.documents == WHOLE:
            rows = [(index, self.rows - at) for at, (index, _) in enumerate(rows)]
        return to_json(ANSWERS[self.provider_name](rows, echo))

    @cached_property
    def request(self) -> RerankRequest:
        """What was asked."""
        filled = self.documents not in (NONE, WHOLE)
        return RerankRequest(query=QUERY, documents=texts(self.rows), top_n=self.rows, return_documents=filled)

    @cached_property
    def provider(self) -> Provider:
        """Who answers."""
        return provider_by_name(self.provider_name)

    def decode(self) -> Any:
        """Bytes to the canonical answer by way of the request alone: without a limit of documents for one call."""
        return self.provider.decode(200, {}, self.body, self.request)

    def candidates(self) -> Candidates:
        """What is timed on this answer."""
        body = self.body
        call: Call = self.provider.prepare(self.request, api_key="k")
        back: Transcoder = transcoder("jina", self.provider_name)
        sent: TranscodedRequest = back.request(self.request.to_json())
        # What the library writes is what the floor writes: the same bytes, unless it is to fill in documents.
        whole: Any = from_json(call.decode(200, {}, body).to_json()) if self.documents == FILLED else None

        def floor() -> bytes:
            value = from_json(body)
            return to_json(whole or value)

        def with_json() -> str:
            value = json.loads(body)
            return json.dumps(whole or value)

        def decode() -> bytes:
            return call.decode(200, {}, body).to_json()

        def read() -> bytes:
            response = call.decode(200, {}, body)
            for at in range(len(response)):
                _ = response.results[at]
            return response.to_json()

        def transcode() -> bytes:
            return back.response(200, {}, body, sent)[2]

        return dict(zip(ANSWER_CANDIDATES, (floor, decode, read, transcode, with_json), strict=True))

    def check(self) -> None:
        """Refuse to measure what does not do the work: every candidate's answer is looked at once."""
        candidates, documents = self.candidates(), texts(self.rows)
        order = [at for at, _ in scored(self.rows)]
        wanted = [None if self.documents == NONE else {"text": documents[at]} for at in order]
        for name in ("decode", "read", "back"):
            results = from_json(candidates[name]())["results"]  # type: ignore[arg-type]  # these give bytes
            assert [row["index"] for row in results] == order, f"{self}: {name}"
            assert [row.get("document") for row in results] == wanted, f"{self}: {name}"


def answers() -> list[Answer]:
    """The answers that have bars."""
    kinds = ((provider, kind) for provider in PROVIDERS for kind in (NONE, ECHOED))
    return [Answer(v, rows, kind) for v, kind in kinds for rows in SIZES if (v, kind) != ("cohere", ECHOED)]


def filled_answers() -> list[Answer]:
    """Answers without the documents that the request asks for: Cohere's, and every one that a transcoder asks for."""
    return [Answer(provider, rows, FILLED) for provider in ("voyage", "cohere") for rows in SIZES]


# --- requests --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """A client's request in Jina's dialect, on its way to a provider."""

    provider_name: str
    documents: int

    def __str__(self) -> str:
        return f"to {self.provider_name}, {self.documents:,} documents of 1 KB"

    @cached_property
    def body(self) -> bytes:
        """What the client sends."""
        return to_json({"query": QUERY, "documents": texts(self.documents), "top_n": 10, "return_documents": False})

    def candidates(self) -> Candidates:
        """What is timed on this request."""
        body = self.body
        there = transcoder("jina", self.provider_name)
        provider = provider_by_name(self.provider_name)

        def floor() -> bytes:
            return to_json(from_json(body))

        def with_json() -> str:
            return json.dumps(json.loads(body))

        def transcode() -> bytes:
            return there.request(body).content

        def encode() -> bytes:
            return provider.build_request(RerankRequest.model_validate_json(body), api_key="k").content

        return dict(zip(REQUEST_CANDIDATES, (floor, transcode, encode, with_json), strict=True))

    def check(self) -> None:
        """Refuse to measure what does not do the work: every candidate's request is looked at once."""
        candidates = self.candidates()
        for name in ("there", "encode"):
            sent = from_json(candidates[name]())  # type: ignore[arg-type]  # these give bytes
            assert sent["documents"] == list(texts(self.documents)), f"{self}: {name}"


def requests() -> list[Request]:
    """The requests that are measured."""
    return [Request(provider, documents) for provider in PROVIDERS for documents in SIZES]
