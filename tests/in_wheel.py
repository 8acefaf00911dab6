"""Compare a wheel with the sources, then run a selection of tests where the wheel is installed, without the sources.

Usage: ``python tests/in_wheel.py WHEEL PYTHON``, where PYTHON has the wheel and the test dependencies.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What the tests read besides the installed package: the lists that must agree, and the documents.
BESIDE = ("tests", "providers", "examples", "README.md", "CHANGELOG.md", "docs", "pyproject.toml")


# What depends on how the package is installed: data files, entry points, extras and commands. The rest runs with the
# sources.
SELECTED = (
    "tests/test_registry.py",
    "tests/test_transcode.py",
    "tests/cli/test_process.py",
    "tests/cli/test_providers.py",
    "tests/client/test_client.py",
    "tests/docs",
    "tests/gateway/test_app.py",
    "tests/gateway/test_command.py",
    "tests/gateway/test_playground.py",
    "tests/providers/test_fixtures.py",
    "tests/providers/test_local.py",
)

# Where the folders of the sources are in the wheel. The links inside rerank_unify/ are not followed.
PLACES = {"rerank_unify": "rerank_unify", "providers": "rerank_unify/providers", "fixtures": "rerank_unify/fixtures"}


def compare(wheel: Path) -> None:
    """Every file of the sources is in the wheel, and nothing else.

    Packages are named one by one in pyproject.toml, so that a new one could be forgotten.
    """
    tracked = subprocess.check_output(["git", "ls-files", "-s", *PLACES], cwd=ROOT, text=True).splitlines()
    files = [line.split("\t")[1] for line in tracked if not line.startswith("120000")]
    expected = {PLACES[name.split("/")[0]] + name[name.index("/") :] for name in files}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == expected, f"not in the wheel: {expected - packed}; only there: {packed - expected}"


def main(wheel: str, python: str) -> int:
    """Copy the tests to an empty folder, without the package, and run the selected tests there."""
    compare(Path(wheel))
    with tempfile.TemporaryDirectory() as folder:
        for name in BESIDE:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, Path(folder) / name)
        shutil.rmtree(Path(folder) / "tests" / "__pycache__", ignore_errors=True)
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        code = "import rerank_unify; print(rerank_unify.__file__)"
        executable = str(Path(python).absolute())
        completed = subprocess.run(
            [executable, "-c", code], cwd=folder, env=environ, capture_output=True, text=True, check=True
        )
        assert "site-packages" in completed.stdout, f"not the installed package: {completed.stdout}"
        command = [executable, "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider"]
        command += SELECTED
        return subprocess.run(command, cwd=folder, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
