"""Every Python example in the documents runs, each document's blocks in order and in one namespace."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FRAMEWORKS = ROOT / "docs" / "integrations.md"  # needs the frameworks: tests/interop_full runs it
DOCUMENTS = [ROOT / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - {FRAMEWORKS})]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_examples_run(path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks or path.name == "limits.md", f"{path.name} has no example"
    namespace: dict[str, object] = {"__name__": "__example__"}
    for block in blocks:
        exec(compile(block, str(path), "exec"), namespace)  # noqa: S102 - our own documents
