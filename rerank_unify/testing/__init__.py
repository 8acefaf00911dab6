"""For tests, here and downstream: fixtures, hypothesis strategies, and the contract suite for providers.

Strategies and suite need hypothesis, so the package needs its extra: ``pip install 'rerank-unify[testing]'``.
"""

from __future__ import annotations

from ..errors import MissingExtraError

try:
    from .contract import LAWS, assert_provider_contract
    from .fixtures import Case, Reply, load_cases, load_request
    from .strategies import json_values, requests, responses
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "hypothesis":
        raise
    raise MissingExtraError("rerank_unify.testing needs hypothesis: pip install 'rerank-unify[testing]'") from None

__all__ = [
    "LAWS",
    "Case",
    "Reply",
    "assert_provider_contract",
    "json_values",
    "load_cases",
    "load_request",
    "requests",
    "responses",
]
