"""Valid uses of the public surface, for mypy and pyright alone: nothing here is run."""

from collections.abc import Mapping, Sequence
from typing import Any

import rerank_unify as ru


def request_side(documents: Sequence[str], objects: Sequence[Mapping[str, Any]]) -> None:
    request = ru.RerankRequest(query="q", documents=documents, top_n=3, model="m", return_documents=False)
    ru.RerankRequest(query={"text": "q"}, documents=objects)
    ru.RerankRequest(query={"image": "u"}, documents=["a", {"text": "b"}], rank_fields=["title"])
    ru.RerankRequest(query="q", documents=("a",), provider_options={"cohere": {"priority": 3}})
    changed: ru.RerankRequest = request.replace(top_n=2, model=None)
    call = ru.provider("voyage").prepare(
        changed, api_key="k", headers=[("x", "y")], echo_documents=False, base_model=None
    )
    call = ru.provider("voyage").prepare(changed, headers={"x": "y"}, base_url="http://h")
    url: str = call.http.url
    sent: bytes = call.http.content
    losses: tuple[ru.Loss, ...] = call.losses
    refused: ru.UnsupportedRequestError | None = ru.provider("voyage").check(request)
    names: list[str] = ru.provider_names()
    del url, sent, losses, refused, names


def response_side(call: ru.Call, body: bytes) -> list[str]:
    try:
        response: ru.RerankResponse = call.decode(200, {"date": "x"}, body, now=0.0)
    except ru.RateLimitError as error:
        wait: float | None = error.retry_after
        return [str(wait)]
    first: ru.Result = response.results[0]
    score: float = first.relevance_score
    text: str | None = first.text
    tokens: int | None = response.usage.total_tokens
    unit: ru.RerankResponse = response.unit_scores(kind="logit")
    raw: bytes = ru.provider("cohere").dump_response(unit)
    del score, text, tokens, raw
    return response.pick(["a", "b"])


def client_side(body: Mapping[str, Any], error: ru.RerankError) -> tuple[int, bytes]:
    jina = ru.provider("jina")
    request: ru.RerankRequest = jina.decode_request(body)
    wire: dict[str, Any] = jina.encode_response(ru.RerankResponse(results=[ru.Result(0, 0.5)]), request)
    status, headers, body = jina.encode_error(error, relay=True)
    through: ru.Transcoder = ru.transcoder(client="jina", provider="voyage", model=None)
    sent: ru.TranscodedRequest = through.request(b"{}")
    client_response: tuple[int, dict[str, str], bytes] = through.response(status, headers, b"", sent)
    del wire, body
    return client_response[0], client_response[2]


def clients(http: ru.HttpRequest) -> list[tuple[ru.AttemptRecord, ...]]:
    def send(request: ru.HttpRequest, timeout: float, /) -> ru.HttpResponse:
        return ru.HttpResponse(200, {"x": request.url}, str(timeout).encode())

    def started(event: ru.AttemptStarted) -> None:
        print(event.provider, event.number)

    def ended(event: ru.AttemptEnded) -> None:
        print(event.started.host, event.seconds, event.usage)

    def progressed(progress: ru.Progress) -> None:
        print(progress.done, progress.total)

    targets: list[str | ru.Provider | ru.Target] = [
        ru.Target("jina", model="m", api_key="k", headers={"x": "y"}),
        ru.Target("tei", limits=ru.Limits(documents=64, document_tokens=512), requests_per_minute=60),
        ru.provider("cohere"),
        "local",
    ]
    found: list[tuple[ru.AttemptRecord, ...]] = []
    with ru.Client(targets, sender=send, timeout=3, deadline=9.0, on_attempt_start=started) as client:
        response: ru.RerankResponse = client.rerank("q", ["a"], top_n=3, must_keep={"instruction"}, min_score=0.5)
        for done in client.rerank_many([ru.RerankRequest(query="q", documents=["a"])], progress=progressed):
            completed: ru.Completed = done
            found += [completed.unwrap().attempts, response.attempts]
    ru.Client(
        "voyage",
        url="http://h/rerank",
        api_key=None,
        min_score=0.5,
        health=ru.Health(),
        policy=ru.FallbackPolicy(retries=1),
    )
    ru.Client(ru.provider("jina"), base_url="http://h", on_attempt_end=ended, headers={"x": "y"}, split="always")
    caches: list[ru.ScoreCache] = [ru.MemoryScoreCache(max_entries=9), ru.RedisScoreCache("redis://h", ttl=3.0)]
    ru.Client("jina", cache=caches[0])
    return found


async def async_clients(client: ru.AsyncClient, request: ru.RerankRequest) -> ru.Result:
    async for done in client.rerank_many([request], concurrency=3, ordered=True):
        error: ru.RerankError | None = done.error
        print(error)
    response = await client.rerank(request, model="m", must_keep="all", min_unit_score=0.5)
    best, others = response[0], response[1:]
    changed = response.replace(model="m", results=list(others), score_kind="logit", usage=ru.Usage(search_units=1))
    print(changed.to_dict(), changed.to_json())
    return best


def plans(request: ru.RerankRequest, now: float, kind: ru.ScoreKind) -> ru.RerankResponse:
    policy = ru.FallbackPolicy(rules={ru.RateLimitError: ru.Rule("next", retries=0, waits=False)})
    plan = ru.FallbackPlan(["jina", ru.Target("cohere")], policy=policy, health=ru.Health(), request=request)
    while not isinstance(step := plan.next(now), ru.Finished):
        if isinstance(step, ru.Wait):
            print(step.seconds)
            continue
        attempt: ru.Attempt = step
        call = attempt.prepare(request, api_key="k", headers={"x": "y"})
        plan.record(attempt, call.decode(200, {}, b""), now)
    batch: ru.Batch = ru.split_request(request, "jina", split="always")
    provider: ru.Provider = ru.provider("jina")
    ru.register(provider)
    return batch.merge([plan.result()]).unit_scores(kind)


def every_error(request: ru.RerankRequest) -> tuple[ru.AttemptRecord, ...]:
    failures: list[ru.RerankError] = [
        ru.InvalidRequestError("m", field="documents[3]"),
        ru.UnsupportedRequestError("m", field="query", index=3, provider="jina"),
        ru.UnknownProviderError("m", name="x"),
        ru.InvalidResponseError("m", path="data", status=200, body=b""),
    ]
    kinds: list[type[ru.RequestError | ru.StatusError | ru.TransportError]] = [
        ru.MissingApiKeyError, ru.MissingExtraError, ru.ScoreKindError, ru.AuthenticationError, ru.BadRequestError,
        ru.PermissionDeniedError, ru.QuotaExceededError, ru.NotFoundError, ru.ModelNotFoundError, ru.WrongEndpointError,
        ru.RequestTooLargeError, ru.RateLimitError, ru.ProviderServerError, ru.ProviderOverloadedError, ru.ConnectError,
        ru.TimeoutError, ru.CallLimitError,
    ]  # fmt: skip
    failures += [kind("m", status=500, code="c", request_id="i", retryable=True, retry_after=3.0) for kind in kinds]
    group = ru.AllProvidersFailedError("m", failures)
    print(group.causes, group.leading, request)
    return group.attempts
