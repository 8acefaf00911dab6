"""Installed packages whose providers cannot be used: each is named in a warning and left out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
JINA = "from dataclasses import replace\nfrom rerank_unify.providers.jina import provider as jina\n"
BROKEN = {
    "raises": ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
    "missing": ("import a_module_that_is_not_installed", "ModuleNotFoundError: No module named 'a_module_that"),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "other": ("provider = 42", "expected a Provider, not a int"),
    "named": (f"{JINA}provider = replace(jina, name='another')", "its name is 'another'"),
    "jina": (f"{JINA}provider = replace(jina, default_model='stolen')", "another installed provider has this name"),
}
USE = """
import json, sys
from click.testing import CliRunner
import rerank_unify as ru
from rerank_unify.cli.app import app
from rerank_unify.gateway.app import create_app, rerank_paths
listed = CliRunner().invoke(app, ["providers", "--json"])
assert listed.exit_code == 0, listed.output
sys.stderr.write(listed.stderr)
create_app({})
try:
    ru.provider("exits")
except ru.UnknownProviderError as error:
    message = error.message
served = sorted(set(rerank_paths().values()))
names = [name for name in ru.provider_names() if ru.provider(name).ranks]
print(json.dumps([names, served, message, ru.provider("jina").default_model]))
"""


@pytest.fixture
def packages(tmp_path: Path) -> str:
    """Install the packages and a good one; return the line of Python that puts them on the path."""
    for name, (code, _) in {**BROKEN, "good": (f"{JINA}provider = replace(jina, name='good')", "")}.items():
        (tmp_path / f"of_{name}.py").write_text(code)
        info = tmp_path / f"of_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: of_{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[rerank_unify.providers]\n{name} = of_{name}:provider\n")
    return f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"


def test_a_broken_provider_stops_neither_gateway_nor_command_line(packages: str) -> None:
    command = [sys.executable, "-B", "-c", packages + USE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    names, served, message, default_model = json.loads(done.stdout)
    assert names == served
    assert "good" in names
    assert not set(names) & (BROKEN.keys() - {"jina"})
    for name, (_, reason) in BROKEN.items():
        warnings = [line for line in done.stderr.splitlines() if f"the provider {name} of of_{name}:provider" in line]
        assert len(warnings) == 1, done.stderr
        assert f"is left out: {reason}" in warnings[0]
    assert message == "the provider 'exits' of of_exits:provider cannot be used: SystemExit: 3"
    assert default_model == "jina-reranker-v2-base-multilingual"
