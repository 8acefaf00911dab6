"""The command line, ``rerank-unify``.

It needs the extra ``cli``, click and rich, so what needs them is imported late: without them one sentence says so.
"""

from __future__ import annotations

import sys

_NEEDED = ("click", "rich")


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    try:
        # The library itself takes a moment to load, so Ctrl-C may come this early.
        from .app import app

        app()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        sys.stderr.write("error: the command line needs click and rich: pip install 'rerank-unify[cli]'\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
