"""For tests, here and downstream: the fixtures, the strategies, and the suite that every provider passes.

The fixtures need nothing more; strategies and suite need hypothesis: ``pip install 'rerank-unify[testing]'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .fixtures import Case, Reply, load_cases, load_request

if TYPE_CHECKING:
    from .contract import LAWS, assert_provider_contract
    from .strategies import json_values, requests, responses

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

_HOME = {
    "LAWS": "contract",
    "assert_provider_contract": "contract",
    "json_values": "strategies",
    "requests": "strategies",
    "responses": "strategies",
}


def __getattr__(name: str) -> Any:
    """Load what needs hypothesis when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    except ImportError as error:
        from ..errors import MissingExtraError

        raise MissingExtraError("rerank_unify.testing needs hypothesis: pip install 'rerank-unify[testing]'") from error
