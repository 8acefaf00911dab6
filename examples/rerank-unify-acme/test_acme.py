"""The contract that every provider keeps."""

import rerank_unify as ru
from rerank_unify.testing import assert_provider_contract


def test_acme_keeps_the_contract() -> None:
    assert_provider_contract(ru.provider("acme"), max_examples=20)
