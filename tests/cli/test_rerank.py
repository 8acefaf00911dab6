"""The command `rerank`: requests from files and options, and the output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import rerank_unify as ru

from .helpers import DOCUMENTS, QUERY, REQUEST, failed, ok, run, write


def test_rerank_writes_the_canonical_response(request_file: str) -> None:
    response = ok("rerank", request_file)
    assert response["model"] == "local-use-multilingual"
    assert [row["index"] for row in response["results"]] == [1, 2]
    assert response["results"][0]["document"] == {"text": DOCUMENTS[1]}


def test_rerank_writes_the_bytes_of_to_json(request_file: str) -> None:
    local = ru.provider("local")
    call = local.prepare(ru.RerankRequest(**REQUEST))
    assert local.sender is not None
    expected = call.decode(*local.sender(call.http)).to_json()
    assert run("rerank", request_file).stdout_bytes == expected + b"\n"
    assert run("rerank", "--json", "-", stdin=json.dumps(REQUEST)).stdout_bytes == expected + b"\n"


def test_rerank_takes_a_request_from_options() -> None:
    response = ok("rerank", "--query", "护肤", "--document", "oil", "--document", DOCUMENTS[2], "--top-n", "1")
    assert [row["document"]["text"] for row in response["results"]] == [DOCUMENTS[2]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--top-n", "1"), [1]),
        (("--query", "motor"), [0, 1]),
        (("--document", "skin", "--document", "sensitive skin cream"), [1, 0]),
    ],
)
def test_options_override_the_file(request_file: str, options: Sequence[str], expected: list[int]) -> None:
    assert [
        row["index"] for row in ok("rerank", request_file, "--model", "local-bm25", *options)["results"]
    ] == expected


def test_a_byte_order_mark_is_ignored() -> None:
    wire = json.dumps(REQUEST).encode()
    assert ok("rerank", "-", stdin=b"\xef\xbb\xbf" + wire) == ok("rerank", "-", stdin=wire)


def test_an_option_overrides_the_alias_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "request.json", {"query": QUERY, "documents": DOCUMENTS, "top_k": 3})
    assert len(ok("rerank", path, "--top-n", "1")["results"]) == 1


def test_an_option_completes_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "documents.json", {"documents": DOCUMENTS})
    assert len(ok("rerank", path, "--query", QUERY)["results"]) == 4
    assert failed("rerank", path, "--top-n", "1").startswith("query: this field is required")


def test_documents_of_a_text_file_are_its_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "documents.txt", "\ufeffskin\r\n\r\n护肤 a\rb\u2028c\nsensitive skin\n".encode())
    response = ok("rerank", "--query", "skin", "--document", "first", "--documents", path)
    by_index = sorted((row["index"], row["document"]["text"]) for row in response["results"])
    assert by_index == [(0, "first"), (1, "skin"), (2, ""), (3, "护肤 a\rb\u2028c"), (4, "sensitive skin")]


def test_documents_of_a_jsonl_file_are_strings_or_objects(tmp_path: Path) -> None:
    path = write(tmp_path / "documents.JSONL", '"skin"\n{"text": "护肤", "id": 7}'.encode())
    result = run("rerank", "--query", "护肤", "--documents", path)
    assert [row["document"] for row in json.loads(result.stdout)["results"]] == [
        {"text": "护肤", "id": 7},
        {"text": "skin"},
    ]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("d.jsonl", b'"a"\n\n"b"', "d.jsonl: line 2: expected JSON in UTF-8"),
        ("d.jsonl", b'"a"\n"\xff"', "d.jsonl: line 2: expected JSON in UTF-8"),
        ("d.jsonl", b'"a"\n7\n', "documents[1]: expected "),
        ("d.txt", b"a\nb\xff\n", "d.txt: line 2: expected text in UTF-8"),
        ("d.txt", b"", "documents: "),
    ],
)
def test_an_error_in_a_file_of_documents_names_the_line(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    path = write(tmp_path / name, content)
    if content:
        assert expected in failed("rerank", "--query", "q", "--documents", path)
    else:
        assert run("rerank", "--query", "q", "--documents", path).exit_code == 2


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--query", "q"),
        ("--document", "d"),
        ("--query", "q", "--documents", "d.csv"),
        ("--top-n", "many"),
        ("a.json", "b.json"),
        ("a.json", "--json", "--table"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(args: Sequence[str]) -> None:
    result = run("rerank", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")
    assert "Error: " in result.stderr
