"""Measure the two models of `local`: which documents come first, and how long it takes.

``python benchmarks/quality.py``; exit code 1 where a bar is missed. The queries and documents are made up for this
benchmark (``fixtures/_quality/multilingual.json``): six languages, and for each query the only right document. Groups:

- same: query and document share the language, and few words.
- other: the document is in another language.
- exact: a code, a number or a name decides.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from statistics import fmean
from time import perf_counter
from typing import Any, Final

from harness import Bar, judge, machine, print_table

import rerank_unify as ru

MODELS: Final = ("local-use-multilingual", "local-bm25")
GROUPS: Final = ("same", "other", "exact")
SIZES: Final = (10, 100, 1_000)
BY_MEANING: Final = "by meaning, in the same and another language: at least 18 of 24 first"
BY_WORDS: Final = "by words, with a code, number or name: 8 of 8 first"
SENTENCE: Final = "Document {} is about the care of bees in winter and about a sale of shoes."


@dataclass(frozen=True)
class Placed:
    """The ranks, 1 for the first, of the right documents of several queries."""

    ranks: Sequence[int]

    @property
    def first(self) -> int:
        """How many queries have their document first."""
        return self.ranks.count(1)

    @property
    def reciprocal(self) -> float:
        """The mean reciprocal rank, 0 to 1."""
        return fmean(1 / rank for rank in self.ranks)


def rerank(model: str, query: str, documents: Sequence[str]) -> ru.RerankResponse:
    """Rank documents with a model of `local`."""
    local = ru.provider("local")
    call = local.prepare(ru.RerankRequest(query=query, documents=documents, model=model, return_documents=False))
    assert local.sender is not None
    return call.decode(*local.sender(call.http))


def place(model: str, data: Mapping[str, Any], group: str) -> Placed:
    """Rank all documents for each query of a group."""
    texts = [document["text"] for document in data["documents"]]
    names = [document["id"] for document in data["documents"]]
    return Placed(
        [
            [names[result.index] for result in rerank(model, query["text"], texts)].index(query["relevant"]) + 1
            for query in data["queries"]
            if query["group"] == group
        ]
    )


def documents_per_second(model: str, count: int) -> float:
    """Measure the speed of one call, the best of three."""
    texts = [SENTENCE.format(number) for number in range(count)]
    seconds: list[float] = []
    for _ in range(3):
        start = perf_counter()
        rerank(model, "When do bees sleep?", texts)
        seconds.append(perf_counter() - start)
    return count / min(seconds)


def main() -> int:
    """Print both tables and the bars."""
    data = json.loads((files("rerank_unify.fixtures") / "_quality" / "multilingual.json").read_bytes())
    print(machine())
    start = perf_counter()
    rerank(MODELS[0], "warm", ["up"])
    print(f"the first call of {MODELS[0]}, with its weights: {perf_counter() - start:.1f} s\n")
    placed = {model: {group: place(model, data, group) for group in GROUPS} for model in MODELS}
    count = {group: len(placed[MODELS[0]][group].ranks) for group in GROUPS}
    print_table(
        f"Quality: the right document of {len(data['documents'])} comes first (mean reciprocal rank)",
        ["model", *(f"{group}, {count[group]} queries" for group in GROUPS)],
        [
            [model, *(f"{one.first} ({one.reciprocal:.2f})" for one in groups.values())]
            for model, groups in placed.items()
        ],
    )
    print_table(
        "Speed: documents of one sentence per second",
        ["model", *(f"{size:,} documents" for size in SIZES)],
        [[model, *(f"{documents_per_second(model, size):,.0f}" for size in SIZES)] for model in MODELS],
    )
    by_meaning, by_words = (placed[model] for model in MODELS)
    first = by_meaning["same"].first + by_meaning["other"].first
    exact = by_words["exact"].first
    return judge(
        [
            Bar(BY_MEANING, MODELS[0], 18 / max(first, 1), f"{first} of {count['same'] + count['other']}"),
            Bar(BY_WORDS, MODELS[1], 8 / max(exact, 1), f"{exact} of {count['exact']}"),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
