"""Help, version and completion."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from click.testing import CliRunner

import rerank_unify as ru
from rerank_unify.cli.app import app

from .helpers import ok, run


def test_help_shows_commands_in_order_and_examples() -> None:
    result = run("--help")
    assert result.exit_code == 0
    commands = [result.stdout.index(f"\n  {name} ") for name in ("rerank", "batch", "convert", "providers", "explain")]
    assert commands == sorted(commands)
    assert "rerank-unify explain request.json --provider voyage" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    "command",
    [
        ("rerank",),
        ("batch",),
        ("convert",),
        ("convert", "request"),
        ("convert", "response"),
        ("providers",),
        ("explain",),
    ],
)
def test_every_command_has_help(command: Sequence[str]) -> None:
    result = run(*command, "-h")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: ")


def test_the_example_in_the_help_works() -> None:
    documents = ("--document", "aloe vera cream", "--document", "motor oil", "--document", "cream for skin")
    assert ok("rerank", "--query", "sensitive skin", *documents)["results"][0]["index"] == 2


def test_version() -> None:
    assert run("--version").stdout == f"rerank-unify, version {ru.__version__}\n"


def test_the_shell_completes_provider_names() -> None:
    env = {
        "_RERANK_UNIFY_COMPLETE": "bash_complete",
        "COMP_WORDS": "rerank-unify rerank --provider co",
        "COMP_CWORD": "3",
    }
    result = CliRunner().invoke(app, [], prog_name="rerank-unify", env=env)
    assert result.stdout.split() == ["plain,cohere", "plain,cohere-v1", "plain,compatible", "plain,contextual"]
