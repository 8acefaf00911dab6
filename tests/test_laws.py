"""The laws, for every installed provider."""

import pytest

import rerank_unify as ru
from rerank_unify.testing import LAWS, assert_provider_contract


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", ru.provider_names())
def test_law(name: str, law: str) -> None:
    LAWS[law](ru.provider(name), None)


def test_the_contract_is_every_law() -> None:
    assert_provider_contract(ru.provider("voyage"), max_examples=5)
