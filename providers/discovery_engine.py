"""Google Discovery Engine's ranking (Vertex AI Search). google-cloud-discoveryengine 0.20.5, read 2026-11-22.

Records carry ids of ours, and come back with them. The project: ``GOOGLE_CLOUD_PROJECT``, or a ``base_url`` such as
``https://discoveryengine.googleapis.com/v1/projects/PROJECT``. Scores have two decimals.
"""

from __future__ import annotations

from rerank_unify.declaration import (
    Dialect,
    Documents,
    Endpoint,
    ErrorFormat,
    Flag,
    Google,
    Item,
    Limits,
    Model,
    Provider,
    RequestFormat,
    ResponseFormat,
    Unsupported,
    as_string,
    text_positions,
)

dialect = Dialect(
    request=RequestFormat(
        documents=Documents("records", wrap=Item("content", id="id")),
        top_n="topN",
        return_documents=Flag("ignoreRecordDetailsInResponse", default=True, inverted=True),
        truncation=Unsupported("it always cuts long records", no_op_values=(True,)),
        extra_fields=("userLabels",),
    ),
    response=ResponseFormat(
        rows="records",
        index="id",
        score="score",
        document="content",
        form=as_string,
        shape=text_positions("id"),
    ),
    # google.rpc: {"error": {"code": 400, "message", "status": "INVALID_ARGUMENT"}}
    errors=ErrorFormat(message="error.message", code="error.status"),
)

_HOST = "https://discoveryengine.googleapis.com"


def _model(tokens: int) -> Model:
    return Model(score_kind="probability", limits=Limits(documents=200, pair_tokens=tokens))


provider = Provider(
    name="discovery-engine",
    dialect=dialect,
    endpoint=Endpoint(
        f"{_HOST}/v1/projects/{{project}}/locations/{{location}}/rankingConfigs/default_ranking_config:rank",
        parts={"location": "global"},
        variables={"project": ("GOOGLE_CLOUD_PROJECT",)},
    ),
    auth=Google(),
    default_model="semantic-ranker-default-004",
    models={"semantic-ranker-default-004": _model(1_024)},
    unknown_model=Model(score_kind="probability", limits=Limits(documents=200)),
    docs="https://cloud.google.com/generative-ai-app-builder/docs/ranking",
)
