"""The gateway's settings: one validated object from a TOML file, environment variables and flags.

A flag overrides a variable, a variable overrides the file. Variables are named ``RERANK_UNIFY_PORT``, and for nested
settings ``RERANK_UNIFY_LIMITS__DOCUMENTS``. Settings hold no provider keys, only the names of the variables with keys.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)
from typing_extensions import Self

from .. import errors
from .._json import is_object
from ..canonical import RerankRequest
from ..errors import InvalidRequestError, ProviderOverloadedError, RateLimitError, RerankError
from ..fallback import DEFAULT_POLICY, FallbackPolicy, Rule
from ..registry import provider as provider_by_name

_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_PROBE = RerankRequest(query="q", documents=["d"])


def _number(value: Any) -> Any:
    if isinstance(value, bool):  # pydantic would accept it as 1 or 0
        raise ValueError("expected a number")  # noqa: TRY004 - pydantic adds the field to a ValueError only
    return value


_Number = BeforeValidator(_number)
Seconds = Annotated[float, _Number, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, _Number, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, _Number, Field(ge=1)]


def _hashed(value: str) -> str:
    if not _HASH.fullmatch(value):
        raise ValueError("expected sha256: and 64 hex digits, as `rerank-unify key` prints them, not the key itself")
    return value


KeyHash = Annotated[str, AfterValidator(_hashed)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class EnvironmentValue(_Part):
    """A value that an environment variable holds.

    Attributes:
        env: the variable's name.
    """

    env: str


def _header_value(value: Any) -> Any:
    """Build the value here, so that the message names the two forms and not each failed union member."""
    if isinstance(value, (str, EnvironmentValue)):
        return value
    if is_object(value) and set(value) == {"env"} and isinstance(value["env"], str) and value["env"]:
        return EnvironmentValue(env=value["env"])
    raise ValueError('expected a string or { env = "VARIABLE" }')


HeaderValue = Annotated[str | EnvironmentValue, BeforeValidator(_header_value)]


class TargetSettings(_Part):
    """One provider to try."""

    provider: str = Field(description="A provider's name, such as cohere; `rerank-unify providers` lists them.")
    model: str | None = Field(default=None, description="The model to send; the provider's default without it.")
    key_env: str | None = Field(
        default=None,
        description="The environment variable with the key. Without it the provider's own variable, at its own host.",
    )
    base_url: str | None = Field(
        default=None,
        description="The server to call instead of the provider's own; the provider's path is joined to it.",
    )
    url: str | None = Field(default=None, description="The whole URL to call, never changed; excludes `base_url`.")
    headers: dict[str, HeaderValue] = Field(
        default={},
        repr=False,
        description='Further headers. A value is a string, or `{ env = "VARIABLE" }` for an environment variable.',
    )
    auth_header: str | None = Field(
        default=None, description="The header that carries the key, instead of the provider's own."
    )
    timeout: Seconds | None = Field(default=None, description="Seconds for one attempt.")
    weight: NotNegative = Field(
        default=1.0, description='Order of targets with `upstream.order = "weight"`, heaviest first.'
    )
    base_model: str | None = Field(
        default=None, description="The known model behind an alias, such as a Xinference UID."
    )
    relay: bool = Field(default=False, description="Send the client's own provider key to this target.")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.relay and self.key_env is not None:
            raise ValueError("relay and key_env exclude each other: the key is the client's or the gateway's")
        try:
            provider = provider_by_name(self.provider)
            model = self.model or provider.default_model or "m"
            headers = {name: value if isinstance(value, str) else "v" for name, value in self.headers.items()}
            provider.prepare(
                _PROBE,
                model=model,
                api_key="k",
                base_url=self.base_url,
                url=self.url,
                headers=headers,
                auth_header=self.auth_header,
            )
        except RerankError as error:
            raise ValueError(error.message) from None  # pydantic adds the field
        return self


class RouteSettings(_Part):
    """The targets of a model name, tried in order."""

    targets: tuple[TargetSettings, ...] = Field(description="The targets, tried in order; one or more tables.")

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if not self.targets:  # checked here: as a constraint pydantic would report it beside a wrong target
            raise ValueError("targets: expected one or more")
        if sum(target.relay for target in self.targets) > 1:
            raise ValueError("relay: at most one target per route, or a client's key would go to several providers")
        return self


class LimitSettings(_Part):
    """Limits of requests. The gateway refuses a request beyond a limit at once."""

    body_bytes: Count = Field(default=8 * 2**20, description="Bytes in a request body; more is 413.")
    body_seconds: Seconds = Field(default=30.0, description="Seconds for a client to send its body; more is 408.")
    documents: Count = Field(default=10_000, description="Documents in a request; more is 413.")
    concurrency: Count = Field(default=256, description="Concurrent requests per worker; more is 503 with Retry-After.")
    concurrency_per_key: Count | None = Field(
        default=None, description="Concurrent requests per gateway key (without keys: in total); more is 429."
    )


class RuleSettings(_Part):
    """The rule for one error class. An absent field keeps its value from the gateway's default rules."""

    action: Literal["stop", "next"] | None = Field(
        default=None, description="`stop`: return the error to the client. `next`: try the next target."
    )
    retries: Annotated[int, _Number, Field(ge=0)] | None = Field(
        default=None, description="How often the same target is retried."
    )
    waits: bool | None = Field(default=None, description="Wait for the error's Retry-After and retry the same target.")


# Official SDKs retry and wait for Retry-After. Retries here as well would multiply the calls.
RULES: Final[Mapping[type[RerankError], Rule]] = {
    RateLimitError: replace(DEFAULT_POLICY.rule(RateLimitError), retries=0),
    ProviderOverloadedError: replace(DEFAULT_POLICY.rule(ProviderOverloadedError), retries=1, waits=False),
}
"""The gateway's rules that differ from the defaults of `FallbackPolicy`."""


class UpstreamSettings(_Part):
    """How the gateway calls providers."""

    timeout: Seconds = Field(default=60.0, description="Seconds for one attempt.")
    connect_timeout: Seconds = Field(default=5.0, description="Seconds to connect.")
    deadline: Seconds = Field(default=90.0, description="Seconds for one request, all attempts included.")
    retries: Annotated[int, _Number, Field(ge=0)] | None = Field(
        default=None, description="Retries per target; without it 1 for a single target, else 0."
    )
    rules: dict[str, RuleSettings] = Field(default={}, description="Rules by the name of the error class.")
    max_wait: NotNegative = Field(default=1.0, description="Longest wait for a target in cool-down, in seconds.")
    max_cool_down: NotNegative = Field(
        default=600.0, description="Longest cool-down of a target after its Retry-After, in seconds."
    )
    hedge_after: Seconds | None = Field(
        default=None, description="Seconds after which the next target is called beside a slow one."
    )
    incomplete: Literal["accept", "next"] = Field(
        default="accept",
        description="What to do with a response that lacks documents: accept it, or try the next target.",
    )
    order: Literal["given", "weight"] = Field(
        default="given", description="Order of the targets: as listed, or by weight."
    )
    split: Literal["pointwise", "always"] = Field(
        default="pointwise",
        description="Which models a request too large for one call is split for: those that score each document "
        "separately, or all.",
    )
    max_response_bytes: Count = Field(default=64 * 2**20, description="Most bytes to read of a provider's response.")
    trust_env: bool = Field(default=False, description="Use the proxies that environment variables name.")

    @model_validator(mode="after")
    def _known_classes(self) -> Self:
        for name in self.rules:
            error_class(name)
        return self

    def policy(self, *, targets: int) -> FallbackPolicy:
        """Return the fallback policy of a route.

        Args:
            targets: the number of its targets.
        """
        rules = dict(RULES)
        for name, settings in self.rules.items():
            kind = error_class(name)
            rule = rules.get(kind) or FallbackPolicy(rules=RULES).rule(kind)
            rules[kind] = replace(rule, **settings.model_dump(exclude_none=True))
        return FallbackPolicy(
            rules=rules,
            retries=int(targets == 1) if self.retries is None else self.retries,
            max_wait=self.max_wait,
            max_cool_down=self.max_cool_down,
            hedge_after=self.hedge_after,
            incomplete=self.incomplete,
            order=self.order,
        )


def error_class(name: str) -> type[RerankError]:
    """Return the error class with this name.

    Raises:
        ValueError: no error class has this name.
    """
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, RerankError):
        return kind
    raise ValueError(f"rules: no error class has the name {name[:40]!r}; docs/contract.md lists them")


KINDS: Final = ("a route", "a word")
"""Tags of the two forms of ``default``, for pydantic. They are left out of the field names in messages."""


def _kind(value: Any) -> str:
    return KINDS[1] if isinstance(value, str) else KINDS[0]


Default = Annotated[
    Annotated[RouteSettings, Tag(KINDS[0])] | Annotated[Literal["keys", "none"], Tag(KINDS[1])], Discriminator(_kind)
]


class GatewaySettings(BaseSettings):
    """All settings of the gateway."""

    model_config = SettingsConfigDict(
        env_prefix="RERANK_UNIFY_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on; other than loopback only with keys.")
    port: Annotated[int, _Number, Field(ge=0, le=65535)] = Field(
        default=8080, description="Port to listen on; 0 for a free port."
    )
    workers: Count = Field(default=1, description="Number of processes.")
    drain_seconds: Seconds = Field(
        default=30.0, description="Seconds for requests in progress to finish when the gateway stops."
    )
    keys: dict[str, KeyHash] = Field(
        default={}, description="Hashes of the gateway's keys, by name; without any, every client is accepted."
    )
    models: dict[str, RouteSettings] = Field(default={}, description="Routes, by the model name that clients send.")
    default: Default = Field(
        default="keys",
        description="What to do with unknown model names: a route, `keys` (all providers with a key), or `none` (404).",
    )
    limits: LimitSettings = LimitSettings()
    upstream: UpstreamSettings = UpstreamSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources by priority: flags, variables, file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def checked_host(self) -> str:
        """Return the host to listen on.

        Raises:
            InvalidRequestError: the host is not loopback, and there are no gateway keys.
        """
        if self.on_loopback or self.keys:
            return self.host
        raise InvalidRequestError(
            f"host: other machines can reach {self.host}, and no key is set: make one with `rerank-unify key`",
            field="host",
        )


_FIELD: Final = re.compile(r'field "(\w+)"')  # in the message of pydantic-settings
_MESSAGES: Final = {
    "extra_forbidden": "unknown setting",
    "missing": "required",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "expected a table"),
}


def read_settings(
    source: GatewaySettings | Mapping[str, Any] | str | Path | None = None, **flags: Any
) -> GatewaySettings:
    """Read settings from a file, from a mapping, or from environment variables alone.

    Args:
        source: the path of a TOML file, or a mapping of the same shape, which overrides variables as flags do.
            `GatewaySettings` are returned unchanged.
        **flags: settings that override all others.

    Raises:
        InvalidRequestError: a setting is wrong; the message has one sentence for each, without any key.
        OSError: the file cannot be read.
    """
    if isinstance(source, GatewaySettings):
        return source
    kind = GatewaySettings
    if isinstance(source, (str, Path)):
        Path(source).read_bytes()  # pydantic-settings reads a missing file as an empty one
        kind = _from_file(Path(source))
    values = dict(source) if isinstance(source, Mapping) else {}
    try:
        return kind(**{**values, **flags})
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


def _sentence(problem: Any) -> str:
    field = ".".join(str(step) for step in problem["loc"] if step not in KINDS) or "settings"
    message = _MESSAGES.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    return f"{field}: {message[0].lower()}{message[1:]}"
