"""The text of a document that is ranked, the same for every provider."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from math import ceil, inf
from typing import Any, Final

from .._json import is_list, is_object
from ..errors import InvalidRequestError, cut

_KEY: Final = 40  # characters of a key that both dumpers write on one line, however many bytes each has
_NAMES: Final = 200  # characters of the rank_fields that a message repeats
_BREAKS: Final = frozenset("\x85\u2028\u2029")

_DATA_URL: Final = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w.+=-]+)*;base64,")


def is_data(text: str) -> bool:
    """Return whether a text is a data URL in base64, such as an image, which is never ranked as text."""
    return text.startswith("data:") and _DATA_URL.match(text) is not None


def has_data(value: Any) -> bool:
    """Return whether a JSON value holds base64 at any depth."""
    if isinstance(value, str):
        return is_data(value)
    if is_object(value):
        return any(map(has_data, value.values()))
    return is_list(value) and any(map(has_data, value))


def without_data(value: Any) -> Any:
    """Return a copy of a JSON value without the base64 in it."""
    if is_object(value):
        return {key: without_data(item) for key, item in value.items() if not (isinstance(item, str) and is_data(item))}
    if is_list(value):
        return [without_data(item) for item in value if not (isinstance(item, str) and is_data(item))]
    return value


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text, erring high: a third per ASCII character, one and a half per other character.

    English needs about a quarter of a token per character, code and numbers more, other scripts about one.

    Args:
        text: the text.

    Returns:
        Tokens, 2 or more.

    Examples:
        >>> from rerank_unify.batching import estimate_tokens
        >>> estimate_tokens("aloe vera cream"), estimate_tokens("敏感肌")
        (7, 7)
    """
    plain = len(text) if text.isascii() else sum(map(str.isascii, text))
    return ceil(plain / 3 + (len(text) - plain) * 1.5) + 2


def cut_at_word(text: str, tokens: int) -> str:
    """Return the beginning of a text, up to the end of a word, of at most so many estimated tokens.

    A text without spaces is cut after a character, and at least one character is left.
    """
    if not text or len(text) * 1.5 + 2 <= tokens or estimate_tokens(text) <= tokens:
        return text
    budget, end = (tokens - 2) * 6, 0  # in sixths of a token: 2 for an ASCII character, 9 for another
    for end, char in enumerate(text):  # noqa: B007 - where the budget ends
        budget -= 2 if char.isascii() else 9
        if budget < 0:
            break
    beginning = text[: max(end, 1)]
    if beginning == text:
        return text
    if text[len(beginning)].isspace():
        return beginning.rstrip() or beginning
    words = beginning.rsplit(None, 1)
    return words[0] if len(words) == 2 else beginning


def select_fields(
    document: Mapping[str, Any],
    rank_fields: Sequence[str] | None,
    index: int,
    order: Mapping[str, int] | None = None,
) -> Mapping[str, Any]:
    """Return the fields of an object that are ranked, in order. A null ``text`` or ``image`` counts as absent.

    Args:
        document: the object.
        rank_fields: the names to select; None for ``text`` and ``image``, else all fields.
        index: the document's index, for messages.
        order: the position of each of the ``rank_fields``, which makes a long list of them fast.

    Raises:
        InvalidRequestError: the object has none of the ``rank_fields``.

    Examples:
        >>> from rerank_unify.declaration import select_fields
        >>> select_fields({"title": "Aloe", "price": 9, "id": 7}, ["price", "title"], 0)
        {'price': 9, 'title': 'Aloe'}
    """
    if rank_fields:
        names: Sequence[str] = rank_fields
        if order is not None:
            names = sorted(filter(order.__contains__, document), key=order.__getitem__)
        chosen = {name: document[name] for name in names if name in document}
        if not chosen:
            names = cut(", ".join(rank_fields), _NAMES)
            raise InvalidRequestError(
                f"documents[{index}]: has none of the rank_fields ({names})", field=f"documents[{index}]"
            )
        return chosen
    known = {name: document[name] for name in ("text", "image") if document.get(name) is not None}
    return known or {name: value for name, value in document.items() if name not in ("text", "image")}


MAX_NODES: Final = 50_000
"""The most values that the ranked objects of one request may hold, counted at every level: about 0.2 s as YAML."""


def count_nodes(value: Any) -> int:
    """Return the number of values in a JSON value, itself and every level counted."""
    if is_object(value):
        return 1 + sum(map(count_nodes, value.values()))
    return 1 + sum(map(count_nodes, value)) if is_list(value) else 1


def as_text(fields: Mapping[str, Any], index: int) -> str:
    r"""Join fields to one text: a single string as it is, no fields as an empty text, anything else as YAML.

    Args:
        fields: the fields of a document, JSON values by name.
        index: the document's zero-based index, for messages.

    Returns:
        The text to rank.

    Raises:
        InvalidRequestError: the fields are nested too deeply.

    Examples:
        >>> from rerank_unify.declaration import as_text
        >>> as_text({"title": "Aloe", "price": 9}, 0)
        'title: Aloe\nprice: 9\n'
    """
    if not fields:
        return ""
    if len(fields) == 1:
        (only,) = fields.values()
        if isinstance(only, str):
            return only
    try:
        return to_yaml(fields, has_simple_words(fields))
    except RecursionError:  # pragma: no cover - documents are at most 64 levels deep; the stack may be short already
        raise InvalidRequestError(f"documents[{index}]: nested too deeply", field=f"documents[{index}]") from None


def to_yaml(fields: Mapping[str, Any], fast: bool) -> str:
    """Write fields as YAML; ``fast`` uses libyaml where it is installed, two to eight times as fast."""
    # Imported with the first structured document: it costs as much as the rest of this package.
    import yaml

    python, libyaml = dumpers()
    dumper, width = (libyaml, -1) if fast else (python, inf)
    # Without allow_unicode 护肤 is escaped, and a finite width folds lines: both ruin the ranking.
    return str(yaml.dump(dict(fields), Dumper=dumper, sort_keys=False, allow_unicode=True, width=width))


def has_simple_words(value: Any) -> bool:
    """Return whether libyaml writes a value as PyYAML's own code does.

    libyaml escapes characters beyond U+FFFF, such as 😀, and writes some keys in another form.
    """
    if isinstance(value, str):
        return value.isascii() or max(value) <= "\uffff"
    if is_object(value):
        return all(map(_is_simple_key, value)) and all(map(has_simple_words, value.values()))
    return not is_list(value) or all(map(has_simple_words, value))


def _is_simple_key(key: str) -> bool:
    return 0 < len(key) <= _KEY and key.isprintable() and max(key) <= "\uffff"


@cache
def dumpers() -> tuple[Any, Any]:
    """Return PyYAML's own dumper and libyaml's, the first for both where libyaml is not installed."""
    import yaml

    python = _dumper(yaml.SafeDumper)
    return python, _dumper(yaml.CSafeDumper) if hasattr(yaml, "CSafeDumper") else python


def _dumper(base: Any) -> Any:
    """Return a dumper that quotes Unicode's own line breaks, which a reader takes for line feeds otherwise."""

    def represent(dumper: Any, text: str) -> Any:
        style = None if text.isascii() or _BREAKS.isdisjoint(text) else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    made = type("Dumper", (base,), {})
    made.add_representer(str, represent)  # type: ignore[attr-defined]  # of every dumper
    return made
