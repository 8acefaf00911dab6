"""The command line, ``rerank-unify``.

It needs the extra ``cli``, whose packages are imported late, so that a missing extra gives one clear sentence.
"""

from __future__ import annotations

import sys

_NEEDED = ("click", "rich", "filelock", "anyio")


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    try:
        from .app import app

        app()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        sys.exit("Error: the command line needs click, rich, filelock and anyio: pip install 'rerank-unify[cli]'")
