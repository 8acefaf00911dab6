"""Errors: one line on stderr and an exit code."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from .helpers import CONVERT, failed, run


@pytest.mark.parametrize(
    ("args", "stdin", "expected"),
    [
        (("rerank", "no-such.json"), None, "no-such.json: No such file or directory"),
        (("rerank", "/"), None, "/: Is a directory"),
        (("rerank", "-"), b"{", "the body: not JSON in UTF-8 ("),
        (("rerank", "-", "--top-n", "2"), b"{", "the body: not JSON in UTF-8 ("),
        (("rerank", "-"), b'{"query": "\xff"}', "the body: not JSON in UTF-8 ("),
        (("rerank", "-", "--query", "q"), b"[]", "the body: expected a JSON object, not a list"),
        (("rerank", "-"), b'{"query": "q", "documents": []}', "documents: expected "),
        (("rerank", "-", "--top-n", "0"), b'{"query": "q", "documents": ["d"]}', "top_n: expected "),
        (CONVERT, b"", "the body: not JSON in UTF-8 ("),
        (("explain", "-", "--provider", "voyage", "--base-url", "x"), b'{"query":"q","documents":["d"]}', "base_url"),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(args: Sequence[str], stdin: bytes | None, expected: str) -> None:
    assert failed(*args, stdin=stdin).startswith(expected)


@pytest.mark.parametrize(
    ("command", "name", "nearest"),
    [("rerank", "locl", "local"), ("explain", "Voyage", "voyage")],
)
def test_an_unknown_provider_is_exit_code_2(command: str, name: str, nearest: str) -> None:
    line = failed(command, "-", "--provider", name, code=2)
    assert line == f"Invalid value for '--provider': no provider is called '{name}'; did you mean '{nearest}'?"


class Failing(io.BytesIO):
    """Standard input that fails when it is read."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def read(self, size: int | None = -1, /) -> bytes:
        if size != 0:  # click reads 0 bytes to find out whether the stream is binary
            raise self.error
        return b""


def test_ctrl_c_is_clicks_abort() -> None:
    result = run("rerank", "-", stdin=Failing(KeyboardInterrupt()))
    assert (result.exit_code, result.output.strip()) == (1, "Aborted!")


def test_an_error_of_the_system_is_one_line() -> None:
    assert failed("rerank", "-", stdin=Failing(OSError(5, "first\nsecond\x1b[31m"))) == r"first second\u001b[31m"


def test_a_bug_is_a_traceback() -> None:
    error = RuntimeError("a bug")
    result = run("rerank", "-", stdin=Failing(error))
    assert (result.exit_code, result.exception) == (1, error)
