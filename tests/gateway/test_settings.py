"""Settings: where they come from, which counts, and one sentence for each that is wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

import rerank_unify as ru
from rerank_unify.gateway.auth import hash_of
from rerank_unify.gateway.settings import GatewaySettings, read_settings

NO_HASH = "expected sha256: and 64 hex digits, as `rerank-unify key` prints them, not the key itself"
SECRET = "ru-a-secret-of-somebody"
HOSTS_BEYOND = ["0.0.0.0", "::", "192.168.1.7", "10.0.0.1", "gateway.example.com", "localhost.example.com", ""]  # noqa: S104


WRITTEN = "the library writes this field itself"


def one(**fields: Any) -> dict[str, Any]:
    return {"models": {"fast": {"targets": [fields]}}}


def with_route(name: str = "cohere", **fields: Any) -> dict[str, Any]:
    return {"models": {"fast": {"targets": [{"provider": name}], **fields}}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"prot": 1}, "prot: unknown setting"),
        ({"limits": {"docs": 1}}, "limits.docs: unknown setting"),
        (one(provider="cohere", modle="x"), "models.fast.targets.0.modle: unknown setting"),
        ({"port": "x"}, "port: input should be a valid integer, unable to parse string as an integer"),
        ({"port": 65536}, "port: input should be less than or equal to 65535"),
        ({"port": True}, "port: expected a number"),
        ({"host": None}, "host: input should be a valid string"),
        ({"workers": 0}, "workers: input should be greater than or equal to 1"),
        ({"workers": 1.5}, "workers: input should be a valid integer, got a number with a fractional part"),
        ({"limits": 3}, "limits: expected a table"),
        ({"limits": {"documents": 0}}, "limits.documents: input should be greater than or equal to 1"),
        ({"limits": {"body_seconds": 0}}, "limits.body_seconds: input should be greater than 0"),
        ({"limits": {"body_seconds": float("inf")}}, "limits.body_seconds: input should be a finite number"),
        ({"upstream": {"timeout": 0}}, "upstream.timeout: input should be greater than 0"),
        ({"upstream": {"deadline": True}}, "upstream.deadline: expected a number"),
        ({"upstream": {"retries": -1}}, "upstream.retries: input should be greater than or equal to 0"),
        ({"upstream": {"order": "x"}}, "upstream.order: input should be 'given' or 'weight'"),
        ({"models": 3}, "models: expected a table"),
        ({"models": {"fast": {}}}, "models.fast.targets: required"),
        ({"models": {"fast": {"targets": []}}}, "models.fast: targets: expected one or more"),
        (one(), "models.fast.targets.0.provider: required"),
        (one(provider=3), "models.fast.targets.0.provider: input should be a valid string"),
        (one(provider="coher"), "models.fast.targets.0: no provider is called 'coher'; did you mean 'cohere'?"),
        (one(provider="cohere", timeout=0), "models.fast.targets.0.timeout: input should be greater than 0"),
        (one(provider="cohere", weight=-1), "models.fast.targets.0.weight: input should be greater than or equal to 0"),
        (
            one(provider="cohere", base_url="ftp://host"),
            "models.fast.targets.0: base_url: expected http:// or https:// and a host",
        ),
        (one(provider="cohere", base_url="http://["), "models.fast.targets.0: base_url: is not a URL"),
        (
            one(provider="cohere", base_url=f"https://user:{SECRET}@host"),
            "models.fast.targets.0: base_url: credentials do not belong into a URL; pass api_key",
        ),
        (
            one(provider="cohere", relay=True, key_env="X"),
            "models.fast.targets.0: relay and key_env exclude each other: the key is the client's or the gateway's",
        ),
        (one(provider="cohere", options=3), "models.fast.targets.0.options: expected a table"),
        (
            one(provider="cohere", options={"since": date(2026, 1, 2)}),
            "models.fast.targets.0: options: expected an object of JSON values by name",
        ),
        (
            one(provider="cohere", options={"top_n": SECRET}),
            f"models.fast.targets.0: options.top_n: {WRITTEN}; set top_n of the request instead",
        ),
        (
            {"models": {"fast": {"targets": [{"provider": name, "relay": True} for name in ("cohere", "voyage")]}}},
            "models.fast: relay: at most one target per route, or a client's key would go to several providers",
        ),
        (
            one(provider="tei", limits={"documents": 0}),
            "models.fast.targets.0.limits.documents: input should be greater than or equal to 1",
        ),
        (one(provider="tei", limits={"tokens": 1}), "models.fast.targets.0.limits.tokens: unknown setting"),
        (
            one(provider="tei", requests_per_minute=0),
            "models.fast.targets.0.requests_per_minute: input should be greater than or equal to 1",
        ),
        (with_route(min_score=float("nan")), "models.fast.min_score: input should be a finite number"),
        (with_route(min_score=True), "models.fast.min_score: expected a number"),
        (with_route(min_unit_score=2), "models.fast.min_unit_score: input should be less than or equal to 1"),
        (
            with_route(min_score=0.5, min_unit_score=0.5),
            "models.fast: min_score: expected none beside min_unit_score",
        ),
        (
            with_route(name="compatible", min_score=0.5),
            "models.fast: min_score: the scores of compatible's default model are of unknown kind",
        ),
        ({"default": "keys"}, "default: expected a table"),
        ({"unknown_model": "none"}, "unknown_model: input should be 'default-chain' or 'reject'"),
        ({"default": 3}, "default: expected a table"),
        ({"default": {"targets": []}}, "default: targets: expected one or more"),
        (
            {"default": {"targets": [{"provider": "voyag"}]}},
            "default.targets.0: no provider is called 'voyag'; did you mean 'voyage'?",
        ),
        ({"keys": [SECRET]}, "keys: expected a table"),
        *(
            ({"keys": {"tests": wrong}}, f"keys.tests: {NO_HASH}")
            for wrong in (SECRET, "", hash_of("k")[:-1], hash_of("k").upper(), hash_of("k") + "\n", "md5:" + "0" * 64)
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_with_its_place(given: Any, expected: str) -> None:
    with pytest.raises(ru.InvalidRequestError) as caught:
        read_settings(given)
    assert caught.value.message == expected
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_several_that_are_wrong_are_all_reported() -> None:
    with pytest.raises(ru.InvalidRequestError) as caught:
        read_settings({"prot": 1, "workers": 0, **one(provider="coher")})
    expected = caught.value.message.split("; ")
    assert [sentence.split(":")[0] for sentence in expected if ": " in sentence] == [
        "workers", "models.fast.targets.0", "prot",
    ]  # fmt: skip


# --- where they come from --------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text("port = 1\nworkers = 1\n[limits]\ndocuments = 1\nbody_bytes = 1\n[models.m]\ntargets = []\n")
    path.write_text("port = 1\nworkers = 1\nhost = 'localhost'\n[limits]\ndocuments = 1\nbody_bytes = 1\n")
    return path


def test_a_flag_counts_before_a_variable_and_a_variable_before_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RERANK_UNIFY_PORT", "2")
    monkeypatch.setenv("RERANK_UNIFY_WORKERS", "2")
    monkeypatch.setenv("RERANK_UNIFY_LIMITS__DOCUMENTS", "2")
    for path in (file, str(file)):
        read = read_settings(path, port=3)
        assert (read.port, read.workers, read.host) == (3, 2, "localhost")
        assert (read.limits.documents, read.limits.body_bytes, read.limits.concurrency) == (2, 1, 256)
    assert read_settings({"port": 4}).port == 4  # a program's own mapping counts as flags do
    assert read_settings().port == 2
    assert read_settings(read) is read


def test_variables_hold_what_is_deeper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANK_UNIFY_KEYS__TESTS", hash_of("k"))
    monkeypatch.setenv("RERANK_UNIFY_UNKNOWN_MODEL", "reject")
    assert dict(read_settings().keys) == {"tests": hash_of("k")}
    assert read_settings().unknown_model == "reject"
    monkeypatch.setenv("RERANK_UNIFY_DEFAULT", '{"targets": [{"provider": "local"}]}')
    default = read_settings().default
    assert default is not None
    assert default.targets[0].provider == "local"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("KEYS", SECRET, "keys: expected JSON in RERANK_UNIFY_KEYS"),
        ("LIMITS", "{", "limits: expected JSON in RERANK_UNIFY_LIMITS"),
        ("PORT", SECRET, "port: input should be a valid integer, unable to parse string as an integer"),
        ("LIMITS__DOCS", "3", "limits.docs: unknown setting"),
        ("KEYS__TESTS", SECRET, "keys.tests: expected sha256: and 64 hex digits"),
        ("DEFAULT", SECRET, "default: expected a table"),
        ("UNKNOWN_MODEL", SECRET, "unknown_model: input should be 'default-chain' or 'reject'"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str) -> None:
    monkeypatch.setenv(f"RERANK_UNIFY_{name}", value)
    with pytest.raises(ru.InvalidRequestError) as caught:
        read_settings()
    assert caught.value.message.startswith(expected)
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize("content", [b"port = \n", b"\xff", b"[limits\n"])
def test_what_is_no_toml_is_reported_with_its_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(content)
    with pytest.raises(ru.InvalidRequestError) as caught:
        read_settings(path)
    assert caught.value.message.startswith(f"{path}: not TOML: ")


def test_a_file_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_settings(tmp_path / "nothing.toml")
    with pytest.raises(IsADirectoryError):
        read_settings(tmp_path)


# --- what they say ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS_BEYOND)
def test_beyond_the_loopback_only_with_a_key(host: str) -> None:
    with pytest.raises(ru.InvalidRequestError, match=r"other machines can reach .*, and no key is set"):
        read_settings({"host": host}).checked_host()
    assert read_settings({"host": host, "keys": {"a": hash_of("k")}}).checked_host() == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_the_loopback_without_one(host: str) -> None:
    assert read_settings({"host": host}).checked_host() == host


def test_settings_are_frozen_and_go_to_workers_as_they_are() -> None:
    read = read_settings(
        {**one(provider="voyage", base_url="https://host/v1"), "default": {"targets": [{"provider": "local"}]}}
    )
    again = GatewaySettings.model_validate_json(read.model_dump_json())
    assert again == read
    with pytest.raises(ValueError, match="frozen"):
        setattr(read, "port", 1)  # noqa: B010 - the type checkers know it too
