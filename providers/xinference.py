"""Xinference, self-hosted. Read in xinference 4.1.0 (2026-10-25) and measured on 4.1.0 and 1.7.1, November 2026.

Its model names are UIDs chosen at launch, so the abilities of a model are known only by its built-in name, or by
``base_model=``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from rerank_unify.declaration import (
    BadRequestError,
    Content,
    Dialect,
    Documents,
    EncodeContext,
    Endpoint,
    ErrorFormat,
    Hint,
    InvalidRequestError,
    Model,
    ModelNotFoundError,
    Provider,
    RequestFormat,
    ResponseFormat,
    StatusError,
    Unsupported,
    UnsupportedRequestError,
    as_nested,
    bearer,
    is_list,
    is_object,
)

# --- kwargs: a JSON string inside the body (`api/schemas/requests.py`) -----------------------------------------------


def instruction_into_kwargs(draft: EncodeContext, name: str, value: Any) -> None:
    """Write the instruction into ``kwargs``: the top-level field is ignored, and plain cross-encoders return 500."""
    if name in draft.model_info.supports:
        draft.body.setdefault("kwargs", {})[name] = value
    else:
        draft.add_loss(name, "dropped", f"{draft.model} is not known to follow instructions")


def kwargs_as_string(draft: EncodeContext) -> None:
    """Write ``kwargs`` as a JSON string: the server returns 500 for an object."""
    if "kwargs" in draft.body:
        draft.body["kwargs"] = json.dumps(draft.body["kwargs"], ensure_ascii=False)


def unpack_kwargs(wire: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parse ``kwargs`` of a client's body, and move instruction and images to their canonical fields.

    The official client sends ``"{}"`` always, and every further argument twice: at the top, where the server ignores
    it, and in ``kwargs``.
    """
    text = wire.get("kwargs")
    if text is None:
        return {key: value for key, value in wire.items() if key != "instruction"}
    try:
        kwargs: Any = from_json(text, allow_inf_nan=False) if isinstance(text, str) else None
    except ValueError:
        kwargs = None
    if not is_object(kwargs):
        raise InvalidRequestError("kwargs: expected a string that holds a JSON object", field="kwargs")
    rest = {key: value for key, value in kwargs.items() if value is not None}
    read = dict(wire)
    read["instruction"] = rest.pop("instruction", None)
    if rest.get("query_type") == "image" and isinstance(wire.get("query"), str):
        read["query"] = {"image": wire["query"]}
        del rest["query_type"]
    if rest.get("doc_type") == "image" and is_list(wire.get("documents")):
        read["documents"] = [{"image": item} if isinstance(item, str) else item for item in wire["documents"]]
        del rest["doc_type"]
    read["kwargs"] = rest or None
    return read


def read_instruction(wire: Mapping[str, Any]) -> Any:
    """Read the instruction that `unpack_kwargs` found."""
    return wire.get("instruction")


# --- images ----------------------------------------------------------------------------------------------------------


def images(draft: EncodeContext, query: Content, documents: list[Content]) -> tuple[Any, list[Any]]:
    """Write objects for Qwen3-VL; for jina-reranker-m0 strings, with ``kwargs`` that declare them as images.

    Sources: `model/rerank/sentence_transformers/core.py` and `doc/source/models/model_abilities/rerank.rst`.
    """
    if "doc_type" not in draft.model_info.supports:
        return query, documents
    kwargs = draft.body.setdefault("kwargs", {})
    if not isinstance(query, str):
        query = query["image"]
        kwargs["query_type"] = "image"
    if all(isinstance(document, str) for document in documents):
        return query, documents
    kwargs["doc_type"] = "image"
    return query, [_only_image(draft, index, document) for index, document in enumerate(documents)]


def _only_image(draft: EncodeContext, index: int, document: Content) -> str:
    if isinstance(document, str) or "text" in document:
        raise UnsupportedRequestError(
            f"documents[{index}]: on {draft.provider}, {draft.model} ranks images or texts, not both in one call",
            field=f"documents[{index}]",
            index=index,
            provider=draft.provider,
        )
    return str(document["image"])


# --- errors ----------------------------------------------------------------------------------------------------------


# Errors of pydantic, the JSON parser and the UTF-8 decoder; other errors of the handler of 500 are the engine's.
_BAD_INPUT = re.compile(
    r"Internal Server Error: (\d+ validation errors? for |.*line \d+ column \d+ \(char|'utf-8' codec can't decode)"
)


def classify_message(status: int, body: str, message: str | None) -> type[StatusError] | None:
    """Xinference has no codes, and its statuses are off; measured on 4.1.0 and 1.7.1, November 2026."""
    sentence = message or ""
    # A request that does not validate, or is no JSON, is 500 text/plain, never 422.
    if status == 500 and _BAD_INPUT.match(body):
        return BadRequestError
    if status == 500 and "hasn't support `max_chunks_per_doc`" in sentence:
        return BadRequestError
    # 404 since 2.7.0 (April 2026), 400 before; a model of another kind is 500.
    if (status in (400, 404) and "Model not found" in sentence) or "is not for reranking" in sentence:
        return ModelNotFoundError
    return None


dialect = Dialect(
    request=RequestFormat(
        documents=Documents("documents", media=images),
        instruction=Hint(instruction_into_kwargs, read_instruction, path="kwargs.instruction"),
        truncation=Unsupported("Xinference always cuts long documents", no_op_values=(True,)),
        # The default engine returns 500 for `max_chunks_per_doc`; it is sent where a request sets it.
        extra_fields=("max_chunks_per_doc", "kwargs"),
        # Without it `meta.tokens` is null.
        fixed={"return_len": True},
        preprocess=unpack_kwargs,
        postprocess=kwargs_as_string,
    ),
    response=ResponseFormat(
        id="id",
        warnings="meta.warnings",
        # An object is nested under `text`; without documents the key is there and null (measured on 4.1.0).
        form=as_nested,
        null_document=True,
        # The output tokens are a copy of the input tokens; a hint, not a bill.
        usage={"total_tokens": "meta.tokens.input_tokens"},
        usage_copies={"meta.tokens.output_tokens": "total_tokens"},
        fixed={f"meta.{key}": None for key in ("api_version", "billed_units", "tokens", "warnings")},
    ),
    # 500 is the engine's or the validation's, and the same request fails again; 503 is a model that is loading.
    errors=ErrorFormat(
        message="detail",
        classify_message=classify_message,
        non_retryable_statuses=frozenset((500,)),
        bad_request=400,
        model_not_found=404,
    ),
)

# --- the first requests of the official client (`client/restful/restful_client.py`) -----------------------------------


def cluster_auth(_model: str | None, locked: bool) -> Any:
    """Return whether the client has to send a key with its next requests."""
    return {"auth": locked}


def model_description(model: str | None, _locked: bool) -> Any:
    """Return the model's type, by which `get_model` of the client chooses a class."""
    return {"id": model, "object": "model", "model_name": model, "model_type": "rerank"}


_INSTRUCTION = frozenset(("instruction",))
# Pointwise: 4.1.0 gives pairs to `CrossEncoder.predict`, and Qwen3 one prompt for each document.
_TEXT = Model(score_kind="probability", pointwise=True)
_QWEN = Model(score_kind="probability", pointwise=True, supports=_INSTRUCTION)
_LOGIT = Model(score_kind="logit")

provider = Provider(
    name="xinference",
    dialect=dialect,
    endpoint=Endpoint("http://localhost:9997/v1/rerank"),
    # No environment variable is documented; authentication is on by default since 4.0 and can be off.
    auth=bearer(required=False),
    # Self-hosted: there is no model that every server has. This is the one of its documentation.
    default_model="bge-reranker-base",
    # Built-in names, `model/rerank/models/*.json` of 4.1.0. Scores as the default engine gives them: llama.cpp, which
    # serves the GGUF forms, gives logits for some, so name the model behind with base_model= only where that holds.
    models={
        "Qwen3-Reranker-0.6B": _QWEN,
        "Qwen3-Reranker-4B": _QWEN,
        "Qwen3-Reranker-8B": _QWEN,
        "R3-rerank-0.6b": Model(supports=_INSTRUCTION),
        "Qwen3-VL-Reranker-2B": Model(score_kind="probability", images=True, supports=_INSTRUCTION),
        "Qwen3-VL-Reranker-8B": Model(score_kind="probability", images=True, supports=_INSTRUCTION),
        "bge-reranker-base": _TEXT,
        "bge-reranker-large": _TEXT,
        # Served by llama.cpp as well, which gives logits (measured 2026-10): not known from the name.
        "bge-reranker-v2-m3": Model(),
        "bce-reranker-base_v1": _TEXT,
        "bge-reranker-v2-gemma": _LOGIT,
        "bge-reranker-v2-minicpm-layerwise": _LOGIT,
        "jina-reranker-v2": _TEXT,
        # Scored by Qwen3's yes/no here, unlike the hosted one.
        "jina-reranker-v3": Model(score_kind="probability", listwise=True),
        "jina-reranker-v3.5": Model(score_kind="cosine", listwise=True),
        "jina-reranker-m0": Model(images=True, supports=frozenset(("doc_type",))),
        "minicpm-reranker": Model(),
    },
    sdk_routes={"/v1/cluster/auth": cluster_auth, "/v1/models/{model}": model_description},
    docs="https://inference.readthedocs.io/en/latest/models/model_abilities/rerank.html",
)
