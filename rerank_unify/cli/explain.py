"""``explain``: show the request that a provider would receive, and its losses."""

from __future__ import annotations

from typing import Any

import click
from pydantic_core import from_json, to_json
from rich.highlighter import JSONHighlighter
from rich.text import Text

from .._json import is_list
from .._provider import Call
from ..fallback import Attempt, Target
from ..registry import check_option_names
from ..registry import provider as provider_by_name
from .options import CANONICAL, as_json_option, read_bytes, with_target
from .output import console, loss_line, on_terminal, one_line, write_json

_NO_KEY = "placeholder-of-a-key"  # so that a call can be prepared without a key; the output hides it
_UNKNOWN_MODEL = (
    "note: {1} has no known model {0!r}; --model sends another, --base-model names the known model behind it"
)


@click.command()
@click.argument("source", metavar="REQUEST|-")
@with_target(required=True, help="The provider that would receive the request.")
@click.option("--brief", is_flag=True, help="Print the short form of a terminal into a pipe too.")
@as_json_option
def explain(source: str, target: Target, brief: bool, as_json: bool) -> None:
    """Show what a provider would receive, and what would be lost.

    REQUEST is a file in Jina's format, - for standard input. Nothing is sent, and no key is needed. A terminal gets
    each field of the body on a line, cut to its width; --json has the whole body and the headers.
    """
    if as_json and brief:
        raise click.UsageError("--json and --brief exclude each other.")
    request = provider_by_name(CANONICAL).decode_request(read_bytes(source))
    provider = target.resolved_provider
    check_option_names(request.provider_options, {provider.name: provider})
    url = target.url or target.base_url
    has_key = target.auth_header or (provider.auth.required and (url is None or provider.endpoint.serves(url)))
    call = Attempt(0, target, None, target.model).prepare(request, api_key=_NO_KEY if has_key else None)
    if brief or (on_terminal() and not as_json):
        _show(call)
        if provider.models and (target.base_model or call.model) not in provider.models:
            click.echo(_UNKNOWN_MODEL.format(call.model, provider.name))
    else:
        write_json(to_json(call.describe()))


def _show(call: Call) -> None:
    out = console()
    out.print(Text(f"{call.http.method} {one_line(call.http.masked_url)}", style="bold"), soft_wrap=True)
    body: dict[str, Any] = from_json(call.http.content)
    for name, value in body.items():
        out.print(_field_line(name, value, out.width), no_wrap=True)
    for line in map(loss_line, call.losses):
        out.print(Text(line, style="yellow"), soft_wrap=True)
    if not call.losses:
        out.print(Text("nothing is lost", style="green"))


def _field_line(name: str, value: Any, width: int) -> Text:
    """Format a field of the body on a line, and the number of items of a list."""
    count = f" ({len(value)} in all)" if is_list(value) else ""
    line = Text("  ") + JSONHighlighter()(one_line(f'"{name}": {to_json(value).decode()}'))
    line.truncate(max(width - len(count), 1), overflow="ellipsis")
    return line + Text(count, style="dim")
