"""The diffs and the table of errors of `docs/point-your-client.md`; the tests run these lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

PAGE: Final = Path(__file__).parents[2] / "docs" / "point-your-client.md"
HOST: Final = "http://127.0.0.1:8080"
KEY: Final = "YOUR-GATEWAY-KEY"


class Row(NamedTuple):
    """A row of the table of errors: the status, and the exception of each SDK."""

    status: str
    cohere: str
    voyageai: str


@cache
def diffs() -> dict[str, list[str]]:
    """The lines of every diff, by its heading."""
    parts = re.split(r"^### (.+)\n", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    blocks = ((heading, text.partition("\n```diff\n")[2].partition("\n```")[0]) for heading, text in _pairs(parts))
    return {heading: block.splitlines() for heading, block in blocks}


def _pairs(parts: list[str]) -> Iterator[tuple[str, str]]:
    return zip(parts[::2], parts[1::2], strict=True)


def after(heading: str, url: str, key: str) -> str:
    """What a diff leads to, for a gateway elsewhere and another key."""
    lines = [line[1:] for line in diffs()[heading] if not line.startswith("-")]
    return "\n".join(lines).replace(HOST, url).replace(KEY, key)


@cache
def errors() -> dict[str, Row]:
    """The table of errors, by what is wrong."""
    rows = re.findall(
        r"^\| ([^|]+) \| ([45]\d\d[^|]*) \| `(\w+)` \| `(\w+)` \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    return {wrong: Row(*cells) for wrong, *cells in rows}
