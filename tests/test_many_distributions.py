"""Finding a provider is one look at the installed packages, however many there are."""

import json
import subprocess
import sys
from pathlib import Path

COUNT = """
import json, sys
from importlib import metadata
scans, files = [], []
sys.addaudithook(lambda event, args: files.append(str(args[0])) if event == "open" else None)
read = metadata.entry_points
def counted(**selected):
    scans.append(selected)
    return read(**selected)
metadata.entry_points = counted
import rerank_unify as ru
for name in ("third-7", "third-7", "jina", "voyage", "third-99"):
    ru.provider(name)
opened = [file for file in files if "third_" in file]
print(json.dumps([len(scans), len([f for f in opened if f.endswith("entry_points.txt")]),
                  sorted({f.rsplit("third_", 1)[1] for f in opened if f.endswith(".py")})]))
"""


def test_a_hundred_packages_are_looked_at_once(tmp_path: Path) -> None:
    for at in range(100):
        (tmp_path / f"third_{at}.py").write_text(
            f"from dataclasses import replace\nfrom rerank_unify.providers.jina import provider as jina\n"
            f"provider = replace(jina, name='third-{at}')\n"
        )
        info = tmp_path / f"third_{at}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: third_{at}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[rerank_unify.providers]\nthird-{at} = third_{at}:provider\n")
    path = f"import sys; sys.path.append({str(tmp_path)!r})\n"
    done = subprocess.run(
        [sys.executable, "-B", "-c", path + COUNT],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    scans, read, loaded = json.loads(done.stdout)
    assert scans == 1
    assert read == 100, "each package's entry points are read, once"
    assert loaded == ["7.py", "99.py"], "and only the providers in use are imported"
