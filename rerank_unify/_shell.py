"""Command lines for a POSIX shell that send a request as this library does: by curl, or by a vendor's own tool."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from shlex import quote
from typing import Final

_LONGEST: Final = 100_000  # bytes in an argument: Linux refuses one of 128 KiB
_PLAIN: Final = re.compile(r"[\w@%+=:,./?&;*() -]*", re.ASCII)  # within double quotes these stand for themselves
_GLOB: Final = re.compile(r"[][{}]")  # curl expands these in a URL


@dataclass(frozen=True, slots=True)
class ShellRequest:
    """One HTTP request for a command line. Names in braces stand for what variables of the shell hold.

    Attributes:
        url: the absolute URL.
        content: the body, JSON on one line.
        headers: further headers by name.
        variables: the variable of the shell, by the name in braces that it replaces in the URL and in headers.
        options: the same for fields of the body whose whole value is their own name in braces.
    """

    url: str
    content: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    options: Mapping[str, str] = field(default_factory=dict[str, str])

    def curl(self, *arguments: str, query: str = "", variable: str = "") -> str:
        """Return a command line of curl.

        Args:
            *arguments: further arguments, quoted for the shell, such as the header with the key.
            query: a further parameter of the URL's query.
            variable: the variable of the shell that holds the parameter's value.
        """
        known, url = dict(self.variables), self.url
        if query:
            url += f"{'&' if '?' in url else '?'}{query}={{{variable}}}"
            known[variable] = variable
        words = ["curl -sS", *(["-g"] if _GLOB.search(_names(known).sub("", url)) else []), _word(url, known)]
        headers = [f"-H {_word(_header(name, value), self.variables)}" for name, value in self.headers.items()]
        is_long = len(self.content.encode()) > _LONGEST
        line = _lines(" ".join(words), *headers, *arguments, "-d @-" if is_long else f"-d {self._body}")
        # The shell's own printf takes arguments of any length.
        return f"printf %s {self._body} | {line}" if is_long else line

    def oci_raw_request(self) -> str:
        """Return a command line of ``oci raw-request``, which signs for Oracle Cloud."""
        further = {name: value for name, value in self.headers.items() if name != "content-type"}
        return _lines(
            "oci raw-request --http-method POST",
            f"--target-uri {_word(self.url, self.variables)}",
            *([f"--request-headers {_word(json.dumps(further), self.variables)}"] if further else ()),
            f"--request-body {self._body}",
        )

    @property
    def _body(self) -> str:
        pattern = "|".join(rf'(?<="{name}":"){{{name}}}(?=")' for name in self.options)
        return _word(self.content, self.options, re.compile(pattern or "$^"))


def _lines(*words: str) -> str:
    return " \\\n  ".join(words)


def _names(variables: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(f"{{{re.escape(name)}}}" for name in variables) or "$^")


def _word(text: str, variables: Mapping[str, str], pattern: re.Pattern[str] | None = None) -> str:
    """Return a text as one word of the shell, with variables in place of the names in braces."""
    pieces: list[tuple[str, bool]] = []  # each with whether it is a variable
    end = 0
    for found in (pattern or _names(variables)).finditer(text):
        pieces += [(text[end : found.start()], False), (variables[found[0][1:-1]], True)]
        end = found.end()
    if not pieces:
        return quote(text)
    pieces.append((text[end:], False))
    if not all(is_variable or _PLAIN.fullmatch(piece) for piece, is_variable in pieces):
        return "".join(f'"${piece}"' if is_variable else quote(piece) for piece, is_variable in pieces if piece)
    filled = [f"${{{piece}}}" if is_variable else piece for piece, is_variable in pieces]
    # Braces are needed before a character of a name alone.
    return '"' + re.sub(r"\${(\w+)}(?!\w)", r"$\1", "".join(filled)) + '"'


def _header(name: str, value: str) -> str:
    """Return a header as curl takes it: an empty one ends with a semicolon, as a colon would remove it."""
    return f"{name.title()}: {value}" if value else f"{name.title()};"


def variable_of(names: tuple[str, ...], environ: Mapping[str, str]) -> str:
    """Return the first environment variable that is set, else the first one; ``API_KEY`` where none is declared."""
    return next((name for name in names if environ.get(name, "").strip()), (*names, "API_KEY")[0])
