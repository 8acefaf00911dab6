"""The documents of a request: their format, and the content that is sent for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final, TypeAlias, cast

from .._json import compile_path, dig, is_list, is_object, put
from ..canonical import (
    MAX_NODES,
    Document,
    Loss,
    RequestFields,
    as_text,
    count_nodes,
    cut_at_word,
    has_data,
    is_data,
    select_fields,
    without_data,
)
from ..errors import InvalidRequestError, UnsupportedRequestError
from .context import EncodeContext

Content: TypeAlias = str | dict[str, Any]
"""The content that is ranked: a text, or an object with ``image`` and perhaps ``text``."""

Media: TypeAlias = Callable[[EncodeContext, Content, list[Content]], tuple[Any, list[Any]]]
"""A function that writes query and documents if one of them is an image."""


_FEW: Final = 100  # strings that are all searched for base64
_MANY: Final = 16  # rank_fields for which looking up each of an object's names is faster
_DATA: Final = repeat("data:")  # of `map`, which calls a method of strings so without a frame for each


def as_objects(_draft: EncodeContext, query: Content, documents: list[Content]) -> tuple[Any, list[Any]]:
    """Write images as Jina does: ``{"image": …}``, perhaps with ``text``, beside plain strings.

    Args:
        query: the query: a text, or an object with ``image``.
        documents: the documents, likewise.

    Returns:
        Both, unchanged.
    """
    return query, documents


@dataclass(frozen=True, slots=True)
class Item:
    """How each document is written where it is an object of its own.

    Attributes:
        text: dotted path of the text within the object.
        id: key of the document's position as text, for providers whose rows name it; "" for none.
        query: key of the query, for providers that want it beside each document; "" for none.
        fixed: constants by dotted path.
    """

    text: str
    id: str = ""
    query: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def write(self, content: Content, position: int, query: Any) -> Any:
        """Write the object of one document.

        Args:
            content: the text; an image is an object already.
            position: the document's position among those that are sent, zero-based.
            query: the query as it is sent.

        Returns:
            The object, JSON values.
        """
        if not isinstance(content, str):
            return content
        body: dict[str, Any] = {self.id: str(position)} if self.id else {}
        if self.query:
            body[self.query] = query
        for path, value in self.fixed.items():
            put(body, compile_path(path), value)
        put(body, compile_path(self.text), content)
        return body

    def read(self, item: Any) -> Any:
        """Read the document in a client's object.

        Args:
            item: an item of the client's list.

        Returns:
            Its text, beside the fields that this table does not know; anything else as it is, for validation to refuse.
        """
        text = dig(item, compile_path(self.text))
        if not isinstance(text, str):
            return item
        known = {self.id, self.query, self.text.split(".")[0], *(path.split(".")[0] for path in self.fixed)}
        rest = {key: value for key, value in item.items() if key not in known}
        return {**rest, "text": text} if rest else text


@dataclass(frozen=True, slots=True)
class Documents:
    """How a dialect writes the documents.

    Attributes:
        path: dotted path of the list in the body.
        refuse_empty: whether one empty text fails the whole call. Empty documents are then withheld, and the indices of
            the response mapped back.
        wrap: the key of an object around each text, or an `Item` for objects that hold more; "" for plain strings.
        media: writes query and documents if one of them is an image, for models that accept images.
    """

    path: str = "documents"
    refuse_empty: bool = False
    wrap: str | Item = ""
    media: Media = as_objects

    def select(self, draft: EncodeContext) -> tuple[list[Content], tuple[int, ...] | None]:
        """Return the content to send for each document, and the indices of these documents; None for all.

        Args:
            draft: the context of the request; losses are added to it.

        Raises:
            InvalidRequestError: a document has none of the ``rank_fields``, or is base64, or the ranked objects hold
                more than `MAX_NODES` values.
            UnsupportedRequestError: a document is an image and the model accepts none, or every text is empty.
        """
        contents, sent_indices = self._select(draft)
        limit = draft.model_info.limits.document_tokens
        return (contents if limit is None else _cut(draft, contents, sent_indices, limit)), sent_indices

    def _select(self, draft: EncodeContext) -> tuple[list[Content], tuple[int, ...] | None]:
        given = draft.fields["documents"]
        if self._all_sent_as_they_are(given):
            return list(given), None  # type: ignore[arg-type]  # all of them are strings
        with_data: list[int] = []
        contents = _contents(draft.fields, with_data)
        for index, content in enumerate(contents):
            if not isinstance(content, str):
                require_images(draft, f"documents[{index}]", index)
        _note_conversions(draft, contents)
        if with_data:
            draft.add_loss("documents", "dropped", "base64 is never ranked as text", tuple(with_data))
        sent_indices = self._sent_indices(contents)
        if sent_indices is None:
            return contents, None
        if not sent_indices:
            message = f"documents: {draft.provider} refuses empty texts, and there are no others"
            raise UnsupportedRequestError(message, field="documents", index=0, provider=draft.provider)
        draft.losses.append(withheld_loss(draft.provider, sent_indices, len(given)))
        return [contents[index] for index in sent_indices], sent_indices

    def sent_indices(self, fields: RequestFields) -> tuple[int, ...] | None:
        """Return the zero-based indices of the documents that would be sent; None for all.

        Args:
            fields: the fields of the request.
        """
        if not self.refuse_empty or self._all_sent_as_they_are(fields["documents"]):
            return None
        return self._sent_indices(_contents(fields, []))

    def write_all(self, contents: list[Any], query: Any) -> list[Any]:
        """Write the list in the provider's format.

        Args:
            contents: the content of each document that is sent.
            query: the query as it is sent, for providers that want it beside each document.

        Returns:
            The list for the body, JSON values.
        """
        if not self.wrap:
            return contents
        item = self.wrap if isinstance(self.wrap, Item) else Item(self.wrap)
        return [item.write(content, position, query) for position, content in enumerate(contents)]

    def read_all(self, items: Any) -> Any:
        """Read a client's list of documents.

        Args:
            items: the value where the dialect has the list.

        Returns:
            A list of canonical documents; anything else as it is, for validation to refuse.
        """
        if not self.wrap or self.wrap == "text" or not is_list(items):
            return items
        item = self.wrap if isinstance(self.wrap, Item) else Item(self.wrap)
        return [item.read(one) for one in items]

    def _all_sent_as_they_are(self, given: Sequence[Document]) -> bool:
        if set(map(type, given)) != {str} or (self.refuse_empty and "" in given):
            return False
        # Looking at each of 1,000 texts of 1 KB takes a third of the time of parsing and writing them (2026-11-26).
        # Lists of so many images are too large for a request, so that two of them show what the list holds.
        looked_at = cast("Sequence[str]", given if len(given) <= _FEW else (given[0], given[-1]))
        return not any(map(str.startswith, looked_at, _DATA))

    def _sent_indices(self, contents: list[Content]) -> tuple[int, ...] | None:
        if not self.refuse_empty or "" not in contents:
            return None
        return tuple(index for index, content in enumerate(contents) if content != "")


def withheld_loss(provider: str, sent_indices: tuple[int, ...], count: int) -> Loss:
    """Return the loss for the documents that are not sent."""
    indices = tuple(sorted(set(range(count)).difference(sent_indices)))
    return Loss("documents", "withheld", f"{provider} refuses empty texts", indices)


def _cut(
    draft: EncodeContext, contents: list[Content], sent_indices: tuple[int, ...] | None, limit: int
) -> list[Content]:
    """Cut each text to a limit in tokens, which is a loss."""
    texts = [content if isinstance(content, str) else content.get("text", "") for content in contents]
    cut = [cut_at_word(text, limit) for text in texts]
    places = [place for place, text in enumerate(texts) if cut[place] != text]
    if not places:
        return contents
    indices = tuple(place if sent_indices is None else sent_indices[place] for place in places)
    draft.add_loss("documents", "cut", f"the target's limit is {limit:,} tokens of each document", indices)
    made = list(contents)
    for place in places:
        content = contents[place]
        made[place] = cut[place] if isinstance(content, str) else {**content, "text": cut[place]}
    return made


def _note_conversions(draft: EncodeContext, contents: list[Content]) -> None:
    converted = tuple(
        index
        for index, (document, content) in enumerate(zip(draft.fields["documents"], contents, strict=True))
        if isinstance(content, str) and is_object(document) and list(document) != ["text"]
    )
    if converted:
        reason = "of an object only what is ranked is sent, as one text; results carry your own object"
        draft.add_loss("documents", "converted", reason, converted, affects_result=False)


def _contents(fields: RequestFields, with_data: list[int]) -> list[Content]:
    """Return the content that is ranked of each document.

    Args:
        fields: the request.
        with_data: gets the indices of documents a part of which was base64 in place of text.

    Raises:
        InvalidRequestError: a document has none of the ``rank_fields``, is base64, or is one too many to write.
    """
    chosen = _chosen(fields)
    return [
        _text_of(one, index) if isinstance(one, str) else _content_of(one, index, with_data)
        for index, one in enumerate(chosen)
    ]


def _chosen(fields: RequestFields) -> list[str | Mapping[str, Any]]:
    """Return the texts, and the ranked fields of objects. Objects are counted before any is written as YAML."""
    rank_fields, nodes = fields["rank_fields"], 0
    order = {name: at for at, name in enumerate(rank_fields)} if rank_fields and len(rank_fields) > _MANY else None
    chosen: list[str | Mapping[str, Any]] = []
    for index, document in enumerate(fields["documents"]):
        if isinstance(document, str):
            chosen.append(document)
            continue
        if rank_fields is None and type(document.get("text")) is str and document.get("image") is None:
            chosen.append(document["text"])
            continue
        ranked = select_fields(document, rank_fields, index, order)
        if len(ranked) == 1:
            ((name, only),) = ranked.items()
            if type(only) is str and name != "image":
                chosen.append(only)
                continue
        nodes += count_nodes(ranked)
        if nodes > MAX_NODES:
            sentence = f"the ranked objects hold more than {MAX_NODES:,} values; rank_fields may name fewer fields"
            raise InvalidRequestError(f"documents[{index}]: {sentence}", field=f"documents[{index}]")
        chosen.append(ranked)
    return chosen


def _text_of(text: str, index: int) -> str:
    if text.startswith("data:"):
        refuse_data(text, f"documents[{index}]")
    return text


def _content_of(chosen: Mapping[str, Any], index: int, with_data: list[int]) -> Content:
    image = chosen.get("image")
    if isinstance(image, str):
        chosen = {name: value for name, value in chosen.items() if name != "image" and value is not None}
    if has_data(chosen):
        with_data.append(index)
        first = next(value for value in chosen.values() if has_data(value))
        chosen = without_data(chosen)
        if not chosen and not isinstance(image, str):
            refuse_data(first, f"documents[{index}]")
    if not isinstance(image, str):
        return as_text(chosen, index)
    return {"text": as_text(chosen, index), "image": image} if chosen else {"image": image}


def refuse_data(text: str, place: str) -> None:
    """Refuse a text that is base64, such as an image.

    Raises:
        InvalidRequestError: it is; the sentence says how an image is written.
    """
    if is_data(text):
        sentence = f'{place}: is base64, which is never ranked as text; an image is {{"image": …}}'
        raise InvalidRequestError(sentence, field=place)


def query_content(draft: EncodeContext) -> Content:
    """Return the query to send: its text, or an object with ``image``.

    Raises:
        UnsupportedRequestError: the query is an image and the model accepts none.
    """
    query = draft.fields["query"]
    text = query if isinstance(query, str) else query.get("text")
    if text is not None:
        if text.startswith("data:"):
            refuse_data(text, "query")
        return text
    query = cast("Mapping[str, str]", query)
    require_images(draft, "query", None)
    return dict(query)


def require_images(draft: EncodeContext, place: str, index: int | None) -> None:
    """Refuse an image unless the model is declared to accept images.

    Raises:
        UnsupportedRequestError: it is not.
    """
    if not draft.model_info.images:
        message = f"{place}: is an image, and {draft.provider}'s {draft.model} is not known to take images"
        raise UnsupportedRequestError(message, field=place, index=index, provider=draft.provider)


def texts_of(fields: RequestFields) -> list[str]:
    """Return every text that messages must not repeat: those of query, documents and instruction."""
    return list(strings_in([fields["query"], fields["instruction"], *fields["documents"]]))


def strings_in(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value, without the keys of objects."""
    if isinstance(value, str):
        yield value
    elif is_list(value):
        for item in value:
            yield from strings_in(item)
    elif is_object(value):
        yield from strings_in(list(value.values()))
