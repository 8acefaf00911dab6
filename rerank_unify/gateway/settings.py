"""The gateway's settings: one validated object from a TOML file, environment variables and flags.

A flag overrides a variable, a variable overrides the file. Variables are named ``RERANK_UNIFY_PORT``, and for nested
settings ``RERANK_UNIFY_LIMITS__DOCUMENTS``. Settings hold no provider keys, only the names of the variables with keys.
The docstrings of the fields are the table in docs/gateway.md.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError, TomlConfigSettingsSource
from typing_extensions import Self

from .. import errors
from .._json import is_object
from ..canonical import RerankRequest, ScoreKind, min_score_of
from ..errors import InvalidRequestError, ProviderOverloadedError, RateLimitError, RerankError
from ..fallback import DEFAULT_POLICY, FallbackPolicy, Rule
from ..registry import provider as provider_by_name

_PROBE: Final = RerankRequest(query="q", documents=["d"])


def _number(value: Any) -> Any:
    if isinstance(value, bool):  # pydantic would accept it as 1 or 0
        raise ValueError("expected a number")  # noqa: TRY004 - pydantic adds the field to a ValueError only
    return value


_Number = BeforeValidator(_number)
Seconds = Annotated[float, _Number, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, _Number, Field(ge=0, allow_inf_nan=False)]
Number = Annotated[float, _Number, Field(allow_inf_nan=False)]
UnitScore = Annotated[float, _Number, Field(ge=0, le=1)]
Count = Annotated[int, _Number, Field(ge=1)]
Retries = Annotated[int, _Number, Field(ge=0)]
KeyHash = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)


class EnvironmentValue(_Part):
    """A value that an environment variable holds."""

    env: str


def _header_value(value: Any) -> Any:
    """Build the value here, so that the message names the two forms and not each failed union member."""
    if isinstance(value, (str, EnvironmentValue)):
        return value
    if is_object(value) and set(value) == {"env"} and isinstance(value["env"], str) and value["env"]:
        return EnvironmentValue(env=value["env"])
    raise ValueError('expected a string or { env = "VARIABLE" }')


HeaderValue = Annotated[str | EnvironmentValue, BeforeValidator(_header_value)]


class TargetLimits(_Part):
    """Limits of one call to a server, in place of those that its provider declares."""

    documents: Count | None = None
    """Documents in one call to this server; a larger request is split, if the model allows it."""
    document_tokens: Count | None = None
    """Tokens of one document; a longer one is cut after a word, which is a loss."""


class TargetSettings(_Part):
    """One provider to try."""

    provider: str
    """A provider's name, such as cohere; `rerank-unify providers` lists them."""
    model: str | None = None
    """The model to send; the provider's default without it."""
    key_env: str | None = None
    """The environment variable with the key. Without it the provider's own variable, at its own host."""
    base_url: str | None = None
    """The server to call instead of the provider's own; the provider's path is joined to it."""
    url: str | None = None
    """The whole URL to call, never changed; excludes `base_url`."""
    headers: dict[str, HeaderValue] = Field(default={}, repr=False)
    """Further headers. A value is a string, or `{ env = "VARIABLE" }` for an environment variable."""
    auth_header: str | None = None
    """The header that carries the key, instead of the provider's own."""
    timeout: Seconds | None = None
    """Seconds for one attempt."""
    weight: NotNegative = 1.0
    """Order of targets with `upstream.order = "weight"`, heaviest first."""
    base_model: str | None = None
    """The known model behind an alias, such as a Xinference UID."""
    limits: TargetLimits = TargetLimits()
    requests_per_minute: Count | None = None
    """Calls to this target that a worker starts within 60 seconds. Beyond them the next target is called, else it is
    429."""
    options: dict[str, Any] = {}
    """Body fields of the provider for each request, such as `{ project_id = "…" }`; a client's own override them."""
    relay: bool = False
    """Send the client's own provider key to this target."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.relay and self.key_env is not None:
            raise ValueError("relay and key_env exclude each other: the key is the client's or the gateway's")
        try:
            provider = provider_by_name(self.provider)
            # A client or a variable may give the option that the provider requires.
            needed = dict.fromkeys(provider.required_options[:1], "o")
            provider.with_options({**needed, **self.options}).prepare(
                _PROBE,
                model=self.model or provider.default_model or "m",
                api_key="k",
                base_url=self.base_url,
                url=self.url,
                headers={name: value if isinstance(value, str) else "v" for name, value in self.headers.items()},
                auth_header=self.auth_header,
            )
        except RerankError as error:
            raise ValueError(error.message) from None  # pydantic adds the field
        return self

    @property
    def score_kind(self) -> ScoreKind:
        """The declared kind of the model's scores."""
        return provider_by_name(self.provider).model(self.model, base_model=self.base_model).score_kind


class RouteSettings(_Part):
    """The targets of a model name, tried in order."""

    targets: tuple[TargetSettings, ...]
    """The targets, tried in order; one or more tables."""
    min_score: Number | None = None
    """The lowest score of a result, as the provider scores; lower results are removed."""
    min_unit_score: UnitScore | None = None
    """The same for scores mapped into 0 to 1, which fits targets with scores of several kinds."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not self.targets:
            raise ValueError("targets: expected one or more")
        if sum(target.relay for target in self.targets) > 1:
            raise ValueError("relay: at most one target per route, or a client's key would go to several providers")
        try:
            lowest = min_score_of(self.min_score, self.min_unit_score)
            if lowest is not None:
                for target in self.targets:
                    lowest.check(target.score_kind, f"{target.provider}'s {target.model or 'default model'}")
        except RerankError as error:
            raise ValueError(error.message) from None  # pydantic adds the field
        return self


class LimitSettings(_Part):
    """Limits of requests. The gateway refuses a request beyond a limit at once."""

    body_bytes: Count = 8 * 2**20
    """Bytes in a request body; more is 413."""
    body_seconds: Seconds = 30.0
    """Seconds for a client to send its body; more is 408."""
    documents: Count = 10_000
    """Documents in a request; more is 413."""
    concurrency: Count = 256
    """Concurrent requests per worker; more is 503 with Retry-After."""
    concurrency_per_key: Count | None = None
    """Concurrent requests per gateway key (without keys: in total); more is 429."""


class RuleSettings(_Part):
    """The rule for one error class. An absent field keeps its value from the gateway's default rules."""

    action: Literal["stop", "next"] | None = None
    """`stop`: return the error to the client. `next`: try the next target."""
    retries: Retries | None = None
    """How often the same target is retried."""
    waits: bool | None = None
    """Wait for the error's Retry-After and retry the same target."""


# Official SDKs retry and wait for Retry-After. Retries here as well would multiply the calls.
RULES: Final[Mapping[type[RerankError], Rule]] = {
    RateLimitError: replace(DEFAULT_POLICY.rule(RateLimitError), retries=0),
    ProviderOverloadedError: replace(DEFAULT_POLICY.rule(ProviderOverloadedError), retries=1, waits=False),
}
"""The gateway's rules that differ from the defaults of `FallbackPolicy`."""


class UpstreamSettings(_Part):
    """How the gateway calls providers."""

    timeout: Seconds = 60.0
    """Seconds for one attempt."""
    connect_timeout: Seconds = 5.0
    """Seconds to connect."""
    deadline: Seconds = 90.0
    """Seconds for one request, all attempts included."""
    retries: Retries | None = None
    """Retries per target; without it 1 for a single target, else 0."""
    rules: dict[str, RuleSettings] = {}
    """Rules by the name of the error class."""
    max_wait: NotNegative = 1.0
    """Longest wait for a target in cool-down, in seconds."""
    max_cool_down: NotNegative = 600.0
    """Longest cool-down of a target after its Retry-After, in seconds."""
    hedge_after: Seconds | None = None
    """Seconds after which the next target is called beside a slow one."""
    incomplete: Literal["accept", "next"] = "accept"
    """What to do with a response that lacks documents: accept it, or try the next target."""
    order: Literal["given", "weight"] = "given"
    """Order of the targets: as listed, or by weight."""
    split: Literal["pointwise", "always"] = "pointwise"
    """Which models a request too large for one call is split for: `pointwise` models, which score each document
    separately, or `always` all."""
    max_response_bytes: Count = 64 * 2**20
    """Most bytes to read of a provider's response."""
    trust_env: bool = False
    """Use the proxies that environment variables name."""

    @model_validator(mode="after")
    def _known_classes(self) -> Self:
        for name in self.rules:
            _error_class(name)
        return self

    def policy(self, *, targets: int) -> FallbackPolicy:
        """Return the fallback policy of a route with so many targets."""
        rules = dict(RULES)
        for name, settings in self.rules.items():
            kind = _error_class(name)
            rule = rules.get(kind) or FallbackPolicy(rules=RULES).rule(kind)
            rules[kind] = replace(rule, **settings.model_dump(exclude_none=True))
        same = self.model_dump(include={"max_wait", "max_cool_down", "hedge_after", "incomplete", "order"})
        retries = int(targets == 1) if self.retries is None else self.retries
        return FallbackPolicy(rules=rules, retries=retries, **same)


class CacheSettings(_Part):
    """A cache of the scores of pointwise models."""

    store: Literal["memory", "redis"] | None = None
    """Where scores are cached: `memory`, which each worker has for itself, or `redis`. Without it nothing is cached."""
    url_env: str = "REDIS_URL"
    """The environment variable with the URL of Redis: `redis://`, `rediss://` or `unix://`."""
    ttl: Seconds = 3600.0
    """Seconds for which a score is cached."""
    max_entries: Count = 100_000
    """Scores in the memory of a worker; about 360 bytes each. Redis has its own limit, `maxmemory`."""
    timeout: Seconds = 0.05
    """Seconds to connect to Redis, and for each read and write."""
    shared_between_keys: bool = False
    """Whether clients with different gateway keys share scores: one could measure what another has ranked."""
    pointwise_models: tuple[str, ...] = ()
    """Further models, as they are sent, that you know to score each document separately."""


def _error_class(name: str) -> type[RerankError]:
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, RerankError):
        return kind
    raise ValueError(f"rules: no error class has the name {name[:40]!r}; docs/contract.md lists them")


class GatewaySettings(BaseSettings):
    """All settings of the gateway.

    Attributes:
        limits: limits of requests and connections.
        upstream: how the gateway calls providers.
        cache: a cache of scores.
    """

    model_config = SettingsConfigDict(
        env_prefix="RERANK_UNIFY_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=False,
    )

    host: str = "127.0.0.1"
    """Address to listen on; other than loopback only with keys."""
    port: Annotated[int, _Number, Field(ge=0, le=65535)] = 8080
    """Port to listen on; 0 for a free port."""
    workers: Count = 1
    """Number of processes."""
    drain_seconds: Seconds = 30.0
    """Seconds for requests in progress to finish when the gateway stops."""
    keys: dict[str, KeyHash] = {}
    """Hashes of the gateway's keys, by name; without any, every client is accepted."""
    models: dict[str, RouteSettings] = {}
    """Routes, by the model name that clients send."""
    default: RouteSettings | None = None
    """The default chain: the route for requests without a model. Without it, every provider whose key is set."""
    unknown_model: Literal["default-chain", "reject"] | None = None
    """What to do with unknown model names: `default-chain`, or `reject` (404). Without it, the only configured provider
    gets the name unchanged, and with several providers it is 404."""
    playground: bool = True
    """Whether `GET /` is a page on which to compare rankings."""
    limits: LimitSettings = LimitSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    cache: CacheSettings = CacheSettings()

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: Any, env_settings: Any, *_: Any, **__: Any
    ) -> tuple[Any, ...]:
        """Return the sources by priority: flags, variables, file. Called by pydantic-settings.

        Args:
            settings_cls: the class.
            init_settings: the source of flags.
            env_settings: the source of variables.
        """
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    def checked_host(self) -> str:
        """Return the host to listen on.

        Raises:
            InvalidRequestError: the host is not loopback, and there are no gateway keys.
        """
        try:
            on_loopback = self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            on_loopback = False
        if on_loopback or self.keys:
            return self.host
        reason = f"other machines can reach {self.host}, and no key is set: make one with `rerank-unify key`"
        raise InvalidRequestError(f"host: {reason}", field="host")


_FIELD: Final = re.compile(r'field "(\w+)"')  # in the message of pydantic-settings
_NO_HASH: Final = "expected sha256: and 64 hex digits, as `rerank-unify key` prints them, not the key itself"
_MESSAGES: Final = {
    "extra_forbidden": "unknown setting",
    "missing": "required",
    "string_pattern_mismatch": _NO_HASH,
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
        path = Path(source)
        path.read_bytes()  # pydantic-settings reads a missing file as an empty one

        class FromFile(GatewaySettings):
            model_config = SettingsConfigDict(toml_file=path)

        kind = FromFile
    try:
        return kind(**{**(source if isinstance(source, Mapping) else {}), **flags})
    except ValidationError as error:
        raise InvalidRequestError("; ".join(map(_sentence, error.errors(include_url=False)))) from None
    except SettingsError as error:
        found = _FIELD.search(str(error))
        name = found[1] if found is not None else "a setting"
        raise InvalidRequestError(f"{name}: expected JSON in RERANK_UNIFY_{name.upper()}") from None
    except ValueError as error:
        raise InvalidRequestError(f"{source}: not TOML: {error}") from None


def _sentence(problem: Any) -> str:
    field = ".".join(map(str, problem["loc"])) or "settings"
    message = _MESSAGES.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    return f"{field}: {message[0].lower()}{message[1:]}"
