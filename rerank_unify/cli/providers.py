"""``providers``: list the installed providers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from .._provider import Provider
from ..registry import provider as provider_by_name
from ..registry import provider_names
from .options import as_json_option
from .tables import console, on_terminal, show_providers, write_json


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
        write_json(listed)


def describe(provider: Provider) -> dict[str, Any]:
    """Return the declaration of a provider as JSON values; an undocumented limit is null."""
    default = provider.model()
    return {
        "name": provider.name,
        "endpoints": [provider.endpoint.url, *provider.endpoint.by_key.values()],
        "env": list(provider.env),
        "needs_key": provider.auth.required,
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
