"""The format of a dialect's requests: a table with the path of each canonical field in the body."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from .._json import ABSENT, Path, compile_path, dig, is_object, merge, put
from ..canonical import ALIASES, DialectOptions, RequestFields, refuse_other_name, validate_fields
from ..errors import InvalidRequestError, UnsupportedRequestError
from .context import EncodeContext, EncodedRequest
from .documents import Content, Documents, query_content
from .options import Field, Hint, Unsupported

_HINTS: Final = ("instruction", "max_tokens_per_doc", "truncation", "return_embeddings")
_UNSENT: Final = Unsupported()
_NO_EMBEDDINGS: Final = Unsupported("it returns no embeddings", no_op_values=(False,))
_DOCUMENTS: Final = Documents()
# Extra fields of several dialects that name the client or the urgency, and change no score.
_WITHOUT_EFFECT: Final = frozenset(
    ("priority", "request_id", "service_tier", "session_id", "trace", "user", "user_id", "webhook")
)


@dataclass(frozen=True, slots=True)
class Flag:
    """How a dialect writes ``return_documents``.

    Attributes:
        path: dotted path in the body.
        default: the value where a client of this dialect leaves it out.
        supported: whether the provider accepts the field; if not, it is only read.
        inverted: whether true means that no documents are returned.
    """

    path: str = "return_documents"
    default: bool = False
    supported: bool = True
    inverted: bool = False


_FLAG: Final = Flag()


@dataclass(frozen=True, kw_only=True)
class RequestFormat:
    """The request format of a dialect. Attributes are named after the canonical fields.

    Attributes:
        model: dotted path; None where the provider has no such field.
        query: dotted path.
        documents: how documents are written.
        top_n: dotted path; None where the provider has no such field.
        always_top_n: whether the number of documents is written where the request has no ``top_n``.
        return_documents: how the flag is written; None where the provider has none.
        instruction: how this hint is written and read; a string is as good as ``Field(path)``.
        max_tokens_per_doc: likewise.
        truncation: likewise.
        return_embeddings: likewise.
        rank_fields: dotted path that is only read: the library applies ``rank_fields`` before it sends documents.
        read_only: canonical fields that are read from a client and never sent.
        extra_fields: further body fields of the dialect; the canonical request has them in ``provider_options``.
        ignored_fields: body fields that clients of the dialect write and the provider refuses: each is a loss.
        fixed: constants by dotted path, written into every body.
        is_canonical: whether a client's body has every canonical field (Jina's dialect alone).
        preprocess: changes a client's body before it is decoded.
        postprocess: changes a provider's body after it is encoded.
    """

    model: str | None = "model"
    query: str = "query"
    documents: Documents = _DOCUMENTS
    top_n: str | None = "top_n"
    always_top_n: bool = False
    return_documents: Flag | None = _FLAG
    instruction: Hint | str = _UNSENT
    max_tokens_per_doc: Hint | str = _UNSENT
    truncation: Hint | str = _UNSENT
    return_embeddings: Hint | str = _NO_EMBEDDINGS
    rank_fields: str | None = None
    read_only: frozenset[str] = frozenset()
    extra_fields: tuple[str, ...] = ()
    ignored_fields: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_canonical: bool = False
    preprocess: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    postprocess: Callable[[EncodeContext], None] | None = None

    # --- compiled once, on first use

    @cached_property
    def _hints(self) -> tuple[tuple[str, Hint], ...]:
        hints: list[tuple[str, Hint | str]] = [(name, getattr(self, name)) for name in _HINTS]
        return tuple((name, Field(hint) if isinstance(hint, str) else hint) for name, hint in hints)

    @cached_property
    def _read_paths(self) -> tuple[tuple[str, Path], ...]:
        """The path at which each field but the hints is read, by canonical name."""
        flag = self.return_documents.path if self.return_documents is not None else None
        paths = {"model": self.model, "query": self.query, "documents": self.documents.path, "top_n": self.top_n}
        paths |= {"rank_fields": self.rank_fields, "return_documents": flag}
        return tuple((name, compile_path(path)) for name, path in paths.items() if path)

    @cached_property
    def _write_paths(self) -> Mapping[str, Path]:
        """The path at which each field but the hints is written, by canonical name; unsent fields are left out."""
        unsent = {"rank_fields", *self.read_only}
        if self.return_documents is not None and not self.return_documents.supported:
            unsent.add("return_documents")
        return {name: path for name, path in self._read_paths if name not in unsent}

    @cached_property
    def _inverted(self) -> bool:
        return self.return_documents is not None and self.return_documents.inverted

    @cached_property
    def _fixed_paths(self) -> tuple[tuple[Path, Any], ...]:
        return tuple((compile_path(path), constant) for path, constant in self.fixed.items())

    @cached_property
    def written(self) -> Mapping[Path, str]:
        """The canonical field by the path that it is written to; "" for constants."""
        placed = {path: name for name, path in self._write_paths.items()}
        placed |= {compile_path(hint.path): name for name, hint in self._hints if hint.path}
        if self.is_canonical:
            placed |= {(alias,): name for alias, name in ALIASES.items()}
        return placed | {path: "" for path, _ in self._fixed_paths}

    @cached_property
    def words(self) -> Mapping[str, str]:
        """The dialect's field name by canonical field, for messages to its clients."""
        hints = {name: hint.path for name, hint in self._hints if hint.path}
        return hints | {name: ".".join(path) for name, path in self._read_paths}

    # --- requests to a provider

    def encode(self, draft: EncodeContext) -> EncodedRequest:
        """Write the body of a request to the provider.

        Args:
            draft: the context of the request, with an empty body.

        Returns:
            The JSON body, with the losses and what decoding the response needs.

        Raises:
            InvalidRequestError: a provider option sets a field that the library writes, or a document has none of the
                ``rank_fields``.
            UnsupportedRequestError: this provider cannot express the request.
        """
        query = query_content(draft)
        documents, sent_indices = self.documents.select(draft)
        _check_count(draft, len(documents), sent_indices)
        self._write_contents(draft, query, documents)
        self._write_numbers(draft, len(documents))
        for name, hint in self._hints:
            value: Any = draft.fields[name]  # type: ignore[literal-required]  # one of the hints' names
            if value is not None and value != "":
                hint.write(draft, name, value)
        self._merge_options(draft)
        if self.postprocess is not None:
            self.postprocess(draft)
        losses = tuple(draft.losses)
        return EncodedRequest(
            draft.fields, draft.model, draft.model_info, sent_indices, len(documents), losses, draft.body
        )

    def _write_contents(self, draft: EncodeContext, query: Content, documents: list[Content]) -> None:
        body, at = draft.body, self._write_paths
        if "model" in at:
            put(body, at["model"], draft.model)
        contents: tuple[Any, list[Any]] = (query, documents)
        if draft.model_info.images and not (isinstance(query, str) and set(map(type, documents)) == {str}):
            contents = self.documents.media(draft, query, documents)
        put(body, at["query"], contents[0])
        put(body, at["documents"], self.documents.write_all(contents[1], contents[0]))

    def _write_numbers(self, draft: EncodeContext, count: int) -> None:
        body, at, top_n = draft.body, self._write_paths, draft.fields["top_n"]
        if self.always_top_n and top_n is None:
            top_n = count
        if top_n is not None and "top_n" in at:
            put(body, at["top_n"], min(top_n, count))
        if "return_documents" in at:
            wanted = draft.fields["return_documents"] and draft.echo_documents
            put(body, at["return_documents"], wanted is not self._inverted)
        for path, value in self._fixed_paths:
            put(body, path, value)

    def _merge_options(self, draft: EncodeContext) -> None:
        given = draft.fields["provider_options"]
        if not given:
            return
        for name, sent in given.items():
            if isinstance(sent, DialectOptions):
                self._note_unsent(draft, name, sent)
        options: Mapping[str, Any] | None = given.get(draft.provider)
        if isinstance(options, DialectOptions):
            options = {key: value for key, value in options.items() if key not in self.ignored_fields}
        if options:
            for path in _leaves(options, ()):
                self._refuse_written(draft, path)
            merge(draft.body, deepcopy(dict(options)))

    def _note_unsent(self, draft: EncodeContext, client: str, options: Mapping[str, Any]) -> None:
        """Add a loss for each field of the client's dialect that the provider does not get."""
        for name in options:
            if client != draft.provider or name in self.ignored_fields:
                reason = f"{draft.provider} has no such field"
                draft.add_loss(name, "dropped", reason, affects_result=name not in _WITHOUT_EFFECT)

    def _refuse_written(self, draft: EncodeContext, path: Path) -> None:
        """Refuse an option at a path that the table writes, or that one of its functions has written."""
        name = self._written_at(path)
        if name is not None or dig(draft.body, path) is not ABSENT:
            raise _written_error(f"provider_options.{draft.provider}", path, name)

    def _written_at(self, path: Path) -> str | None:
        """Return the canonical field that is written at a path, "" for a constant, and None for none."""
        overlaps = (name for at, name in self.written.items() if path[: len(at)] == at or at[: len(path)] == path)
        return next(overlaps, None)

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Check options of a provider that hold for every request.

        Args:
            options: body fields by name.

        Raises:
            InvalidRequestError: one is at a path that the library writes.
        """
        for path in _leaves(options, ()):
            name = self._written_at(path)
            if name is not None:
                raise _written_error("options", path, name)

    # --- requests of a client

    def decode(self, wire: Mapping[str, Any], provider: str, *, from_json: bool) -> RequestFields:
        """Decode a client's body into canonical fields.

        Args:
            wire: the client's body, JSON values by name.
            provider: the provider's name, under which further fields stand in ``provider_options``.
            from_json: whether a JSON parser made the values, which spares the check for lone surrogates.

        Returns:
            The fields of `RerankRequest` as a plain dictionary, every one present.

        Raises:
            InvalidRequestError: a field is wrong; the sentence uses the dialect's field name.
        """
        if self.preprocess is not None:
            wire = self.preprocess(wire)
        named = (
            dict(wire)
            if self.is_canonical
            else {name: value for name, value in self._read(wire) if value is not ABSENT}
        )
        if not self.is_canonical and "documents" in named:
            named["documents"] = self.documents.read_all(named["documents"])
        if self._inverted and isinstance(named.get("return_documents"), bool):
            named["return_documents"] = not named["return_documents"]
        extra = {key: wire[key] for key in (*self.extra_fields, *self.ignored_fields) if wire.get(key) is not None}
        if extra:
            named["provider_options"] = {provider: extra}
        if named.get("return_documents") is None:
            named["return_documents"] = self.return_documents is not None and self.return_documents.default
        if named.get("documents") is None and not self.is_canonical:
            refuse_other_name(wire, self.words["documents"])
        fields = validate_fields(named, {} if self.is_canonical else self.words, from_json=from_json)
        if extra:
            fields["provider_options"] = {
                name: DialectOptions(options) for name, options in fields["provider_options"].items()
            }
        return fields

    def _read(self, wire: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, path in self._read_paths:
            yield name, dig(wire, path)
        for name, hint in self._hints:
            yield name, hint.read(wire)


def _written_error(place: str, path: Path, name: str | None) -> InvalidRequestError:
    place = f"{place}.{'.'.join(path)}"
    instead = f"set {name} of the request instead" if name else "it cannot be set"
    return InvalidRequestError(f"{place}: the library writes this field itself; {instead}", field=place)


def _check_count(draft: EncodeContext, count: int, sent_indices: tuple[int, ...] | None) -> None:
    limit = draft.model_info.limits.documents
    if limit is not None and count > limit:
        message = f"documents: {draft.provider} takes at most {limit:,} in one call, and there are {count:,}"
        index = limit if sent_indices is None else sent_indices[limit]
        raise UnsupportedRequestError(message, field="documents", index=index, provider=draft.provider)


def _leaves(options: Mapping[str, Any], path: Path) -> Iterator[Path]:
    """Yield the paths of all values except objects with members."""
    for key, value in options.items():
        if is_object(value) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)
