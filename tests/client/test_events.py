"""What may be watched: the log, hooks and spans; and that none of them shows a query, a document or a key."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from scripted_server import Play, ScriptedServer, respond_as

import rerank_unify as ru

from .helpers import KEY, MANY, NEVER, Rerank, ask, failure, indices, jina, opened, released, run, voyage

QUERY, DOCUMENT, SENTENCE, KEY_2 = "whatquery", "whichdocument", "sosaidthevendor", "pa-0123456789"
PRIVATE: Final = (QUERY, DOCUMENT, SENTENCE, KEY, KEY_2)
SOON: Final[dict[str, Any]] = {"policy": ru.FallbackPolicy(hedge_after=0.02)}


def private() -> ru.RerankRequest:
    return ask(query=QUERY, documents=[DOCUMENT, f"{DOCUMENT} 2"])


def failing_play(status: int) -> Play:
    return Play(
        status=status, body={"detail": f"{SENTENCE} {QUERY} {DOCUMENT} {KEY}", "code": "c-1", "request_id": "r-1"}
    )


class Hooks:
    """The events that the hooks received."""

    def __init__(self) -> None:
        self.started: list[ru.AttemptStarted] = []
        self.ended: list[ru.AttemptEnded] = []

    @property
    def settings(self) -> dict[str, Any]:
        return {"on_attempt_start": self.started.append, "on_attempt_end": self.ended.append}

    @property
    def paired(self) -> bool:
        """Whether each beginning has one end."""
        return sorted(map(id, self.started)) == sorted(id(one.started) for one in self.ended)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def lines(log: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and message of this library's own records."""
    return [(one.levelname, one.getMessage()) for one in log.records if one.name == "rerank_unify"]


# --- the log ---------------------------------------------------------------------------------------------------------


def test_each_attempt_is_logged(rerank: Rerank, log: pytest.LogCaptureFixture) -> None:
    with ScriptedServer([failing_play(503)]) as first, ScriptedServer(respond=respond_as("voyage")) as second:
        rerank([jina(first), voyage(second)], private())
        hosts = [server.url.removeprefix("http://") for server in (first, second)]
    shown = [(level, message.partition(" after ")[0]) for level, message in lines(log)]
    model = "jina-reranker-v2-base-multilingual"
    assert shown == [
        ("DEBUG", f"attempt 0: jina {model} at {hosts[0]}, 2 documents in 1 calls"),
        ("WARNING", f"attempt 0: jina {model} failed"),
        ("DEBUG", f"attempt 1: voyage rerank-2.5 at {hosts[1]}, 2 documents in 1 calls"),
        ("DEBUG", "attempt 1: voyage rerank-2.5 succeeded"),
    ]
    assert lines(log)[1][1].endswith("s: ProviderOverloadedError (HTTP 503, c-1, r-1)")


@pytest.mark.parametrize(
    "play",
    [failing_play(401), failing_play(400), failing_play(500), Play(how="reset"), Play(body=b"[" + SENTENCE.encode())],
)
def test_the_log_keeps_what_is_private(rerank: Rerank, log: pytest.LogCaptureFixture, play: Play) -> None:
    with ScriptedServer([play]) as server:
        failure(rerank, jina(server), private(), settings={"policy": ru.FallbackPolicy(retries=0)})
    text = " ".join(message for _, message in lines(log))
    assert text
    assert not [word for word in PRIVATE if word in text or word in log.text]


def test_without_a_handler_nothing_is_printed() -> None:
    code = (
        "import rerank_unify as ru\n"
        "def send(http, timeout): raise ru.ConnectError('x')\n"
        "client = ru.Client('jina', api_key='jina_1', sender=send, policy=ru.FallbackPolicy(retries=0))\n"
        "try: client.rerank('q', ['d'])\nexcept ru.ConnectError: pass"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (completed.stdout, completed.stderr) == ("", "")


# --- hooks -----------------------------------------------------------------------------------------------------------


def test_hooks_are_called_for_each_attempt(rerank: Rerank) -> None:
    hooks = Hooks()
    with ScriptedServer([failing_play(500)]) as first, ScriptedServer(respond=respond_as("voyage")) as second:
        rerank([jina(first), voyage(second)], ask(instruction="i", top_n=2), settings={**hooks.settings, "timeout": 9})
        hosts = [server.url.removeprefix("http://") for server in (first, second)]
    assert hooks.paired
    begun = [(one.provider, one.host, one.number, one.documents, one.calls, one.timeout) for one in hooks.started]
    assert begun == [("jina", hosts[0], 0, 4, 1, 9), ("voyage", hosts[1], 1, 4, 1, 9)]
    assert [one.losses for one in hooks.started] == [("instruction",)] * 2  # dropped, and folded
    failed, answered = hooks.ended
    assert isinstance(failed.error, ru.ProviderServerError)
    assert (failed.results, failed.usage, failed.cancelled) == (None, None, False)
    assert (answered.error, answered.results, answered.model) == (None, 2, "rerank-2.5")
    assert answered.usage is not None
    assert answered.usage.total_tokens
    assert failed.seconds >= 0


def test_a_response_that_is_not_taken_is_an_error_with_results(rerank: Rerank) -> None:
    hooks = Hooks()
    lacking = Play(body={"results": [{"index": 0, "relevance_score": 0.5}]})
    settings = {**hooks.settings, "policy": ru.FallbackPolicy(incomplete="next", retries=0)}
    with ScriptedServer([lacking]) as server:
        failure(rerank, jina(server), settings=settings)
    (ended,) = hooks.ended
    assert (type(ended.error), ended.results) == (ru.InvalidResponseError, 1)


def test_one_attempt_may_be_several_calls(rerank: Rerank) -> None:
    hooks = Hooks()
    with ScriptedServer(respond=respond_as("voyage")) as server:
        rerank(voyage(server), ask(documents=MANY), settings=hooks.settings)
    (begun,) = hooks.started
    assert (begun.documents, begun.calls, hooks.paired) == (2500, 3, True)


def test_a_target_that_is_passed_over_makes_no_attempt(rerank: Rerank) -> None:
    hooks = Hooks()
    with ScriptedServer(respond=respond_as("voyage")) as server:
        targets = [ru.Target("cohere", api_key="k"), voyage(server)]
        rerank(targets, ask(instruction="i"), settings=hooks.settings, must_keep="all")
    assert [one.provider for one in hooks.started] == ["voyage"]
    assert hooks.paired


def test_the_loser_of_a_hedge_was_cancelled(rerank_async: Rerank) -> None:
    hooks = Hooks()
    with ScriptedServer([NEVER]) as first, ScriptedServer([NEVER], respond=respond_as("voyage")) as second:
        with released(second, after={first: 1}):
            rerank_async([jina(first), voyage(second)], settings={**SOON, **hooks.settings})
        first.wait_left()
    assert hooks.paired
    fates = {one.started.provider: (one.cancelled, one.error) for one in hooks.ended}
    assert fates == {"jina": (True, None), "voyage": (False, None)}


@pytest.mark.parametrize("settings", [{}, SOON], ids=["in turn", "hedged"])
def test_what_the_caller_cancels_was_cancelled(over: str, settings: dict[str, Any]) -> None:
    hooks = Hooks()

    async def main() -> None:
        settled = {**settings, **hooks.settings}
        async with opened(over, jina(server), **settled) as client, anyio.create_task_group() as group:
            group.start_soon(client.rerank, ask())
            await anyio.to_thread.run_sync(server.wait_calls)
            group.cancel_scope.cancel()

    with ScriptedServer([NEVER]) as server:
        run(over, main)
    assert [(one.cancelled, one.error) for one in hooks.ended] == [(True, None)]
    assert hooks.paired


def test_a_hook_that_raises_breaks_no_request(rerank: Rerank, log: pytest.LogCaptureFixture) -> None:
    def raises(_: object) -> None:
        raise LookupError("in a hook")

    with ScriptedServer() as server:
        response = rerank(jina(server), settings={"on_attempt_start": raises, "on_attempt_end": raises})
    assert response.provider == "jina"
    failed = [one for one in log.records if one.levelname == "ERROR"]
    assert [one.getMessage() for one in failed] == ["a hook failed"] * 2
    assert all(one.exc_info and one.exc_info[0] is LookupError for one in failed)


# --- spans -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """The only tracer provider of this process: a second cannot be set."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    exporter.clear()
    yield exporter
    exporter.clear()


def about(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_each_attempt_is_a_span_of_the_callers(rerank: Rerank, spans: InMemorySpanExporter) -> None:
    with ScriptedServer([failing_play(503)]) as first, ScriptedServer(respond=respond_as("voyage")) as second:
        with trace.get_tracer("mine").start_as_current_span("mine") as mine:
            rerank([jina(first), voyage(second)], private())
        ports = [int(server.url.rpartition(":")[2]) for server in (first, second)]
    failed, answered, _ = spans.get_finished_spans()
    assert [span.name for span in (failed, answered)] == [
        "rerank jina-reranker-v2-base-multilingual",
        "rerank rerank-2.5",
    ]
    for span, port in zip((failed, answered), ports, strict=True):
        assert span.parent is not None
        assert span.parent.span_id == mine.get_span_context().span_id
        assert span.kind is SpanKind.CLIENT
        assert (about(span)["server.address"], about(span)["server.port"]) == ("127.0.0.1", port)
        assert about(span)["gen_ai.operation.name"] == "rerank"
        assert about(span)["rerank_unify.documents"] == 2
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == "ProviderOverloadedError"
    assert about(failed)["error.type"] == "ProviderOverloadedError"
    assert about(failed)["http.response.status_code"] == 503
    assert answered.status.status_code is StatusCode.UNSET
    assert (about(answered)["gen_ai.provider.name"], about(answered)["rerank_unify.attempt"]) == ("voyage", 1)
    assert about(answered)["gen_ai.response.model"] == "rerank-2.5"
    assert about(answered)["gen_ai.usage.input_tokens"] > 0


def test_spans_keep_what_is_private(rerank: Rerank, spans: InMemorySpanExporter) -> None:
    with ScriptedServer([failing_play(401)]) as first, ScriptedServer([failing_play(500)]) as second:
        failure(rerank, [jina(first), voyage(second)], private())
    shown = " ".join(span.to_json() for span in spans.get_finished_spans())
    assert len(spans.get_finished_spans()) == 2
    assert not [word for word in PRIVATE if word in shown]


def test_spans_hold_a_providers_words_on_one_line(rerank: Rerank, spans: InMemorySpanExporter) -> None:
    request = ask(query=QUERY, documents=[DOCUMENT, "oil"], model="m\nFORGED \x1b[31m")
    stated = f"{DOCUMENT}\nFORGED {KEY}\x1b[31m" + "x" * 1000
    good = {"results": [{"index": 0, "relevance_score": 0.5}], "model": stated, "id": stated, "warnings": [stated]}
    bad = Play(status=400, headers={"x-request-id": KEY}, body={"detail": stated, "code": stated, "request_id": stated})
    with ScriptedServer([bad, Play(body=good), Play()]) as server:
        failure(rerank, jina(server), request)
        rerank(jina(server), request)
        rerank(jina(server))
    for span in spans.get_finished_spans():
        for value in (span.name, span.status.description, *about(span).values()):
            assert str(value).isprintable()
            assert len(str(value)) <= 220
            assert DOCUMENT not in str(value)
            assert KEY not in str(value)
    assert [about(span).get("gen_ai.response.model", "")[:11] for span in spans.get_finished_spans()][
        1
    ] == "[…] FORGED "


def test_spans_of_losers_end(rerank_async: Rerank, spans: InMemorySpanExporter) -> None:
    with ScriptedServer([NEVER]) as first, ScriptedServer([NEVER], respond=respond_as("voyage")) as second:
        with released(second, after={first: 1}):
            rerank_async([jina(first), voyage(second)], settings=SOON)
        first.wait_left()
    ended = {about(span)["gen_ai.provider.name"]: span for span in spans.get_finished_spans()}
    assert sorted(ended) == ["jina", "voyage"]
    assert all(span.end_time is not None for span in ended.values())
    assert "error.type" not in about(ended["jina"])


def test_a_span_without_a_parent_is_a_root(rerank: Rerank, spans: InMemorySpanExporter) -> None:
    with ScriptedServer() as server:
        rerank(jina(server))
    (span,) = spans.get_finished_spans()
    assert span.parent is None


@pytest.mark.parametrize("absent", [["opentelemetry", "opentelemetry.trace"], ["opentelemetry.trace"], []])
def test_nothing_breaks_without_opentelemetry(absent: list[str]) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        "import rerank_unify as ru\n"
        "with ru.Client('local') as client: print(client.rerank('skin', ['oil', 'skin']).results[0].index)"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout == "1\n"


def test_indices_are_the_same_watched_or_not(rerank: Rerank) -> None:
    hooks = Hooks()
    with ScriptedServer() as server:
        assert indices(rerank(jina(server), settings=hooks.settings)) == indices(rerank(jina(server)))
