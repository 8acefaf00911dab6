"""A router with its own HTTP client: the plan chooses targets and waits, the router sends."""

import time

import httpx

import rerank_unify as ru

HEALTH = ru.Health()  # one for all requests: cool-downs and breakers


def rerank(
    http: httpx.Client, targets: list[ru.Target], request: ru.RerankRequest, seconds: float
) -> ru.RerankResponse:
    """Rerank with the first target that succeeds.

    Raises:
        rerank_unify.RerankError: no target succeeded within the seconds.
    """
    plan = ru.FallbackPlan(targets, health=HEALTH, deadline=time.monotonic() + seconds, request=request)
    while not isinstance(step := plan.next(time.monotonic()), ru.Finished):
        if isinstance(step, ru.Wait):
            time.sleep(step.seconds)
        else:
            plan.record(step, attempt(http, step, request), time.monotonic())
    return plan.result()


def attempt(http: httpx.Client, step: ru.Attempt, request: ru.RerankRequest) -> ru.RerankResponse | ru.RerankError:
    """Send one attempt; return its response or its error."""
    try:
        call = step.prepare(request)
        reply = http.request(
            call.http.method, call.http.url, headers=call.http.headers, content=call.http.content, timeout=step.timeout
        )
        return call.decode(reply.status_code, reply.headers, reply.content)
    except ru.RerankError as error:
        return error
    except httpx.TimeoutException:
        return ru.TimeoutError("no response in time", provider=step.target.name)
    except httpx.HTTPError:
        return ru.ConnectError("no connection", provider=step.target.name)


def test_the_second_target_ranks() -> None:
    """Cohere is overloaded; Jina receives its own model, not Cohere's."""
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        if request.url.host == "api.cohere.com":
            return httpx.Response(503, json={"message": "overloaded"})
        return httpx.Response(200, json={"results": [{"index": 1, "relevance_score": 0.9}]})

    targets = [ru.Target("cohere", api_key="co-0123456789"), ru.Target("jina", api_key="jina_0123456789")]
    request = ru.RerankRequest(query="apple", documents=["a car", "an apple"], model="rerank-v3.5", top_n=1)
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        response = rerank(http, targets, request, seconds=10.0)
    assert [b'"model":"rerank-v3.5"' in bodies[0], b'"model":"jina-reranker' in bodies[1]] == [True, True]
    assert (response.provider, response[0].text) == ("jina", "an apple")
    assert [(record.provider, type(record.error)) for record in response.attempts] == [
        ("cohere", ru.ProviderOverloadedError),
        ("jina", type(None)),
    ]
