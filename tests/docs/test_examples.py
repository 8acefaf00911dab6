"""Every Python example in the documents runs, each document's blocks in order and in one namespace."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAMEWORKS = ROOT / "docs" / "integrations.md"  # needs the frameworks: tests/interop_full runs it
DOCUMENTS = [ROOT / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - {FRAMEWORKS})]


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
