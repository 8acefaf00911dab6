"""Validation of requests: one sentence that names the field and what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import Any, Final, TypeGuard

from .._json import is_list, is_object
from ..errors import InvalidRequestError

SURROGATE: Final = "has a lone surrogate (half of a character), which cannot be sent as UTF-8"
DEPTH: Final = 64  # levels of nesting that a document may have; YAML and JSON writers recurse

MAX_RANK_FIELDS: Final = 256  # names; each document is searched for each of them
OTHER_NAMES: Final = ("documents", "docs", "texts", "passages", "items", "input")  # of documents, in other dialects
_BITS: Final = 4096  # of an integer in a document; Python refuses to write those of some 14,000 bits
_PLACE: Final = 80  # characters of a path that a sentence repeats

_EXPECTED: Final[Mapping[str, str]] = {
    "query": 'a string that is not blank, {"text": string} or {"image": string}',
    "documents": "a list of one or more strings or objects",
    "model": "a string that is not blank",
    "top_n": "an integer of 1 or more",
    "return_documents": "true or false",
    "instruction": "a string",
    "max_tokens_per_doc": "an integer of 1 or more",
    "truncation": "true or false",
    "rank_fields": f"a list of 1 to {MAX_RANK_FIELDS} different field names",
    "return_embeddings": "true or false",
    "provider_options": "an object of objects of JSON values, by provider name",
}


def describe(value: object) -> str:
    """Describe a value: a number or flag by its value, a text or container by its kind."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return _short_number(value)
    if isinstance(value, str):
        return "a blank string" if not value.strip() else "a string"
    if is_object(value):
        return "an object" if value else "an empty object"
    if is_list(value):
        return "a list" if value else "an empty list"
    return f"a value of type {type(value).__name__}"


def _short_number(value: float) -> str:
    huge = isinstance(value, int) and value.bit_length() > 64  # printing it may be refused, or take long
    return "a number out of range" if huge else repr(value)


def field_error(field: str, value: Any, word: str) -> InvalidRequestError:
    """Make the error for a canonical field; ``word`` is its name in the client's dialect."""
    if value is None:
        return InvalidRequestError(f"{word}: this field is required: {_EXPECTED[field]}", field=word)
    value = without_arrays(value)
    got = f'the string "{value[:20]}"' if isinstance(value, str) and field == "top_n" else describe(value)
    zero = field == "top_n" and type(value) is int and value == 0
    hint = ": some servers return no results for it, others all; leave it out for all" if zero else ""
    return InvalidRequestError(f"{word}: expected {_EXPECTED[field]}, not {got}{hint}", field=word)


def refuse_other_name(data: Mapping[str, Any], word: str) -> None:
    """Refuse a request without documents that has them under a name of another dialect.

    Args:
        data: the request's fields.
        word: the name of the documents in this dialect.

    Raises:
        InvalidRequestError: names both.
    """
    given = (name for name in OTHER_NAMES if name != word and isinstance(data.get(name), (list, tuple, str)))
    other = next(given, None)
    if other is not None:
        raise InvalidRequestError(
            f"{word}: this field is required: {_EXPECTED['documents']}; the request has {other} instead", field=word
        )


def different_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a name that occurs twice."""
    if len(set(names)) != len(names):
        raise ValueError("a name occurs twice")
    return names


def without_arrays(value: Any) -> Any:
    """Return numpy's scalars and arrays, pandas' Series and any other sequence but a string as plain Python values."""
    for name in ("tolist", "to_list", "to_pylist"):
        convert = getattr(value, name, None)
        if callable(convert):
            return convert()
    return list(value) if is_sequence(value) else value


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """Return whether the value is a sequence of other values, not a string or bytes."""
    return isinstance(value, Sequence) and not isinstance(value, _NO_LISTS)


_NO_LISTS: Final = (str, bytes, bytearray, memoryview)


def prefix_field(inner: InvalidRequestError, word: str) -> InvalidRequestError:
    """Prefix an error inside a field with the field's name: ``.text: …`` becomes ``documents[3].text: …``."""
    return InvalidRequestError(f"{word}{inner.message}", field=f"{word}{inner.field or ''}")


def _inside(place: str, sentence: str) -> InvalidRequestError:
    place = place if len(place) <= _PLACE else f"{place[:_PLACE]}…"
    return InvalidRequestError(f"{place}: {sentence}", field=place)


# Content parts as OpenAI and vLLM (055e47c) write them. A part of another type of this list is refused; an object
# without any of these types is a document like every other.
_TEXT_PARTS: Final = ("text", "input_text")
_IMAGE_PARTS: Final = ("image_url", "input_image", "image")
_PART_TYPES: Final = frozenset(
    (*_TEXT_PARTS, *_IMAGE_PARTS, "video_url", "video", "audio_url", "input_audio", "audio", "file", "input_file")
)


def from_content_parts(value: Any) -> Any:
    """Return content parts as an object with ``text`` and ``image``; any other value unchanged.

    Content parts are ``{"content": [part, …]}``, a list of parts, or one part. Several texts are joined by line feeds.

    Raises:
        InvalidRequestError: there is a second image, or a part of another type.
    """
    if is_list(value):
        return _merged_parts(value, "", {}) if _are_parts(value) else value
    if not is_object(value):
        return value
    content = value.get("content")
    if is_list(content) and _are_parts(content):
        return _merged_parts(content, ".content", {key: item for key, item in value.items() if key != "content"})
    if _is_single_part(value):
        payload = _payload_key(value)
        return _merged_parts([value], None, {key: item for key, item in value.items() if key not in ("type", payload)})
    return value


def _are_parts(items: Sequence[Any]) -> bool:
    return all(map(is_object, items)) and any(_is_known(item.get("type")) for item in items)


def _is_known(kind: Any) -> bool:
    return isinstance(kind, str) and kind in _PART_TYPES


def _is_single_part(value: Mapping[str, Any]) -> bool:
    """Return whether an object is one part, and no document that happens to have a field ``type``."""
    kind = value.get("type")
    if kind is None:
        return set(value) == {"image_url"}  # vLLM takes it without its type
    return _is_known(kind) and _payload_key(value) in value and (kind not in _TEXT_PARTS or len(value) == 2)


def _payload_key(part: Mapping[str, Any]) -> str:
    """Return the key of a part's content: ``text``, ``image_url``, else its type."""
    kind: str = part.get("type", "image_url")
    if kind in _TEXT_PARTS:
        return "text"
    return "image_url" if kind in _IMAGE_PARTS and "image_url" in part else kind


def _merged_parts(parts: Sequence[Mapping[str, Any]], place: str | None, rest: dict[str, Any]) -> dict[str, Any]:
    texts: list[str] = []
    image: str | None = None
    for index, part in enumerate(parts):
        where = "" if place is None else f"{place}[{index}]"
        kind, key = part.get("type", "image_url"), _payload_key(part)
        content: Any = part.get(key)
        if kind in _TEXT_PARTS:
            texts.append(_part_text(content, f"{where}.{key}"))
        elif kind not in _IMAGE_PARTS:
            raise _inside(where, f"expected a part of type text or image_url, not {_kind_of(kind)}")
        elif image is not None:
            raise _inside(where, "is a second image, and at most one is ranked")
        else:
            image = _part_text(content.get("url") if is_object(content) else content, f"{where}.{key}")
    if not {"text", "image"}.isdisjoint(rest):
        raise _inside(place or "", "expected content parts without text or image beside them")
    made = {**rest, "text": "\n".join(texts)} if texts else rest
    return made if image is None else {**made, "image": image}


def _part_text(content: Any, place: str) -> str:
    if not isinstance(content, str):
        raise _inside(place, f"expected a string, not {describe(content)}")
    return content


def _kind_of(kind: Any) -> str:
    return kind if _is_known(kind) else describe(kind)


def query_object(value: Any) -> dict[str, str]:
    """Check a query that is no string: exactly one of ``text`` and ``image``, not blank."""
    value = from_content_parts(value)
    given = {key: inner for key, inner in value.items() if inner is not None} if is_object(value) else {}
    if len(given) == 1:
        ((key, inner),) = given.items()
        if key in ("text", "image") and isinstance(inner, str) and inner.strip():
            return {key: json_copy(inner, f".{key}", 1)}
    raise _inside("", f"expected {_EXPECTED['query']}, not {describe(value)}")


def document_object(value: Any) -> dict[str, Any]:
    """Check and copy a document that is no string: JSON values, with ``text`` and ``image`` strings or null."""
    if not is_object(value) or "type" in value or "content" in value or "image_url" in value:
        value = from_content_parts(value)
    if not is_object(value):
        raise _inside("", f"expected a string or an object, not {describe(value)}")
    for key in ("text", "image"):
        if not isinstance(value.get(key, ""), (str, type(None))):
            raise _inside(f".{key}", f"expected a string, not {describe(value[key])}")
    copy: dict[str, Any] = json_copy(value, "", DEPTH)
    return copy


def options_object(value: Any) -> dict[str, dict[str, Any]]:
    """Check and copy options by provider name. Clients check whether the names are known."""
    if not is_object(value) or not all(is_object(options) for options in value.values()):
        raise _inside("", f"expected {_EXPECTED['provider_options']}")
    copy: dict[str, dict[str, Any]] = _without_nulls(json_copy(value, "", DEPTH))
    return copy


def _without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    """Remove nulls at any depth: servers refuse them, and a null counts as absent."""
    return {
        key: _without_nulls(item) if isinstance(item, dict) else item  # pyright: ignore[reportUnknownArgumentType] - JSON
        for key, item in value.items()
        if item is not None
    }


def json_copy(value: Any, place: str, depth: int) -> Any:
    """Copy a JSON value deeply.

    Raises:
        InvalidRequestError: at the first value that JSON or UTF-8 cannot write, or that lies too deep.
    """
    if isinstance(value, str):
        return _utf8(value, place)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value.bit_length() <= _BITS:
        return int(value)  # a plain int: YAML writers refuse subclasses
    if isinstance(value, float) and isfinite(value):
        return float(value)
    if depth == 0:
        raise _inside(place, f"nested deeper than {DEPTH} levels")
    if is_object(value):
        return {_key(key, place): json_copy(item, f"{place}.{key}", depth - 1) for key, item in value.items()}
    if is_list(value):
        return [json_copy(item, f"{place}[{index}]", depth - 1) for index, item in enumerate(value)]
    return _array_copy(value, place, depth)


def _array_copy(value: Any, place: str, depth: int) -> Any:
    plain = without_arrays(value)
    if plain is value:
        raise _inside(place, f"expected a JSON value, not {describe(value)}")
    return json_copy(plain, place, depth - 1)


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str):
        raise _inside(place, f"expected string keys, not {describe(key)}")
    return _utf8(key, place)


def _utf8(text: str, place: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _inside(place, SURROGATE) from None
    return text if type(text) is str else "".join((text,))


def check_number(
    value: object, name: str, expected: str, *, low: float = 0, above: bool = False, finite: bool = True
) -> None:
    """Refuse a setting that is no number within its bounds.

    Args:
        value: the setting.
        name: its name.
        expected: what it should be, such as "a number of seconds above 0".
        low: the least value.
        above: whether ``low`` itself is refused.
        finite: whether infinity is refused.

    Raises:
        InvalidRequestError: names the setting and what was expected.
    """
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else -inf
    if not (number > low if above else number >= low) or (finite and number == inf):
        raise InvalidRequestError(f"{name}: expected {expected}", field=name)


def checked_count(number: object, name: str) -> int:
    """Return a count of 1 or more.

    Raises:
        InvalidRequestError: it is no integer above 0; the message names the setting.
    """
    if type(number) is not int or number < 1:
        raise InvalidRequestError(f"{name}: expected an integer, 1 or more", field=name)
    return number


def validate_model(model: Any) -> str | None:
    """Check a model name that was given beside the request.

    Raises:
        InvalidRequestError: it is no string, blank, or has a lone surrogate.
    """
    if model is None:
        return None
    if not isinstance(model, str) or not model.strip():
        raise field_error("model", model, "model")
    return _utf8(model, "model")


def as_sequence(value: Any, word: str) -> Any:
    """Return the documents as a list or tuple, from any sequence but a string, also numpy's and pandas'.

    Raises:
        InvalidRequestError: they are something else, such as a set, which has no order.
    """
    if is_list(value):
        return value
    plain = without_arrays(value)
    if not is_list(plain):
        raise InvalidRequestError(f"{word}: expected {_EXPECTED['documents']}, not {describe(plain)}", field=word)
    return plain


def _all_utf8(values: Sequence[Any], word: str) -> None:
    try:
        whole = "".join(values)  # one pass in C for all texts
        if not whole.isascii():
            whole.encode()
    except (TypeError, UnicodeEncodeError):
        for index, item in enumerate(values):
            if isinstance(item, str):
                _utf8(item, f"{word}[{index}]")


def check_utf8(data: Mapping[str, Any], wire: Mapping[str, str] | None = None) -> None:
    """Refuse lone surrogates in texts."""
    for name in ("query", "documents", "model", "instruction", "rank_fields"):
        value: Any = data.get(name)
        if value is None or (isinstance(value, str) and value.isascii()):
            continue
        word = (wire or {}).get(name, name)
        if isinstance(value, str):
            _utf8(value, word)
        elif is_list(value):
            _all_utf8(value, word)
