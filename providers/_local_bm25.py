"""Ranking by words in common (BM25, by bm25s): deterministic, in any script, without any notion of meaning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from math import log
from typing import Any

from rerank_unify.declaration import MissingExtraError

# Scripts that put no spaces between words: Thai, Lao, Myanmar, Khmer, Kana, Bopomofo, Han with its extensions.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORDS = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")


def tokens(text: str) -> list[str]:
    """Split a text into case-folded words; of a script without spaces, into pairs of neighbouring characters."""
    words: list[str] = []
    for word in _WORDS.findall(unicodedata.normalize("NFKC", text).casefold()):
        if _is_unspaced(word[0]) and len(word) > 1:
            words.extend(word[at : at + 2] for at in range(len(word) - 1))
        else:
            words.append(word)
    return words


def _is_unspaced(char: str) -> bool:
    return re.match(f"[{_UNSPACED}]", char) is not None


def scores(query: str, texts: Sequence[str]) -> list[float]:
    """Score each text: its share, 0 up to below 1, of the highest BM25 score that the query could get in this list.

    Raises:
        MissingExtraError: bm25s is not installed.
    """
    bm25s = _bm25s()
    wanted = list(dict.fromkeys(tokens(query)))
    corpus = [tokens(text) for text in texts]
    if not wanted or not any(corpus):
        return [0.0] * len(texts)
    index = bm25s.BM25(method="lucene")
    index.index(corpus, show_progress=False)
    known = [token for token in wanted if token in index.vocab_dict]
    if not known:
        return [0.0] * len(texts)
    best = sum(_idf(token, corpus) for token in wanted)
    return [min(float(score) / best, 1.0) for score in index.get_scores(known)]


def _idf(token: str, corpus: Sequence[Sequence[str]]) -> float:
    """Lucene's inverse document frequency, as bm25s's method of that name has it."""
    having = sum(token in words for words in corpus)
    return log(1 + (len(corpus) - having + 0.5) / (having + 0.5))


@cache
def _bm25s() -> Any:
    try:
        import bm25s  # pyright: ignore[reportMissingTypeStubs] - it ships none
    except ImportError:
        raise MissingExtraError("local-bm25 needs bm25s: pip install 'rerank-unify[local]'", provider="local") from None
    return bm25s
