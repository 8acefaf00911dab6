"""Tables and progress bars on a terminal."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import rerank_unify as ru
from rerank_unify.canonical import ScoreKind
from rerank_unify.cli import output, progress, ranking_table
from rerank_unify.cli.app import app

from .helpers import ON_TERMINAL, Terminal, ok, write


def test_a_batch_shows_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ON_TERMINAL.items():
        monkeypatch.setenv(name, value)
    source = write(tmp_path / "in.jsonl", b'{"query": "q", "documents": ["d"]}\n\nnonsense\n' * 20)
    terminal = Terminal()
    stderr = os.fdopen(terminal.far, "w", encoding="utf-8")
    with stderr, redirect_stderr(stderr), pytest.raises(SystemExit) as ended:
        app.main(["batch", source, str(tmp_path / "out.jsonl"), "--model", "local-bm25"], prog_name="rerank-unify")
    assert ended.value.code == 1
    screen = terminal.finish()
    assert re.search(r"#\]  40/40  20 failed", screen)
    assert re.search(r"^\S*20 succeeded, 20 failed, 0 of them earlier, \d+\.\d s$", screen.rstrip(), re.MULTILINE)


def test_the_bar_has_the_rate_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100, 2))  # seconds: the bar reads the clock a few times for each step
    monkeypatch.setattr("time.time", lambda: float(next(clock)))
    terminal = Terminal()
    stderr = os.fdopen(terminal.far, "w", encoding="utf-8")
    with stderr, redirect_stderr(stderr), progress.batch_bar(10) as tick:
        for failed in (0, 0, 1, 1):
            tick(failed)
    last = terminal.finish().split("\r")[-1]
    assert re.search(r"4/10  00:\d\d:\d\d  1 failed  0\.\d requests/s", last)


def test_rerank_on_a_terminal_is_a_table(tmp_path: Path, on_terminal: Any) -> None:
    long = "sensitive\nskin\t[red]care[/red] :smile: " + "护肤" * 2000
    path = write(
        tmp_path / "r.json", {"query": "sensitive skin", "documents": ["oil", long], "return_documents": False}
    )
    screen = on_terminal("rerank", path, "--model", "local-bm25")
    title, _, head, _, first, second, *rest = screen.splitlines()
    assert title == "local · local-bm25 · 2 of 2 documents · scores: 0 to 1, no probability"
    assert head.split() == ["rank", "score", "index", "text"]
    assert re.match(r" +1  0\.\d{4}  [█▏▎▍▌▋▊▉]+ +1  sensitive skin \[red\]care\[/red\] :smile: 护肤", first)
    assert first.rstrip().endswith("…")
    assert re.match(r" +2  0\.0000 +0  oil *$", second)
    assert rest == []
    assert json.loads(on_terminal("rerank", path, "--json"))["object"] == "list"


def ranking(scores: Sequence[float], kind: ScoreKind, documents: Sequence[Any] = (), **more: Any) -> str:
    """Return the table of a response with these scores, for the documents from the last to the first."""
    count = len(documents) or max(len(scores), 1)
    results = [ru.Result(count - 1 - at, score) for at, score in enumerate(scores)]
    response = ru.RerankResponse(results, score_kind=kind, provider="acme", model="m", **more)
    request = ru.RerankRequest(query="q", documents=documents or ["text"] * count)
    out = Console(file=io.StringIO(), width=100, color_system=None)
    ranking_table.show_ranking(out, response, request)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def bars(screen: str) -> list[str]:
    return [re.sub("[^█▏▎▍▌▋▊▉]", "", line) for line in screen.splitlines()[4:] if line.endswith((" ", "text"))]


@pytest.mark.parametrize(
    ("scores", "kind", "filled"),
    [
        ((1.0, 0.5, 0.0), "probability", (12, 6, 0)),
        ((0.5, 0.25), "unit", (6, 3)),
        ((0.3, 0.1, -0.1), "cosine", (12, 6, 0)),
        ((7.0, 1.0, -5.0), "logit", (12, 6, 0)),
        ((0.9, 0.8), "unknown", (12, 0)),
        ((-3.0,), "logit", (12,)),
        ((2.0, 1.0, 0.0), "probability", (12, 6, 0)),
    ],
)
def test_the_kind_of_the_scores_decides_the_scale_of_the_bars(
    scores: Sequence[float], kind: ScoreKind, filled: Any
) -> None:
    screen = ranking(scores, kind)
    assert tuple(map(len, bars(screen))) == filled
    fixed_scale = kind in ("probability", "unit") and max(scores) <= 1
    assert ("bars: from the lowest score of this list" in screen) is not fixed_scale
    if not fixed_scale:
        assert f"({min(scores):.4f}) to the highest ({max(scores):.4f})" in screen
    assert ranking_table.SCALES[kind] in screen.splitlines()[0]


def test_warnings_and_losses_are_below_the_table() -> None:
    losses = [
        ru.Loss("instruction", "dropped", "acme has no such field"),
        ru.Loss("documents", "withheld", "acme refuses empty texts", tuple(range(25))),
    ]
    screen = ranking([0.1], "probability", losses=losses, warnings=["1 of 2 rows\nare missing"], missing=[4])
    assert screen.splitlines()[-4:] == [
        "warning: 1 of 2 rows are missing",
        "loss: instruction dropped: acme has no such field",
        "loss: documents withheld: acme refuses empty texts (documents 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 15 more)",
        "missing: no score for document 4",
    ]


def test_a_response_without_rows_is_a_table_without_rows() -> None:
    screen = ranking([], "logit")
    assert screen.startswith("acme · m · 0 of 1 documents · scores: logit")
    assert "bars" not in screen


def test_every_kind_of_document_has_a_line() -> None:
    documents = [
        "\x1b[31mred\u202e",
        {"title": "护肤", "body": "a\nb"},
        {"text": "only the text", "id": 7},
        {"image": "https://example.com/1.png"},
        {"image": "aGVsbG8=", "text": "with words"},
    ]
    screen = ranking([0.5, 0.4, 0.3, 0.2, 0.1], "probability", documents)
    rows = [line.rstrip() for line in screen.splitlines()[4:]]
    ends = ["4  [image] with words", "3  [image] https://example.com/1.png", "2  only the text"]
    ends += ["1  title: 护肤 body: 'a b'", r"0  \u001b[31mred\u202e"]
    for row, end in zip(rows, ends, strict=True):
        assert row.endswith(end)


@pytest.mark.parametrize(
    ("score", "short"),
    [(0.5, "0.5000"), (-12.25, "-12.2500"), (0.0, "0.0000"), (3.2e-5, "3.2e-05"), (-1e-9, "-1.0e-09")],
)
def test_scores_are_short_and_never_rounded_to_nothing(score: float, short: str) -> None:
    assert ranking_table.score_text(score) == short


def test_a_terminal_without_block_characters_gets_other_bars() -> None:
    assert ranking_table.bar_text(0.5, 12, blocks=False) == "######"
    assert [len(ranking_table.bar_text(share / 96, 12, blocks=True)) for share in (0, 1, 8, 9, 96)] == [0, 1, 1, 2, 12]


UNSAFE = "\x00\x1b\x7f\x85\x9f\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize("character", UNSAFE)
def test_control_characters_are_escaped_on_a_terminal(tmp_path: Path, on_terminal: Any, character: str) -> None:
    text = f"skin {character}cream"
    path = write(tmp_path / "r.json", {"query": "skin", "documents": [text], "model": "local-bm25"})
    escaped = f"\\u{ord(character):04x}cream"
    for args in (("rerank", path), ("rerank", path, "--json"), ("explain", path, "--provider", "voyage")):
        screen = on_terminal(*args)
        assert escaped in screen
        assert character not in screen.replace("\x1b[", "")
    piped = ok("rerank", path)
    assert piped["results"][0]["document"]["text"] == text


def test_joiners_are_not_escaped() -> None:
    assert output.one_line(" a\u200d\u200cb\r\n\t c ") == "a\u200d\u200cb c"
