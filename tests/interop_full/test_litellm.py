"""The two recipes of `docs/integrations.md`, in LiteLLM's package and in its proxy."""

from __future__ import annotations

import asyncio
import os
import re
import runpy
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripted_server import Play, ScriptedServer, respond_as, score

from .conftest import GATEWAY_KEY, QUERY, TEXTS, Failing, ranking, running, serving

litellm: Any = pytest.importorskip("litellm")
pytestmark = pytest.mark.filterwarnings("ignore")  # LiteLLM's packages warn, and leave connections open

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "litellm_conversion.py"
PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
SETTINGS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ROUTE = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]
KEY = "pa-0123456789"
MASTER_KEY = f"sk-{secrets.token_hex(32)}"
FIELDS: dict[str, Any] = {"query": QUERY, "documents": ["", *TEXTS], "top_n": 2}  # Voyage refuses an empty document


@pytest.fixture
def gateway(failing: Failing, tmp_path: Path) -> Iterator[str]:
    """Serve the route of the page: Voyage, which fails here, then `local`."""
    with serving(ROUTE.replace('"voyage",', f'"voyage", base_url = "{failing.url}",'), tmp_path) as url:
        yield url
    assert failing.requests


@pytest.fixture
def conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the example, and undo at the end what it replaces."""
    monkeypatch.setattr(litellm, "VoyageRerankConfig", litellm.VoyageRerankConfig)
    runpy.run_path(str(EXAMPLE))


def rows(response: Any) -> list[tuple[int, float, str]]:
    return [(row["index"], row["relevance_score"], row["document"]["text"]) for row in response["results"]]


def of_local() -> list[tuple[int, Any, str]]:
    documents = FIELDS["documents"]
    return [(index, pytest.approx(value), documents[index]) for index, value in ranking(2, documents)]


def of_voyage() -> list[tuple[int, Any, str]]:
    texts = FIELDS["documents"]
    best = sorted(range(1, len(texts)), key=lambda index: -score(texts[index]))[:2]
    return [(index, pytest.approx(score(texts[index])), texts[index]) for index in best]


@pytest.mark.parametrize(("prefix", "path"), [("jina_ai", ""), ("cohere", "/cohere")])
def test_the_gateway_behind_the_package(gateway: str, prefix: str, path: str) -> None:
    given = {**FIELDS, "model": f"{prefix}/fast", "api_base": gateway + path, "api_key": GATEWAY_KEY}
    assert rows(litellm.rerank(**given)) == of_local()
    assert rows(asyncio.run(litellm.arerank(**given, return_documents=True))) == of_local()
    with pytest.raises(litellm.AuthenticationError):
        litellm.rerank(**{**given, "api_key": "another key"})


def test_the_conversion_in_the_package(conversion: None) -> None:
    given: dict[str, Any] = {**FIELDS, "model": "voyage/rerank-2.5", "api_key": KEY}
    with ScriptedServer(respond=respond_as("voyage")) as server:
        assert rows(litellm.rerank(**given, api_base=server.url)) == of_voyage()
        assert rows(asyncio.run(litellm.arerank(**given, api_base=server.url, return_documents=True))) == of_voyage()
        for call in server.calls:
            assert call.path == "/v1/rerank"
            assert call.json["documents"] == TEXTS
            assert call.credentials == {"authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("play", "error", "message"),
    [
        (Play(status=429, body={"detail": "slow down"}), "RateLimitError", "slow down"),
        (Play(status=401, body={"detail": f"{KEY} is invalid"}), "AuthenticationError", "is invalid"),
        (Play(body={"data": [{"index": 9, "relevance_score": 0.5}]}), "BadGatewayError", "index is out of range"),
        (Play(how="html"), "BadGatewayError", "voyage"),
    ],
)
def test_an_error_of_the_provider_is_litellms(conversion: None, play: Play, error: str, message: str) -> None:
    with ScriptedServer([play]) as server, pytest.raises(getattr(litellm, error), match=message) as raised:
        litellm.rerank(**FIELDS, model="voyage/rerank-2.5", api_key=KEY, api_base=server.url, max_retries=0)
    assert KEY not in str(raised.value)


def test_both_recipes_in_the_proxy(gateway: str, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("litellm")
    if not command.exists():
        pytest.skip("needs litellm[proxy]")
    shutil.copy(EXAMPLE, tmp_path)
    with ScriptedServer(respond=respond_as("voyage")) as voyage:
        settings = "".join(SETTINGS).replace("http://127.0.0.1:8080", gateway)
        settings = settings.replace("https://api.voyageai.com", voyage.url)
        (tmp_path / "config.yaml").write_text(settings)
        keys = {"GATEWAY_KEY": GATEWAY_KEY, "VOYAGE_API_KEY": KEY, "LITELLM_MASTER_KEY": MASTER_KEY}
        start = [str(command), "--config", str(tmp_path / "config.yaml"), "--host", "127.0.0.1"]
        with running(start, "/health/liveliness", {**os.environ, **keys}, tmp_path / "proxy.log") as url:
            for model, expected in (("by-gateway", of_local()), ("by-voyage", of_voyage())):
                response = httpx.post(
                    f"{url}/rerank",
                    headers={"authorization": f"Bearer {MASTER_KEY}"},
                    json={**FIELDS, "model": model, "return_documents": True},
                    timeout=60,
                )
                assert rows(response.json()) == expected, response.text
        assert [call.json["documents"] for call in voyage.calls] == [TEXTS]  # the empty text was withheld
