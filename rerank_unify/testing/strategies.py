"""Hypothesis strategies for requests and responses. Their arguments are the limits of a provider.

Strategies are built once and not in each draw: hypothesis validates a new strategy, which takes longer than a draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st

from ..canonical import RerankRequest, RerankResponse, Result, Usage

# No surrogates: the constructor refuses them, and other tests cover that.
_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
_QUERY = _TEXT.filter(lambda text: bool(text.strip()))
_KEY = st.sampled_from(("title", "body", "year", "标题"))
_SCORE = st.floats(-30, 30, allow_nan=False) | st.sampled_from((0.0, 0.5, 1.0, -0.003, 1e-300))
_TOKENS = st.none() | st.integers(0, 10**9)
_SPANS = [{"start": 0, "end": 2, "score": 0.5}]
_EXTRA = st.sampled_from(({}, {}, {"relevant_spans": _SPANS}))
_RESPONSE_MODEL = st.none() | st.sampled_from(("some-model", "模型"))
_RESPONSE_ID = st.none() | st.just("8f2b9f9e")
_WARNINGS = st.sampled_from(((), ("a warning",)))
_HINTS = {
    "instruction": st.none() | _TEXT,
    "max_tokens_per_doc": st.none() | st.integers(1, 8192),
    "truncation": st.none() | st.booleans(),
    "return_embeddings": st.none() | st.booleans(),
}


@cache
def json_values(max_leaves: int = 6) -> st.SearchStrategy[Any]:
    """Generate JSON values, nested a little."""
    leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT
    return st.recursive(leaf, _nested, max_leaves=max_leaves)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3)


def _documents(*, empty: bool, images: bool) -> st.SearchStrategy[Any]:
    text = _TEXT if empty else _TEXT.filter(lambda text: text != "")
    plain: st.SearchStrategy[Any] = text | st.fixed_dictionaries({"text": text})
    with_extra: st.SearchStrategy[Any] = st.fixed_dictionaries({"text": text, "year": json_values()})
    fields: st.SearchStrategy[Any] = st.dictionaries(_KEY, json_values(), max_size=3)
    if not empty:
        fields = fields.filter(lambda document: any(value != "" for value in document.values()))
    shapes = plain | with_extra | fields
    return shapes | st.just({"image": "https://example.com/1.png"}) if images else shapes


def requests(
    *,
    max_documents: int = 6,
    allow_empty_documents: bool = True,
    images: bool = False,
    hints: bool = True,
    models: st.SearchStrategy[str | None] | None = None,
) -> st.SearchStrategy[RerankRequest]:
    """Generate canonical requests.

    Args:
        max_documents: the largest number of documents.
        allow_empty_documents: whether a document's text may be empty.
        images: whether documents may be images.
        hints: whether the hints that only some providers support may be set.
        models: a strategy for model names; None for requests without a model.

    Returns:
        A strategy for `RerankRequest`.
    """
    fields = _fields(max_documents, empty=allow_empty_documents, images=images, hints=hints)
    return st.builds(_request, fields, st.none() if models is None else models)


@cache
def _fields(max_documents: int, *, empty: bool, images: bool, hints: bool) -> st.SearchStrategy[dict[str, Any]]:
    fields: dict[str, st.SearchStrategy[Any]] = {
        "query": _QUERY | st.fixed_dictionaries({"text": _QUERY}),
        "documents": st.lists(_documents(empty=empty, images=images), min_size=1, max_size=max_documents),
        "top_n": st.none() | st.integers(1, max_documents + 2),
        "return_documents": st.booleans(),
    }
    return st.fixed_dictionaries(fields | (_HINTS if hints else {}))


def _request(fields: Mapping[str, Any], model: str | None) -> RerankRequest:
    return RerankRequest(**fields, model=model)


@st.composite
def marked_requests(draw: st.DrawFn, models: st.SearchStrategy[str]) -> RerankRequest:
    """Generate requests in which each text, number and image stands once, so that a body can be searched for it.

    Args:
        draw: passed by hypothesis.
        models: a strategy for model names.
    """
    shapes = draw(st.lists(st.sampled_from(_SHAPES), min_size=1, max_size=5))
    return RerankRequest(
        query=draw(st.sampled_from(_QUERY_SHAPES)),
        documents=[shape(f"mark{at}q", 700_000 + at) for at, shape in enumerate(shapes)],
        model=draw(models),
        instruction=draw(st.none() | st.just("markiq")),
    )


_SHAPES: tuple[Callable[[str, int], Any], ...] = (
    lambda mark, _: mark,
    lambda _, __: "",
    lambda mark, _: {"text": mark},
    lambda _, __: {"text": ""},
    lambda mark, number: {"title": mark, "year": number, "flag": True, "none": None},
    lambda mark, number: {"text": f"{mark}a", "tags": [f"{mark}b", {"deep": f"{mark}c"}], "year": number},
    lambda mark, _: {"image": f"https://example.com/{mark}.png"},
    lambda mark, _: {"text": mark, "image": f"https://example.com/{mark}.png"},
)
_QUERY_SHAPES: tuple[Any, ...] = ("markqq", {"text": "markqq"}, {"image": "https://example.com/markqq.png"})


@st.composite
def responses(
    draw: st.DrawFn, request: RerankRequest, *, count: int | None = None, shuffled: bool = False
) -> RerankResponse:
    """Generate canonical responses to a request.

    Args:
        draw: passed by hypothesis.
        request: the request.
        count: the number of documents that may be in the results; None for all of the request.
        shuffled: whether rows come in any order, perhaps more than ``top_n``, as providers may send them.

    Returns:
        A strategy for `RerankResponse`, whose results are sorted unless ``shuffled``.
    """
    count = len(request.documents) if count is None else count
    indices = draw(st.permutations(range(count)))
    limit = count if shuffled else min(request.top_n or count, count)
    indices = indices[: draw(st.integers(0, limit))]
    results = [_result(draw, request, index) for index in indices]
    if not shuffled:
        results.sort(key=lambda result: result.relevance_score, reverse=True)
    return RerankResponse(
        results,
        model=draw(_RESPONSE_MODEL),
        usage=draw(usages()),
        id=draw(_RESPONSE_ID),
        warnings=draw(_WARNINGS),
    )


@cache
def usages() -> st.SearchStrategy[Usage]:
    """Generate usage as providers report it: nothing, one figure of tokens, or Cohere's units."""
    units = st.none() | st.sampled_from((1.0, 2.0, 0.5))
    return st.builds(Usage, total_tokens=_TOKENS, search_units=units)


def _result(draw: st.DrawFn, request: RerankRequest, index: int) -> Result:
    document: Any = request.documents[index] if request.return_documents else None
    return Result(index, draw(_SCORE), {"text": document} if isinstance(document, str) else document, draw(_EXTRA))
