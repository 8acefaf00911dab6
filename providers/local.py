"""A ranking inside this process, by word overlap (BM25): for trying, for tests, and as a last resort.

It is no neural reranker. It knows nothing of meaning, synonyms or other languages than the query's: a document shares
words with the query, or its score is 0. It is deterministic, takes any number of documents, and needs no key and no
network.

It speaks Jina's dialect to a sender in this process, so that nothing above it needs a special case.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from math import log
from typing import Any, TypeAlias

from pydantic_core import to_json

from rerank_unify.declaration import (
    Auth,
    Endpoint,
    HttpRequest,
    HttpResponse,
    MissingExtraError,
    Model,
    Provider,
    RequestFields,
    RerankError,
    RerankRequest,
    Unsupported,
    as_text,
    select_fields,
)

from .jina import dialect as jina_dialect

dialect = replace(
    jina_dialect,
    request=replace(
        jina_dialect.request, truncation=Unsupported("it cuts nothing, however long", no_op_values=(True, False))
    ),
)

MODEL = "local-bm25"
"""The one model. Whatever name is sent, this one answers, and says so."""

# Scripts that put no spaces between words: Thai, Lao, Myanmar, Khmer, Kana, Bopomofo, Han with its extensions.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORDS = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")

_Ranked: TypeAlias = list[tuple[int, float]]


def tokens(text: str) -> list[str]:
    """Words, case-folded; of a run in a script without spaces every pair of neighbours, or its one character."""
    found: list[str] = []
    for word in _WORDS.findall(unicodedata.normalize("NFKC", text).casefold()):
        if _is_unspaced(word[0]) and len(word) > 1:
            found.extend(word[at : at + 2] for at in range(len(word) - 1))
        else:
            found.append(word)
    return found


def _is_unspaced(char: str) -> bool:
    return re.match(f"[{_UNSPACED}]", char) is not None


def scores(query: str, texts: Sequence[str]) -> list[float]:
    """For each text the share, 0 up to below 1, of the highest BM25 score that the query could get in this list."""
    query_tokens = list(dict.fromkeys(tokens(query)))
    corpus = [tokens(text) for text in texts]
    if not query_tokens or not any(corpus):
        return [0.0] * len(texts)
    found = _bm25s().BM25(method="lucene")
    found.index(corpus, show_progress=False)
    known = [token for token in query_tokens if token in found.vocab_dict]
    if not known:
        return [0.0] * len(texts)
    best = sum(_idf(token, corpus) for token in query_tokens)
    return [min(float(score) / best, 1.0) for score in found.get_scores(known)]


def _idf(token: str, corpus: Sequence[Sequence[str]]) -> float:
    """Lucene's inverse document frequency, as bm25s's method of that name has it."""
    having = sum(token in words for words in corpus)
    return log(1 + (len(corpus) - having + 0.5) / (having + 0.5))


@cache
def _bm25s() -> Any:
    try:
        import bm25s  # pyright: ignore[reportMissingTypeStubs] - it ships none
    except ImportError:
        raise MissingExtraError(
            "the provider local needs bm25s: pip install 'rerank-unify[local]'", provider="local"
        ) from None
    return bm25s


def rank(fields: RequestFields) -> _Ranked:
    """Indices and scores of the best ``top_n`` documents, best first, ties in the caller's order."""
    query = fields["query"]
    texts = [_text(document, fields["rank_fields"], index) for index, document in enumerate(fields["documents"])]
    scored = list(enumerate(scores(query if isinstance(query, str) else query["text"], texts)))
    scored.sort(key=lambda pair: pair[1], reverse=True)
    return scored[: fields["top_n"]]


def _text(document: Any, rank_fields: Sequence[str] | None, index: int) -> str:
    return document if isinstance(document, str) else as_text(select_fields(document, rank_fields, index), index)


def send(http: HttpRequest) -> HttpResponse:
    """Answer one request in Jina's dialect, as a server would: mistakes come back as error answers."""
    headers = {"content-type": "application/json"}
    try:
        fields = provider.decode_fields(http.content)
        refused = provider.check(RerankRequest.model_construct(**fields))
        if refused is not None:
            raise refused
    except RerankError as error:
        status, headers, body = provider.encode_error(error)
        return HttpResponse(status, headers, to_json(body))
    rows = [{"index": index, "relevance_score": score} for index, score in rank(fields)]
    return HttpResponse(200, headers, to_json({"model": MODEL, "object": "list", "results": rows}))


provider = Provider(
    name="local",
    dialect=dialect,
    endpoint=Endpoint("inproc://local/v1/rerank"),
    auth=Auth(required=False),
    default_model=MODEL,
    # Inverse document frequencies come from the list itself, so that a part of the list is scored differently.
    unknown_model=Model(score_kind="unit", listwise=True),
    docs="https://github.com/xhluca/bm25s",
    sender=send,
)
