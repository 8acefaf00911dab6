"""The canonical request: Jina's format, as a frozen value.

Two types hold the same fields. `RerankRequest` is the public value; `RequestFields` is the plain dictionary that every
encoder reads, so that the hot path from bytes to bytes builds no model. A test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.types import GetPydanticSchema, Strict
from pydantic_core import ErrorDetails, SchemaValidator, core_schema, to_json
from typing_extensions import TypedDict

from .._json import is_object, merge
from ..errors import InvalidRequestError
from . import validation

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

Document: TypeAlias = str | Mapping[str, Any]
Query: TypeAlias = str | Mapping[str, str]

_OBJECT = core_schema.dict_schema(core_schema.str_schema())


def _string_or(read: Callable[[Any], Any], pattern: str | None = None) -> core_schema.CoreSchema:
    """A string, which pydantic checks in Rust, else an object that the function checks."""
    other = core_schema.no_info_before_validator_function(read, _OBJECT)
    return core_schema.union_schema([core_schema.str_schema(strict=True, pattern=pattern), other], mode="left_to_right")


_QUERY = _string_or(validation.query_object, r"\S")
_STRINGS = core_schema.tuple_schema(
    [core_schema.str_schema(strict=True)], variadic_item_index=0, min_length=1, strict=False, fail_fast=True
)
_STRINGS_OR_OBJECTS = core_schema.tuple_schema(
    [_string_or(validation.document_object)], variadic_item_index=0, min_length=1, strict=False
)
# The first is for speed alone: most lists hold strings and nothing else.
_DOCUMENTS = core_schema.union_schema([_STRINGS, _STRINGS_OR_OBJECTS], mode="left_to_right")
_OPTIONS = core_schema.no_info_before_validator_function(
    validation.options_object, core_schema.dict_schema(core_schema.str_schema(), _OBJECT)
)

_NAMES = core_schema.no_info_after_validator_function(
    validation.different_names,
    core_schema.tuple_schema(
        [core_schema.str_schema(strict=True, pattern=r"\S")],
        variadic_item_index=0,
        min_length=1,
        max_length=validation.MAX_RANK_FIELDS,
        strict=False,
    ),
)

_QueryField = Annotated[Query, GetPydanticSchema(lambda _source, _handler: _QUERY)]
_DocumentsField = Annotated[Sequence[Document], GetPydanticSchema(lambda _source, _handler: _DOCUMENTS)]
_Options = Annotated[Mapping[str, Mapping[str, Any]], GetPydanticSchema(lambda _source, _handler: _OPTIONS)]
_Count = Annotated[int, Strict(), Field(ge=1)]
_Name = Annotated[str, Strict(), Field(pattern=r"\S")]
_Flag = Annotated[bool, Strict()]
_RankFields = Annotated[
    Sequence[str],
    GetPydanticSchema(lambda _source, _handler: _NAMES),
]


class RequestFields(TypedDict):
    """A validated request as a plain dictionary: the fields of `RerankRequest`, every one present."""

    __pydantic_config__ = ConfigDict(extra="ignore", hide_input_in_errors=True)  # type: ignore[misc]  # pydantic's way

    query: _QueryField
    documents: _DocumentsField
    model: _Name | None
    top_n: _Count | None
    return_documents: _Flag
    instruction: Annotated[str, Strict()] | None
    max_tokens_per_doc: _Count | None
    truncation: _Flag | None
    rank_fields: _RankFields | None
    return_embeddings: _Flag | None
    provider_options: _Options


class RerankRequest(BaseModel, frozen=True):
    """A rerank request in the canonical format: an immutable value, compared by value. Jina's wire JSON is valid input.

    A field that is None counts as absent. ``top_k`` is an alias of ``top_n``, ``max_doc_length`` of
    ``max_tokens_per_doc``; two different values for one field are refused. The constructor refuses unknown names and
    raises `InvalidRequestError`. ``model_validate`` and ``model_validate_json`` read wire input: they ignore unknown
    names and raise pydantic's ``ValidationError``.

    Args:
        query: a string, ``{"text": str}`` or ``{"image": URL or base64}``; not blank.
        documents: one or more strings or objects. An object has ``text``, ``image`` (URL or base64) or any JSON fields.
        model: the model to send; None for the provider's default.
        top_n: how many results to return, 1 or more; None for all. A number above the number of documents means all.
        return_documents: whether each result carries its document.
        instruction: a description of relevance, for models that follow instructions.
        max_tokens_per_doc: tokens of each document that are ranked, 1 or more; the provider cuts the rest.
        truncation: whether the provider may cut input that is too long; False requests an error instead.
        rank_fields: the fields of an object that are ranked, in order, 1 to 256 different names; None for ``text``,
            else all fields.
        return_embeddings: whether each result carries its embedding, in ``result.extra``.
        provider_options: further body fields by provider name, each for that provider alone.

    Raises:
        InvalidRequestError: a field is missing, unknown or has a wrong value; the sentence names it.

    Examples:
        >>> request = ru.RerankRequest(query="skin cream", documents=["motor oil", {"text": "aloe vera"}], top_n=1)
        >>> request.replace(top_n=2).top_n
        2
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, defer_build=True)

    query: _QueryField = Field(description='A string, {"text": string} or {"image": URL or base64}; not blank.')
    documents: _DocumentsField = Field(
        description="One or more strings or objects. An object has text, image (URL or base64) or any JSON fields."
    )
    model: _Name | None = Field(default=None, description="The model to send; null for the provider's default.")
    top_n: _Count | None = Field(default=None, description="How many results to return, 1 or more; null for all.")
    return_documents: _Flag = Field(default=True, description="Whether each result carries its document.")
    instruction: Annotated[str, Strict()] | None = Field(
        default=None, description="A description of relevance, for models that follow instructions."
    )
    max_tokens_per_doc: _Count | None = Field(
        default=None, description="Tokens of each document that are ranked, 1 or more."
    )
    truncation: _Flag | None = Field(default=None, description="Whether the provider may cut input that is too long.")
    rank_fields: _RankFields | None = Field(
        default=None, description="The fields of an object that are ranked, in order; null for text, else all fields."
    )
    return_embeddings: _Flag | None = Field(default=None, description="Whether each result carries its embedding.")
    provider_options: _Options = Field(
        default_factory=dict[str, Mapping[str, Any]],
        description="Further body fields by provider name, each for that provider alone.",
    )

    if not TYPE_CHECKING:  # type checkers read the signature off the fields above

        def __init__(self, /, **data: Any) -> None:
            _refuse_unknown_names(data)
            try:
                super().__init__(**data)
            except ValidationError as error:
                raise to_invalid_request(error, data) from None

        # Tells pydantic that validating need not go through this __init__: wire input ignores unknown names.
        __init__.__pydantic_base_init__ = True

    @model_validator(mode="wrap")
    @classmethod
    def _from_wire(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo[Any]) -> Self:
        if isinstance(data, cls):
            return data
        named = canonical_names(data)
        if info.mode != "json":
            validation.check_utf8(named)
        return handler(named)

    def to_json(self) -> bytes:
        """Return this request in Jina's wire format: JSON in UTF-8 with every field that is set.

        Examples:
            >>> ru.RerankRequest(query="q", documents=["a"]).to_json()
            b'{"query":"q","documents":["a"],"return_documents":true}'
        """
        return to_json({name: value for name, value in self.__dict__.items() if value is not None and value != {}})

    def replace(self, **changes: Unpack[RequestChanges]) -> RerankRequest:
        """Return a copy with some fields changed, validated again.

        Args:
            changes: any fields of the request.

        Returns:
            A new request; this one is unchanged.

        Raises:
            InvalidRequestError: a field is unknown or has a wrong value.
        """
        fields: dict[str, Any] = {**self.__dict__, **changes}
        made = RerankRequest(**fields)
        if "provider_options" not in changes:
            vars(made)["provider_options"] = self.provider_options  # perhaps with a client's `DialectOptions`
        return made


class DialectOptions(dict[str, Any]):
    """Options of a provider that a client of its dialect wrote: another provider that does not get them is a loss."""


def checked_options(options: Any) -> dict[str, Any]:
    """Return a copy of options of one provider that hold for every request.

    Raises:
        InvalidRequestError: they are no object of JSON values.
    """
    try:
        fields = checked_fields({"query": "q", "documents": ["d"], "provider_options": {"options": options}})
    except InvalidRequestError:
        raise InvalidRequestError("options: expected an object of JSON values by name", field="options") from None
    return deepcopy(dict(fields["provider_options"]["options"]))


def with_options(fields: RequestFields, provider: str, options: Mapping[str, Any]) -> RequestFields:
    """Return fields with options of a provider merged under those that the request has."""
    given = fields["provider_options"]
    sent = given.get(provider, {})
    merged = deepcopy(dict(options))
    merge(merged, deepcopy(dict(sent)))
    as_sent = DialectOptions if isinstance(sent, DialectOptions) else dict
    return {**fields, "provider_options": {**given, provider: as_sent(merged)}}


def fields_of(request: RerankRequest) -> RequestFields:
    """Return the fields of a request as the plain dictionary that encoders read. Do not change it.

    Raises:
        InvalidRequestError: it is no `RerankRequest`; for a dict the sentence names ``model_validate``.
    """
    if isinstance(request, RerankRequest):  # pyright: ignore[reportUnnecessaryIsInstance] - users without a type checker
        return cast("RequestFields", request.__dict__)
    hint = "; RerankRequest.model_validate makes one of a dict" if is_object(request) else ""
    kind = type(request).__name__
    raise InvalidRequestError(f"request: expected a RerankRequest, not a value of type {kind}{hint}", field="request")


class RequestOptions(TypedDict, total=False):
    """The optional fields of a request, as `Client.rerank` takes them; see `RerankRequest`."""

    model: str | None
    top_n: int | None
    return_documents: bool
    instruction: str | None
    max_tokens_per_doc: int | None
    truncation: bool | None
    rank_fields: Sequence[str] | None
    return_embeddings: bool | None
    provider_options: Mapping[str, Mapping[str, Any]]


class RequestChanges(RequestOptions, total=False):
    """All fields of a request, as `RerankRequest.replace` takes them."""

    query: Query
    documents: Sequence[Document]


FIELD_NAMES: Final = tuple(RequestFields.__annotations__)
DEFAULTS: Final[Mapping[str, Any]] = {
    name: True if name == "return_documents" else None
    for name in FIELD_NAMES
    if name not in ("query", "documents", "provider_options")
}
ALIASES: Final[Mapping[str, str]] = {"top_k": "top_n", "max_doc_length": "max_tokens_per_doc"}


def canonical_names(data: Any, wire: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the input without nulls and aliases, unchecked. ``wire`` has the names of the client's dialect."""
    if not is_object(data):
        raise InvalidRequestError(f"the request must be a JSON object, not {validation.describe(data)}")
    named: dict[str, Any] = {name: data[name] for name in data if data[name] is not None and name in _KNOWN}
    for alias, name in ALIASES.items():
        if alias not in named:
            continue
        value = named.pop(alias)
        given = named.setdefault(name, value)
        if given != value or type(given) is not type(value):  # True equals 1, and is no number
            raise InvalidRequestError(f"{name} and {alias} are two names of one field and differ", field=name)
    words = wire or {}
    if "documents" in named:
        named["documents"] = validation.as_sequence(named["documents"], words.get("documents", "documents"))
    else:
        validation.refuse_other_name(data, words.get("documents", "documents"))
    for name in _PLAIN:
        if name in named and type(named[name]) not in _PLAIN_TYPES:
            named[name] = validation.without_arrays(named[name])
    return named


# Fields that may be numpy's integers, arrays and other sequences.
_PLAIN: Final = ("top_n", "max_tokens_per_doc", "rank_fields")
_PLAIN_TYPES: Final = frozenset((int, bool, float, str, list, tuple, dict))


_KNOWN: Final = frozenset((*FIELD_NAMES, *ALIASES))


@cache
def _fields_validator() -> Callable[[Any], RequestFields]:
    """Return the validator of plain fields, in which all but query and documents may be absent; built on first use."""
    schema: Any = TypeAdapter(RequestFields).core_schema
    for name in (*DEFAULTS, "provider_options"):
        schema["fields"][name]["required"] = False
    return SchemaValidator(schema).validate_python


def checked_fields(data: Mapping[str, Any]) -> RequestFields:
    """Return the plain fields of ``RerankRequest(**data)`` without building the model.

    Raises:
        InvalidRequestError: as the constructor does.
    """
    _refuse_unknown_names(data)
    return validate_fields(data)


def validate_fields(
    data: Mapping[str, Any], wire: Mapping[str, str] | None = None, *, from_json: bool = False
) -> RequestFields:
    """Check wire input and return it as plain canonical fields, without building a model.

    Args:
        data: canonical names, or their aliases; unknown names are ignored.
        wire: the names of canonical fields in the client's dialect, for messages.
        from_json: whether a JSON parser made the values, which spares the check for lone surrogates.

    Raises:
        InvalidRequestError: names the field as the client's dialect does.
    """
    named = canonical_names(data, wire)
    if not from_json:
        validation.check_utf8(named, wire)
    try:
        given = _fields_validator()(named)
    except ValidationError as error:
        raise to_invalid_request(error, data, wire) from None
    return cast("RequestFields", {**DEFAULTS, "provider_options": {}, **given})


def to_invalid_request(
    error: ValidationError, data: Mapping[str, Any], wire: Mapping[str, str] | None = None
) -> InvalidRequestError:
    """Make one sentence of pydantic's errors: the first field at fault, named as the client's dialect does."""
    listed = error.errors(include_url=False, include_input=False)
    if not listed[0]["loc"]:  # raised by this library before pydantic checked a field
        return _inner_error(listed[0]) or InvalidRequestError("not a rerank request")
    field = str(listed[0]["loc"][0])
    used = next((key for key in (field, *_aliases_of(field)) if data.get(key) is not None), field)
    word = (wire or {}).get(field, used)
    for details in listed:
        inner = _inner_error(details) if details["loc"][0] == field else None
        if inner is not None:
            index = next((step for step in details["loc"] if isinstance(step, int)), None)
            return validation.prefix_field(inner, word if index is None else f"{word}[{index}]")
    return validation.field_error(field, data.get(used), word)


def _inner_error(details: ErrorDetails) -> InvalidRequestError | None:
    inner = details.get("ctx", {}).get("error")
    return inner if isinstance(inner, InvalidRequestError) else None


def _aliases_of(name: str) -> list[str]:
    return [alias for alias, canonical in ALIASES.items() if canonical == name]


def _refuse_unknown_names(data: Mapping[str, Any]) -> None:
    if _KNOWN.issuperset(data):
        return
    from difflib import get_close_matches  # with the first mistake

    name = next(name for name in data if name not in _KNOWN)
    near = ["documents"] if name in validation.OTHER_NAMES else get_close_matches(name, sorted(_KNOWN), n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; its fields are {', '.join(FIELD_NAMES)}"
    raise InvalidRequestError(f"{name} is no field of a rerank request{hint}", field=name)
