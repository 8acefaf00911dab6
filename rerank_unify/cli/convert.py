"""``convert``: translate a request or a response into another dialect."""

from __future__ import annotations

import click
from pydantic_core import to_json

from .._provider import Provider
from ..canonical import fields_of
from ..errors import RerankError
from ..registry import check_option_names
from .options import ProviderName, base_model_option, model_option, read_bytes
from .output import loss_line, response_notes, write_json, write_notes

from_option = click.option(
    "--from", "source", type=ProviderName(), required=True, help="The dialect of the input."
)  # fmt: skip
to_option = click.option(
    "--to", "target", type=ProviderName(), required=True, help="The dialect of the output."
)  # fmt: skip
file_argument = click.argument("file", metavar="[FILE|-]", default="-")


@click.group()
def convert() -> None:
    """Translate a request or a response into another dialect."""


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
    write_json(to_json(encoded.body))
    write_notes(map(loss_line, encoded.losses))


@convert.command("response")
@file_argument
@from_option
@to_option
@click.option("--request", "request_file", metavar="FILE", help="The request: checks indices, adds documents.")
@click.option(
    "--request-from", "dialect", type=ProviderName(), help="The dialect of --request.  [default: as --to]"
)  # fmt: skip
@click.option(
    "--status", type=click.IntRange(200, 999), default=200, show_default=True, help="The HTTP status of the response."
)
def convert_response(
    file: str, source: Provider, target: Provider, request_file: str | None, dialect: Provider | None, status: int
) -> None:
    """Translate a response's body, from FILE or standard input.

    If the body is an error, the command prints one line on stderr and ends with exit code 1. With a --status of 300 or
    more it translates the error, and stderr says which status the error has in the target's dialect.
    """
    if file == request_file == "-":
        raise click.UsageError("The response and the request cannot both be standard input: name a file for one.")
    request = (dialect or target).decode_request(read_bytes(request_file)) if request_file is not None else None
    try:
        response = source.decode(status, (), read_bytes(file), request)
    except RerankError as error:
        if status < 300:
            raise
        status, _, body = target.encode_error(error)
        write_json(to_json(body))
        write_notes([f"status: {status}"])
    else:
        write_json(to_json(target.encode_response(response, request)))
        write_notes(response_notes(response))
