"""Options that several commands share, and what they are parsed into: targets and clients."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce, wraps
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import click
from click.shell_completion import CompletionItem

from .._http import HttpRequest
from .._json import ABSENT, parse_json
from .._provider import Provider
from ..canonical import RerankRequest
from ..dialect import Limits
from ..errors import CallLimitError, RequestError
from ..fallback import FallbackPolicy, Rule, Target
from ..registry import provider as provider_by_name
from ..registry import provider_names

if TYPE_CHECKING:
    from ..client import AsyncClient, Client

Command: TypeAlias = Callable[..., Any]

CANONICAL: Final = "jina"  # the format of requests in files


def read_bytes(name: str) -> bytes:
    """Read a whole file, or standard input for ``-``, without the byte order mark that Windows writes."""
    with click.open_file(name, "rb") as file:
        content: bytes = file.read()
    return content.removeprefix(b"\xef\xbb\xbf")


class ProviderName(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click alone
    """The name of a provider, which becomes the provider. The shell completes it."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Provider:
        """Look up the provider."""
        try:
            return provider_by_name(value)
        except RequestError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """Return the names that complete the input."""
        return [CompletionItem(name) for name in provider_names() if name.startswith(incomplete)]


class FallbackTargets(ProviderName):
    """Names of providers, each with a model after a colon, separated by commas; they become targets."""

    name = "NAME[:MODEL],…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the targets in order."""
        return [self._target(part.replace("\\,", ",").strip(), param, ctx) for part in re.split(r"(?<!\\),", value)]

    def _target(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        name, colon, model = text.partition(":")
        if not name or bool(colon) != bool(model):
            self.fail(f"{text!r}: expected PROVIDER or PROVIDER:MODEL.", param, ctx)
        return Target(super().convert(name, param, ctx), model or None)


def _headers(ctx: click.Context, param: click.Parameter, values: Iterable[str]) -> Mapping[str, str]:
    parts = [value.partition("=") for value in values]
    if not all(name and equals for name, equals, _ in parts):
        # The message does not repeat the text: it may hold a key.
        raise click.BadParameter("expected NAME=VALUE.", ctx, param)
    return {name.strip(): value.strip() for name, _, value in parts}


def _options(ctx: click.Context, param: click.Parameter, values: Iterable[str]) -> Mapping[str, Any]:
    options: dict[str, Any] = {}
    for value in values:
        left, equals, text = value.partition("=")
        name = left.removesuffix(":").strip()
        if not name or not equals:
            raise click.BadParameter("expected NAME=TEXT or NAME:=JSON.", ctx, param)
        options[name] = parse_json(text) if left.endswith(":") else text
        if options[name] is ABSENT:
            raise click.BadParameter(f"{name}: expected JSON after :=.", ctx, param)
    return options


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on a terminal too.")
model_option = click.option("--model", metavar="MODEL", help="The model to send, instead of the request's.")
base_model_option = click.option(
    "--base-model", metavar="MODEL", help="The known model behind an alias, such as a Xinference UID."
)

_TARGET: Final = (
    model_option,
    base_model_option,
    click.option(
        "--base-url", metavar="URL",
        help="The server to call instead of the provider's own: a root, a version root, a prefix or the full path.",
    ),
    click.option("--url", metavar="URL", help="The whole URL to call; it is never changed."),
    click.option(
        "--header", "headers", metavar="NAME=VALUE", multiple=True, callback=_headers,
        help="A further header for --provider; may be repeated. Other users of this machine can read a command line.",
    ),
    click.option(
        "--auth-header", metavar="NAME", help="The header that carries the key, instead of the provider's own."
    ),
    click.option(
        "--max-documents", type=click.IntRange(min=1), metavar="N",
        help="Documents in one call to this server; a larger request is split, if the model allows it.",
    ),
    click.option(
        "--max-document-tokens", type=click.IntRange(min=1), metavar="N",
        help="Tokens of one document; a longer one is cut after a word.",
    ),
    click.option(
        "--option", "options", metavar="NAME=TEXT", multiple=True, callback=_options,
        help="A further field of the body for --provider, such as a project; NAME:=JSON for other values than text. "
        "May be repeated; a request's own provider_options override it.",
    ),
)  # fmt: skip


def with_target(**settings: Any) -> Callable[[Command], Command]:
    """Add ``--provider`` and the options of one target to a command, which receives them as ``target``.

    Args:
        settings: of ``--provider``: its help, and its default or that it is required.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def gathered(*, provider: Provider, **values: Any) -> Any:
            names = ("base_url", "url", "headers", "auth_header")
            address: dict[str, Any] = {name: values.pop(name) or None for name in names}
            if provider.sender is not None and any(address.values()):
                raise click.UsageError(f"{provider.name} ranks in this process: it has no URL and no headers.")
            documents, tokens = values.pop("max_documents"), values.pop("max_document_tokens")
            if documents is not None or tokens is not None:
                address["limits"] = Limits(documents=documents, document_tokens=tokens)
            address["options"] = values.pop("options") or None
            target = Target(provider, values.pop("model"), base_model=values.pop("base_model"), **address)
            return command(target=target, **values)

        return _decorated(gathered, (click.option("--provider", type=ProviderName(), **settings), *_TARGET))

    return decorate


def _decorated(command: Command, options: Iterable[Callable[[Command], Command]]) -> Command:
    return reduce(lambda inner, option: option(inner), reversed(tuple(options)), command)


_WAITS: Final = Rule(retries=10**6, cools_down=False)
_SECONDS: Final = click.FloatRange(min=0, min_open=True)
_CHAIN: Final = (
    click.option(
        "--fallback", type=FallbackTargets(), multiple=True,
        help=r"Fallback providers, tried in order; may be repeated or separated by commas (\, in a name).",
    ),
    click.option(
        "--env-keys", is_flag=True,
        help="Send the key from the environment to --base-url or --url even if its host is not the provider's own.",
    ),
    click.option("--timeout", type=_SECONDS, metavar="SECONDS", help="Time limit of an attempt.  [default: 60]"),
    click.option(
        "--deadline", type=_SECONDS, metavar="SECONDS",
        help="Time limit of a request, all attempts and waits included.",
    ),
    click.option(
        "--retries", type=click.IntRange(min=0), metavar="N",
        help="Retries per provider.  [default: 2, with --fallback 0]",
    ),
    click.option(
        "--requests-per-minute", type=click.IntRange(min=1), metavar="N",
        help="Calls to --provider within 60 seconds. Beyond them the next provider is called, or the run waits.",
    ),
    click.option(
        "--min-score", type=float, metavar="SCORE",
        help="The lowest score of a result, as the provider scores; lower results are removed.",
    ),
    click.option(
        "--min-unit-score", type=click.FloatRange(0, 1), metavar="SCORE",
        help="The same for scores mapped into 0 to 1, which fits providers with scores of several kinds.",
    ),
    click.option(
        "--must-keep", metavar="FIELD", multiple=True, type=click.Choice([*RerankRequest.model_fields, "all"]),
        help="A field that must reach the provider, such as instruction, or all; may be repeated.",
    ),
    click.option(
        "--split", type=click.Choice(["pointwise", "always"]), default="pointwise", show_default=True,
        help="Models to split large requests for: those that score each document separately, or all.",
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The targets of a command line.

    Attributes:
        targets: the targets in order.
        settings: keywords of the clients.
        must_keep: canonical fields that must not be lost, or ``"all"``.
    """

    targets: list[Target]
    settings: dict[str, Any]
    must_keep: Iterable[str] | Literal["all"]

    def client(self) -> Client:
        """Create a client for these targets.

        Raises:
            RerankError: a key or an extra is missing, or an option is wrong.
        """
        from ..client import Client

        return Client(self.targets, sender=_no_http if self._in_process else None, **self.settings)

    def async_client(self) -> AsyncClient:
        """Create an asynchronous client for these targets; see `client`."""
        from ..client import AsyncClient

        return AsyncClient(self.targets, sender=_no_http if self._in_process else None, **self.settings)

    @property
    def _in_process(self) -> bool:
        return all(target.resolved_provider.sender is not None for target in self.targets)


def _no_http(http: HttpRequest, timeout: float) -> Any:
    """Take the place of an HTTP sender, which targets in this process do not need."""
    raise AssertionError(f"unexpected HTTP call to {http.url}, {timeout}")  # pragma: no cover - never called


def with_chain(command: Command) -> Command:
    """Add the options of targets and clients to a command, which receives them as one `Chain`."""

    @wraps(command)
    def gathered(*, target: Target, fallback: Iterable[list[Target]], must_keep: tuple[str, ...], **values: Any) -> Any:
        names = ("timeout", "deadline", "split", "env_keys", "min_score", "min_unit_score")
        target = replace(target, requests_per_minute=values.pop("requests_per_minute"))
        settings = {name: value for name in names if (value := values.pop(name)) is not None}
        settings["policy"] = FallbackPolicy(rules={CallLimitError: _WAITS}, retries=values.pop("retries"))
        chain = Chain(
            targets=[target, *(one for targets in fallback for one in targets)],
            settings=settings,
            must_keep="all" if "all" in must_keep else must_keep,
        )
        return command(chain=chain, **values)

    with_provider = with_target(
        default="local",
        show_default=True,
        help="The provider. Its key is in the environment variable that `providers` names.",
    )
    return with_provider(_decorated(gathered, _CHAIN))
