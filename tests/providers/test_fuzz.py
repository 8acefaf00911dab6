"""Real replies with random damage, at any status: decoding gives a valid response or raises a RerankError."""

import json
import os
import random
from typing import Any

import pytest
from example_budget import THOROUGH, providers_to_try

import rerank_unify as ru
from rerank_unify._json import is_list, is_object
from rerank_unify.testing import Case, load_cases
from rerank_unify.testing.contract import check_invariants, check_sorted

EXAMPLES = int(os.environ.get("RERANK_UNIFY_FUZZ", "100000" if THOROUGH else "6000"))
STATUSES = (200, 200, 200, 200, 206, 301, 400, 401, 404, 422, 429, 500, 503, 520)
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 10**30, -(10**400), 0.5, 1e308, float("nan"), float("inf"), "", "x", "0"),
    *([], {}, [[]], [{}], {"text": {"text": {}}}, {"code": 429}, "\x00", "é" * 400, [None] * 50, {"": ""}),
)


def broken(chance: random.Random, case: Case) -> bytes:
    """A reply with something wrong: values swapped, keys lost, bytes flipped, cut or repeated."""
    assert case.reply is not None
    body = case.reply.body
    if chance.random() < 0.7:
        try:
            value = json.loads(body)
        except ValueError:
            pass
        else:
            for _ in range(chance.randint(1, 3)):
                value = mutated(chance, value)
            return json.dumps(value).encode()
    at = chance.randrange(len(body) + 1)
    cut = chance.randrange(len(body) + 1)
    junk = chance.randbytes(chance.randint(0, 6))
    return chance.choice((body[:at], body[at:], body[:at] + junk + body[at:], body[:at] + body[cut:], junk, body * 2))


def mutated(chance: random.Random, value: Any) -> Any:
    """The value with one thing changed somewhere inside."""
    if chance.random() < 0.15 or not value:
        return chance.choice(ODD)
    if is_object(value):
        key = chance.choice(list(value))
        return {k: mutated(chance, v) if k == key else v for k, v in value.items() if k != key or chance.random() > 0.1}
    if is_list(value):
        at = chance.randrange(len(value))
        twice = [value[at]] if chance.random() < 0.1 else []
        return [*value[:at], mutated(chance, value[at]), *value[at + 1 :], *twice]
    return chance.choice(ODD)


PROVIDERS = providers_to_try()


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_broken_response_is_decoded_or_our_error(name: str) -> None:
    provider = ru.provider(name)
    cases = [case for case in load_cases(name) if case.reply is not None]
    chance = random.Random(name)
    for _ in range(EXAMPLES // len(PROVIDERS)):
        case = chance.choice(cases)
        request = None
        if case.request is not None and chance.random() < 0.8:
            request = ru.RerankRequest.model_validate(case.request)
        body, status = broken(chance, case), chance.choice(STATUSES)
        try:
            response = provider.decode(status, {}, body, request)
        except ru.RerankError as error:
            assert str(error)
            assert not isinstance(error, ru.RequestError)
        else:
            check_sorted(response) if request is None else check_invariants(response, request)
            json.loads(response.to_json(), parse_constant=pytest.fail)
