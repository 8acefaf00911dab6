"""The site has each public name, and is built without a warning: no dead link, no dead anchor, no dead reference."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from public_modules import MODULES

DOCS: Final = Path(__file__).parents[2] / "docs"


def documented_values() -> set[int]:
    """Return the identities of all values that have an entry in the reference, which may name another module."""
    found: set[int] = set()
    for page in (DOCS / "api").glob("*.md"):
        module = None
        for directive, name in re.findall(r"^\.\. ([\w:]+):: ([\w.]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            if directive == "currentmodule":
                module = MODULES[name]
            elif module is not None:
                found.add(id(getattr(module, name)))
    return found


@pytest.mark.parametrize("module", MODULES)
def test_each_public_name_is_in_the_reference(module: str) -> None:
    documented = documented_values()
    names: list[str] = MODULES[module].__all__
    assert [name for name in names if id(getattr(MODULES[module], name)) not in documented] == []


def test_each_example_is_a_recipe() -> None:
    recipes = (DOCS / "recipes.md").read_text(encoding="utf-8")
    examples = {path.name for path in (DOCS.parent / "examples").glob("*.py")}
    assert examples
    assert examples - set(re.findall(r"^```\{literalinclude\} \.\./examples/(.+)$", recipes, re.MULTILINE)) == set()


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="make docs installs it; it needs Python 3.11")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-d", str(tmp_path / "doctrees")]
    built = subprocess.run(
        [*command, DOCS, tmp_path / "site"], capture_output=True, text=True, check=False, timeout=600
    )
    assert built.stderr == ""
    assert built.returncode == 0
    assert (tmp_path / "site" / "api" / "client.html").exists()
