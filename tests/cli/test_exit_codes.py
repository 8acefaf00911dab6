"""Errors: one line on stderr and an exit code."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from .helpers import CONVERT, failed, run


@pytest.mark.parametrize(
    ("args", "stdin", "expected"),
    [
        (("rerank", "no-such.json"), None, "error: no-such.json: No such file or directory"),
        (("rerank", "/"), None, "error: /: Is a directory"),
        (("rerank", "-"), b"{", "error: the body: not JSON in UTF-8 ("),
        (("rerank", "-", "--top-n", "2"), b"{", "error: the body: not JSON in UTF-8 ("),
        (("rerank", "-"), b'{"query": "\xff"}', "error: the body: not JSON in UTF-8 ("),
        (("rerank", "-", "--query", "q"), b"[]", "error: the body: expected a JSON object, not a list"),
        (("rerank", "-"), b'{"query": "q", "documents": []}', "error: documents: expected "),
        (("rerank", "-", "--top-n", "0"), b'{"query": "q", "documents": ["d"]}', "error: top_n: expected "),
        (("rerank", "-", "--provider", "locl"), None, "error: no provider is called 'locl'; did you mean 'local'?"),
        (("explain", "-", "--provider", "Voyage"), None, "error: no provider is called 'Voyage'; did you mean"),
        (CONVERT, b"", "error: the body: not JSON in UTF-8 ("),
        (("explain", "-", "--provider", "voyage", "--base-url", "x"), b'{"query":"q","documents":["d"]}', "base_url"),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(args: Sequence[str], stdin: bytes | None, expected: str) -> None:
    line = failed(*args, stdin=stdin)
    assert line.startswith("error: ")
    assert expected in line


class Failing(io.BytesIO):
    """Standard input that fails when it is read."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def read(self, size: int | None = -1, /) -> bytes:
        if size != 0:  # which is how click asks whether it is binary
            raise self.error
        return b""


def test_ctrl_c_is_exit_code_130() -> None:
    result = run("rerank", "-", stdin=Failing(KeyboardInterrupt()))
    assert (result.exit_code, result.output.strip()) == (130, "")


def test_a_bug_is_one_line_too() -> None:
    line = failed("rerank", "-", stdin=Failing(RuntimeError("first\nsecond\x1b[31m")))
    assert line == "error: unexpected RuntimeError: first second[31m"
