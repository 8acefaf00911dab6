"""The laws, for each dialect format, and in a thorough run for every installed provider."""

from __future__ import annotations

import pytest
from example_budget import examples_for_each, providers_to_try

import rerank_unify as ru
from rerank_unify.testing import LAWS, assert_provider_contract

PROVIDERS = providers_to_try()
EXAMPLES = examples_for_each(72, len(PROVIDERS))  # of each law


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", PROVIDERS)
def test_law(name: str, law: str) -> None:
    LAWS[law](ru.provider(name), EXAMPLES)


def test_the_contract_is_every_law() -> None:
    assert_provider_contract(ru.provider("voyage"), max_examples=5)
