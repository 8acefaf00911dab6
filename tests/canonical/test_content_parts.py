"""Content parts, as clients of OpenAI and vLLM write them, and base64, which is never ranked as text."""

import json
from typing import Any

import pytest

import rerank_unify as ru

DATA = "data:image/png;base64,iVBORw0KGgo="
TEXT = {"type": "text", "text": "a"}
IMAGE = {"type": "image_url", "image_url": {"url": DATA}}
EMPTY: dict[str, Any] = {}
VIDEO = {"type": "video_url", "video_url": {"url": "https://example.com/1.mp4"}}
BOTH = {"text": "a", "image": DATA}


def ask(*documents: Any, **fields: Any) -> ru.RerankRequest:
    return ru.RerankRequest(query=fields.pop("query", "q"), documents=documents, **fields)


@pytest.mark.parametrize(
    ("document", "canonical"),
    [
        ({"content": [TEXT, IMAGE]}, BOTH),
        ({"content": [IMAGE, TEXT]}, BOTH),
        ([TEXT, IMAGE], BOTH),
        ({"content": [TEXT]}, {"text": "a"}),
        ({"content": [TEXT, {"type": "input_text", "text": "b"}]}, {"text": "a\nb"}),
        ({"content": [TEXT, IMAGE], "id": 7}, {"id": 7, **BOTH}),
        (TEXT, {"text": "a"}),
        (IMAGE, {"image": DATA}),
        ({"type": "input_image", "image_url": DATA}, {"image": DATA}),
        ({"type": "image", "image": DATA, "id": 7}, {"id": 7, "image": DATA}),
        ({"image_url": {"url": DATA}}, {"image": DATA}),
        ({"image_url": DATA}, {"image": DATA}),
    ],
)
def test_content_parts_become_text_and_image(document: Any, canonical: Any) -> None:
    wire = json.dumps({"query": "q", "documents": ["x", document]}).encode()
    assert ask("x", document).documents == ("x", canonical)
    assert ru.RerankRequest.model_validate_json(wire).documents == ("x", canonical)
    for name in ("jina", "cohere", "vllm", "sglang", "compatible", "xinference"):
        assert ru.provider(name).decode_request(wire).documents == ("x", canonical)


@pytest.mark.parametrize(
    "document",
    [
        {"content": "a"},
        {"content": []},
        {"content": [{"type": "paragraph", "text": "a"}]},
        {"content": [1, TEXT]},
        {"type": "video", "title": "Sunset"},
        {"type": "image", "title": "Sunset"},
        {"type": "text", "text": "a", "lang": "en"},
        {"title": "Sunset", "image_url": "https://example.com/1.png"},
    ],
)
def test_a_document_that_is_no_content_part_is_unchanged(document: Any) -> None:
    assert ask(document).documents == (document,)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"content": [IMAGE, TEXT, IMAGE]}, r"documents\[1\]\.content\[2\]: is a second image"),
        ({"content": [TEXT, VIDEO]}, r"documents\[1\]\.content\[1\]: expected a part of type text .*, not video_url"),
        ({"content": [TEXT, {"type": "x"}]}, r"documents\[1\]\.content\[1\]: expected a part of type text .*a string"),
        ({"content": [TEXT, EMPTY]}, r"documents\[1\]\.content\[1\]\.image_url: expected a string, not null"),
        ([TEXT, IMAGE, IMAGE], r"documents\[1\]\[2\]: is a second image"),
        (VIDEO, r"documents\[1\]: expected a part of type text or image_url, not video_url"),
        ({"content": [{"type": "text", "text": 5}]}, r"documents\[1\]\.content\[0\]\.text: expected a string, not 5"),
        ({"content": [{"type": "image_url"}]}, r"documents\[1\]\.content\[0\]\.image_url: expected a string, not null"),
        ({"content": [{"type": "image_url", "image_url": EMPTY}]}, r"\.image_url: expected a string, not null"),
        ({"content": [TEXT], "text": "b"}, r"documents\[1\]\.content: expected content parts without text or image"),
        ([["b"]], r"documents\[1\]: expected a string or an object, not a list"),
    ],
)
def test_other_parts_are_refused_with_their_index(document: Any, sentence: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match=sentence) as caught:
        ask("x", document)
    assert caught.value.field is not None
    assert caught.value.field.startswith("documents[1]")
    with pytest.raises(ru.InvalidRequestError, match=sentence):
        ru.provider("vllm").decode_request({"query": "q", "documents": ["x", document]})


def test_a_query_of_content_parts() -> None:
    assert ask("x", query={"content": [TEXT]}).query == {"text": "a"}
    assert ask("x", query=[IMAGE]).query == {"image": DATA}
    assert ask("x", query=TEXT).query == {"text": "a"}
    with pytest.raises(ru.InvalidRequestError, match="query: expected a string that is not blank"):
        ask("x", query={"content": [TEXT, IMAGE]})
    with pytest.raises(ru.InvalidRequestError, match=r"query\.content\[1\]: is a second image"):
        ask("x", query={"content": [IMAGE, IMAGE]})


@pytest.mark.parametrize("name", [name for name in ru.provider_names() if ru.provider(name).ranks])
def test_an_image_goes_to_models_that_take_images_alone(name: str) -> None:
    provider = ru.provider(name)
    request = ask({"content": [TEXT, IMAGE]}, model="some-text-model")
    refused = provider.check(request)
    assert refused is not None
    assert (refused.field, refused.index) == ("documents[0]", 0)
    for model in (one for one in provider.models if provider.model(one).images):
        assert DATA in json.dumps(provider.encode_request(ask(IMAGE), model))
        both = ask({"content": [TEXT, IMAGE]})
        if provider.check(both, model) is None:  # some take a text or an image, not both
            assert DATA in json.dumps(provider.encode_request(both, model))


@pytest.mark.parametrize("name", ru.provider_names())
def test_base64_is_never_ranked_as_text(name: str) -> None:
    provider, model = ru.provider(name), "some-text-model"
    request = ask("a", {"title": "b", "thumbs": [DATA, {"url": DATA, "n": 1}], "icon": DATA}, model=model)
    encoded = provider.encode_request(request)
    assert "base64" not in json.dumps(encoded)
    assert [(loss.action, loss.indices, loss.affects_result) for loss in provider.losses(request)][:2] == [
        ("converted", (1,), False),
        ("dropped", (1,), True),
    ]
    for documents in (("a", DATA), ("a", {"text": DATA}), ("a", {"title": DATA}), ("a", {"a": DATA, "b": DATA})):
        with pytest.raises(ru.InvalidRequestError, match=r"documents\[1\]: is base64, .*an image is \{\"image\": …\}"):
            provider.check(ask(*documents, model=model))
    for query in (DATA, {"text": DATA}):
        with pytest.raises(ru.InvalidRequestError, match="query: is base64"):
            provider.check(ask("a", query=query, model=model))


def test_base64_beside_an_image_or_in_fields_that_are_not_ranked() -> None:
    jina = ru.provider("jina")
    request = ask({"title": "T", "icon": DATA, "image": "u"}, rank_fields=["title", "icon", "image"])
    body = jina.encode_request(request, "jina-reranker-m0")
    assert body["documents"] == [{"text": "T", "image": "u"}]
    assert [loss.action for loss in jina.losses(request, "jina-reranker-m0")] == ["dropped"]
    request = ask({"title": "T", "icon": DATA}, rank_fields=["title"])
    assert [loss.action for loss in jina.losses(request)] == ["converted"]
    assert jina.encode_request(ask("data: we found", "data:text,plain"))["documents"] == [
        "data: we found",
        "data:text,plain",
    ]


def test_an_elastic_client_writes_type_format_and_value() -> None:
    image = {"type": "image", "format": "base64", "value": DATA}
    elastic = ru.provider("elastic")
    wire = {"query": {"type": "text", "value": "q"}, "input": [{"type": "text", "value": "a"}, image, "b", {"n": 1}]}
    request = elastic.decode_request(wire)
    assert (request.query, request.documents) == ("q", ("a", {"image": DATA}, "b", {"n": 1}))
    assert elastic.decode_request({"query": "q", "input": "a"}).documents == ("a",)
    assert elastic.decode_request({"query": "q", "input": image}).documents == ({"image": DATA},)
    with pytest.raises(ru.InvalidRequestError, match="input: expected a list of one or more strings or objects, not 5"):
        elastic.decode_request({"query": "q", "input": 5})
    with pytest.raises(ru.InvalidRequestError, match="input: this field is required"):
        elastic.decode_request({"query": "q"})
