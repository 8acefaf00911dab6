"""Requests made from our own OpenAPI description: no status that it does not name, and nothing of 500."""

from __future__ import annotations

from typing import Any

import schemathesis
import schemathesis.checks
import schemathesis.specs.openapi.checks
from example_budget import THOROUGH
from hypothesis import HealthCheck, Phase, settings

from rerank_unify.gateway.app import create_app

# Their types are in part unknown, here and below.
general: Any = schemathesis.checks
of_openapi: Any = schemathesis.specs.openapi.checks
CHECKS = [general.not_a_server_error, of_openapi.status_code_conformance, of_openapi.content_type_conformance]

# The default route is `local`, so that no key leads a request of this test to a provider.
app = create_app({"default": {"targets": [{"provider": "local", "model": "local-bm25"}]}})
schema: Any = schemathesis.openapi.from_asgi("/openapi.json", app)


@schema.parametrize()  # type: ignore[untyped-decorator]
@settings(
    max_examples=10 if THOROUGH else 5,  # for each path
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_the_gateway_does_what_it_describes(case: Any) -> None:
    case.call_and_validate(checks=CHECKS)
