"""Text for terminals: one line each, without control characters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json

from ..canonical import Loss, RequestFields, RerankResponse, ScoreKind, as_text, select_fields

# A document or a message of a provider must not move the cursor, colour the screen or reverse the line. Joiners stay:
# emoji and Persian need them.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LISTED = 10  # most indices to list on a line
_UNIT = ("probability", "unit")

SCALES: dict[ScoreKind, str] = {
    "probability": "probability",
    "cosine": "cosine, -1 to 1",
    "logit": "logit, any number",
    "unit": "0 to 1, no probability",
    "unknown": "of unknown kind",
}


def one_line(text: str) -> str:
    """Put a text on one line, without control characters."""
    return _CONTROL.sub("", " ".join(text.split()))


def pretty(value: Any) -> str:
    """Format JSON for people: indented, in any script, with control characters escaped."""
    text = to_json(value, indent=2).decode()
    return re.sub("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]", lambda found: f"\\u{ord(found[0]):04x}", text)


def loss_line(loss: Loss) -> str:
    """Format a loss: field, action, reason, documents."""
    where = f" ({_documents(loss.indices)})" if loss.indices else ""
    effect = "" if loss.affects_result else "; the ranking is the same"
    return one_line(f"loss: {loss.field} {loss.action}: {loss.reason}{where}{effect}")


def notes(response: RerankResponse) -> list[str]:
    """Return the warnings, the losses and the documents without a score, a line each."""
    lines = [one_line(f"warning: {warning}") for warning in response.warnings]
    lines += map(loss_line, response.losses)
    if response.missing:
        lines.append(f"missing: no score for {_documents(response.missing)}")
    return lines


def _documents(indices: Sequence[int]) -> str:
    more = f" and {len(indices) - _LISTED:,} more" if len(indices) > _LISTED else ""
    return f"document{'s' if len(indices) > 1 else ''} {', '.join(map(str, indices[:_LISTED]))}{more}"


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
    if kind in _UNIT and all(0 <= score <= 1 for score in scores):
        return 0.0, 1.0
    return min(scores, default=0.0), max(scores, default=1.0)


def bar_text(share: float, width: int, *, blocks: bool) -> str:
    """Draw a bar for ``share``, 0 to 1, in ``width`` cells; with ``#`` if the terminal has no block characters."""
    if not blocks:
        return "#" * round(share * width)
    full, eighths = divmod(round(share * width * 8), 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[eighths] if eighths else "")
