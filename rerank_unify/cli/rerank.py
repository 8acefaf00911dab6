"""``rerank``: rerank the documents of one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from pydantic_core import from_json

from .._json import is_object, parse_json
from ..canonical import ALIASES, AttemptRecord, RerankRequest
from ..errors import AllProvidersFailedError, InvalidRequestError, RequestError, RerankError
from ..registry import provider as provider_by_name
from .options import CANONICAL, Chain, as_json_option, read_bytes, with_chain
from .output import console, on_terminal, one_line, response_notes, write_json, write_notes
from .progress import ranking_bar
from .ranking_table import show_ranking


@click.command()
@click.argument("source", metavar="[REQUEST|-]", required=False)
@click.option("--query", metavar="TEXT", help="The query.")
@click.option("--document", "texts", metavar="TEXT", multiple=True, help="A document to rank; may be repeated.")
@click.option("--documents", "path", metavar="FILE", help="A file of further documents: .txt or .jsonl, one per line.")
@click.option("--top-n", type=int, metavar="N", help="Number of results, best first; all by default.")
@with_chain
@click.option("--show-attempts", is_flag=True, help="Print each attempt, its time and its outcome on stderr.")
@as_json_option
@click.option("--table", "as_table", is_flag=True, help="Print a table into a pipe too.")
def rerank(
    source: str | None,
    query: str | None,
    texts: tuple[str, ...],
    path: str | None,
    top_n: int | None,
    chain: Chain,
    show_attempts: bool,
    as_json: bool,
    as_table: bool,
) -> None:
    """Rerank documents by relevance to a query.

    REQUEST is a file in Jina's format, - for standard input. Without it the request consists of --query and --document
    or --documents; with it, these options override the file.

    The provider `local` ranks in this process, by meaning; with --model local-bm25 by words in common. With --fallback
    each provider receives its own model, and the request's model is not sent.
    """
    if as_json and as_table:
        raise click.UsageError("--json and --table exclude each other.")
    documents = [*texts, *(_read_documents(path) if path is not None else ())]
    options = {"query": query, "documents": documents, "model": chain.targets[0].model, "top_n": top_n}
    request = _read_request(source, {name: value for name, value in options.items() if value not in (None, [])})
    records: Sequence[AttemptRecord] = ()
    try:
        with chain.client() as client, ranking_bar():
            response = client.rerank(request, must_keep=chain.must_keep)
        records = response.attempts
        if as_table or (on_terminal() and not as_json):
            show_ranking(console(), response, request)
        else:
            write_json(response.to_json())
            write_notes(response_notes(response))
    except RerankError as error:
        records = _records_of(error)
        raise
    finally:
        if show_attempts:
            # Providers of a chain have models of their own.
            model = request.model if len(chain.targets) == 1 else None
            write_notes(attempt_line(record, model) for record in records)


def _records_of(error: RerankError) -> list[AttemptRecord]:
    """Return the attempts, and a record without a duration for each target that was not called."""
    causes = error.causes if isinstance(error, AllProvidersFailedError) else (error,)
    recorded = {id(record.error) for record in error.attempts}
    skipped = [(cause.provider, cause) for cause in causes if id(cause) not in recorded]
    return [*error.attempts, *(AttemptRecord(name, None, 0.0, cause) for name, cause in skipped if name is not None)]


def attempt_line(record: AttemptRecord, model: str | None) -> str:
    """Format an attempt on one line.

    Args:
        record: the attempt.
        model: the request's model, if it is sent.
    """
    model = record.model or model or provider_by_name(record.provider).default_model or "–"
    outcome = "cancelled" if record.cancelled else "succeeded"
    if record.error is not None:
        outcome = str(record.error).removeprefix(f"{record.provider}: ")
    # A `RequestError` means that nothing was sent.
    time = f"{record.seconds:.3f} s" if record.seconds and not isinstance(record.error, RequestError) else "not called"
    return one_line(f"attempt: {record.provider}, {model}, {time}: {outcome}")


def _read_request(source: str | None, options: Mapping[str, Any]) -> RerankRequest:
    """Read a request in the canonical format; options override the fields of the file."""
    jina = provider_by_name(CANONICAL)
    if source is None:
        if not {"query", "documents"} <= options.keys():
            expected = "Expected a REQUEST file, - for standard input, or --query and --document or --documents."
            raise click.UsageError(expected)
        return jina.decode_request(options)
    body = read_bytes(source)
    fields = parse_json(body)
    if not options or not is_object(fields):
        return jina.decode_request(body)  # raises the error for a body that is no JSON object
    rest = {name: value for name, value in fields.items() if ALIASES.get(name, name) not in options}
    return jina.decode_request({**rest, **options})


def _read_documents(path: str) -> list[Any]:
    """Read the documents of a file, one per line, so that an index is the line number minus 1.

    Args:
        path: ``.jsonl`` with JSON strings or objects, or ``.txt`` with plain text, in which an empty line is an empty
            document.
    """
    content, parse = _PARSERS.get(Path(path).suffix.lower(), (None, bytes.decode))
    if content is None:
        raise click.BadParameter(f"{path}: expected a .txt or a .jsonl file", param_hint="--documents")
    # `bytes.splitlines` would also split at a lone carriage return.
    lines = [line.removesuffix(b"\r") for line in read_bytes(path).split(b"\n")]
    documents: list[Any] = []
    try:  # if a line is wrong, the list has the documents before it
        documents.extend(map(parse, lines if lines[-1] else lines[:-1]))
    except ValueError:
        raise InvalidRequestError(f"{path}: line {len(documents) + 1}: expected {content} in UTF-8") from None
    return documents


_PARSERS: Mapping[str, tuple[str, Callable[[bytes], Any]]] = {
    ".txt": ("text", bytes.decode),
    ".jsonl": ("JSON", partial(from_json, allow_inf_nan=False)),
}
