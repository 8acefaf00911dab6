"""A provider as a declaration: a server with its own names, a bare list as response, and its own error codes."""

import rerank_unify.declaration as d

provider = d.Provider(
    name="acme",
    dialect=d.Dialect(
        request=d.RequestFormat(documents=d.Documents("passages"), top_n="limit", return_documents=None),
        response=d.ResponseFormat(rows="", score="score", document=""),
        errors=d.ErrorFormat(message="error.message", code="error.code", codes={"busy": d.ProviderOverloadedError}),
    ),
    endpoint=d.Endpoint("https://acme.example/v1/rank"),
    auth=d.bearer("ACME_API_KEY"),
    default_model="acme-rank-1",
    unknown_model=d.Model(score_kind="probability", limits=d.Limits(documents=100)),
)
