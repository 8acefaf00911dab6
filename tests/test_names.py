"""Names that a newcomer has to guess are refused: whole names such as ``told`` or ``own``, wherever we define one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REFUSED = frozenset(("told", "asked", "kept", "said", "own", "nobody", "whom", "most"))
SOURCES = sorted(
    path
    for folder in ("rerank_unify", "providers", "tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if (ROOT / folder / "providers") not in path.parents  # a link to the folder `providers`
)


def defined_names(source: str) -> Iterator[tuple[int, str]]:
    """Return line and name of each class, function, parameter, variable and attribute that the source defines.

    Imported names and string keys are not ours, so they are not among them; the alias of an import is.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name is not None:
            yield node.lineno, node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((node.lineno, alias.asname) for alias in node.names if alias.asname is not None)


def refused_names(source: str) -> list[tuple[int, str]]:
    return [(line, name) for line, name in defined_names(source) if name.strip("_").lower() in REFUSED]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_refused_name_is_defined(path: Path) -> None:
    assert refused_names(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "class Told: ...",
        "def asked(): ...",
        "def f(kept): ...",
        "lambda own: 1",
        "_said = 1",
        "x.whom = 1",
        "MOST: int = 1",
        "for nobody in (): ...",
        "import os as own",
        "[most for most in ()]",
    ],
)
def test_each_kind_of_definition_is_found(source: str) -> None:
    assert len(refused_names(source)) == 1


@pytest.mark.parametrize("source", ["from os import own", 'x = {"most": 1}', "y = x.told", "almost = 1", "f(kept=1)"])
def test_imported_names_and_words_of_the_wire_are_exempt(source: str) -> None:
    assert refused_names(source) == []
