"""``serve`` and ``key``, as click runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import rerank_unify as ru
from rerank_unify.cli.gateway import key, serve
from rerank_unify.gateway.auth import admit, hash_of

from .helpers import KEY


def run(command: click.Command, *args: str, typed: str | None = None) -> Any:
    return CliRunner().invoke(command, args, input=typed)


def refused(*args: str) -> str:
    error = run(serve, *args).exception
    assert isinstance(error, ru.InvalidRequestError), error
    return error.message


def test_check_says_what_would_be_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-a-key-of-a-provider")
    path = tmp_path / "gateway.toml"
    path.write_text(
        f'host = "::1"\nport = 1\n[keys]\nann = "{hash_of(KEY)}"\n'
        '[models.fast]\ntargets = [{ provider = "voyage" }, { provider = "local" }]\n'
    )
    output = run(serve, "--check", "--config", str(path), "--port", "9000", "--host", "127.0.0.1", "--workers", "2")
    assert output.exit_code == 0
    assert json.loads(output.stdout) == {
        "listens": "127.0.0.1:9000",
        "keys": ["ann"],
        "models": {"fast": ["voyage", "local"]},
        "providers": ["voyage"],
        "offline": False,
    }
    monkeypatch.setenv("RERANK_UNIFY_CONFIG", str(path))
    assert json.loads(run(serve, "--check").stdout)["listens"] == "[::1]:1"


def test_without_anything_it_would_be_offline() -> None:
    output = json.loads(run(serve, "--check").stdout)
    assert output == {"listens": "127.0.0.1:8080", "keys": [], "models": {}, "providers": [], "offline": True}


def test_what_is_wrong_is_reported_by_check_too(tmp_path: Path) -> None:
    assert refused("--check", "--host", "0.0.0.0").startswith("host: other machines can reach 0.0.0.0")  # noqa: S104
    assert refused("--host", "0.0.0.0").startswith("host: ")  # noqa: S104 - nothing listens
    assert refused("--check", "--port", "70000").startswith("port: ")
    assert refused("--check", "--workers", "0").startswith("workers: ")
    path = tmp_path / "gateway.toml"
    path.write_text('[models.fast]\ntargets = [{ provider = "voyage" }]\n')
    assert refused("--check", "--config", str(path)) == "models.fast: voyage needs a key: set VOYAGE_API_KEY or key_env"
    assert isinstance(run(serve, "--check", "--config", str(tmp_path / "no.toml")).exception, FileNotFoundError)
    assert run(serve, "--port", "x").exit_code == 2


def test_a_new_key_fits_its_hash() -> None:
    made = json.loads(run(key).stdout)
    assert admit({"a": made["hash"]}, {"x-api-key": made["key"]}).name == "a"


def test_a_key_is_not_repeated() -> None:
    assert json.loads(run(key, "--hash", KEY).stdout) == {"hash": hash_of(KEY)}
    typed = run(key, "--hash", "-", typed=f"{KEY}\n")
    assert json.loads(typed.stdout) == {"hash": hash_of(KEY)}
    assert KEY not in typed.output


@pytest.mark.parametrize("given", ["", "  "])
def test_an_empty_key_is_none(given: str) -> None:
    assert run(key, "--hash", given).exit_code == 2


def test_without_the_extra_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "rerank_unify.gateway.server", None)
    error = run(serve, "--check").exception
    assert isinstance(error, ru.MissingExtraError)
    assert "rerank-unify[gateway]" in error.message
