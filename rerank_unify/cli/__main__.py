"""``python -m rerank_unify.cli``, for where the script ``rerank-unify`` is not on the path."""

from . import main

main()
