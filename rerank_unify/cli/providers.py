"""``providers``: list the installed providers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

import click

from .._provider import Provider
from ..registry import provider as provider_by_name
from ..registry import provider_names
from .options import as_json_option
from .tables import console, on_terminal, show_providers, write_json


@click.command()
@as_json_option
@click.option("--markdown", is_flag=True, help="Write the table of docs/providers.md.")
def providers(as_json: bool, markdown: bool) -> None:
    """List the providers with their endpoints, keys, models, limits and scores.

    Limits and score kind are those of the default model; --json lists every known model.
    """
    listed = [describe(provider_by_name(name)) for name in provider_names()]
    if markdown:
        click.echo(as_markdown(listed), nl=False)
    elif on_terminal() and not as_json:
        show_providers(console(), listed)
    else:
        write_json(listed)


FIELDS: Final = ("top_n", "return_documents", "instruction", "max_tokens_per_doc", "truncation", "return_embeddings")
"""The optional canonical fields that a provider may receive."""


def as_markdown(listed: Iterable[Mapping[str, Any]]) -> str:
    """Return the table of docs/providers.md, from what `describe` gives of each provider."""
    head = ("name", "endpoint", "key", "default model", "receives", "documents in a call", "scores")
    rows = [head, ("---",) * len(head), *map(_markdown_row, listed)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _markdown_row(about: Mapping[str, Any]) -> tuple[str, ...]:
    key = ", ".join(f"`{name}`" for name in about["env"]) or ("yes" if about["needs_key"] else "none")
    kinds = {model["score_kind"] for model in about["models"].values()} | {about["score_kind"]}
    return (
        f"[`{about['name']}`]({about['docs']})",
        f"`{about['endpoints'][0]}`",
        key if about["needs_key"] or not about["env"] else f"optional, {key}",
        f"`{about['default_model']}`" if about["default_model"] else "name one",
        ", ".join(f"`{name}`" for name in about["fields"]) or "–",
        f"{about['limits']['documents']:,}" if about["limits"]["documents"] else "–",
        about["score_kind"] + (", by model" if len(kinds) > 1 else ""),
    )


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
