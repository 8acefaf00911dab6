"""The laws that every provider obeys, built-in or third-party, as property tests.

Each law is a function of a provider and of the number of examples (None for the current hypothesis profile).
`assert_provider_contract` checks them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from .._json import is_list, is_object
from .._provider import Provider
from ..canonical import RerankRequest, RerankResponse, Result, fields_of
from ..dialect.documents import texts_of
from ..errors import InvalidRequestError, RequestError, RerankError, UnsupportedRequestError
from ..errors import TimeoutError as RerankTimeoutError
from ..errors.redact import redact_message
from ..registry import provider as provider_by_name
from ..transcode import Transcoder
from .strategies import json_values, marked_requests, requests, responses

Law: TypeAlias = Callable[[Provider, int | None], None]

_STATUSES = st.sampled_from((200, 200, 200, 201, 204, 301, 400, 401, 404, 422, 429, 498, 500, 503, 520, 529, 0, 999))
_UPSTREAM_STATUSES = st.sampled_from((200, 200, 429, 500))
_HEADERS = st.sampled_from(({}, {"Retry-After": "30"}, {"retry-after": "Sun, 22 Nov 2026 12:00:00 GMT", "Date": "x"}))


_CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.nested_given, HealthCheck.differing_executors]


def _run(test: Callable[..., None], examples: int | None) -> None:
    chosen: dict[str, Any] = {} if examples is None else {"max_examples": examples}
    settings(deadline=None, suppress_health_check=_CHECKS, **chosen)(test)()


def _models(provider: Provider) -> st.SearchStrategy[str | None]:
    names = [*provider.models, "an-unknown-model"]
    return st.sampled_from(names if provider.default_model is None else [*names, None])


def _requests(provider: Provider, **more: Any) -> st.SearchStrategy[RerankRequest]:
    return requests(models=_models(provider), **more)


def encoding_is_stable(provider: Provider, examples: int | None = None) -> None:
    """Law 1: ``encode(decode(encode(q))) == encode(q)``, and each field that is sent without loss survives."""

    def test(request: RerankRequest) -> None:
        try:
            body = provider.encode_request(request)
        except RequestError:
            return
        assert not _has_null(body), "a null is sent"
        again = provider.decode_request(body)
        if provider.dialect.request.model is None:  # it is in the URL, or nowhere
            again = again.replace(model=request.model)
        assert provider.encode_request(again) == body, "encoding what was decoded gives another body"
        encoded = provider.encode_fields(fields_of(request))
        lost = {loss.field for loss in encoded.losses}
        if any(loss.action == "folded" for loss in encoded.losses):
            lost.add("query")
        for name in set(provider.dialect.request.written.values()) - lost - {""}:
            before, after = (_seen(provider, one, name, encoded.sent_count) for one in (request, again))
            assert before == after, f"{name} went out as {before!r} and came back as {after!r}"

    texts = _requests(provider)
    pictures = [name for name, model in provider.models.items() if model.images]
    images = requests(models=st.sampled_from(pictures), images=True) if pictures else texts
    _run(given(texts | images)(test), examples)


def _has_null(value: Any) -> bool:
    if is_object(value):
        return any(map(_has_null, value.values()))
    return any(map(_has_null, value)) if is_list(value) else value is None


def _seen(provider: Provider, request: RerankRequest, name: str, sent_count: int) -> Any:
    """Return a field as the wire can express it: texts as strings, top_n clamped, the default model named."""
    value = getattr(request, name)
    if name in ("query", "documents"):
        return [_text(item) for item in (value if name == "documents" else (value,))]
    if name == "model":
        return value or provider.default_model
    if name == "top_n":
        return min(value or sent_count, sent_count)  # None is all of them
    return None if value == "" else value


def _text(item: Any) -> Any:
    return item["text"] if is_object(item) and list(item) == ["text"] else item


def responses_survive(provider: Provider, examples: int | None = None) -> None:
    """Law 2: ``decode_response(encode_response(r, q), q)`` is r, as far as the dialect has fields for it."""
    any_request = _requests(provider, allow_empty_documents=False, hints=False)

    def test(data: st.DataObject) -> None:
        request = data.draw(any_request)
        response_survives(provider, request, data.draw(responses(request)))

    _run(given(st.data())(test), examples)


def response_survives(provider: Provider, request: RerankRequest, response: RerankResponse) -> None:
    """Check law 2 for one response."""
    fields, table = fields_of(request), provider.dialect.response
    if provider.dialect.request.documents.sent_indices(fields) is not None:
        return
    again = provider.decode_response(_through_json(provider.encode_response(response, request)), request)
    assert _expressible(provider, again) == _expressible(provider, response), "the results changed on the way"
    assert not table.id or again.id == response.id, "the id changed"
    warnings = tuple(redact_message(warning, texts_of(fields)) for warning in response.warnings)
    assert not table.warnings or again.warnings[: len(warnings)] == warnings, "warnings were lost"
    assert not table.model or again.model == (request.model or response.model or provider.default_model)
    for name in table.usage:
        assert getattr(again.usage, name) == getattr(response.usage, name), f"usage.{name} changed"


def _expressible(provider: Provider, response: RerankResponse) -> tuple[Result, ...]:
    """The results without what the dialect's rows have no room for: further fields."""
    shape = provider.dialect.response.shape
    if shape is None:
        return response.results
    return tuple(row if shape.extra else Result(row.index, row.relevance_score, row.document) for row in response)


def _through_json(body: Any) -> bytes:
    return json.dumps(body, allow_nan=False).encode()


def responses_keep_the_contract(provider: Provider, examples: int | None = None) -> None:
    """Law 3: the result is sorted and complete, whatever the order and the documents of the provider's rows."""
    any_request = _requests(provider)

    def test(data: st.DataObject) -> None:
        request = data.draw(any_request)
        try:
            encoded = provider.encode_fields(fields_of(request))
        except RequestError:
            return
        response = data.draw(responses(request, count=encoded.sent_count, shuffled=True))
        body = _through_json(provider.encode_response(response))
        check_invariants(provider.decode(200, {}, body, request), request)
        check_sorted(provider.decode_response(body))

    _run(given(st.data())(test), examples)


def check_sorted(response: RerankResponse) -> None:
    """Check a response without its request: sorted, finite, unique indices."""
    ranked = sorted(response, key=lambda result: (-result.relevance_score, result.index))
    scores = [result.relevance_score for result in response]
    indices = [result.index for result in response]
    assert list(response) == ranked, "the results are not sorted by score, then index"
    assert all(map(isfinite, scores)), "a score is not finite"
    assert all(type(index) is int and index >= 0 for index in indices), "an index is not an index"
    assert len(set(indices)) == len(indices), "an index comes twice"
    assert response.usage is not None, "usage is None"


def check_invariants(response: RerankResponse, request: RerankRequest) -> None:
    """Check a response against its request: number, documents and indices of the results."""
    check_sorted(response)
    count = len(request.documents)
    assert len(response) <= (request.top_n or count), "more results than top_n"
    for result in response:
        assert result.index < count, "an index beyond the list"
        index = request.documents[result.index]
        whole = {"text": index} if isinstance(index, str) else index
        assert result.document == (whole if request.return_documents else None), "not the caller's document"
    scored = {result.index for result in response}
    assert not scored & set(response.missing), "a document is both scored and missing"
    if request.top_n is None:
        assert scored | set(response.missing) == set(range(count)), "a document is neither scored nor missing"


def any_bytes_are_a_response_or_an_error(provider: Provider, examples: int | None = None) -> None:
    """Law 4: any bytes at any status are a response or a `RerankError`, and nothing else."""
    request = RerankRequest(query="q", documents=["a", {"text": "b", "n": 1}, "c"], model=provider.default_model or "m")
    likely = _odd_responses(provider).map(_as_json)

    def test(status: int, headers: Mapping[str, str], body: bytes, known: bool) -> None:
        known_request = request if known else None
        try:
            response = provider.decode(status, headers, body, known_request)
        except RerankError as error:
            text = str(error).encode()
        else:
            text = provider.dump_response(response)
            json.loads(text)
            check_invariants(response, request) if known else check_sorted(response)
        assert text, "an error without a sentence"
        returned = provider.decode_error(status, headers, body)
        assert isinstance(returned, RerankError), "decode_error returned something else"

    _run(given(_STATUSES, _HEADERS, st.binary(max_size=64) | likely, st.booleans())(test), examples)


def _as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _odd_responses(provider: Provider) -> st.SearchStrategy[Any]:
    """Responses of about the right shape, with any value at any path."""
    table = provider.dialect.response
    numbers = st.sampled_from((0, 1, -1, 2, 0.5, True, "0", None, 10**30, 1e308, float("nan"), float("inf")))
    odd = json_values() | numbers
    keys = {table.index: odd, table.score_keys[0]: odd}
    row = st.fixed_dictionaries(keys, optional={"document": odd, "x": odd}) | odd
    rows = st.lists(row, max_size=4) | st.dictionaries(st.sampled_from(("0", "D0", "D1", "x")), row, max_size=3)
    if not table.rows_path:
        return rows | odd
    *outer, last = table.rows_path.split(".")
    beside = dict.fromkeys(("error", "detail", "message", "code", "usage", "meta", "model"), odd)
    body: st.SearchStrategy[Any] = st.fixed_dictionaries({last: rows | odd}, optional=beside)
    for key in reversed(outer):
        body = st.fixed_dictionaries({key: body | odd})
    return body | odd


def nothing_is_lost_in_silence(provider: Provider, examples: int | None = None) -> None:
    """Law 5: each part of a document is in the body, or is a loss with its index, or the request is refused for it.

    Of a refusal the message has the provider's name, the document's index and the reason.
    """
    names = [*provider.models, "an-unknown-model"]

    def test(request: RerankRequest) -> None:
        takes_images = provider.model(request.model).images
        wanted = [_marks(document) for document in request.documents]
        try:
            encoded = provider.encode_fields(fields_of(request))
        except UnsupportedRequestError as error:
            _check_refusal(error, provider, request, takes_images=takes_images)
            return
        sent = json.dumps(encoded.body)
        lost = {index for loss in encoded.losses if loss.field == "documents" for index in loss.indices}
        absent = {index for index, marks in enumerate(wanted) if not all(mark in sent for mark in marks)}
        assert absent <= lost, f"documents {sorted(absent - lost)} are not sent as given, without a loss"
        assert encoded.sent_count >= len(wanted) - len(lost), "fewer documents are sent than losses say"
        assert all(mark in sent for mark in _marks(request.query)), "the query is not sent"
        instruction_is_lost = any(loss.field == "instruction" for loss in encoded.losses)
        assert not request.instruction or request.instruction in sent or instruction_is_lost, "no loss: instruction"

    _run(given(marked_requests(st.sampled_from(names)))(test), examples)


def _marks(value: Any) -> list[str]:
    """Return the texts and numbers of a document, each of which stands in no other one."""
    if is_object(value) or is_list(value):
        return [mark for part in (value.values() if is_object(value) else value) for mark in _marks(part)]
    return [str(value)] if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "" else []


def _check_refusal(
    error: UnsupportedRequestError, provider: Provider, request: RerankRequest, *, takes_images: bool
) -> None:
    assert error.provider == provider.name, "the error does not name its provider"
    assert provider.name in str(error), "the message does not name the provider"
    assert len(error.message.split()) > 3, "the message has no reason"
    if error.field == "documents":
        assert error.index == 0, "empty documents are refused, and the error names no document"
        assert not any(map(_marks, request.documents)), "texts are refused as if they were empty"
        return
    place: str = "query" if error.index is None else f"documents[{error.index}]"
    part: Any = request.query if error.index is None else request.documents[error.index]
    assert place in error.message, "the message does not name the document"
    # A model that takes images may refuse them beside texts, and then names either.
    blamed = [request.query, *request.documents] if takes_images else [part]
    assert any(is_object(one) and "image" in one for one in blamed), f"{place} is refused, though it is no image"


def errors_reach_the_client(provider: Provider, examples: int | None = None) -> None:
    """Law 6: a client of the dialect decodes the errors that `encode_error` writes, with message and wait."""

    def test(status: int, message: str) -> None:
        body = to_json({"message": message, "detail": message})
        error = provider.decode_error(status, {"retry-after": "7"}, body)
        client_status, headers, client_body = provider.encode_error(error, relay=True)
        assert 400 <= client_status < 600, "an error under a status that is none"
        assert headers["content-type"] == "application/json", "an error that is not JSON"
        again = provider.decode_error(client_status, headers, to_json(client_body))
        assert again.message == error.message, "the sentence changed"
        assert client_status not in (429, 503) or again.retry_after == 7, "the time to wait was lost"

    _run(given(st.integers(300, 599), st.sampled_from(("too many", "nope", "模型 not there")))(test), examples)
    status, _, _ = provider.encode_error(InvalidRequestError("x"))
    assert 400 <= status < 500, "a client's mistake is a 4xx"
    assert provider.encode_error(RerankTimeoutError("x"))[0] == 504, "a timeout is 504"


def transcoding_is_the_same(provider: Provider, examples: int | None = None) -> None:
    """Law 7: transcoding equals decoding and encoding, for requests, responses and errors."""
    client = provider_by_name("jina")
    through = Transcoder(client, provider, base_model=None)
    any_request = _requests(provider)

    def test(data: st.DataObject) -> None:
        request = data.draw(any_request)
        body = request.to_json()
        read = client.decode_request(body)
        try:
            encoded = provider.encode_fields(fields_of(read), echo_documents=False)
        except RequestError:
            return
        transcoded = through.request(body)
        assert json.loads(transcoded.content) == json.loads(to_json(encoded.body)), "another request"
        assert transcoded.losses == encoded.losses, "other losses"
        response = data.draw(responses(request, count=encoded.sent_count, shuffled=True))
        status = data.draw(_UPSTREAM_STATUSES)
        response_body = to_json(provider.dialect.response.write(response, None))
        got = through.response(status, {}, response_body, transcoded)
        assert (got[0], json.loads(got[2])) == _by_hand(client, provider, request, status, response_body), (
            "another response"
        )

    _run(given(st.data())(test), examples)


def _by_hand(
    client: Provider, provider: Provider, request: RerankRequest, status: int, response_body: bytes
) -> tuple[int, Any]:
    try:
        response = provider.decode(status, {}, response_body, request)
    except RerankError as error:
        code, _, body = client.encode_error(error)
        return code, json.loads(to_json(body))
    return 200, json.loads(to_json(client.encode_response(response, request)))


LAWS: Mapping[str, Law] = {
    law.__name__: law
    for law in (
        encoding_is_stable,
        responses_survive,
        responses_keep_the_contract,
        any_bytes_are_a_response_or_an_error,
        nothing_is_lost_in_silence,
        errors_reach_the_client,
        transcoding_is_the_same,
    )
}
"""Every law by name."""


def assert_provider_contract(provider: Provider, *, max_examples: int | None = None) -> None:
    """Check every law for one provider, which need not be installed.

    Args:
        provider: the provider.
        max_examples: examples per law; None for the current hypothesis profile.

    Raises:
        AssertionError: a law does not hold; hypothesis shows the smallest example.
    """
    for law in LAWS.values():
        law(provider, max_examples)
