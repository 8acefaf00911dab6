"""Which provider names there are: the entry points of the group ``rerank_unify.providers``, found and not loaded."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "rerank_unify.providers"

# Providers declared in this process that no installed package registers, such as one under test.
_declared: set[str] = set()


@cache
def entry_points() -> dict[str, EntryPoint]:
    """Every installed provider's entry point by name, sorted. Read once per process."""
    # Imported here because it costs more than this whole package, and `import rerank_unify` does not need it.
    from importlib import metadata

    return {point.name: point for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name)}


def declare(name: str) -> None:
    """Remember the name of a provider that exists in this process, installed or not."""
    _declared.add(name)


def is_known_provider(name: str) -> bool:
    """Whether a provider of this name is installed or has been declared."""
    return name in _declared or name in entry_points()


def unknown_provider(name: str) -> str:
    """The sentence for a name that nobody knows, with the nearest one that somebody does."""
    from difflib import get_close_matches  # with the first mistake

    known = [*entry_points()]
    near = get_close_matches(str(name).lower(), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return f"no provider is called {str(name)[:40]!r}; {hint}"
