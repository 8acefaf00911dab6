"""The command line, ``rerank-unify``.

It needs the extra ``cli``. click and rich are imported late, so that a missing extra gives one clear sentence.
"""

from __future__ import annotations

import sys

_NEEDED = ("click", "rich")


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    try:
        # Loading the library takes a moment, in which Ctrl-C may come.
        from .app import app

        app()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        sys.stderr.write("error: the command line needs click and rich: pip install 'rerank-unify[cli]'\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
