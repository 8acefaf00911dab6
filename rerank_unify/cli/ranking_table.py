"""The table of a ranking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..canonical import RequestFields, RerankRequest, RerankResponse, ScoreKind, as_text, fields_of, select_fields
from .output import new_table, one_line, response_notes

BAR = 12  # cells
SCALES: dict[ScoreKind, str] = {
    "probability": "probability",
    "cosine": "cosine, -1 to 1",
    "logit": "logit, any number",
    "unit": "0 to 1, no probability",
    "none": "none, in the order of the request",
    "unknown": "of unknown kind",
}


def show_ranking(out: Console, response: RerankResponse, request: RerankRequest) -> None:
    """Print a ranking as a table, with warnings and losses below.

    Args:
        out: the console.
        response: the ranking.
        request: its documents are shown, even if the response carries none.
    """
    scores = [result.relevance_score for result in response]
    low, high = bar_scale(scores, response.score_kind)
    notes = response_notes(response)
    if scores and (low, high) != (0.0, 1.0):
        scale = f"from the lowest score of this list ({score_text(low)}) to the highest ({score_text(high)})"
        notes.insert(0, f"bars: {scale}")
    out.print(_title(response, len(request.documents)), soft_wrap=True)
    out.print()
    out.print(_ranking(out, response, request, low, high))
    for line in notes:
        out.print(Text(line, style="dim"), soft_wrap=True)


def _title(response: RerankResponse, documents: int) -> Text:
    count = f"{len(response)} of {documents} documents"
    about = [response.model or "unknown model", count, f"scores: {SCALES[response.score_kind]}"]
    return Text(response.provider or "", style="bold") + Text(" · " + one_line(" · ".join(about)), style="not bold")


def _ranking(out: Console, response: RerankResponse, request: RerankRequest, low: float, high: float) -> Table:
    table = new_table(expand=True)
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("", style="cyan", no_wrap=True, width=BAR)
    table.add_column("index", justify="right", no_wrap=True)
    table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)
    blocks = out.encoding.startswith("utf")
    for rank, (index, score) in enumerate(((row.index, row.relevance_score) for row in response), 1):
        # With equal scores no document is lower than another, so every bar is full.
        bar = bar_text((score - low) / (high - low) if high > low else 1.0, BAR, blocks=blocks)
        text = Text(document_line(fields_of(request), index, out.width))
        table.add_row(str(rank), score_text(score), bar, str(index), text)
    return table


def document_line(fields: RequestFields, index: int, width: int) -> str:
    """Return the ranked text of the document at a zero-based index, in about ``width`` characters on one line."""
    document: Any = fields["documents"][index]
    if isinstance(document, str):
        text = document
    else:
        chosen = select_fields(document, fields["rank_fields"], index)
        image = chosen.get("image")
        text = f"[image] {chosen.get('text') or image}" if isinstance(image, str) else as_text(chosen, index)
    # Some characters have no width; four per cell are more than any script needs.
    line = one_line(text[: width * 8])
    return line if len(line) <= width * 4 else f"{line[: width * 4]}…"


def score_text(score: float) -> str:
    """Format a score with four decimals, or with two digits if it is very small."""
    return f"{score:.1e}" if 0 < abs(score) < 0.001 else f"{score:.4f}"


def bar_scale(scores: Sequence[float], kind: ScoreKind) -> tuple[float, float]:
    """Return the scores at which a bar is empty and full.

    0 and 1 for kinds with these bounds, else the lowest and the highest score of the list. The latter also applies to a
    list with scores outside its kind's bounds.
    """
    if kind in ("probability", "unit") and all(0 <= score <= 1 for score in scores):
        return 0.0, 1.0
    return min(scores, default=0.0), max(scores, default=1.0)


def bar_text(share: float, width: int, *, blocks: bool) -> str:
    """Draw a bar for ``share``, 0 to 1, in ``width`` cells; with ``#`` if the terminal has no block characters."""
    if not blocks:
        return "#" * round(share * width)
    full, eighths = divmod(round(share * width * 8), 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[eighths] if eighths else "")
