"""Run the tests against an installed wheel, away from the sources.

Usage: ``python tests/in_wheel.py PYTHON``, where PYTHON has the wheel and the test dependencies.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What the tests read besides the installed package: the lists that must agree, and the documents.
BESIDE = ("tests", "providers", "README.md", "CHANGELOG.md", "docs", "pyproject.toml")


def main(python: str) -> int:
    """Copy the tests to an empty folder, without the package, and run them there."""
    with tempfile.TemporaryDirectory() as folder:
        for name in BESIDE:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, Path(folder) / name)
        shutil.rmtree(Path(folder) / "tests" / "__pycache__", ignore_errors=True)
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        code = "import rerank_unify; print(rerank_unify.__file__)"
        executable = str(Path(python).absolute())
        told = subprocess.run(
            [executable, "-c", code], cwd=folder, env=environ, capture_output=True, text=True, check=True
        )
        assert "site-packages" in told.stdout, f"not the installed package: {told.stdout}"
        command = [executable, "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider"]
        return subprocess.run(command, cwd=folder, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
