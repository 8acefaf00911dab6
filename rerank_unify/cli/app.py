"""The commands: each reads its input, calls the library's pure functions, and writes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from pydantic_core import from_json

from .. import __version__
from ..canonical import RerankRequest, RerankResponse
from ..endpoint import HttpRequest
from ..errors import RerankError
from ..registry import Call, Provider, provider, provider_names
from .guard import Commands, Failure
from .inputs import CANONICAL, names_from, read_bytes, read_documents, read_request
from .lines import loss_line, notes
from .show import complain, console, on_terminal, show_http, show_providers, show_ranking, write_json, write_line

# Stands where a key would, so that a call can be prepared without one; it is masked wherever it is shown.
_NO_KEY = "key-of-nobody"
_NO_CLIENT = (
    "{}: the command line calls local alone, the http extra's client comes to it with the next version; "
    "`rerank-unify explain` shows what would be sent, and `convert response` reads an answer that you fetched"
)
_UNKNOWN_MODEL = "note: {!r} is no model that {} is known to have; --model sends another, --like says what it is"

as_json_option = click.option("--json", "as_json", is_flag=True, help="JSON, as a pipe gets it, on a terminal too.")
model_option = click.option("--model", metavar="MODEL", help="The model to send, instead of the request's own.")
like_option = click.option(
    "--like", metavar="MODEL", help="The known model behind a name that says nothing, such as a Xinference UID."
)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  Rank three texts on this machine, with no key and no network:
    rerank-unify rerank --query "sensitive skin" \\
        --document "aloe vera cream" --document "motor oil" --document "cream for skin"
\b
  What would Voyage get, and what would be lost on the way?
    rerank-unify explain request.json --provider voyage
\b
  Ask Voyage with curl, read the answer as Jina would have written it:
    rerank-unify convert request --from jina --to voyage --model rerank-2.5 \\
        request.json > body.json
    curl -s https://api.voyageai.com/v1/rerank -H "Authorization: Bearer $VOYAGE_API_KEY" \\
        -H "Content-Type: application/json" -d @body.json |
      rerank-unify convert response --from voyage --to jina --request request.json
""",
)
@click.version_option(__version__, prog_name="rerank-unify")
def app() -> None:
    """Any rerank client, any rerank vendor, one format in the middle: Jina's.

    Rank documents, see what a vendor would be sent and what it could not be told, and translate requests and answers
    from one vendor's dialect into another's. A terminal gets tables; a pipe gets JSON.
    """


# --- rerank ----------------------------------------------------------------------------------------------------------


@app.command()
@click.argument("source", metavar="[REQUEST|-]", required=False)
@click.option(
    "--provider",
    "vendor",
    type=provider,
    shell_complete=names_from,
    default="local",
    show_default=True,
    help="Who ranks.",
)
@click.option("--query", metavar="TEXT", help="What is looked for.")
@click.option("--document", "texts", metavar="TEXT", multiple=True, help="A text to rank; repeat it for more.")
@click.option(
    "--documents", "path", metavar="FILE", help="More of them, after these: .txt or .jsonl, one on each line."
)
@model_option
@click.option("--top-n", type=int, metavar="N", help="How many results, best first; all without it.")
@as_json_option
@click.option("--table", "as_table", is_flag=True, help="A table, as a terminal gets it, into a pipe too.")
def rerank(
    source: str | None,
    vendor: Provider,
    query: str | None,
    texts: tuple[str, ...],
    path: str | None,
    model: str | None,
    top_n: int | None,
    as_json: bool,
    as_table: bool,
) -> None:
    """Rank documents by what they have to do with a query.

    REQUEST is a file in Jina's format, - for standard input. Without it the request is made of --query and --document
    or --documents; beside it, these options count before what the file says.

    The provider `local` ranks in this process by word overlap (BM25): good for trying, no match for a model.
    """
    if vendor.sender is None:
        raise Failure(_NO_CLIENT.format(vendor.name))
    documents = [*texts, *(read_documents(path) if path is not None else ())]
    given = {"query": query, "documents": documents or None, "model": model, "top_n": top_n}
    given = {name: value for name, value in given.items() if value is not None}
    if source is None and not {"query", "documents"} <= given.keys():
        raise click.UsageError("Give a REQUEST file, - for standard input, or --query with --document or --documents.")
    if as_json and as_table:
        raise click.UsageError("--json and --table exclude each other.")
    request = read_request(source, given)
    call = vendor.prepare(request)
    response = call.decode(*vendor.sender(call.http))
    _write_ranking(response, request, as_table=as_table or (on_terminal() and not as_json))


def _write_ranking(response: RerankResponse, request: RerankRequest, *, as_table: bool) -> None:
    if as_table:
        show_ranking(console(), response, request)
    else:
        write_line(response.to_json())
        complain(notes(response))


# --- convert ---------------------------------------------------------------------------------------------------------


@app.group()
def convert() -> None:
    """Translate a request or an answer into another dialect."""


from_option = click.option(
    "--from", "source", type=provider, shell_complete=names_from, required=True, help="The dialect it is in."
)
to_option = click.option(
    "--to", "target", type=provider, shell_complete=names_from, required=True, help="The dialect to translate it into."
)
file_argument = click.argument("file", metavar="[FILE|-]", default="-")


@convert.command("request")
@file_argument
@from_option
@to_option
@model_option
@like_option
def convert_request(file: str, source: Provider, target: Provider, model: str | None, like: str | None) -> None:
    """Translate a request's body, from FILE or standard input.

    The body goes to stdout; what the vendor cannot be told goes to stderr, one line each.
    """
    request = source.decode_request(read_bytes(file))
    encoded = target.encode_fields(request.fields, model=model, like=like)
    write_json(encoded.body)
    complain(map(loss_line, encoded.losses))


@convert.command("response")
@file_argument
@from_option
@to_option
@click.option("--request", "asked", metavar="FILE", help="The request: checks indices, fills in documents.")
@click.option(
    "--request-from",
    "asked_in",
    type=provider,
    shell_complete=names_from,
    help="The dialect that --request is in.  [default: --to's]",
)
@click.option(
    "--status", type=click.IntRange(200, 999), default=200, show_default=True, help="The answer's HTTP status."
)
def convert_response(
    file: str, source: Provider, target: Provider, asked: str | None, asked_in: Provider | None, status: int
) -> None:
    """Translate an answer's body, from FILE or standard input.

    An answer that turns out to be an error is one line on stderr and exit code 1. With a --status of 300 or more an
    error is what you expect: its body is translated too, and stderr says which status it has in the target's dialect.
    """
    if file == asked == "-":
        raise click.UsageError("Standard input cannot be the answer and the request at once: name a file for one.")
    request = (asked_in or target).decode_request(read_bytes(asked)) if asked is not None else None
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


# --- providers -------------------------------------------------------------------------------------------------------


@app.command()
@as_json_option
def providers(as_json: bool) -> None:
    """List the providers: where, which key, models, limits, scores.

    Limits and score kind are those of the default model; --json has every model that is known.
    """
    listed = [describe(provider(name)) for name in provider_names()]
    if on_terminal() and not as_json:
        show_providers(console(), listed)
    else:
        write_json(listed)


def describe(vendor: Provider) -> dict[str, Any]:
    """What is declared of a provider, as JSON values; a limit that the vendor does not document is null."""
    default = vendor.model()
    return {
        "name": vendor.name,
        "endpoints": [vendor.endpoint.url, *vendor.endpoint.by_key.values()],
        "env": list(vendor.env),
        "needs_key": vendor.auth.required,
        "default_model": vendor.default_model,
        "images": [name for name, model in vendor.models.items() if model.images],
        "limits": asdict(default.limits),
        "score_kind": default.score_kind,
        "models": {
            name: {"score_kind": model.score_kind, "images": model.images, "limits": asdict(model.limits)}
            for name, model in vendor.models.items()
        },
        "docs": vendor.docs,
    }


# --- explain ---------------------------------------------------------------------------------------------------------


@app.command()
@click.argument("source", metavar="REQUEST|-")
@click.option(
    "--provider", "vendor", type=provider, shell_complete=names_from, required=True, help="Who would be asked."
)
@model_option
@like_option
@click.option("--base-url", metavar="URL", help="Your own server: a root, a version root, a prefix or the full path.")
@as_json_option
def explain(
    source: str, vendor: Provider, model: str | None, like: str | None, base_url: str | None, as_json: bool
) -> None:
    """Show what a provider would be sent, and what would be lost.

    REQUEST is a file in Jina's format, - for standard input. Nothing is sent, and no key is needed.
    """
    request = provider(CANONICAL).decode_request(read_bytes(source))
    key = _NO_KEY if vendor.auth.required else None
    call = vendor.prepare(request, model=model, api_key=key, base_url=base_url, like=like)
    if on_terminal() and not as_json:
        show_http(console(), _shown(call.http), [loss_line(loss) for loss in call.losses])
        if vendor.models and (like or call.model) not in vendor.models:
            click.echo(_UNKNOWN_MODEL.format(call.model, vendor.name))
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
