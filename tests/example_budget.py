"""How much a run tries: a small budget by default, a large one where RERANK_UNIFY_PROFILE is ``thorough``."""

from __future__ import annotations

import os
from typing import Final

import rerank_unify as ru

THOROUGH: Final = os.environ.get("RERANK_UNIFY_PROFILE") == "thorough"


def providers_to_try() -> list[str]:
    """Return every provider in a thorough run, else the first provider of each dialect format.

    Providers that share a format differ in address, models and limits alone, which tables and fixtures test for each.
    """
    return list(ru.provider_names()) if THOROUGH else formats()


def formats() -> list[str]:
    """Return the first provider of each dialect format."""
    chosen: list[str] = []
    for name in ru.provider_names():
        if all(ru.provider(name).dialect != ru.provider(other).dialect for other in chosen):
            chosen.append(name)
    return chosen


def examples_for_each(total: int, parts: int) -> int | None:
    """Return the examples for each of the parts that share a total; in a thorough run None: the profile's number."""
    return None if THOROUGH else max(3, total // parts)
