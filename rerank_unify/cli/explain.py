"""``explain``: show the request that a provider would receive, and its losses."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

import click
from pydantic_core import from_json

from .._http import HttpRequest, MaskedHeaders
from .._provider import Call, Provider
from ..registry import check_option_names
from ..registry import provider as provider_by_name
from .inputs import CANONICAL, names_from, read_bytes
from .options import (
    as_json_option,
    auth_header_option,
    base_model_option,
    base_url_option,
    header_option,
    model_option,
    url_option,
)
from .tables import console, on_terminal, show_http, write_json
from .targets import check_one_url
from .text import loss_line

# A placeholder for the key, so that a call can be prepared without one; it is masked in the output.
_NO_KEY = "placeholder-of-a-key"
_UNKNOWN_MODEL = (
    "note: {1} has no known model {0!r}; --model sends another, --base-model names the known model behind it"
)


@click.command()
@click.argument("source", metavar="REQUEST|-")
@click.option(
    "--provider",
    "provider",
    type=provider_by_name,
    shell_complete=names_from,
    required=True,
    help="The provider that would receive the request.",
)
@model_option
@base_model_option
@base_url_option
@url_option
@header_option
@auth_header_option
@as_json_option
def explain(
    source: str,
    provider: Provider,
    model: str | None,
    base_model: str | None,
    base_url: str | None,
    url: str | None,
    headers: dict[str, str],
    auth_header: str | None,
    as_json: bool,
) -> None:
    """Show what a provider would receive, and what would be lost.

    REQUEST is a file in Jina's format, - for standard input. Nothing is sent, and no key is needed.
    """
    check_one_url(base_url, url)
    request = provider_by_name(CANONICAL).decode_request(read_bytes(source))
    check_option_names(request.provider_options, {provider.name: provider})
    address = url or base_url
    needs_key = provider.auth.required and (address is None or provider.endpoint.serves(address))
    call = provider.prepare(
        request,
        model=model,
        api_key=_NO_KEY if needs_key or auth_header else None,
        base_url=base_url,
        url=url,
        headers=headers,
        auth_header=auth_header,
        base_model=base_model,
    )
    if on_terminal() and not as_json:
        show_http(console(), _shown(call.http), [loss_line(loss) for loss in call.losses])
        if provider.models and (base_model or call.model) not in provider.models:
            click.echo(_UNKNOWN_MODEL.format(call.model, provider.name))
    else:
        write_json(_explained(call))


def _shown(http: HttpRequest) -> dict[str, Any]:
    masked = cast("MaskedHeaders", http.headers)
    headers = {
        name: "…" if masked.is_secret(name) and _NO_KEY not in value else value.replace(_NO_KEY, "…")
        for name, value in masked.items()
    }
    return {"method": http.method, "url": http.url, "headers": headers, "body": from_json(http.content)}


def _explained(call: Call) -> dict[str, Any]:
    return {
        "provider": call.provider.name,
        "model": call.model,
        "url": call.http.url,
        "body": from_json(call.http.content),
        "losses": [asdict(loss) for loss in call.losses],
    }
