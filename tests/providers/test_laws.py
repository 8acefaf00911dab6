"""The laws, for each dialect format, and in a thorough run for every installed provider."""

from __future__ import annotations

from dataclasses import replace

import pytest
from example_budget import examples_for_each, providers_to_try

import rerank_unify as ru
from rerank_unify.declaration import EncodeContext
from rerank_unify.testing import LAWS, assert_provider_contract
from rerank_unify.testing.contract import nothing_is_lost_in_silence, response_survives

PROVIDERS = providers_to_try()
EXAMPLES = examples_for_each(72, len(PROVIDERS))  # of each law


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", PROVIDERS)
def test_law(name: str, law: str) -> None:
    LAWS[law](ru.provider(name), EXAMPLES)


def _without_its_last_document(draft: EncodeContext) -> None:
    draft.body["documents"].pop()


def test_a_document_that_gets_lost_breaks_the_law() -> None:
    cohere = ru.provider("cohere")
    request = replace(cohere.dialect.request, postprocess=_without_its_last_document)
    forgetful = replace(cohere, dialect=replace(cohere.dialect, request=request))
    with pytest.raises(AssertionError, match="are not sent as given, without a loss"):
        nothing_is_lost_in_silence(forgetful, 50)


@pytest.mark.parametrize("query", ["warning", "a warning"])
def test_a_warning_that_repeats_the_query_survives_redacted(query: str) -> None:
    request = ru.RerankRequest(query=query, documents=["d"])
    response = ru.RerankResponse([], warnings=("a warning",))
    response_survives(ru.provider("cohere"), request, response)


def test_the_contract_is_every_law() -> None:
    assert_provider_contract(ru.provider("voyage"), max_examples=5)
