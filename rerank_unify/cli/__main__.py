"""``python -m rerank_unify.cli``, if the script ``rerank-unify`` is not on the path."""

from . import main

main()
