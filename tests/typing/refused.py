"""Uses of the public surface that type checkers must refuse: both report an ignore comment that is not needed."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

import rerank_unify as ru


def clients(client: ru.Client, async_client: ru.AsyncClient) -> None:
    ru.Client("jina", timout=3)  # type: ignore[call-arg]
    ru.Client("jina", timeout="3")  # type: ignore[arg-type]
    ru.Client("jina", api_key=3)  # type: ignore[arg-type]
    ru.Client(3)  # type: ignore[arg-type]
    ru.AsyncClient("jina", modell="x")  # type: ignore[call-arg]
    ru.AsyncClient("jina", split="sometimes")  # type: ignore[arg-type]
    ru.Client("jina", cache="memory")  # type: ignore[arg-type]
    client.rerank("q", ["a"], topn=3)  # type: ignore[call-arg]
    client.rerank("q", ["a"], top_n="3")  # type: ignore[arg-type]
    client.rerank_many([], concurency=3)  # type: ignore[call-arg]
    _ = async_client.rerank("q", ["a"], return_document=True)  # type: ignore[call-arg]
    async_client.rerank_many([], ordered=1)  # type: ignore[arg-type]


def values(request: ru.RerankRequest, response: ru.RerankResponse) -> None:
    ru.RerankRequest(query="q", documents=["a"], topn=3)  # type: ignore[call-arg]
    ru.RerankRequest(query="q", documents=["a"], top_n="3")  # type: ignore[arg-type]
    request.replace(modell="x")  # type: ignore[call-arg]
    request.top_n = 3  # type: ignore[misc]
    ru.RerankResponse([], score_kinds="logit")  # type: ignore[call-arg]
    ru.RerankResponse([], score_kind="logits")  # type: ignore[arg-type]
    response.replace(usage=3)  # type: ignore[arg-type]
    response.replace(modell="x")  # type: ignore[call-arg]
    ru.Result("0", 0.5)  # type: ignore[arg-type]
    ru.Usage(total=3)  # type: ignore[call-arg]
    response[0].model  # type: ignore[attr-defined]  # noqa: B018
    response.attempts[0].errors  # type: ignore[attr-defined]  # noqa: B018


def targets(plan: ru.FallbackPlan, step: ru.Attempt, request: ru.RerankRequest) -> None:
    ru.Target("jina", modell="x")  # type: ignore[call-arg]
    ru.Target("jina", api_key=3)  # type: ignore[arg-type]
    ru.Target("jina", limits={"documents": 3})  # type: ignore[arg-type]
    ru.FallbackPolicy(retry=3)  # type: ignore[call-arg]
    ru.FallbackPolicy(incomplete="refuse")  # type: ignore[arg-type]
    ru.FallbackPlan(["jina"], dead_line=3.0)  # type: ignore[call-arg]
    step.prepare({"query": "q"})  # type: ignore[arg-type]
    plan.record(step, "done", 0.0)  # type: ignore[arg-type]
    ru.provider("jina").prepare(request, model=3)  # type: ignore[arg-type]
    ru.transcoder(client="jina", vendor="voyage")  # type: ignore[call-arg]


def errors() -> None:
    ru.RateLimitError("x", retry_afer=3)  # type: ignore[call-arg]
    ru.InvalidRequestError("x", field=3)  # type: ignore[arg-type]
    ru.UnsupportedRequestError("x", statuscode=3)  # type: ignore[call-arg]
    ru.InvalidResponseError("x", path="p", status="500")  # type: ignore[arg-type]
