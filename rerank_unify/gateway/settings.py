"""The gateway's settings: one validated object, from a TOML file, environment variables and flags.

A flag counts before a variable, a variable before the file. Variables are called ``RERANK_UNIFY_PORT`` or, deeper,
``RERANK_UNIFY_LIMITS__DOCUMENTS``. No key of a vendor stands here: only the names of the variables that hold them.
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
    if isinstance(value, bool):  # which pydantic would take for 1 or 0
        raise ValueError("expected a number")  # noqa: TRY004 - pydantic adds the place to a ValueError alone
    return value


_Number = BeforeValidator(_number)
Seconds = Annotated[float, _Number, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, _Number, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, _Number, Field(ge=1)]


def _hashed(value: str) -> str:
    if not _HASH.fullmatch(value):
        raise ValueError("expected sha256: and 64 hex digits, as `rerank-unify key` prints them, never the key itself")
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
    if is_object(value) and value.keys() == {"env"} and isinstance(value["env"], str) and value["env"]:
        return EnvironmentValue(env=value["env"])
    raise ValueError('expected a string or { env = "VARIABLE" }')


HeaderValue = Annotated[str | EnvironmentValue, BeforeValidator(_header_value)]


class TargetSettings(_Part):
    """One provider to try."""

    provider: str = Field(description="A provider's name, such as cohere; `rerank-unify providers` lists them.")
    model: str | None = Field(default=None, description="The model to send; without it the provider's default.")
    key_env: str | None = Field(
        default=None, description="The environment variable with the key; else the provider's own."
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
    weight: NotNegative = Field(default=1.0, description="The heaviest first, with upstream.order = weight.")
    base_model: str | None = Field(default=None, description="The known model behind a name that says nothing.")
    relay: bool = Field(default=False, description="Whether the client's own key is passed on to this vendor.")

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
            raise ValueError(error.message) from None  # pydantic adds the place
        return self


class RouteSettings(_Part):
    """Who answers for a model name, in the order in which they are tried."""

    targets: tuple[TargetSettings, ...] = Field(description="Whom to try, one or more tables.")

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if not self.targets:  # no constraint of the field: pydantic would name it beside a target that is wrong
            raise ValueError("targets: expected one or more")
        if sum(target.relay for target in self.targets) > 1:
            raise ValueError("relay: one target of a route at most, or a client's key would go to several vendors")
        return self


class LimitSettings(_Part):
    """What the gateway takes at once; beyond it refuses, and says when to come again."""

    body_bytes: Count = Field(default=8 * 2**20, description="Bytes of a request's body; beyond: 413.")
    body_seconds: Seconds = Field(
        default=30.0, description="Seconds in which a client must have sent its body; beyond: 408."
    )
    documents: Count = Field(default=10_000, description="Documents of a request; beyond: refused as too large.")
    concurrency: Count = Field(
        default=256, description="Requests under way in one worker; beyond: 503 with Retry-After."
    )
    concurrency_per_key: Count | None = Field(
        default=None, description="The same for one key (without keys: for all together); beyond: 429."
    )


class RuleSettings(_Part):
    """What an error of one class does. What is absent is as in the gateway's default rules."""

    action: Literal["stop", "next"] | None = Field(
        default=None, description="Whether the error goes to the client at once, or the next target is tried."
    )
    retries: Annotated[int, _Number, Field(ge=0)] | None = Field(
        default=None, description="How often the same target is tried again."
    )
    waits: bool | None = Field(
        default=None, description="Whether the same target is tried again after the Retry-After of the error."
    )


# The official SDKs retry by themselves and wait for Retry-After. A gateway that does so too multiplies their calls.
RULES: Final[Mapping[type[RerankError], Rule]] = {
    RateLimitError: replace(DEFAULT_POLICY.rule(RateLimitError), retries=0),
    ProviderOverloadedError: replace(DEFAULT_POLICY.rule(ProviderOverloadedError), retries=1, waits=False),
}
"""The gateway's rules, where they are not the default ones of `FallbackPolicy`."""


class UpstreamSettings(_Part):
    """How vendors are called."""

    timeout: Seconds = Field(default=60.0, description="Seconds for one attempt.")
    connect_timeout: Seconds = Field(default=5.0, description="Seconds for its connection.")
    deadline: Seconds = Field(default=90.0, description="Seconds for all attempts of a request together.")
    retries: Annotated[int, _Number, Field(ge=0)] | None = Field(
        default=None, description="How often one target is tried again; without it 1 with a single target, else 0."
    )
    rules: dict[str, RuleSettings] = Field(default={}, description="What an error does, by the name of its class.")
    max_wait: NotNegative = Field(default=1.0, description="The longest wait for a target, in seconds.")
    max_cool_down: NotNegative = Field(
        default=600.0, description="The longest that a target is skipped for its Retry-After, in seconds."
    )
    hedge_after: Seconds | None = Field(
        default=None, description="Seconds until the next target starts beside a slow one."
    )
    incomplete: Literal["accept", "next"] = Field(default="accept", description="What an answer that lacks rows does.")
    order: Literal["given", "weight"] = Field(default="given", description="Targets as given, or the heaviest first.")
    split: Literal["pointwise", "always"] = Field(
        default="pointwise", description="Whether listwise models are split too."
    )
    max_response_bytes: Count = Field(default=64 * 2**20, description="Bytes of a vendor's answer that are read.")
    trust_env: bool = Field(default=False, description="Whether proxies are taken from the environment.")

    @model_validator(mode="after")
    def _known_classes(self) -> Self:
        for name in self.rules:
            error_class(name)
        return self

    def policy(self, *, targets: int) -> FallbackPolicy:
        """Return what each outcome does on a route of so many targets."""
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
    """Return the error class of a name.

    Raises:
        ValueError: no class has that name.
    """
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, RerankError):
        return kind
    raise ValueError(f"rules: no error class has the name {name[:40]!r}; docs/contract.md lists them")


KINDS: Final = ("a route", "a word")
"""Names of the two forms of ``default``, for pydantic alone: they are no steps of a place."""


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

    host: str = Field(default="127.0.0.1", description="Where to listen; beyond the loopback only with keys.")
    port: Annotated[int, _Number, Field(ge=0, le=65535)] = Field(
        default=8080, description="The port; 0 for a free one."
    )
    workers: Count = Field(default=1, description="Processes.")
    drain_seconds: Seconds = Field(
        default=30.0, description="How long requests under way may take when the gateway stops."
    )
    keys: dict[str, KeyHash] = Field(
        default={}, description="The gateway's own keys, hashed, by name; none: open to all."
    )
    models: dict[str, RouteSettings] = Field(default={}, description="Routes by the model name that clients send.")
    default: Default = Field(
        default="keys",
        description="For names that mean nobody: a route, every provider whose key is set, or nobody (404).",
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
        """Flags, variables, file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def checked_host(self) -> str:
        """Where to listen.

        Raises:
            InvalidRequestError: beyond the loopback, without a key.
        """
        if self.on_loopback or self.keys:
            return self.host
        raise InvalidRequestError(
            f"host: {self.host} is open to other machines, and keys are not set: make one with `rerank-unify key`",
            field="host",
        )


_FIELD: Final = re.compile(r'field "(\w+)"')  # in pydantic-settings' own sentence
_MESSAGES: Final = {
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
    message = _MESSAGES.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    return f"{where}: {message[0].lower()}{message[1:]}"
