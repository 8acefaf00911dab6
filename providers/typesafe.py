"""TypeSafe System One: one question for each document, over one state that all share.

pydecide 0.2.19 `backends/typesafe.py`, jev-reranker 0.1.2, hev-rerank 0.1.0, read 2026-11-25. There is no rerank route:
the probability of "yes" is the relevance, and the wording of the question is this library's. A request's
``instruction`` replaces it for every document; `asking` makes a format with another default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rerank_unify.declaration import (
    Dialect,
    Documents,
    EncodeContext,
    Endpoint,
    ErrorFormat,
    Field,
    Limits,
    Model,
    Provider,
    RequestFormat,
    RequestTooLargeError,
    ResponseFormat,
    answers_by_name,
    bearer,
    dig,
    is_object,
)

QUESTION = "Is this document relevant to the query?"


def asking(question: str) -> RequestFormat:
    """The request format with another question as the default."""

    def ask(context: EncodeContext) -> None:
        """Give each document a name, and ask about it by that name."""
        wording = context.body.pop("instruction", question)
        documents = {f"D{at}": text for at, text in enumerate(context.body["state"]["documents"])}
        context.body["state"]["documents"] = documents
        context.body["questions"] = {
            name: {"type": "noul", "instructions": f"Document {name}: {wording}"} for name in documents
        }

    def unask(wire: Mapping[str, Any]) -> Mapping[str, Any]:
        """The documents as a list, and the question where it is not the default one."""
        documents, first = dig(wire, ("state", "documents")), dig(wire, ("questions", "D0", "instructions"))
        if not is_object(documents):
            return wire
        wording = first.removeprefix("Document D0: ") if isinstance(first, str) else question
        state = {**wire["state"], "documents": list(documents.values())}
        return {**wire, "state": state, **({} if wording == question else {"instruction": wording})}

    return RequestFormat(
        query="state.query",
        documents=Documents("state.documents"),
        top_n=None,
        return_documents=None,
        instruction=Field("instruction"),
        preprocess=unask,
        postprocess=ask,
    )


dialect = Dialect(
    request=asking(QUESTION),
    response=ResponseFormat(
        rows="answers",
        score="noul",
        document="",
        shape=answers_by_name("index", "noul", "D", {"type": "noul"}),
        model="model",
        usage={"prompt_tokens": "usage.input_tokens", "completion_tokens": "usage.output_tokens"},
    ),
    errors=ErrorFormat(
        message="detail.message", code="detail.error_type", codes={"max_tokens_exceeded": RequestTooLargeError}
    ),
)

provider = Provider(
    name="typesafe",
    dialect=dialect,
    endpoint=Endpoint("https://api.typesafe.ai/v1/systemone"),
    auth=bearer("TYPESAFE_API_KEY"),
    default_model="jev-latest",
    # Documents share one state, so that each score depends on the list. About 32k tokens for one request.
    unknown_model=Model(score_kind="probability", listwise=True, limits=Limits(total_tokens=32_000)),
    docs="https://datawhalechina.github.io/jev-cookbook/api",
)
