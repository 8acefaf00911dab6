"""``explain``: what a provider would be sent, and what would be lost."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from pydantic_core import from_json

from .._http import HttpRequest
from .._provider import Call, Provider
from ..registry import provider as provider_by_name
from .inputs import CANONICAL, names_from, read_bytes
from .options import as_json_option, base_model_option, model_option
from .tables import console, on_terminal, show_http, show_http_briefly, write_json
from .text import loss_line

# Stands where a key would, so that a call can be prepared without one; it is masked wherever it is shown.
_NO_KEY = "key-of-nobody"
_UNKNOWN_MODEL = "note: {!r} is no model that {} is known to have; --model sends another, --base-model says what it is"


@click.command()
@click.argument("source", metavar="REQUEST|-")
@click.option(
    "--provider",
    "provider",
    type=provider_by_name,
    shell_complete=names_from,
    required=True,
    help="Who would be asked.",
)
@model_option
@base_model_option
@click.option("--base-url", metavar="URL", help="Your own server: a root, a version root, a prefix or the full path.")
@click.option(
    "--brief", is_flag=True, help="Each field of the body on a line, cut to the terminal's width; in a pipe too."
)
@as_json_option
def explain(
    source: str,
    provider: Provider,
    model: str | None,
    base_model: str | None,
    base_url: str | None,
    brief: bool,
    as_json: bool,
) -> None:
    """Show what a provider would be sent, and what would be lost.

    REQUEST is a file in Jina's format, - for standard input. Nothing is sent, and no key is needed.
    """
    if as_json and brief:
        raise click.UsageError("--json and --brief exclude each other.")
    request = provider_by_name(CANONICAL).decode_request(read_bytes(source))
    key = _NO_KEY if provider.auth.required else None
    call = provider.prepare(request, model=model, api_key=key, base_url=base_url, base_model=base_model)
    if brief or (on_terminal() and not as_json):
        show = show_http_briefly if brief else show_http
        show(console(), _shown(call.http), [loss_line(loss) for loss in call.losses])
        if provider.models and (base_model or call.model) not in provider.models:
            click.echo(_UNKNOWN_MODEL.format(call.model, provider.name))
    else:
        write_json(_explained(call))


def _shown(http: HttpRequest) -> dict[str, Any]:
    headers = {name: value.replace(_NO_KEY, "…") for name, value in http.headers.items()}
    return {"method": http.method, "url": http.url, "headers": headers, "body": from_json(http.content)}


def _explained(call: Call) -> dict[str, Any]:
    return {
        "provider": call.provider.name,
        "model": call.model,
        "url": call.http.url,
        "body": from_json(call.http.content),
        "losses": [asdict(loss) for loss in call.losses],
    }
