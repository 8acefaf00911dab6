"""``rerank``: rerank the documents of one request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ..canonical import RerankRequest, RerankResponse
from ..errors import RerankError
from .attempts import AttemptLine, attempt_line, attempts_of_error, attempts_of_response, show_attempts
from .inputs import read_documents, read_request
from .options import as_json_option, with_target_options
from .tables import complain, console, on_terminal, show_ranking, write_line
from .targets import TargetOptions
from .text import notes

if TYPE_CHECKING:
    from ..client import AttemptEnded


@click.command()
@click.argument("source", metavar="[REQUEST|-]", required=False)
@click.option("--query", metavar="TEXT", help="The query.")
@click.option("--document", "texts", metavar="TEXT", multiple=True, help="A document to rank; may be repeated.")
@click.option("--documents", "path", metavar="FILE", help="A file of further documents: .txt or .jsonl, one per line.")
@click.option("--top-n", type=int, metavar="N", help="Number of results, best first; all by default.")
@with_target_options
@click.option("--show-attempts", "shows_attempts", is_flag=True, help="Show each attempt, its time and its outcome.")
@as_json_option
@click.option("--table", "as_table", is_flag=True, help="Print a table into a pipe too.")
def rerank(
    source: str | None,
    query: str | None,
    texts: tuple[str, ...],
    path: str | None,
    top_n: int | None,
    target_options: TargetOptions,
    shows_attempts: bool,
    as_json: bool,
    as_table: bool,
) -> None:
    """Rerank documents by relevance to a query.

    REQUEST is a file in Jina's format, - for standard input. Without it the request consists of --query and --document
    or --documents; with it, these options override the file.

    The provider `local` ranks in this process by word overlap (BM25): good for a first try, not as good as a model.
    With --fallback each provider receives its own model, and the request's model is not sent.
    """
    if as_json and as_table:
        raise click.UsageError("--json and --table exclude each other.")
    documents = [*texts, *(read_documents(path) if path is not None else ())]
    given = {"query": query, "documents": documents or None, "model": target_options.model, "top_n": top_n}
    request = _request(source, {name: value for name, value in given.items() if value is not None})
    ended: list[AttemptEnded] = []
    response = _ranked(target_options, request, ended, shows_attempts=shows_attempts)
    attempts = attempts_of_response(response, ended) if shows_attempts else []
    _write_ranking(response, request, attempts, as_table=as_table or (on_terminal() and not as_json))


def _request(source: str | None, given: Mapping[str, Any]) -> RerankRequest:
    if source is None and not {"query", "documents"} <= given.keys():
        raise click.UsageError(
            "Expected a REQUEST file, - for standard input, or --query and --document or --documents."
        )
    return read_request(source, given)


def _ranked(
    target_options: TargetOptions, request: RerankRequest, ended: list[AttemptEnded], *, shows_attempts: bool
) -> RerankResponse:
    """Call the targets. Append each attempt to ``ended``; print the attempts on stderr if all fail."""
    with target_options.client(on_attempt_end=ended.append) as client:
        try:
            return client.rerank(request, must_keep=target_options.required_fields)
        except RerankError as error:
            if shows_attempts:
                complain(map(attempt_line, attempts_of_error(error, ended)))
            raise


def _write_ranking(
    response: RerankResponse, request: RerankRequest, attempts: list[AttemptLine], *, as_table: bool
) -> None:
    if as_table:
        show_ranking(console(), response, request)
        show_attempts(console(), attempts)
    else:
        write_line(response.to_json())
        complain([*notes(response), *map(attempt_line, attempts)])
