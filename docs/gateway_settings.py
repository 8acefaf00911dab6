"""Print the table of settings in gateway.md, from the models themselves: ``python docs/gateway_settings.py``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rerank_unify.gateway.settings import (
    CacheSettings,
    GatewaySettings,
    LimitSettings,
    RouteSettings,
    RuleSettings,
    TargetLimits,
    TargetSettings,
    UpstreamSettings,
)

_PLACES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("", GatewaySettings),
    ("limits.", LimitSettings),
    ("upstream.", UpstreamSettings),
    ("upstream.rules.NAME.", RuleSettings),
    ("cache.", CacheSettings),
    ("models.NAME.", RouteSettings),
    ("models.NAME.targets[].", TargetSettings),
    ("models.NAME.targets[].limits.", TargetLimits),
)


def reference() -> str:
    """Every setting with its default and what it means, as a Markdown table."""
    return "\n".join(("| setting | default | meaning |", "|---|---|---|", *_rows()))


def _rows() -> Iterator[str]:
    for place, model in _PLACES:
        for name, field in model.model_fields.items():
            if field.description is not None:  # parts have rows of their own
                yield f"| `{place}{name}` | {_default(field)} | {' '.join(field.description.split())} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.default
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or value == {}:
        return "–"
    return f"{value:g}" if isinstance(value, float) else f"{value}" if isinstance(value, int) else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(f"{reference()}\n")
