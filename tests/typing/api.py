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
    answer: tuple[int, dict[str, str], bytes] = through.response(status, headers, b"", sent)
    del wire, body
    return answer[0], answer[2]
