"""How a dialect writes and reads requests, as a table: one row says where a canonical field sits in the body."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from ..canonical import Loss, RequestFields, as_text, chosen_fields, validate_fields
from ..errors import InvalidRequestError, UnsupportedRequestError
from ..paths import ABSENT, Path, compile_path, dig, is_object, merge, put
from .traits import Model

Content: TypeAlias = str | dict[str, Any]
"""What is ranked: a text, or an object with ``image`` and perhaps ``text``."""

NOTHING: Mapping[str, Any] = {}
HINTS = ("instruction", "max_tokens_per_doc", "truncation", "return_embeddings")


@dataclass(slots=True)
class Draft:
    """A request on its way to one vendor: what is known of it, and what has been written so far."""

    fields: RequestFields
    provider: str
    model: str
    traits: Model
    echo: bool = True
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    losses: list[Loss] = field(default_factory=list[Loss])

    def lose(self, name: str, action: Any, reason: str, **more: Any) -> None:
        """Note a loss."""
        self.losses.append(Loss(name, action, reason, **more))


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request in a vendor's words.

    Attributes:
        body: the JSON body.
        losses: what did not get there as asked.
        kept: for each document sent its index in the caller's list; None where all were sent.
        sent: how many documents were sent.
        draft: what it was made from.
    """

    body: dict[str, Any]
    losses: tuple[Loss, ...]
    kept: tuple[int, ...] | None
    sent: int
    draft: Draft


# --- the rows of the table -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plain:
    """A hint that the vendor has a field for, under this dotted path.

    Attributes:
        path: where it sits in the body.
        per_model: whether it is sent only to models that declare it in `Model.takes`.
    """

    path: str
    per_model: bool = False

    def write(self, draft: Draft, name: str, value: Any) -> None:
        if self.per_model and name not in draft.traits.takes:
            reason = f"{draft.model} is not known to take it"
            draft.lose(name, "dropped", reason, affects_result=value is not False)
        else:
            put(draft.body, compile_path(self.path), value)

    def read(self, wire: Mapping[str, Any]) -> Any:
        return dig(wire, compile_path(self.path))


@dataclass(frozen=True, slots=True)
class Unsent:
    """A hint that the vendor has no field for.

    Attributes:
        reason: why that is, for the loss.
        harmless: the value that asks for what the vendor does anyway.
    """

    reason: str = ""
    harmless: Any = None
    path: str = ""

    def write(self, draft: Draft, name: str, value: Any) -> None:
        reason = self.reason or f"{draft.provider} has no such field"
        draft.lose(name, "dropped", reason, affects_result=value is not self.harmless)

    def read(self, wire: Mapping[str, Any]) -> Any:
        return ABSENT


@dataclass(frozen=True, slots=True)
class Custom:
    """A hint that a vendor treats in a way of its own: two functions, and the path that they use, if one."""

    write: Callable[[Draft, str, Any], None]
    read: Callable[[Mapping[str, Any]], Any] = lambda wire: ABSENT
    path: str = ""


HintRow: TypeAlias = Plain | Unsent | Custom
UNSENT = Unsent()
NO_EMBEDDINGS = Unsent("it returns no embeddings", harmless=False)


def as_query_prefix(draft: Draft, name: str, value: Any) -> None:
    """Fold an instruction into the query, for vendors that document it so."""
    if name not in draft.traits.takes:
        draft.lose(name, "dropped", f"{draft.model} is not known to follow instructions")
        return
    query = draft.body["query"]
    draft.body["query"] = f"{value}\nQuery: {query}"
    draft.lose(name, "folded", "it is written into the query, as the vendor documents", affects_result=False)


folded_into_query = Custom(as_query_prefix)


@dataclass(frozen=True, slots=True)
class Flag:
    """``return_documents``.

    Attributes:
        path: where it sits in the body.
        absent: what a client of this dialect means that leaves it out.
        sent: whether the vendor takes the field at all; where not, it is only read.
        inverted: whether the vendor's field says the opposite.
    """

    path: str = "return_documents"
    absent: bool = False
    sent: bool = True
    inverted: bool = False


def as_objects(draft: Draft, query: Content, documents: list[Content]) -> tuple[Any, list[Any]]:
    """Images as Jina writes them: ``{"image": …}``, perhaps with ``text``, beside plain strings."""
    return query, documents


@dataclass(frozen=True, slots=True)
class Texts:
    """``documents``.

    Attributes:
        path: where the list sits in the body.
        refuse_empty: whether the vendor fails the whole call for one empty text. Such documents are withheld, and the
            answer's indices are mapped back.
        wrap: the key under which each text sits in an object of its own; "" for plain strings.
        media: writes query and documents where one of them is an image, for models that take images.
    """

    path: str = "documents"
    refuse_empty: bool = False
    wrap: str = ""
    media: Callable[[Draft, Content, list[Content]], tuple[Any, list[Any]]] = as_objects


# --- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Fields:
    """A dialect's request side. Every attribute is named after the canonical field it places.

    Attributes:
        model, query, top_n: dotted paths; None where the vendor has no place for it.
        rank_fields: a path that is only read: going out, the library itself applies it.
        own: the dialect's further body fields, which travel in ``provider_options``.
        fixed: constants by dotted path, written into every body.
        whole: whether what comes in is the whole canonical request (Jina's dialect alone).
        unpack: what to do with a body coming in before its rows are read.
        finish: what to do with a body going out when all else is written.
    """

    model: str | None = "model"
    query: str = "query"
    documents: Texts = Texts()
    top_n: str | None = "top_n"
    return_documents: Flag | None = Flag()
    instruction: HintRow = UNSENT
    max_tokens_per_doc: HintRow = UNSENT
    truncation: HintRow = UNSENT
    return_embeddings: HintRow = NO_EMBEDDINGS
    rank_fields: str | None = None
    own: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    whole: bool = False
    unpack: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    finish: Callable[[Draft], None] | None = None

    # Compiled once, on first use.

    @cached_property
    def hints(self) -> tuple[tuple[str, HintRow], ...]:
        """Rows of the hints by canonical name."""
        return tuple((name, getattr(self, name)) for name in HINTS)

    @cached_property
    def written(self) -> Mapping[Path, str]:
        """The canonical field by the path that this dialect writes for it."""
        rows = {"model": self.model, "query": self.query, "documents": self.documents.path, "top_n": self.top_n}
        rows |= {name: row.path for name, row in self.hints}
        if self.return_documents is not None and self.return_documents.sent:
            rows["return_documents"] = self.return_documents.path
        placed = {compile_path(path): name for name, path in rows.items() if path}
        return placed | {compile_path(path): "" for path in self.fixed}

    @cached_property
    def words(self) -> Mapping[str, str]:
        """The dialect's word by canonical field, for messages to its clients."""
        flag = {"return_documents": self.return_documents.path} if self.return_documents else {}
        return {name: ".".join(path) for path, name in self.written.items() if name} | flag

    # --- towards the vendor

    def encode(self, draft: Draft) -> Encoded:
        """Write the draft's body.

        Raises:
            InvalidRequestError: provider options that the dialect writes itself, or ``rank_fields`` that a document lacks.
            UnsupportedRequestError: content that this vendor cannot express.
        """
        fields = draft.fields
        documents, kept = self._documents(draft)
        query: Any = fields["query"]
        if is_object(query):
            query = query["text"] if "text" in query else dict(query)
            if not isinstance(query, str):
                _require_images(draft, "query", None)
        self._check_limits(draft, len(documents))
        self._write_contents(draft, query, documents)
        if self.top_n is not None and fields["top_n"] is not None:
            put(draft.body, compile_path(self.top_n), min(fields["top_n"], len(documents)))
        flag = self.return_documents
        if flag is not None and flag.sent:
            put(draft.body, compile_path(flag.path), (fields["return_documents"] and draft.echo) is not flag.inverted)
        for path, value in self.fixed.items():
            put(draft.body, compile_path(path), value)
        self._write_hints(draft)
        self._merge_options(draft)
        if self.finish is not None:
            self.finish(draft)
        return Encoded(draft.body, tuple(draft.losses), kept, len(documents), draft)

    def _documents(self, draft: Draft) -> tuple[list[Any], tuple[int, ...] | None]:
        """What is ranked of each document sent, and their indices where not all are."""
        given = draft.fields["documents"]
        refuse_empty = self.documents.refuse_empty
        if set(map(type, given)) == {str} and not (refuse_empty and "" in given):
            return list(given), None
        documents: list[Content] = []
        kept: list[int] = []
        converted: list[int] = []
        for index, document in enumerate(given):
            content = _content(draft, document, index)
            if refuse_empty and content == "":
                continue
            kept.append(index)
            documents.append(content)
            if not isinstance(document, str) and document.keys() != {"text"} and isinstance(content, str):
                converted.append(index)
        if converted:
            reason = "of an object only what is ranked is sent, as one text; results carry your own object"
            draft.lose("documents", "converted", reason, indices=tuple(converted), affects_result=False)
        if len(kept) == len(given):
            return documents, None
        withheld = tuple(sorted(set(range(len(given))) - set(kept)))
        if not documents:
            raise UnsupportedRequestError(
                f"documents: {draft.provider} refuses empty texts, and there is no other", field="documents", index=0
            )
        draft.lose("documents", "withheld", f"{draft.provider} refuses empty texts", indices=withheld)
        return documents, tuple(kept)

    def _check_limits(self, draft: Draft, count: int) -> None:
        most = draft.traits.limits.documents
        if most is not None and count > most:
            raise UnsupportedRequestError(
                f"documents: {draft.provider} takes at most {most:,} in one call, and there are {count:,}",
                field="documents",
                index=most,
            )

    def _write_contents(self, draft: Draft, query: Any, documents: list[Any]) -> None:
        if self.model is not None:
            put(draft.body, compile_path(self.model), draft.model)
        if not isinstance(query, str) or (draft.traits.images and set(map(type, documents)) != {str}):
            query, documents = self.documents.media(draft, query, documents)
        put(draft.body, compile_path(self.query), query)
        if self.documents.wrap:
            key = self.documents.wrap
            documents = [{key: text} if isinstance(text, str) else text for text in documents]
        put(draft.body, compile_path(self.documents.path), documents)

    def _write_hints(self, draft: Draft) -> None:
        given: Mapping[str, Any] = draft.fields  # type: ignore[assignment]  # a TypedDict read by name
        for name, row in self.hints:
            value = given[name]
            if value is not None and value != "":
                row.write(draft, name, value)

    def _merge_options(self, draft: Draft) -> None:
        options = draft.fields["provider_options"].get(draft.provider)
        if options:
            for path, _ in _leaves(options, ()):
                self._refuse_written(draft.provider, path)
            merge(draft.body, options)

    def _refuse_written(self, provider: str, path: Path) -> None:
        for written, name in self.written.items():
            if path[: len(written)] == written or written[: len(path)] == path:
                place = f"provider_options.{provider}.{'.'.join(path)}"
                instead = f"set {name} of the request instead" if name else "it cannot be set"
                raise InvalidRequestError(f"{place}: the library writes this field itself; {instead}", field=place)

    def kept(self, fields: RequestFields) -> tuple[int, ...] | None:
        """The indices of the documents that would be sent; None where all would be."""
        if not self.documents.refuse_empty:
            return None
        given = fields["documents"]
        if set(map(type, given)) == {str} and "" not in given:
            return None
        kept = tuple(index for index, document in enumerate(given) if _ranked(document, fields, index) != "")
        return kept if len(kept) < len(given) else None

    # --- from a client

    def decode(self, wire: Mapping[str, Any], provider: str, *, from_json: bool) -> RequestFields:
        """Read a client's body.

        Raises:
            InvalidRequestError: names the field in the client's words.
        """
        if self.unpack is not None:
            wire = self.unpack(wire)
        named = {name: value for name, value in self._read(wire) if value is not ABSENT}
        own = {key: wire[key] for key in self.own if wire.get(key) is not None}
        if own:
            named["provider_options"] = {**(named.get("provider_options") or {}), provider: own}
        flag = self.return_documents
        if named.get("return_documents") is None:
            named["return_documents"] = flag.absent if flag is not None else False
        elif flag is not None and flag.inverted and isinstance(named["return_documents"], bool):
            named["return_documents"] = not named["return_documents"]
        return validate_fields(named, self.words, from_json=from_json)

    def _read(self, wire: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        if self.whole:
            yield from wire.items()
            return
        paths = {"model": self.model, "top_n": self.top_n, "rank_fields": self.rank_fields}
        paths |= {"query": self.query, "documents": self.documents.path}
        if self.return_documents is not None:
            paths["return_documents"] = self.return_documents.path
        for name, path in paths.items():
            if path:
                yield name, dig(wire, compile_path(path))
        for name, row in self.hints:
            yield name, row.read(wire)


# --- what is ranked --------------------------------------------------------------------------------------------------


def _content(draft: Draft, document: Any, index: int) -> Content:
    if isinstance(document, str):
        return document
    chosen = _ranked(document, draft.fields, index)
    if not isinstance(chosen, str):
        _require_images(draft, f"documents[{index}]", index)
    return chosen


def _ranked(document: Any, fields: RequestFields, index: int) -> Content:
    if isinstance(document, str):
        return document
    chosen = chosen_fields(document, fields["rank_fields"], index)
    if isinstance(chosen.get("image"), str):
        return {key: chosen[key] for key in ("text", "image") if chosen.get(key) is not None}
    return as_text(chosen, index)


def _require_images(draft: Draft, place: str, index: int | None) -> None:
    if not draft.traits.images:
        raise UnsupportedRequestError(
            f"{place}: is an image, and {draft.provider}'s {draft.model} is not known to take images",
            field=place,
            index=index,
        )


def _leaves(options: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in options.items():
        if is_object(value) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def texts_of(fields: RequestFields) -> Sequence[str]:
    """Every text of a request that must not get into a message: the query's and the documents'."""
    contents: list[Any] = [fields["query"], *fields["documents"]]
    if fields["instruction"]:
        contents.append(fields["instruction"])
    return list(_strings(contents))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)
    elif is_object(value):
        yield from _strings(list(value.values()))
