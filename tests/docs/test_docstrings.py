"""Each public name has a docstring that says what it takes, what it returns and what it raises.

The examples in docstrings are doctests, and run here.
"""

from __future__ import annotations

import ast
import doctest
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from typing import Any, Final

import pytest
from public_modules import MODULES
from typing_extensions import is_typeddict

import rerank_unify as ru

griffe = pytest.importorskip("griffe", reason="its parser of docstrings needs Python 3.11")


def public_names() -> Iterator[tuple[str, Any]]:
    """Yield each name that a public module exports, with its value."""
    for module_name, module in MODULES.items():
        yield from ((f"{module_name}.{name}", getattr(module, name)) for name in module.__all__)


def documented_objects() -> dict[str, Any]:
    """Return every class, function, method and property that a public module exports, each under one name."""
    found: dict[str, Any] = {}
    for name, value in public_names():
        if (inspect.isclass(value) or inspect.isfunction(value)) and value not in found.values():
            found[name] = value
            found |= {f"{name}.{member}": code for member, code in members(value)}
    return found


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each public method and property of a class that this library defines, also those of its base classes."""
    if not inspect.isclass(value):
        return
    for name in dir(value):
        static = inspect.getattr_static(value, name)
        static = getattr(static, "__func__", static)  # of a class method
        code = function_of(static)
        public = name == "__call__" or not name.startswith("_")
        if public and code is not None and code.__module__.startswith("rerank_unify"):
            yield name, static


def function_of(value: Any) -> Any:
    """Return the function of a method or property; None for anything else."""
    code = getattr(value, "fget", None) or getattr(value, "func", None) or value
    return code if inspect.isfunction(code) else None


class Docstring:
    """The parts of a docstring in Google's style, together with those of what it overrides.

    Attributes:
        text: the whole of it.
        documented: the names in the sections Args, Keyword Args and Attributes.
        returns: whether it has a section Returns or Yields, or begins with one of these words.
    """

    def __init__(self, *values: Any) -> None:
        texts = [inspect.cleandoc(value.__doc__ or "") for value in values]
        self.text = "\n\n".join(texts)
        self.returns = any(text.startswith(("Return ", "Yield ")) for text in texts)
        self.documented: set[str] = set()
        for section in itertools.chain(*(griffe.Docstring(text).parse("google", warnings=False) for text in texts)):
            if section.kind.value in {"parameters", "other parameters", "attributes"}:
                self.documented |= {one.name for one in section.value}
            self.returns = self.returns or section.kind.value in {"returns", "yields"}


def docstring_of(name: str) -> Docstring:
    """Return the docstring of a public name: of a class with its bases, of a method with those that it overrides."""
    value = OBJECTS[name]
    owner, _, member = name.rpartition(".")
    if inspect.isclass(value):
        return Docstring(*(base for base in value.__mro__ if base.__module__.startswith("rerank_unify")))
    if owner in CLASSES:
        return Docstring(*(vars(base)[member] for base in CLASSES[owner].__mro__ if member in vars(base)))
    return Docstring(value)


def parameters(value: Any) -> set[str]:
    """Return the parameters of a function, a method or a constructor; none of what only types have."""
    if getattr(value, "_is_protocol", False) or is_typeddict(value):
        return set()
    return {name for name in inspect.signature(value).parameters if name not in {"self", "cls"} and name[0] != "_"}


def errors_raised(value: Any) -> set[str]:
    """Return the error classes of this library that a function, or a constructor, raises itself."""
    if inspect.isclass(value):
        made = [vars(value).get(name) for name in ("__init__", "__post_init__")]
        return set[str]().union(*(errors_raised(code) for code in made if code is not None))
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function_of(value))))
    except OSError:  # made by `dataclass`
        return set()
    raised = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise))
    names = {ast.unparse(error.func).rpartition(".")[2] for error in raised if isinstance(error, ast.Call)}
    return {name for name in names if name in ru.errors.__all__}


OBJECTS: Final = documented_objects()
CLASSES: Final = {name: value for name, value in OBJECTS.items() if inspect.isclass(value)}
FUNCTIONS: Final = {name: value for name, value in OBJECTS.items() if inspect.isfunction(value)}


@pytest.mark.parametrize("name", OBJECTS)
def test_the_first_line_is_a_sentence(name: str) -> None:
    first = docstring_of(name).text.partition("\n")[0]
    assert first[:1].isupper()
    assert first.endswith((".", ":"))


@pytest.mark.parametrize("name", [*CLASSES, *FUNCTIONS])
def test_each_parameter_is_documented(name: str) -> None:
    value = OBJECTS[name]
    described = {field for field, about in getattr(value, "model_fields", {}).items() if about.description}
    assert parameters(value) - docstring_of(name).documented - described == set()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_function_returns_is_documented(name: str) -> None:
    annotation = inspect.signature(FUNCTIONS[name]).return_annotation
    assert annotation in {"None", None} or docstring_of(name).returns, annotation


@pytest.mark.parametrize("name", OBJECTS)
def test_each_error_that_is_raised_is_documented(name: str) -> None:
    assert {error for error in errors_raised(OBJECTS[name]) if error not in docstring_of(name).text} == set()


EXAMPLES: Final = {name: value.__doc__ for name, value in OBJECTS.items() if ">>>" in (value.__doc__ or "")}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name: str) -> None:
    example = doctest.DocTestParser().get_doctest(EXAMPLES[name], {"ru": ru}, name, None, None)
    report: list[str] = []
    assert doctest.DocTestRunner().run(example, out=report.append).failed == 0, "".join(report)
