"""curl, as Jina and New API document it, changed only in host and key."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any, Final

import pytest

from rerank_unify.testing.fixtures import load_request

from . import _page
from ._gateway import GATEWAY_KEY, local_ranking

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed"),
]

EXAMPLES: Final = ("Jina's example", "New API's example")
every_example = pytest.mark.parametrize("example", EXAMPLES)


def run(example: str, url: str, key: str) -> Any:
    """The JSON that the page's command prints."""
    completed = subprocess.run(
        ["bash", "-c", _page.after(example, url, key)], capture_output=True, text=True, check=True
    )
    return json.loads(completed.stdout)


def body_of(example: str) -> Any:
    """The body in the page's command."""
    command = _page.after(example, "", "")
    return json.loads(command.partition("-d '")[2].rpartition("'")[0])


@every_example
@pytest.mark.parametrize("key", ["sk-any-word", GATEWAY_KEY])
def test_the_documented_command(offline: str, locked: str, example: str, key: str) -> None:
    request = body_of(example)
    body = run(example, locked if key == GATEWAY_KEY else offline, key)
    expected = local_ranking(request["query"], request["documents"], request["top_n"])
    usage = body.pop("usage")
    assert usage["total_tokens"] > 0
    assert body == {
        "model": "local-use-multilingual",  # the model that ranked, not the model in the request
        "object": "list",
        "results": [
            {"index": index, "relevance_score": score, "document": {"text": request["documents"][index]}}
            for index, score in expected
        ],
    }


@every_example
def test_a_wrong_key(locked: str, example: str) -> None:
    assert run(example, locked, "sk-of-another-user") == {"detail": "unknown API key"}


def test_the_body_is_new_apis() -> None:
    assert body_of("New API's example") == json.loads(load_request("newapi-basic"))
