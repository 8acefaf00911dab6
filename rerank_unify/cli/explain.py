"""``explain``: show the request that a provider would receive, and its losses."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import click
from pydantic_core import to_json
from rich.highlighter import JSONHighlighter
from rich.text import Text

from .._http import PLACEHOLDER, MaskedHeaders, validate_headers
from .._json import is_list
from .._provider import Call
from .._shell import ShellRequest
from ..canonical import Loss
from ..fallback import Attempt, Target
from ..registry import check_option_names
from ..registry import provider as provider_by_name
from .options import CANONICAL, as_json_option, read_bytes, with_target
from .output import console, loss_line, on_terminal, one_line, write_json, write_notes, write_text

_UNKNOWN_MODEL = (
    "note: {1} has no known model {0!r}; --model sends another, --base-model names the known model behind it"
)


@click.command()
@click.argument("source", metavar="REQUEST|-")
@with_target(required=True, help="The provider that would receive the request.")
@click.option("--brief", is_flag=True, help="Print the short form of a terminal into a pipe too.")
@click.option("--curl", "as_curl", is_flag=True, help="Print a command line of curl that sends the request.")
@as_json_option
def explain(source: str, target: Target, brief: bool, as_curl: bool, as_json: bool) -> None:
    """Show what a provider would receive, and what would be lost.

    REQUEST is a file in Jina's format, - for standard input. Nothing is sent, and no key is needed. A terminal gets
    each field of the body on a line, cut to its width; --json has the whole body and the headers. The parts of the URL
    and the project that environment variables hold are taken from there.

    --curl prints a command line for a POSIX shell, which takes the key from the provider's environment variable. Where
    curl cannot sign, a comment says so. Losses go to stderr.
    """
    if as_json + brief + as_curl > 1:
        raise click.UsageError("--json, --brief and --curl exclude each other.")
    request = provider_by_name(CANONICAL).decode_request(read_bytes(source))
    provider = target.resolved_provider
    check_option_names(request.provider_options, {provider.name: provider})
    if as_curl and provider.sender is not None:
        raise click.UsageError(f"{provider.name} ranks in this process: there is no request that curl could send.")
    target = _completed(target, request.model)
    call = Attempt(0, target, None, target.model).prepare(request, api_key=_placeholder(target))
    if as_curl:
        write_text(_command(call, target))
        write_notes(map(loss_line, call.losses))
        return
    described = call.describe(signed=_has_key(target) and not target.auth_header)
    if brief or (on_terminal() and not as_json):
        _show(described, call.losses)
        if provider.models and (target.base_model or call.model) not in provider.models:
            click.echo(_UNKNOWN_MODEL.format(call.model, provider.name))
    else:
        write_json(to_json(described))


def _completed(target: Target, model: str | None) -> Target:
    """Return the target with the URL and the options that the environment gives; unknown parts stay in braces."""
    target = target.with_environment(os.environ)
    provider, options = target.resolved_provider, target.options or {}
    if provider.required_options and not any(name in options for name in provider.required_options):
        name = provider.required_options[0]
        target = replace(target, options={name: f"{{{name}}}", **options})
    if target.url is None and target.base_url is None and provider.endpoint.needs_base_url:
        url = provider.endpoint.template(target.model or model or provider.default_model or "m")
        target = replace(target, url=url)
    return target


def _has_key(target: Target) -> bool:
    """Return whether the call carries a key."""
    return bool(target.auth_header) or (target.resolved_provider.auth.required and _at_provider(target))


def _placeholder(target: Target) -> str | None:
    """Return a placeholder of the key; it begins as the key in the environment where that chooses the host."""
    if not _has_key(target):
        return None
    provider = target.resolved_provider
    key = provider.key(os.environ) or ""
    return next(filter(key.startswith, provider.endpoint.by_key), "") + PLACEHOLDER


def _at_provider(target: Target) -> bool:
    """Return whether the call goes to the provider's own host, where a key from the environment goes as well."""
    url, endpoint = target.url or target.base_url, target.resolved_provider.endpoint
    return url is None or endpoint.serves(url)


def _command(call: Call, target: Target) -> str:
    """Return the command line that sends a call, with the key from an environment variable."""
    provider, auth = call.provider, call.provider.auth
    is_secret = cast("MaskedHeaders", call.http.headers).is_secret
    given = {**provider.endpoint.headers, **validate_headers(target.headers)}
    headers = {"content-type": call.http.headers["content-type"], **given}
    variables = dict(provider.endpoint.part_variables)
    for name in filter(is_secret, given):
        variables[name] = _variable(name)
        headers[name] = f"{{{name}}}"
    url = re.sub(rf"[?&][\w-]+={PLACEHOLDER}$", "", call.http.url)
    options = {name: provider.option_variables.get(name) or _variable(name) for name in provider.required_options[:1]}
    shell = ShellRequest(url, call.http.content.decode(), headers, variables, options)
    if target.auth_header:
        auth = auth.in_header(target.auth_header)
    has_key = _has_key(target) or (_at_provider(target) and auth.key(os.environ) is not None)
    return auth.command(shell, os.environ) if has_key else shell.curl()


def _variable(name: str) -> str:
    """Return a name of the shell for a header or a field of the body."""
    return re.sub(r"\W|(?<=[a-z])(?=[A-Z])", "_", name).upper()


def _show(described: Mapping[str, Any], losses: Sequence[Loss]) -> None:
    out = console()
    out.print(Text(f"{described['method']} {one_line(described['url'])}", style="bold"), soft_wrap=True)
    for name, value in described["body"].items():
        out.print(_field_line(name, value, out.width), no_wrap=True)
    for line in map(loss_line, losses):
        out.print(Text(line, style="yellow"), soft_wrap=True)
    if not losses:
        out.print(Text("nothing is lost", style="green"))


def _field_line(name: str, value: Any, width: int) -> Text:
    """Format a field of the body on a line, and the number of items of a list."""
    count = f" ({len(value)} in all)" if is_list(value) else ""
    line = Text("  ") + JSONHighlighter()(one_line(f'"{name}": {to_json(value).decode()}'))
    line.truncate(max(width - len(count), 1), overflow="ellipsis")
    return line + Text(count, style="dim")
