"""Every Python example in the documents runs, each document's blocks in order and in one namespace."""

import json
import re
from pathlib import Path

import pytest

import rerank_unify as ru

ROOT = Path(__file__).parents[2]
FRAMEWORKS = ROOT / "docs" / "integrations.md"  # needs the frameworks: tests/interop_full runs it
WITHOUT = {ROOT / "docs" / f"{name}.md" for name in ("changelog", "glossary", "index", "recipes")}
DOCUMENTS = [ROOT / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - WITHOUT - {FRAMEWORKS})]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_examples_run(path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks, f"{path.name} has no example"
    namespace: dict[str, object] = {"__name__": "__example__"}
    for block in blocks:
        exec(compile(block, str(path), "exec"), namespace)  # noqa: S102 - our own documents


REPOSITORY = "https://github.com/rerank-unify/rerank-unify/"


@pytest.mark.skipif(not (ROOT / "Makefile").exists(), reason="needs the sources")
def test_the_readme_is_short_and_its_links_lead_to_files() -> None:
    """The package index shows the README too, so each link is absolute."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 150
    links = re.findall(r"\]\(([^)]+)\)", readme)
    assert links
    for link in links:
        path = re.fullmatch(re.escape(REPOSITORY) + r"(?:blob|raw|tree)/main/([^#]+)(?:#.*)?", link)
        assert path, f"{link} is no file of the repository"
        assert (ROOT / path[1]).exists(), path[1]


def test_the_pair_of_documents_in_the_readme_is_what_decoding_gives() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    voyage, jina = re.findall(r"^```json\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)[:2]
    request = ru.RerankRequest(query="sensitive skin", documents=["motor oil", "aloe vera cream"], top_n=1)
    response = ru.provider("voyage").prepare(request, api_key="pa-123").decode(200, {}, voyage.encode())
    assert response.to_dict() == json.loads(jina)
