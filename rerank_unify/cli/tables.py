"""Output: tables that fit a terminal, JSON for a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import click
from pydantic_core import to_json
from rich import box
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.table import Table
from rich.text import Text

from ..canonical import RerankRequest, RerankResponse, fields_of
from .text import SCALES, bar_scale, bar_text, document_line, notes, one_line, pretty, score_text

BAR = 12  # cells


def on_terminal() -> bool:
    """Whether stdout is a terminal; it is None in a process without stdout."""
    return sys.stdout is not None and sys.stdout.isatty()


def write_json(value: Any) -> None:
    """Print a JSON value in UTF-8 in any locale: indented on a terminal, on one line in a pipe."""
    write_line(pretty(value).encode() if on_terminal() else to_json(value))


def write_line(content: bytes) -> None:
    """Write bytes and a line break to stdout."""
    if sys.stdout is None:  # a process can start without stdout
        return
    sys.stdout.flush()
    left = memoryview(content + b"\n")
    # With PYTHONUNBUFFERED a write may be partial, as when the disk is full or the reader closes the pipe.
    while left:
        left = left[sys.stdout.buffer.write(left) :]
    sys.stdout.buffer.flush()


def complain(lines: Iterable[str]) -> None:
    """Print lines on stderr."""
    for line in lines:
        click.echo(line, err=True)


def console() -> Console:
    """Return a console on stdout that prints text as it is, without markup and colours."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def new_table(*, expand: bool = False, show_lines: bool = False) -> Table:
    """Return an empty table in the common style."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), expand=expand, show_lines=show_lines)


# --- a ranking -------------------------------------------------------------------------------------------------------


def show_ranking(out: Console, response: RerankResponse, request: RerankRequest) -> None:
    """Print a ranking as a table, with warnings and losses below.

    Args:
        out: the console.
        response: the ranking.
        request: its documents are shown, even if the response carries none.
    """
    out.print(_title(response, len(request.documents)), soft_wrap=True)
    out.print()
    out.print(_ranking(out, response, request))
    for line in [*_scale_notes(response), *notes(response)]:
        out.print(Text(line, style="dim"), soft_wrap=True)


def _title(response: RerankResponse, documents: int) -> Text:
    count = f"{len(response)} of {documents} documents"
    about = [response.model or "unknown model", count, f"scores: {SCALES[response.score_kind]}"]
    return Text(response.provider or "", style="bold") + Text(" · " + one_line(" · ".join(about)), style="not bold")


def _ranking(out: Console, response: RerankResponse, request: RerankRequest) -> Table:
    table = new_table(expand=True)
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("", style="cyan", no_wrap=True, width=BAR)
    table.add_column("index", justify="right", no_wrap=True)
    table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)
    bars = _bars(out, [result.relevance_score for result in response], response)
    for rank, (result, bar) in enumerate(zip(response, bars, strict=True), 1):
        text = document_line(fields_of(request), result.index, out.width)
        table.add_row(str(rank), score_text(result.relevance_score), bar, str(result.index), Text(text))
    return table


def _bars(out: Console, scores: Sequence[float], response: RerankResponse) -> list[str]:
    low, high = bar_scale(scores, response.score_kind)
    blocks = out.encoding.startswith("utf")
    # With equal scores no document is lower than another, so every bar is full.
    return [bar_text((score - low) / (high - low) if high > low else 1.0, BAR, blocks=blocks) for score in scores]


def _scale_notes(response: RerankResponse) -> list[str]:
    scores = [result.relevance_score for result in response]
    low, high = bar_scale(scores, response.score_kind)
    if not scores or (low, high) == (0.0, 1.0):
        return []
    return [f"bars: from the lowest score of this list ({score_text(low)}) to the highest ({score_text(high)})"]


# --- providers -------------------------------------------------------------------------------------------------------

# Limits of the query alone are in --json only: they are at most half of the pair's, and the table is wide enough.
_UNITS = {"documents": "documents", "pair_tokens": "tokens a pair", "total_tokens": "tokens in all"}
_WIDE = 96  # cells in which the rows of all built-in providers fit unbroken


def show_providers(out: Console, providers: Iterable[Mapping[str, Any]]) -> None:
    """Print the installed providers as a table, from the values of ``providers --json``."""
    table = new_table(show_lines=True)
    listed = list(providers)
    table.add_column("name", style="bold", no_wrap=True, min_width=max(len(about["name"]) for about in listed))
    for title in ("endpoint, key variables, default model", "models for images", "limits of a call, scores"):
        table.add_column(title, overflow="fold")
    for about in listed:
        table.add_row(
            about["name"], _provider_cell(about), Text("\n".join(about["images"]) or "–"), _limits_cell(about)
        )
    out.print(table)
    out.print(Text("A pair is the query and one document. Limits and scores are the default model's.", style="dim"))


def _provider_cell(about: Mapping[str, Any]) -> Text:
    lines = [*((url, "") for url in about["endpoints"]), *((name, "dim") for name in about["env"])]
    return Text("\n").join(Text(line, style) for line, style in [*lines, (about["default_model"] or "–", "cyan")])


def _limits_cell(about: Mapping[str, Any]) -> Text:
    limits = [f"{limit:,} {unit}" for name, unit in _UNITS.items() if (limit := about["limits"][name]) is not None]
    kinds = {model["score_kind"] for model in about["models"].values()} | {about["score_kind"]}
    return Text("\n".join([*limits, about["score_kind"] + (", per model" if len(kinds) > 1 else "")]))


# --- a request to a provider -----------------------------------------------------------------------------------------


def show_http(out: Console, call: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Print the request that would be sent, and its losses.

    Args:
        out: the console.
        call: method, URL, headers and body.
        lines: the losses.
    """
    out.print(Text(f"{call['method']} {call['url']}", style="bold"), soft_wrap=True)
    for name, value in call["headers"].items():
        out.print(Text(f"{name}: {value}", style="dim"), soft_wrap=True)
    out.print()
    out.print(JSONHighlighter()(pretty(call["body"])), soft_wrap=True)
    out.print()
    _show_losses(out, lines)


def show_http_briefly(out: Console, call: Mapping[str, Any], lines: Sequence[str]) -> None:
    """The same in few lines: no headers, and each field of the body on a line, cut at the terminal's width."""
    out.print(Text(f"{call['method']} {call['url']}", style="bold"), soft_wrap=True)
    body: dict[str, Any] = call["body"]
    for name, value in body.items():
        # A long value is cut before it is written: the line shows its beginning alone.
        short, count = value, ""
        if isinstance(value, list):
            items = cast("Sequence[Any]", value)
            short = [_beginning(item, out.width) for item in items]
            count = f" ({len(items)} in all)" if len(items) > 1 else ""
        line = Text("  ") + JSONHighlighter()(one_line(f'"{name}": {to_json(short).decode()}'))
        line.truncate(max(out.width - len(count), 1), overflow="ellipsis")
        out.print(line + Text(count, style="dim"), no_wrap=True)
    _show_losses(out, lines)


def _beginning(value: Any, cells: int) -> Any:
    """Cut a text to a quarter of the width, so that a line shows more than one text of a list."""
    if not isinstance(value, str):
        return value
    text = Text(one_line(value[:cells]))
    text.truncate(cells // 4, overflow="ellipsis")
    return text.plain


def _show_losses(out: Console, lines: Sequence[str]) -> None:
    for line in lines or ["nothing is lost"]:
        out.print(Text(line, style="yellow" if lines else "green"), soft_wrap=True)
