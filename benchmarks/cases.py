"""The cases of `ratios`: requests and responses made from one seed, and the candidates that work on them.

The floor of every ratio is parsing and writing the same bytes with pydantic's own JSON code: no library that reads a
response and writes it again can be faster with the same parser.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, Final, TypeAlias

from pydantic_core import from_json, to_json

from rerank_unify import RerankRequest, RerankResponse, Result, Usage, provider, transcoder

Candidates: TypeAlias = dict[str, Callable[[], object]]
"""What is measured, by name; each call does the whole work once."""

PROVIDERS: Final = ("voyage", "cohere", "jina", "xinference")
DOCUMENT_BYTES: Final = 1024
SIZES: Final = (10, 100, 1_000)
QUERY: Final = "Welche Hautpflege hilft empfindlicher Haut? 敏感肌肤用什么护肤品?"
_WORDS: Final = (
    *("organic", "skincare", "with", "aloe", "vera", "for", "sensitive", "skin", "and", "a", "bold", "new", "trend"),
    *("Bio-Hautpflege", "für", "empfindliche", "Haut", "größer", "crème", "apaisante", "peau", "señal", "żel"),
    *("天然", "有机护肤产品", "敏感肌", "の保湿", "クリーム", "увлажняющий", "крем", "🌿", 'the "best"', "line\nbreak"),
)

NONE: Final = "no documents"
ECHOED: Final = "1 KB documents"  # requested, and in the response
FILLED: Final = "1 KB filled in"  # requested, and not in the response: the library fills them in from the request
WHOLE: Final = "whole numbers"  # no documents, and every score is an integer

RESPONSES: Final = [
    *((name, rows, kind) for name in PROVIDERS for kind in (NONE, ECHOED) for rows in SIZES if name != "cohere"),
    *(("cohere", rows, NONE) for rows in SIZES),  # its responses never have documents
    *((name, rows, FILLED) for name in ("voyage", "cohere") for rows in SIZES),
]
"""Provider, number of rows, and kind of each response that is measured."""


@cache
def texts(count: int) -> list[str]:
    """Return the documents of every request of that size: a kilobyte each, in several scripts."""
    random = Random(1)  # noqa: S311 - the same data in every run
    return [_cut(" ".join(random.choices(_WORDS, k=DOCUMENT_BYTES))) for _ in range(count)]


def _cut(text: str) -> str:
    cut = text.encode()[:DOCUMENT_BYTES].decode("utf-8", "ignore")
    return cut + "." * (DOCUMENT_BYTES - len(cut.encode()))


def ranking(count: int) -> list[tuple[int, float]]:
    """Return index and score of each document, the best first."""
    random = Random(1)  # noqa: S311 - the same data in every run
    scores = sorted((random.random() for _ in range(count)), reverse=True)
    return list(zip(random.sample(range(count), count), scores, strict=True))


def response(name: str, rows: int, kind: str) -> tuple[RerankRequest, bytes]:
    """Return a request, and a provider's response to it."""
    with_texts = kind in (ECHOED, FILLED)
    request = RerankRequest(query=QUERY, documents=texts(rows), top_n=rows, return_documents=with_texts)
    results = [
        Result(index, rows - at if kind == WHOLE else score, {"text": texts(rows)[index]} if kind == ECHOED else None)
        for at, (index, score) in enumerate(ranking(rows))
    ]
    usage = Usage(total_tokens=26_000, search_units=1)
    sent = RerankResponse(
        results, model=provider(name).default_model, id="07734bd2-2473-4f07-94e1-0d9f0e6843cf", usage=usage
    )
    return request, to_json(provider(name).encode_response(sent, request))


def response_candidates(name: str, rows: int, kind: str) -> Candidates:
    """Return what is measured on a response, after a check that it does the work."""
    request, body = response(name, rows, kind)
    call, back = provider(name).prepare(request, api_key="k"), transcoder("jina", name)
    sent = back.request(request.to_json())
    # The floor writes as many bytes as the library, which differ from the body where documents are filled in.
    written: Any = from_json(call.decode(200, {}, body).to_json()) if kind == FILLED else None

    def floor() -> bytes:
        value = from_json(body)
        return to_json(written or value)

    def with_json() -> str:
        value = json.loads(body)
        return json.dumps(written or value)

    def decode() -> bytes:
        return call.decode(200, {}, body).to_json()

    def read() -> bytes:
        response = call.decode(200, {}, body)
        for at in range(len(response)):
            _ = response.results[at]
        return response.to_json()

    def transcode() -> bytes:
        return back.response(200, {}, body, sent)[2]

    for work in (decode, read, transcode):
        results = from_json(work())["results"]
        assert [row["index"] for row in results] == [index for index, _ in ranking(rows)], (name, work)
        assert all((row.get("document") is not None) == (kind != NONE) for row in results), (name, work)
    return {"floor": floor, "decode": decode, "read": read, "back": transcode, "json": with_json}


def decoding(name: str, rows: int, kind: str) -> Callable[[], object]:
    """Return what is measured on a response of any size: decoding without a call, which has a limit on documents."""
    request, body = response(name, rows, kind)
    return lambda: provider(name).decode(200, {}, body, request).to_json()


def request_candidates(name: str, documents: int) -> Candidates:
    """Return what is measured on a client's request in Jina's dialect, after a check that it does the work."""
    body = to_json({"query": QUERY, "documents": texts(documents), "top_n": 10, "return_documents": False})
    there = transcoder("jina", name)

    def transcode() -> bytes:
        return there.request(body).content

    def encode() -> bytes:
        return provider(name).build_request(RerankRequest.model_validate_json(body), api_key="k").content

    assert all(from_json(work())["documents"] == texts(documents) for work in (transcode, encode)), name
    floor, with_json = lambda: to_json(from_json(body)), lambda: json.dumps(json.loads(body))
    return {"floor": floor, "there": transcode, "encode": encode, "json": with_json}
