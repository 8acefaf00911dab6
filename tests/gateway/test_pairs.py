"""Every dialect to every provider and back: the responses that clients get, and the requests that providers get."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rerank_unify as ru
from rerank_unify.errors import RequestError
from rerank_unify.testing.fixtures import Case, load_cases
from rerank_unify.testing.strategies import requests, responses

from .pairs import (
    CLIENT_KEY,
    DIALECTS,
    ONCE,
    PATHS,
    PUBLISHED,
    Served,
    assert_published,
    config_for,
    default_model,
    every_client,
    every_upstream,
    model_of,
    own_key,
    post,
    request_body,
    server_for,
    set_keys,
    target,
)

from scripted_server import Play, ScriptedServer, Seen, score, respond_as  # isort: skip  # `pairs` says where it is


@pytest.fixture(scope="module", autouse=True)
def keys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        set_keys(patch)
        yield


@dataclass
class World:
    """A gateway on the loopback, the providers behind it, and a client."""

    url: str
    servers: Mapping[str, ScriptedServer]
    http: httpx.Client

    def post(self, client: str, upstream: str, body: Any) -> tuple[httpx.Response, Seen]:
        """Send a request; return the gateway's response and the request that the provider received."""
        calls = self.servers[upstream].calls
        before = len(calls)
        response = self.http.post(
            self.url + PATHS[client], json=body, headers={"authorization": f"Bearer {CLIENT_KEY}"}
        )
        assert len(calls) == before + 1, response.text
        return response, calls[-1]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(server_for(name)) for name in DIALECTS}
        gateway = stack.enter_context(Served(config_for(servers)))
        http = stack.enter_context(httpx.Client(trust_env=False, timeout=60))
        yield World(gateway.url, servers, http)


# --- there and back --------------------------------------------------------------------------------------------------

SCRIPTS: Final = (
    "aloe vera cream",
    "Müde Haut: Kamille und Öl für 5 €",
    "天然有机护肤产品，针对敏感肌",
    "敏感肌のための化粧品ｶﾅ",
    "العناية بالبشرة الحساسة",
    "טיפוח עור רגיש",
    "त्वचा की देखभाल",
    "ผลิตภัณฑ์ดูแลผิว",
    "소중한 피부를 위한 크림",
    "e\u0301te\u0301 a\u030angstro\u0308m, not the same as été ångström",
    "👩🏽‍🔬 🌿 🇪🇺 👨‍👩‍👧‍👦",
    "𝒜𠮷 beyond the first plane",
    'a "quote", a \\ backslash, a\ttab, a\nline',
    "\u0000\u0001 control \u007f \u2028 \ufeff",
)
OBJECTS: Final = (
    {"text": "aloe vera cream", "year": 2026, "tags": ["öl", None, 1.5]},
    "motor oil",
    {"text": "天然 🌿"},
    {"text": "cream", "title": "A title"},
)


@dataclass(frozen=True)
class SampleRequest:
    """A request in no dialect."""

    documents: Sequence[Any]
    top_n: int | None = None
    query: str = "sanfte Pflege 护肤 🌿"

    def texts(self) -> list[str]:
        """The text of each document that is ranked."""
        return [item if isinstance(item, str) else item["text"] for item in self.documents]

    def ranking(self, upstream: str) -> list[tuple[int, float]]:
        """Return indices and scores, highest score first, equal scores by index, without withheld documents."""
        texts = self.texts()
        ranked = [at for at, text in enumerate(texts) if text or not PUBLISHED[upstream].withholds]
        ranked.sort(key=lambda at: -score(texts[at]))
        return [(at, score(texts[at])) for at in ranked[: self.top_n]]


SAMPLES: Final[Mapping[str, SampleRequest]] = {
    "one": SampleRequest(["aloe vera cream"]),
    "scripts": SampleRequest(SCRIPTS),
    "top 3 of scripts": SampleRequest(SCRIPTS, top_n=3),
    "more than there are": SampleRequest(SCRIPTS[:3], top_n=50),
    "ties": SampleRequest(["b", "a", "b", "a", "b", "c", "a"]),
    "ties that are cut": SampleRequest(["b", "a", "b", "a", "b", "c", "a"], top_n=4),
    "empty texts": SampleRequest(["", "aloe", "", "motor oil", " "]),
    "empty texts, cut": SampleRequest(["", "aloe", "", "motor oil", " "], top_n=2),
    "objects": SampleRequest(OBJECTS),
    "objects, cut": SampleRequest(OBJECTS, top_n=2),
}


def may_send(client: str, sample: SampleRequest) -> bool:
    return PUBLISHED[client].objects or all(isinstance(item, str) for item in sample.documents)


ROUND_TRIPS = [
    pytest.param(client, sample, id=f"{client}-{name}")
    for client in DIALECTS
    for name, sample in SAMPLES.items()
    if may_send(client, sample)
]


@pytest.mark.parametrize("echo", [True, False], ids=["echoed", "not echoed"])
@every_upstream
@pytest.mark.parametrize(("client", "sample"), ROUND_TRIPS)
def test_there_and_back(world: World, client: str, upstream: str, sample: SampleRequest, echo: bool) -> None:
    body = request_body(client, upstream, sample.query, sample.documents, top_n=sample.top_n, return_documents=echo)
    response, seen = world.post(client, upstream, body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    assert_published(client, response.json())
    assert_response(client, upstream, sample, response, echo=echo)
    assert_request(upstream, sample, seen)


def assert_response(client: str, upstream: str, sample: SampleRequest, response: httpx.Response, *, echo: bool) -> None:
    """Ranking, documents and model, as the client's own reader and as the bare eye have them."""
    expected, wire, api = sample.ranking(upstream), response.json(), PUBLISHED[client]
    rows = wire[api.rows]
    assert [(row["index"], row["relevance_score"]) for row in rows] == expected
    shown = [_echo(client, sample.documents[index]) for index, _ in expected] if echo else [None] * len(expected)
    assert [row.get("document") for row in rows] == shown
    assert wire.get("model", model_of(upstream)) == model_of(upstream)
    if "" in sample.texts() and api.withholds:
        request = None  # the reader would take the response for one about the documents that this provider is sent
    else:
        request = ru.RerankRequest(
            query=sample.query, documents=sample.documents, top_n=sample.top_n, return_documents=echo
        )
    read = ru.provider(client).decode_response(response.content, request)
    assert [(row.index, row.relevance_score) for row in read] == expected
    if echo and request is not None:
        assert read.pick(sample.documents) == [sample.documents[index] for index, _ in expected]
    assert read.usage.total_tokens == sum(map(len, sample.texts()))


def _echo(client: str, document: Any) -> Any:
    """A document as the client's API shows it. In Xinference an object of a text alone is a text."""
    alone = isinstance(document, dict) and document.keys() == {"text"}
    return PUBLISHED[client].echo(document["text"] if alone else document)


def assert_request(upstream: str, sample: SampleRequest, seen: Seen) -> None:
    """The provider got its own words, model and key, and nothing of the client's."""
    api = PUBLISHED[upstream]
    texts = [text for text in sample.texts() if text or not api.withholds]
    assert (seen.method, seen.path) == ("POST", api.path)
    assert seen.json.keys() <= api.supports
    assert (seen.json["model"], seen.json["query"], seen.json["documents"]) == (
        default_model(upstream),
        sample.query,
        texts,
    )
    assert seen.json.get(api.top_n) == (None if sample.top_n is None else min(sample.top_n, len(texts)))
    assert None not in seen.json.values()
    assert seen.credentials == {"authorization": f"Bearer {own_key(upstream)}"}
    assert CLIENT_KEY not in f"{seen.path}{seen.headers}{seen.body!r}"


@every_client
@every_upstream
def test_equal_scores_are_in_the_order_of_their_indices(client: str, upstream: str) -> None:
    """Some servers return equal scores with the highest index first."""
    scored = [ru.Result(index, value) for index, value in ((3, 0.5), (1, 0.5), (0, 0.25), (2, 0.75))]
    body = ru.provider(upstream).encode_response(ru.RerankResponse(scored))
    body[PUBLISHED[upstream].rows][1:3] = reversed(body[PUBLISHED[upstream].rows][1:3])
    (response,) = responded(client, upstream, Play(body=body), documents=["a", "b", "c", "d"])
    assert [row["index"] for row in response.json()[PUBLISHED[client].rows]] == [2, 1, 3, 0]


@every_client
@every_upstream
def test_only_empty_texts(client: str, upstream: str) -> None:
    (response,) = responded(client, upstream, Play(), documents=["", ""])
    if PUBLISHED[upstream].withholds:
        assert response.status_code == 400
        assert "refuses empty texts" in sentence(client, response)
    else:
        assert [row["index"] for row in response.json()[PUBLISHED[client].rows]] == [0, 1]


@every_client
@every_upstream
def test_the_clients_key_goes_through_where_the_route_says_so(client: str, upstream: str) -> None:
    with server_for(upstream) as server:
        relayed = {"targets": [target(upstream, server, relay=True, key_env=None)]}
        body = request_body(client, upstream, "q", ["a", "b"])
        (response,) = post({"models": {model_of(upstream): relayed}}, PATHS[client], json.dumps(body).encode())
        assert response.status_code == 200, response.text
        assert server.calls[0].credentials == {"authorization": f"Bearer {CLIENT_KEY}"}


def responded(client: str, upstream: str, *plays: Play, documents: Sequence[Any] = ("a", "b")) -> list[httpx.Response]:
    """Assert the response to a client for each behaviour of a provider. No failure counts for another route."""
    script = {f"/{at}{PUBLISHED[upstream].path}": [play] for at, play in enumerate(plays)}
    with ScriptedServer(script, respond=respond_as(upstream)) as server:
        routes = {
            str(at): {"targets": [target(upstream, server, base_url=f"{server.url}/{at}")]} for at in range(len(plays))
        }
        body = request_body(client, upstream, "q", documents)
        bodies = [json.dumps({**body, "model": name}).encode() for name in routes]
        return post({"models": routes, "upstream": ONCE}, PATHS[client], *bodies)


def sentence(client: str, response: httpx.Response) -> str:
    """What an error says where a client of that dialect looks."""
    message: str = response.json()["message" if client.startswith("cohere") else "detail"]
    return message


# --- errors ----------------------------------------------------------------------------------------------------------

HIDDEN: Final = "the gateway's credentials were not accepted upstream"
# What each kind of error is to a client, whatever the provider's own status was.
STATUSES: Final[Mapping[str, int]] = {
    "BadRequestError": 400,
    "AuthenticationError": 502,
    "PermissionDeniedError": 502,
    "QuotaExceededError": 502,
    "NotFoundError": 404,
    "ModelNotFoundError": 404,
    "WrongEndpointError": 502,
    "RequestTooLargeError": 413,
    "RateLimitError": 429,
    "ProviderOverloadedError": 503,
    "InvalidResponseError": 502,
}
# Where the client's API has another status.
ITS_OWN: Final[Mapping[tuple[str, str], int]] = {
    ("jina", "ModelNotFoundError"): 400,
    ("voyage", "ModelNotFoundError"): 400,
    ("voyage", "RequestTooLargeError"): 400,
}


def expected_status(client: str, kind: str, status: int) -> int:
    if kind == "ProviderServerError":
        return status if status in (500, 502, 504) else 502
    return ITS_OWN.get((client, kind), STATUSES[kind])


def recorded_errors(upstream: str) -> list[Case]:
    """Every recorded error of the provider, and bodies under 200 that are no response."""
    cases = [case for case in load_cases(upstream) if case.reply is not None and case.error is not None]
    return [case for case in cases if case.reply is not None and (case.reply.status >= 400 or case.request is None)]


@every_client
@every_upstream
def test_every_recorded_error(client: str, upstream: str) -> None:
    cases = recorded_errors(upstream)
    assert len(cases) >= 10
    responses = responded(client, upstream, *map(_as_recorded, cases))
    for case, response in zip(cases, responses, strict=True):
        assert_error(client, case, response)


def _as_recorded(case: Case) -> Play:
    assert case.reply is not None
    headers = {name.lower(): value for name, value in case.reply.headers.items()}
    return Play(status=case.reply.status, headers=headers, body=case.reply.body)


def assert_error(client: str, case: Case, response: httpx.Response) -> None:
    """Status, sentence and Retry-After, in the client's dialect."""
    assert case.reply is not None
    assert case.error is not None
    kind = case.error["class"]
    status = expected_status(client, kind, case.reply.status)
    assert response.status_code == status, f"{case}: {response.text}"
    message = sentence(client, response)
    if kind in ("AuthenticationError", "PermissionDeniedError", "QuotaExceededError"):
        assert (message, response.json()["code"]) == (HIDDEN, "upstream_credentials"), case
    else:
        # No client learns of the processes and the other models behind the gateway.
        message = re.sub(r" \(the path was \S+\)$", "", message)  # of a wrong endpoint
        assert message == re.sub(r"^\[address=.*?\] | Available model.*", "", case.error.get("message", message)), case
    if status not in (429, 503):
        assert "retry-after" not in response.headers, case
    elif "retry_after" in case.error and not _tells_an_instant(case.reply.headers):
        wait = case.error["retry_after"]
        assert response.headers.get("retry-after") == (None if wait is None else str(ceil(wait))), case


def _tells_an_instant(headers: Mapping[str, str]) -> bool:
    """Return whether the wait depends on the time of the response, which is now and not the time of the recording."""
    return any(name.lower() in ("date", "x-ratelimit-reset") for name in headers)


@every_client
def test_a_model_that_is_not_served(client: str) -> None:
    body = request_body(client, "unknown", "q", ["a"])
    (response,) = post({"unknown_model": "reject"}, PATHS[client], json.dumps(body).encode())
    assert response.status_code == expected_status(client, "ModelNotFoundError", 404)
    assert (
        sentence(client, response)
        == "model: no configured provider serves 'public-unknown'; GET /v1/models lists the names"
    )


GARBAGE: Final[Mapping[str, Play]] = {
    "no JSON": Play(body=b"\xff\xfe nonsense"),
    "a web page": Play(how="html"),
    "nothing": Play(body=b""),
    "another object": Play(body={"hello": "world"}),
    "a list": Play(body=[1, 2]),
    "no HTTP": Play(how="garbage"),
    "half an response": Play(body=b'{"results": [{"index": 0,', how="close_mid_body"),
    "reset": Play(how="reset"),
    "a redirect": Play(how="redirect", location="http://127.0.0.1:9/"),
}


@every_client
@every_upstream
def test_nonsense_is_a_bad_gateway(client: str, upstream: str) -> None:
    responses = responded(client, upstream, *GARBAGE.values())
    outcomes = {
        name: (response.status_code, sentence(client, response))
        for name, response in zip(GARBAGE, responses, strict=True)
    }
    assert {name: status for name, (status, _) in outcomes.items()} == dict.fromkeys(GARBAGE, 502), outcomes
    assert all(len(message) > 10 for _, message in outcomes.values()), outcomes


@every_client
@every_upstream
def test_a_response_without_rows_is_none(client: str, upstream: str) -> None:
    """Documents were sent: the default policy calls the next provider, and here there is none."""
    body = ru.provider(upstream).encode_response(ru.RerankResponse([]))
    (response,) = responded(client, upstream, Play(body=body))
    assert (response.status_code, sentence(client, response)) == (502, "the response has no row")


# --- the gateway is the transcoder, and a wire on each side ----------------------------------------------------------

EXAMPLES: Final = max(2, settings().max_examples // 6)  # for each of the pairs
REPLIES: Final = st.sampled_from((200, 201, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 498, 500, 502, 503, 529))
WAITS: Final = st.sampled_from(({}, {"retry-after": "7"}, {"retry-after": "0.2"}, {"x-request-id": "r-1"}))
BODIES: Final = st.binary(max_size=40) | st.sampled_from(
    (b"", b"{}", b"[]", b"null", b'{"detail": "no"}', b'{"message": "no", "id": "e-1"}', b'{"error": {"code": 1}}')
)


@dataclass
class Puppet:
    """A provider that does what the test sets next."""

    server: ScriptedServer
    play: Play


@pytest.fixture(scope="module")
def puppet() -> Iterator[Puppet]:
    with ScriptedServer(respond=lambda _: made.play) as server:
        made = Puppet(server, Play())
        yield made


@every_client
@every_upstream
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_the_gateway_says_what_the_transcoder_says(
    puppet: Puppet, client: str, upstream: str, data: st.DataObject
) -> None:
    body = data.draw(bodies(client, upstream))
    through = ru.transcoder(client, upstream, default_model(upstream))
    calls = puppet.server.calls
    calls.clear()
    try:
        sent = through.request(body)
    except RequestError as error:
        (response,) = post(config_for({upstream: puppet.server}), PATHS[client], body)
        assert_same(response, through.error(error))
        assert calls == []
        return
    play = puppet.play = data.draw(plays(upstream, json.loads(sent.content)["documents"]))
    (response,) = post(config_for({upstream: puppet.server}), PATHS[client], body)
    assert [seen.body for seen in calls] == [sent.content]
    assert_same(response, through.response(play.status, play.headers, _bytes(play), sent))


def _bytes(play: Play) -> bytes:
    assert isinstance(play.body, bytes)
    return play.body


@st.composite
def bodies(draw: st.DrawFn, client: str, upstream: str) -> bytes:
    """Requests in the client's dialect: well formed, and now and then one with something wrong in it."""
    request = draw(requests(models=st.just(model_of(upstream))).filter(lambda one: _can(client, one)))
    body = ru.provider(client).encode_request(request)
    wrong = draw(st.sampled_from((None, None, None, None, ("documents", list[Any]()), ("query", 5), ("model", 1))))
    if wrong is not None:
        body[wrong[0]] = wrong[1]
    return json.dumps(body, ensure_ascii=draw(st.booleans())).encode()


def _can(client: str, request: ru.RerankRequest) -> bool:
    return ru.provider(client).check(request) is None


@st.composite
def plays(draw: st.DrawFn, upstream: str, documents: list[Any]) -> Play:
    """Generate what the provider does: mostly a good response, in any order."""
    if draw(st.integers(0, 3)) == 0:
        return Play(status=draw(REPLIES), headers=draw(WAITS), body=draw(BODIES))
    sample = ru.RerankRequest(query="q", documents=documents, return_documents=draw(st.booleans()))
    # Without any row the gateway would look for another provider: that is its policy, and no dialect's.
    response = draw(responses(sample, shuffled=True).filter(len))
    return Play(body=json.dumps(ru.provider(upstream).encode_response(response)).encode())


def assert_same(response: httpx.Response, expected: tuple[int, Mapping[str, str], bytes]) -> None:
    status, headers, body = expected
    content = re.sub(rb" \(the path was [^)]*\)", b"", response.content)  # the transcoder calls no path
    assert (response.status_code, content) == (status, body)
    assert response.headers.get("retry-after") == headers.get("retry-after")
