"""``providers``: list the installed providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import click
from pydantic_core import to_json
from rich.console import Console
from rich.text import Text

from .._provider import Provider
from ..registry import provider as provider_by_name
from ..registry import provider_names
from .options import as_json_option
from .output import console, new_table, on_terminal, write_json

FIELDS: Final = ("top_n", "return_documents", "instruction", "max_tokens_per_doc", "truncation", "return_embeddings")
"""The optional canonical fields that a provider may receive."""

# Limits of the query alone are in --json only: they are at most half of the pair's, and the table is wide enough.
_UNITS: Final = {"documents": "documents", "pair_tokens": "tokens a pair", "total_tokens": "tokens in all"}


@click.command()
@as_json_option
def providers(as_json: bool) -> None:
    """List the providers with their endpoints, keys, models, limits and scores.

    Limits and score kind are those of the default model; --json lists every known model.
    """
    listed = [describe(provider_by_name(name)) for name in provider_names()]
    if on_terminal() and not as_json:
        show_providers(console(), listed)
    else:
        write_json(to_json(listed))


def describe(provider: Provider) -> dict[str, Any]:
    """Return the declaration of a provider as JSON values; an undocumented limit is null."""
    default = provider.model()
    return {
        "name": provider.name,
        "endpoints": [provider.endpoint.url, *provider.endpoint.by_key.values()],
        "env": list(provider.env),
        "needs_key": provider.auth.required,
        "fields": [name for name in FIELDS if name in provider.dialect.request.written.values()],
        "default_model": provider.default_model,
        "images": [name for name, model in provider.models.items() if model.images],
        "limits": asdict(default.limits),
        "score_kind": default.score_kind,
        "models": {
            name: {"score_kind": model.score_kind, "images": model.images, "limits": asdict(model.limits)}
            for name, model in provider.models.items()
        },
        "docs": provider.docs,
    }


def score_kinds(about: Mapping[str, Any]) -> str:
    """Return the score kind of the default model, and whether other models have other kinds."""
    kinds = {model["score_kind"] for model in about["models"].values()} | {about["score_kind"]}
    return f"{about['score_kind']}{', by model' if len(kinds) > 1 else ''}"


def show_providers(out: Console, listed: Sequence[Mapping[str, Any]]) -> None:
    """Print the installed providers as a table, from what `describe` returns for each of them."""
    table = new_table(show_lines=True)
    table.add_column("name", style="bold", no_wrap=True, min_width=max(len(about["name"]) for about in listed))
    for title in ("endpoint, key variables, default model", "models for images", "limits of a call, scores"):
        table.add_column(title, overflow="fold")
    for about in listed:
        limits = [f"{limit:,} {unit}" for name, unit in _UNITS.items() if (limit := about["limits"][name]) is not None]
        table.add_row(
            about["name"],
            "\n".join([*about["endpoints"], *about["env"], about["default_model"] or "–"]),
            "\n".join(about["images"]) or "–",
            "\n".join([*limits, score_kinds(about)]),
        )
    out.print(table)
    out.print(Text("A pair is the query and one document. Limits and scores are the default model's.", style="dim"))
