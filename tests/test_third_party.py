"""The example package registers itself, keeps the contract, and works in client, gateway and command line."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "rerank-unify-acme"

USE = """
import asyncio, json, httpx, rerank_unify as ru
from click.testing import CliRunner
from rerank_unify.cli.app import app as cli
from rerank_unify.gateway.app import create_app
from rerank_unify.testing import assert_provider_contract

assert_provider_contract(ru.provider("acme"), max_examples=5)

def respond(request):
    body = json.loads(request.content)
    assert (request.url.path, body["passages"], body["limit"]) == ("/v1/rank", ["a", "b"], 1)
    assert request.headers["authorization"] == "Bearer k"
    return httpx.Response(200, json={"ranking": [{"index": 1, "score": 0.9}], "tokens": 7})

with httpx.Client(transport=httpx.MockTransport(respond)) as http:
    with ru.Client([ru.Target("acme", api_key="k")], http_client=http) as client:
        response = client.rerank("q", ["a", "b"], top_n=1)
assert [(row.index, row.text) for row in response] == [(1, "b")] and response.usage.total_tokens == 7

async def through_the_gateway():
    app = create_app({})
    async with app.router.lifespan_context(app), httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as api:
        return await api.post("/acme/v1/rank", json={"query": "skin", "passages": ["oil", "skin cream"]})
reply = asyncio.run(through_the_gateway())
assert reply.status_code == 200 and [row["index"] for row in reply.json()["ranking"]] == [1, 0], reply.text

listed = CliRunner().invoke(cli, ["providers", "--json"])
assert '"acme"' in listed.output, listed.output
"""


def test_the_example_package_works_everywhere(tmp_path: Path) -> None:
    project = (EXAMPLE / "pyproject.toml").read_text()
    points = re.findall(r'\[project.entry-points."rerank_unify.providers"\]\n(\w+) = "(\S+)"', project)
    assert points == [("acme", "rerank_unify_acme:provider")]
    info = tmp_path / "rerank_unify_acme-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rerank-unify-acme\nVersion: 0.1.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points)
    (info / "entry_points.txt").write_text(f"[rerank_unify.providers]\n{lines}")
    paths = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(EXAMPLE)!r}]\n"
    done = subprocess.run(
        [sys.executable, "-B", "-c", paths + USE], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
