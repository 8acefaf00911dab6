"""The vendor payloads that this library is tested against, for your tests as well: they are part of the wheel.

from rerank_unify.testing.fixtures import load_cases

for case in load_cases("voyage"):
    ...
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    if sys.version_info >= (3, 11):
        from importlib.resources.abc import Traversable
    else:
        from importlib.abc import Traversable

_REQUESTS: Final = "requests"
_PARTS: Final = ("request", "sent", "wire", "response", "error", "source")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a vendor answered.

    Attributes:
        status: the HTTP status.
        headers: the headers that matter.
        body: raw.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: a folder ``fixtures/<provider>/<name>``. A part that the folder does not have is None.

    Attributes:
        provider: the provider's name.
        name: what the case shows, in a few words.
        request: the canonical request, as wire JSON.
        sent: the body that the request becomes for this vendor.
        wire: a body by which a client of this vendor's dialect asks for the request.
        reply: what the vendor answered.
        response: what the reply means, as canonical JSON with ``score_kind`` and ``missing``.
        error: what the reply means where it is an error: its ``class`` and attributes.
        source: ``source``, ``date``, ``synthetic``, ``shows`` and perhaps ``note``.
    """

    provider: str
    name: str
    source: Mapping[str, Any]
    request: Mapping[str, Any] | None = None
    sent: Mapping[str, Any] | None = None
    wire: Mapping[str, Any] | None = None
    reply: Reply | None = None
    response: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"


def load_cases(provider: str | None = None) -> list[Case]:
    """Read the cases of one provider, or of all, sorted by provider and name.

    Args:
        provider: a provider's name; None for all.

    Raises:
        FileNotFoundError: there are no cases of that provider.
        ValueError: a case has a file that means nothing, or two replies, or no source.
    """
    root = files("rerank_unify.fixtures")
    known = sorted(folder.name for folder in root.iterdir() if folder.is_dir() and not _is_internal(folder.name))
    if provider is not None and provider not in known:
        raise FileNotFoundError(f"there are no fixtures for {provider!r}; there are for {', '.join(known)}")
    return [
        _load(name, folder)
        for name in ([provider] if provider is not None else known)
        for folder in sorted((root / name).iterdir(), key=lambda folder: folder.name)
    ]


def load_request(name: str) -> bytes:
    """Read a ready canonical request body, as bytes of JSON.

    Args:
        name: ``newapi-basic``, ``m0-multimodal`` or ``skincare-multilingual``.

    Raises:
        FileNotFoundError: there is no request of that name.
    """
    return (files("rerank_unify.fixtures") / _REQUESTS / f"{name}.json").read_bytes()


def _is_internal(name: str) -> bool:
    return name == _REQUESTS or name.startswith(("_", "."))


def _load(provider: str, folder: Traversable) -> Case:
    parts: dict[str, Any] = {}
    headers: dict[str, str] = {}
    answers: list[tuple[int, bytes]] = []
    for file in folder.iterdir():
        stem, _, kind = file.name.partition(".")
        if stem.isdecimal():
            answers.append((int(stem), file.read_bytes()))
        elif kind != "json" or stem not in (*_PARTS, "headers"):
            raise ValueError(f"fixtures/{provider}/{folder.name}/{file.name}: a case has no such file")
        elif stem == "headers":
            headers = json.loads(file.read_bytes())
        else:
            parts[stem] = json.loads(file.read_bytes())
    if len(answers) > 1 or "source" not in parts:
        raise ValueError(f"fixtures/{provider}/{folder.name}: a case has one source, and one reply at most")
    for status, body in answers:
        parts["reply"] = Reply(status, headers, body)
    return Case(provider=provider, name=folder.name, **parts)
