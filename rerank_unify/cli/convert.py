"""``convert``: translate a request or a response into another dialect."""

from __future__ import annotations

import click

from .._provider import Provider
from ..canonical import fields_of
from ..errors import RerankError
from ..registry import check_option_names
from ..registry import provider as provider_by_name
from .inputs import names_from, read_bytes
from .options import base_model_option, model_option
from .tables import complain, write_json
from .text import loss_line, notes


@click.group()
def convert() -> None:
    """Translate a request or a response into another dialect."""


from_option = click.option(
    "--from",
    "source",
    type=provider_by_name,
    shell_complete=names_from,
    required=True,
    help="The dialect of the input.",
)
to_option = click.option(
    "--to",
    "target",
    type=provider_by_name,
    shell_complete=names_from,
    required=True,
    help="The dialect of the output.",
)
file_argument = click.argument("file", metavar="[FILE|-]", default="-")


@convert.command("request")
@file_argument
@from_option
@to_option
@model_option
@base_model_option
def convert_request(file: str, source: Provider, target: Provider, model: str | None, base_model: str | None) -> None:
    """Translate a request's body, from FILE or standard input.

    The body goes to stdout; losses go to stderr, one line each.
    """
    request = source.decode_request(read_bytes(file))
    check_option_names(request.provider_options, {source.name: source, target.name: target})
    encoded = target.encode_fields(fields_of(request), model=model, base_model=base_model)
    write_json(encoded.body)
    complain(map(loss_line, encoded.losses))


@convert.command("response")
@file_argument
@from_option
@to_option
@click.option("--request", "request_file", metavar="FILE", help="The request: checks indices, adds documents.")
@click.option(
    "--request-from",
    "request_dialect",
    type=provider_by_name,
    shell_complete=names_from,
    help="The dialect of --request.  [default: as --to]",
)
@click.option(
    "--status", type=click.IntRange(200, 999), default=200, show_default=True, help="The HTTP status of the response."
)
def convert_response(
    file: str,
    source: Provider,
    target: Provider,
    request_file: str | None,
    request_dialect: Provider | None,
    status: int,
) -> None:
    """Translate a response's body, from FILE or standard input.

    If the body is an error, the command prints one line on stderr and ends with exit code 1. With a --status of 300 or
    more it translates the error, and stderr says which status the error has in the target's dialect.
    """
    if file == request_file == "-":
        raise click.UsageError(
            "The response and the request cannot both be standard input: name a file for one of them."
        )
    request = (request_dialect or target).decode_request(read_bytes(request_file)) if request_file is not None else None
    try:
        response = source.decode(status, (), read_bytes(file), request)
    except RerankError as error:
        if status < 300:
            raise
        status, _, body = target.encode_error(error)
        write_json(body)
        complain([f"status: {status}"])
    else:
        write_json(target.encode_response(response, request))
        complain(notes(response))
