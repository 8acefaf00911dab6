"""Print the table of providers.md, from the declarations of providers: ``python docs/providers_table.py``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import rerank_unify as ru
from rerank_unify.cli.providers import describe, score_kinds

_HEAD = ("name", "endpoint", "key", "default model", "receives", "documents in a call", "scores")


def table() -> str:
    """Return a Markdown table with a row for each provider."""
    rows = [_HEAD, ("---",) * len(_HEAD), *(_row(describe(ru.provider(name))) for name in ru.provider_names())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(about: Mapping[str, Any]) -> tuple[str, ...]:
    key = ", ".join(f"`{name}`" for name in about["env"]) or ("yes" if about["needs_key"] else "none")
    return (
        f"[`{about['name']}`]({about['docs']})",
        f"`{about['endpoints'][0]}`",
        key if about["needs_key"] or not about["env"] else f"optional, {key}",
        f"`{about['default_model']}`" if about["default_model"] else "name one",
        ", ".join(f"`{name}`" for name in about["fields"]) or "–",
        f"{about['limits']['documents']:,}" if about["limits"]["documents"] else "–",
        score_kinds(about),
    )


if __name__ == "__main__":
    sys.stdout.write(table())
