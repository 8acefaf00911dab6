"""Load the provider payloads that this library is tested against; the wheel carries them for your tests too.

from rerank_unify.testing.fixtures import load_cases

for case in load_cases("voyage"):
    ...
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

_SOURCE: Final = ("source", "date", "synthetic", "shows", "note")
_KEYS: Final = (*_SOURCE, "request", "sent", "wire", "reply", "response", "error")
_BODIES: Final[Mapping[str, Callable[[Any], bytes]]] = {
    "json": lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(),
    "text": str.encode,
    "base64": b64decode,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's HTTP response.

    Attributes:
        status: the HTTP status.
        headers: the headers that matter, by name.
        body: the raw body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: a file ``fixtures/<provider>/<name>.json``. A part that the file does not have is None.

    Attributes:
        provider: the provider's name.
        name: what the case shows, in a few words.
        request: the canonical request, as JSON.
        sent: the body that the request becomes for this provider.
        wire: the same request as a client of this provider's dialect writes it.
        reply: the provider's HTTP response.
        response: the decoded reply, as canonical JSON with ``score_kind`` and ``missing``.
        error: the decoded reply where it is an error: its ``class`` and attributes.
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

    @classmethod
    def from_json(cls, provider: str, name: str, content: bytes) -> Case:
        """Parse the content of one file, UTF-8 JSON with the keys that ``fixtures/README.md`` lists.

        Args:
            provider: the provider's name.
            name: the name of the file, without ``.json``.
            content: the content of the file.

        Returns:
            The case.

        Raises:
            ValueError: it is not JSON, has an unknown key, no source, or a reply without status or exactly one body.
        """
        where = f"fixtures/{provider}/{name}.json"
        try:
            values = json.loads(content)
        except ValueError as error:
            raise ValueError(f"{where}: expected JSON: {error}") from None
        if unknown := values.keys() - _KEYS:
            raise ValueError(f"{where}: unknown key {min(unknown)!r}; expected only {', '.join(_KEYS)}")
        source = {key: values.pop(key) for key in _SOURCE if key in values}
        if "source" not in source:
            raise ValueError(f"{where}: source is missing; expected where the payload comes from")
        if "reply" in values:
            values["reply"] = _reply(f"{where}: reply", values["reply"])
        return cls(provider=provider, name=name, source=source, **values)


def load_cases(provider: str | None = None) -> list[Case]:
    """Read the cases of one provider, or of all, sorted by provider and name.

    Args:
        provider: a provider's name; None for all.

    Returns:
        The cases, one for each file.

    Raises:
        FileNotFoundError: there are no cases of that provider.
        ValueError: a file is not a case; see ``Case.from_json``.

    Examples:
        >>> from rerank_unify.testing import load_cases
        >>> {case.provider for case in load_cases("voyage")}
        {'voyage'}
    """
    root = files("rerank_unify.fixtures")
    known = {folder.name for folder in root.iterdir() if folder.is_dir() and folder.name[0] not in "_."} - {"requests"}
    if provider is not None and provider not in known:
        raise FileNotFoundError(f"there are no fixtures for {provider!r}; there are for {', '.join(sorted(known))}")
    cases = (
        Case.from_json(folder, file.name.removesuffix(".json"), file.read_bytes())
        for folder in (known if provider is None else [provider])
        for file in (root / folder).iterdir()
    )
    return sorted(cases, key=lambda case: (case.provider, case.name))


def load_request(name: str) -> bytes:
    """Read a ready canonical request body, as bytes of JSON.

    Args:
        name: ``newapi-basic``, ``m0-multimodal`` or ``skincare-multilingual``.

    Returns:
        A JSON object in UTF-8.

    Raises:
        FileNotFoundError: there is no request of that name.
    """
    return (files("rerank_unify.fixtures") / "requests" / f"{name}.json").read_bytes()


def _reply(where: str, values: Mapping[str, Any]) -> Reply:
    bodies = [to_bytes(values[key]) for key, to_bytes in _BODIES.items() if key in values]
    if len(bodies) != 1 or not {"status"} <= values.keys() <= {"status", "headers", *_BODIES}:
        raise ValueError(f"{where}: expected status, perhaps headers, and exactly one of {', '.join(_BODIES)}")
    return Reply(values["status"], values.get("headers", {}), *bodies)
