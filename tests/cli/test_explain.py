"""The command `explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import rerank_unify as ru

from .helpers import DOCUMENTS, REQUEST, SECRET, failed, ok, run, write


def test_explain_writes_the_request_and_its_losses(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {**REQUEST, "documents": ["", *DOCUMENTS], "return_embeddings": True})
    output = ok("explain", path, "--provider", "voyage")
    assert list(output) == ["provider", "model", "method", "url", "headers", "body", "losses"]
    assert (output["provider"], output["model"], output["body"]["model"]) == ("voyage", "rerank-2.5", "rerank-2.5")
    assert output["url"] == "https://api.voyageai.com/v1/rerank"
    assert (output["body"]["documents"], output["body"]["top_k"]) == (DOCUMENTS, 2)
    assert [(loss["field"], loss["action"], loss["indices"]) for loss in output["losses"]] == [
        ("documents", "withheld", [0]),
        ("return_embeddings", "dropped", []),
    ]
    assert all(loss["reason"] and loss["affects_result"] is True for loss in output["losses"])


def test_explain_has_the_options_of_a_target(request_file: str) -> None:
    args = ("--model", "my-uid", "--base-model", "Qwen3-Reranker-4B", "--base-url", "http://gpu:9997")
    output = ok("explain", request_file, "--provider", "xinference", *args)
    assert (output["model"], output["url"]) == ("my-uid", "http://gpu:9997/v1/rerank")


def test_a_request_that_a_provider_cannot_express_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {"query": "q", "documents": ["text", {"image": "https://example.com/1.png"}]})
    line = failed("explain", path, "--provider", "voyage")
    assert "documents[1]" in line


@pytest.mark.parametrize("name", ru.provider_names())
def test_explain_needs_no_key_and_shows_none(
    request_file: str, name: str, on_terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = ru.provider(name)
    for variable in provider.env:
        monkeypatch.setenv(variable, SECRET)
    args = ("explain", request_file, "--provider", name, "--model", "m")
    screen = on_terminal(*args)
    assert screen.startswith("POST ")
    auth = provider.auth
    explained = ok(*args)
    assert explained["headers"].get(auth.header) == ("…" if auth.required and not auth.query else None)
    assert explained["url"].endswith(f"?{auth.query}=…") == bool(auth.query)
    assert SECRET not in f"{screen}{explained}"
    if provider.sender is None:
        command = run(*args, "--curl")
        assert command.exit_code == 0
        assert SECRET not in command.output


def test_unknown_parts_of_url_and_body_stay_in_braces(request_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CLOUDFLARE_ACCOUNT_ID", "WATSONX_PROJECT_ID"):
        monkeypatch.delenv(variable, raising=False)
    cloudflare = ("explain", request_file, "--provider", "cloudflare")
    watsonx = ("explain", request_file, "--provider", "watsonx")
    assert "/accounts/{account}/ai/run/" in ok(*cloudflare)["url"]
    assert ok(*watsonx)["body"]["project_id"] == "{project_id}"
    assert ok(*watsonx, "--option", "space_id=s")["body"]["space_id"] == "s"
    assert "project_id" not in ok(*watsonx, "--option", "space_id=s")["body"]
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "a1")
    monkeypatch.setenv("WATSONX_PROJECT_ID", "p1")
    assert "/accounts/a1/ai/run/" in ok(*cloudflare)["url"]
    assert ok(*watsonx)["body"]["project_id"] == "p1"


def test_explain_on_a_terminal_shows_body_and_losses(tmp_path: Path, on_terminal: Any) -> None:
    text = "\u202eevil \x9b31m [bold]护肤[/bold]"
    path = write(tmp_path / "r.json", {"query": "q", "documents": [text], "model": "m", "instruction": "Find"})
    screen = on_terminal("explain", path, "--provider", "voyage")
    assert r'  "documents": ["\u202eevil \u009b31m [bold]护肤[/bold]"] (1 in all)' in screen.splitlines()
    assert "loss: instruction dropped: m is not known to follow instructions" in screen
    assert "note: voyage has no known model 'm'" in screen
    assert "nothing is lost" not in screen
    known = on_terminal("explain", path, "--provider", "voyage", "--model", "rerank-2.5")
    assert "note:" not in known
    assert "instruction folded" in known
    explained = on_terminal("explain", path, "--provider", "voyage", "--json")
    assert json.loads(explained)["model"] == "m"
    assert r'"\u202eevil \u009b31m [bold]护肤[/bold]"' in explained
