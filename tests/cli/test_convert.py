"""The command `convert`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import rerank_unify as ru

from .helpers import DOCUMENTS, QUERY, REQUEST, failed, ok, run, write


def test_a_request_is_converted_with_its_losses_on_stderr(request_file: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / "hints.json", {**REQUEST, "documents": ["", {"title": "t", "body": "b"}], "truncation": True}
    )
    result = run("convert", "request", "--from", "jina", "--to", "cohere", path, "--model", "rerank-v4.0-pro")
    assert result.exit_code == 0
    body = json.loads(result.stdout)
    assert (body["model"], body["top_n"], len(body["documents"])) == ("rerank-v4.0-pro", 1, 1)
    converted = "of an object only what is ranked is sent, as one text; results carry your own object"
    assert result.stderr.splitlines() == [
        f"loss: documents converted: {converted} (document 1); the ranking is the same",
        "loss: documents withheld: cohere refuses empty texts (document 0)",
        "loss: truncation dropped: Cohere always cuts long documents; the ranking is the same",
    ]


DIALECTS = ["jina", "cohere", "cohere-v1", "voyage", "xinference", "local", "vllm", "tei", "nim", "dashscope-native"]


@pytest.mark.parametrize("source", DIALECTS)
@pytest.mark.parametrize("target", [name for name in DIALECTS if ru.provider(name).default_model])
def test_a_request_is_converted_between_any_two(source: str, target: str) -> None:
    request = ru.RerankRequest(**REQUEST, model="m", return_documents=False)
    body = ru.provider(source).encode_request(request)
    expected = ru.provider(target).encode_request(ru.provider(source).decode_request(body))
    assert ok("convert", "request", "--from", source, "--to", target, stdin=json.dumps(body)) == expected


def test_the_base_model_is_the_model_behind_an_alias() -> None:
    body = json.dumps({**REQUEST, "model": "my-uid", "instruction": "Find cosmetics"})
    args = ("convert", "request", "--from", "jina", "--to", "xinference")
    assert "instruction dropped" in run(*args, stdin=body).stderr
    assert "Find cosmetics" in ok(*args, "--base-model", "Qwen3-Reranker-4B", stdin=body)["kwargs"]


VOYAGE_RESPONSE = {
    "object": "list",
    "data": [{"index": 1, "relevance_score": 0.9}, {"index": 3, "relevance_score": 0.5}],
    "model": "rerank-2.5",
    "usage": {"total_tokens": 21},
}
TO_JINA = ("convert", "response", "--from", "voyage", "--to", "jina")


def test_a_response_is_converted_with_the_request(request_file: str, tmp_path: Path) -> None:
    path = write(tmp_path / "response.json", VOYAGE_RESPONSE)
    response = ok(*TO_JINA, path, "--request", request_file)
    assert [row["index"] for row in response["results"]] == [1, 3]
    assert response["results"][1]["document"] == {"text": "skin"}
    assert response["usage"]["total_tokens"] == 21


def test_a_response_without_its_request_has_a_warning() -> None:
    result = run(*TO_JINA, stdin=json.dumps(VOYAGE_RESPONSE))
    assert result.exit_code == 0
    assert "document" not in json.loads(result.stdout)["results"][0]
    assert result.stderr.startswith("warning: ")
    assert len(result.stderr.splitlines()) == 1


def test_the_request_is_in_the_clients_dialect_unless_an_option_says_otherwise(tmp_path: Path) -> None:
    request_file = write(
        tmp_path / "request-of-the-client.json", {"query": QUERY, "documents": DOCUMENTS, "top_k": 2, "model": "m"}
    )
    args = ("convert", "response", "--from", "voyage", "--to", "cohere", "--request", request_file)
    cohere = run(*args, stdin=json.dumps(VOYAGE_RESPONSE))
    assert "warning: 2 of 4 rows are missing" in cohere.stderr  # `top_k` means nothing to Cohere
    assert "missing: no score for documents 0, 2" in cohere.stderr
    voyage = run(*args, "--request-from", "voyage", stdin=json.dumps(VOYAGE_RESPONSE))
    assert (voyage.exit_code, voyage.stderr) == (0, "")


def test_a_body_that_is_no_response_is_an_error(request_file: str) -> None:
    out_of_range = {"data": [{"index": 9, "relevance_score": 0.9}]}
    line = failed(*TO_JINA, "--request", request_file, stdin=json.dumps(out_of_range))
    assert line.startswith("voyage: InvalidResponseError")
    assert "data[0].index" in line
    assert failed(*TO_JINA, stdin=b'{"detail": "no\\nsuch \\u001b[31mthing"}').endswith("no such thing")


def test_an_error_is_converted_when_its_status_says_so() -> None:
    result = run(*TO_JINA, "--status", "429", stdin=b'{"detail": "slow down"}')
    assert (result.exit_code, result.stderr) == (0, "status: 429\n")
    assert json.loads(result.stdout) == {"detail": "slow down"}
    hidden = run(*TO_JINA, "--status", "401", stdin=b'{"detail": "Provided API key is invalid."}')
    assert (hidden.exit_code, hidden.stderr) == (0, "status: 502\n")
    assert json.loads(hidden.stdout)["code"] == "upstream_credentials"


def test_an_error_does_not_repeat_the_documents(request_file: str) -> None:
    body = json.dumps({"detail": f"cannot read {DOCUMENTS[1]}"})
    result = run(*TO_JINA, "--status", "400", "--request", request_file, stdin=body)
    assert result.exit_code == 0
    assert DOCUMENTS[1] not in result.output


@pytest.mark.parametrize("args", [("--status", "99"), ("--request", "-"), ("--from", "jina", "a", "b")])
def test_convert_response_refuses_a_wrong_command_line(args: Sequence[str]) -> None:
    assert run(*TO_JINA, *args, stdin=b"{}").exit_code == 2
