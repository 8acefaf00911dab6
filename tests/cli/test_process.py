"""The command line as a process: pipes, signals, locales and plugins."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pytest
from rich.cells import cell_len

from .helpers import CONVERT, DOCUMENTS, SCRIPT, ok, process, process_on_terminal, write


def test_a_pipe_gets_json(request_file: str) -> None:
    ended = process("rerank", request_file)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert json.loads(ended.stdout)["results"][0]["index"] == 1


def test_a_terminal_gets_a_table(request_file: str) -> None:
    screen = process_on_terminal("rerank", request_file, "--model", "local-bm25")
    assert screen.startswith("local · local-bm25 · 2 of 4 documents")
    assert re.search(r"^ +1  0\.\d{4}  █+.* 1  organic cream for sensitive skin *$", screen, re.MULTILINE)
    assert "motor oil" not in screen


FIXTURES = Path(str(files("rerank_unify.fixtures"))) / "requests"


@pytest.mark.slow
def test_texts_in_any_script_fit_the_table() -> None:
    screen = process_on_terminal("rerank", str(FIXTURES / "skincare-multilingual.json"), "--top-n", "10")
    *rows, scale = screen.splitlines()[4:]
    assert len(rows) == 10
    assert scale.startswith("bars: ")
    assert all(row.rstrip().endswith("…") and cell_len(row) <= 100 for row in rows)
    assert "针对敏感肌专门设计的天然有机护肤产品" in screen


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_jinas_documented_requests_are_sent_as_they_are(path: Path) -> None:
    explained = ok("explain", str(path), "--provider", "jina")
    wire = json.loads(path.read_bytes())
    assert {name: explained["body"][name] for name in ("model", "query")} == {
        name: wire[name] for name in ("model", "query")
    }
    assert len(explained["body"]["documents"]) == len(wire["documents"])
    assert explained["losses"] == []


C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.slow
def test_json_is_utf8_in_any_locale(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {"query": "护肤", "documents": DOCUMENTS, "top_n": 1, "instruction": "护"})
    ended = process("rerank", path, "--model", "local-bm25", env=C_LOCALE)
    assert json.loads(ended.stdout)["results"][0]["document"]["text"] == DOCUMENTS[2]
    for args in ((*CONVERT[:4], "--to", "cohere"), ("explain", "--provider", "cohere")):
        ended = process(*args, path, env=C_LOCALE)
        assert ended.returncode == 0
        assert "护肤".encode() in ended.stdout


@pytest.mark.slow
def test_a_table_in_a_locale_without_the_characters_does_not_fail(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {"query": "护肤 skin", "documents": DOCUMENTS})
    for command in (("rerank", path), ("providers",), ("explain", path, "--provider", "voyage")):
        screen = process_on_terminal(*command, env=C_LOCALE)
        assert screen.isascii() or command[0] == "explain"
    assert "##" in process_on_terminal("rerank", path, env=C_LOCALE)


@pytest.mark.parametrize("unbuffered", ["", pytest.param("1", marks=pytest.mark.slow)])
def test_a_reader_that_closes_the_pipe_ends_the_command_in_silence(tmp_path: Path, unbuffered: str) -> None:
    documents = [f"skin {number} {'x' * 1000}" for number in range(500)]
    path = write(tmp_path / "r.json", {"query": "skin", "documents": documents})
    program = f'"{sys.executable}" -m rerank_unify.cli rerank "{path}" --model local-bm25'
    command = f'{program} | head -c 1; echo " ${{PIPESTATUS[0]}}"'
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    ended = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=60, env=env)
    assert (ended.stdout, ended.stderr) == (b"{ 1\n", b"")


@pytest.mark.slow
@pytest.mark.parametrize("args", [("--help",), ("providers",), ("rerank", "--help")])
def test_a_pipe_without_a_reader_ends_the_command_in_silence(args: Sequence[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = process(*args, stdout=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk as a device is Linux's")
def test_a_full_disk_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = process("providers", stdout=full)
    assert ended.returncode != 0
    assert ended.stderr.startswith(b"Error: No space left on device\n")


@pytest.mark.slow
def test_a_process_without_stdout_works() -> None:
    ended = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m rerank_unify.cli providers >&-'],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_ctrl_c_while_reading(tmp_path: Path) -> None:
    fifo = tmp_path / "request.json"
    os.mkfifo(fifo)
    with (
        subprocess.Popen((*SCRIPT, *CONVERT, str(fifo)), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader,
        fifo.open("wb"),  # returns when the other process has opened it too, and waits for a request
    ):
        reader.send_signal(signal.SIGINT)
        output, stderr = reader.communicate(timeout=60)
    assert (reader.returncode, output, stderr.strip()) == (1, b"", b"Aborted!")


@pytest.mark.parametrize("missing", ["click", pytest.param("rich", marks=pytest.mark.slow)])
def test_without_the_extra_one_sentence_names_it(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from rerank_unify.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    expected = b"Error: the command line needs click, rich, filelock and anyio: pip install 'rerank-unify[cli]'\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, b"", expected)


def test_the_entry_point_imports_neither_click_nor_rich() -> None:
    code = "import sys, rerank_unify.cli; print([name for name in ('click', 'rich') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"


PLUGIN = """
import json
from rerank_unify.declaration import Auth, Endpoint, Model, Provider
from rerank_unify.registry import provider as by_name

def send(http):
    body = json.loads(http.content)
    if body["query"] == "crash":
        raise ValueError("a bug of\\nthe plugin")
    texts = enumerate(body["documents"])
    rows = [{"index": at, "relevance_score": len(text) - 10} for at, text in texts if text != "lost"]
    return 200, {}, json.dumps({"results": rows, "meta": {"warnings": ["slow today"]}})

provider = Provider(
    name="lengths", dialect=by_name("cohere-v1").dialect, endpoint=Endpoint("inproc://lengths/v1/rerank"),
    auth=Auth(required=False), default_model="ruler", unknown_model=Model(score_kind="logit"), sender=send,
)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    """Return an environment with the provider of another package, which ranks in process and gives logits."""
    (tmp_path / "rerank_lengths.py").write_text(PLUGIN)
    about = tmp_path / "rerank_lengths-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: rerank-lengths\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[rerank_unify.providers]\nlengths = rerank_lengths:provider\n")
    return {"PYTHONPATH": str(tmp_path)}


def test_the_provider_of_another_package_ranks(plugin: dict[str, str]) -> None:
    texts = ("--document", "lost", "--document", "ab", "--document", "a" * 15)
    options = ("--provider", "lengths", "--query", "q", *texts)
    screen = process_on_terminal("rerank", *options, env=plugin)
    assert screen.startswith("lengths · ruler · 2 of 3 documents · scores: logit, any number")
    assert re.search(r"^ +1 +5\.0000  ████████████ +2  aaaaa", screen, re.MULTILINE)
    assert re.search(r"^ +2  -8\.0000 +1  ab *$", screen, re.MULTILINE)
    assert "bars: from the lowest score of this list (-8.0000) to the highest (5.0000)" in screen
    assert "warning: slow today" in screen
    assert "missing: no score for document 0" in screen
    piped = process("rerank", *options, env=plugin)
    assert json.loads(piped.stdout)["results"][0]["relevance_score"] == 5.0
    assert b"missing: no score for document 0" in piped.stderr


@pytest.mark.slow
def test_a_bug_of_another_package_is_a_traceback(plugin: dict[str, str]) -> None:
    ended = process("rerank", "--provider", "lengths", "--query", "crash", "--document", "d", env=plugin)
    assert ended.returncode == 1
    assert ended.stderr.endswith(b"ValueError: a bug of\nthe plugin\n")
