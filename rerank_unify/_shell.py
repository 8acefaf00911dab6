"""Command lines for a POSIX shell that send a request as this library does: by curl, or by a vendor's own tool."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from shlex import quote
from typing import Final

_LONGEST: Final = 100_000  # bytes in a word: Linux refuses a word of 128 KiB
_PLAIN: Final = re.compile(r"[\w@%+=:,./?&;*() -]*", re.ASCII)  # within double quotes these stand for themselves
_PART: Final = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class ShellRequest:
    """One HTTP request, as words of a command line.

    Attributes:
        url: the absolute URL.
        content: the body, JSON on one line.
        headers: further headers by name.
        variables: the variable of the shell, by the name in braces that it replaces in the URL and in headers.
    """

    url: str
    content: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    def curl(self, *arguments: str, query: str = "") -> str:
        """Return a command line of curl.

        Args:
            *arguments: further options, quoted for the shell, such as the one that carries the key.
            query: a further parameter of the URL's query, whose value may be a variable of the shell.
        """
        url = self.word(self.url)
        if query:
            url += f'"{"&" if "?" in self.url else "?"}{query}"'
        # curl expands braces and brackets in a URL without it.
        words = ["curl -sS -g" if re.search(r"[][{}]", _PART.sub("", self.url)) else "curl -sS"]
        words[0] += f" {url}"
        words += [f"-H {self.word(_header(name, value))}" for name, value in self.headers.items()]
        return " \\\n  ".join((*words, *arguments, self._data()))

    def _data(self) -> str:
        if len(self.content.encode()) < _LONGEST:
            return f"-d {quote(self.content)}"
        return f"-d @- <<'JSON'\n{self.content}\nJSON"

    def oci_raw_request(self) -> str:
        """Return a command line of ``oci raw-request``, which signs for Oracle Cloud (oci-cli, ``raw-request``)."""
        words = [f"oci raw-request --http-method POST --target-uri {self.word(self.url)}"]
        further = {name: value for name, value in self.headers.items() if name != "content-type"}
        if further:
            words.append(f"--request-headers {self.word(json.dumps(further))}")
        return " \\\n  ".join((*words, f"--request-body {quote(self.content)}"))

    def word(self, text: str) -> str:
        """Return a text as a word of the shell, with variables in place of the names in braces."""
        pieces = re.split(f"({'|'.join(f'{{{name}}}' for name in self.variables) or '$^'})", text)
        if len(pieces) == 1:
            return quote(text)
        filled = [f"${{{self.variables[piece[1:-1]]}}}" if at % 2 else piece for at, piece in enumerate(pieces)]
        if all(map(_PLAIN.fullmatch, pieces[::2])):
            return f'"{"".join(filled)}"'
        return "".join(f'"{piece}"' if at % 2 else quote(piece) for at, piece in enumerate(filled) if piece)


def _header(name: str, value: str) -> str:
    """Return a header as curl takes it: an empty one ends with a semicolon, as a colon would remove it."""
    return f"{name.title()}: {value}" if value else f"{name.title()};"


def variable_of(names: tuple[str, ...], environ: Mapping[str, str]) -> str:
    """Return the first environment variable that is set, else the first one; ``API_KEY`` where none is declared."""
    return next((name for name in names if environ.get(name, "").strip()), (*names, "API_KEY")[0])
