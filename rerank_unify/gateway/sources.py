"""Where settings come from: flags, variables, a TOML file; and one sentence for each that is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict, SettingsError

from ..errors import InvalidRequestError
from .settings import KINDS, GatewaySettings

_FIELD: Final = re.compile(r'field "(\w+)"')  # in pydantic-settings' own sentence
_OWN_WORDS: Final = {
    "extra_forbidden": "there is no such setting",
    "missing": "it is needed",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "expected a table"),
}


def read_settings(
    source: GatewaySettings | Mapping[str, Any] | str | Path | None = None, **flags: Any
) -> GatewaySettings:
    """Settings from a file's path, from a mapping, or from variables alone.

    Args:
        source: a TOML file, a mapping of the same shape, or settings that are ready. A mapping is the caller's own
            and counts as flags do: before variables.
        **flags: what counts before all else.

    Raises:
        InvalidRequestError: one sentence for each thing that is wrong; keys are not repeated.
        OSError: the file cannot be read.
    """
    if isinstance(source, GatewaySettings):
        return source
    kind = GatewaySettings
    if isinstance(source, (str, Path)):
        Path(source).read_bytes()  # pydantic-settings takes a missing file for an empty one
        kind = _from_file(Path(source))
    given = dict(source) if isinstance(source, Mapping) else {}
    try:
        return kind(**{**given, **flags})
    except ValidationError as error:
        raise InvalidRequestError("; ".join(map(_sentence, error.errors(include_url=False)))) from None
    except SettingsError as error:
        found = _FIELD.search(str(error))
        name = found[1] if found is not None else "a setting"
        raise InvalidRequestError(f"{name}: expected JSON in RERANK_UNIFY_{name.upper()}") from None
    except ValueError as error:
        raise InvalidRequestError(f"{source}: not TOML: {error}") from None


def _from_file(path: Path) -> type[GatewaySettings]:
    class FromFile(GatewaySettings):
        model_config = SettingsConfigDict(toml_file=path)

    return FromFile


def _sentence(fault: Any) -> str:
    where = ".".join(str(step) for step in fault["loc"] if step not in KINDS) or "settings"
    said = _OWN_WORDS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    return f"{where}: {said[0].lower()}{said[1:]}"
