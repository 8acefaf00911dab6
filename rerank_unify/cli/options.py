"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from functools import reduce, wraps
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ..canonical import RerankRequest
from ..registry import provider as provider_by_name
from .inputs import names_from
from .targets import TargetOptions

if TYPE_CHECKING:
    from ..fallback import Target

Command = TypeVar("Command", bound=Callable[..., Any])


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on a terminal too.")
model_option = click.option("--model", metavar="MODEL", help="The model to send, instead of the request's.")
base_model_option = click.option(
    "--base-model", metavar="MODEL", help="The known model behind an alias, such as a Xinference UID."
)


def _headers(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{name!r}: expected NAME=VALUE.", ctx, param)
        headers[name.strip()] = value.strip()
    return headers


base_url_option = click.option(
    "--base-url", metavar="URL",
    help="The server to call instead of the provider's own: a root, a version root, a prefix or the full path.",
)  # fmt: skip
url_option = click.option("--url", metavar="URL", help="The whole URL to call; it is never changed.")
header_option = click.option(
    "--header", "headers", metavar="NAME=VALUE", multiple=True, callback=_headers,
    help="A further header for --provider; may be repeated. Other users of this machine can read a command line.",
)  # fmt: skip
auth_header_option = click.option(
    "--auth-header", metavar="NAME", help="The header that carries the key, instead of the provider's own."
)


# --- targets ---------------------------------------------------------------------------------------------------------


def seconds(value: str) -> float:
    """Parse a finite number of seconds above 0."""
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not (isfinite(number) and number > 0):
        raise click.BadParameter(f"{value!r}: expected a number of seconds above 0.")
    return number


def _chain(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[Target, ...]:
    """Return the targets of all ``--fallback`` options, in order."""
    names = [name for value in given for name in re.split(r"(?<!\\),", value)]
    return tuple(_target(name.replace("\\,", ",").strip(), ctx, param) for name in names)


def _target(name: str, ctx: click.Context, param: click.Parameter) -> Target:
    from ..fallback import Target

    provider, colon, model = name.partition(":")
    if not provider or bool(colon) != bool(model):
        raise click.BadParameter(f"{name!r}: expected PROVIDER or PROVIDER:MODEL.", ctx, param)
    return Target(provider_by_name(provider), model or None)


_FIELDS: Final = [*RerankRequest.model_fields, "all"]
_OPTIONS: Final = (
    click.option(
        "--provider", "provider", type=provider_by_name, shell_complete=names_from, default="local", show_default=True,
        help="The provider. Its key is in the environment variable that `providers` names.",
    ),
    click.option(
        "--fallback", "chain", metavar="NAME[:MODEL],…", multiple=True, callback=_chain,
        help=r"Fallback providers, tried in order; may be repeated or separated by commas (\, in a name).",
    ),
    click.option("--model", metavar="MODEL", help="The model to send to --provider, instead of the request's."),
    base_model_option,
    base_url_option,
    url_option,
    header_option,
    auth_header_option,
    click.option(
        "--env-keys", is_flag=True,
        help="Send the key from the environment to --base-url or --url even if its host is not the provider's own.",
    ),
    click.option("--timeout", type=seconds, metavar="SECONDS", help="Time limit of an attempt.  [default: 60]"),
    click.option(
        "--deadline", type=seconds, metavar="SECONDS", help="Time limit of a request, all attempts and waits included."
    ),
    click.option(
        "--hedge-after", type=seconds, metavar="SECONDS", help="Call the next provider too after this time."
    ),
    click.option(
        "--retries", type=click.IntRange(min=0), metavar="N",
        help="Retries per provider.  [default: 2, with --fallback 0]",
    ),
    click.option(
        "--must-keep", metavar="FIELD", multiple=True, type=click.Choice(_FIELDS),
        help="A field that must reach the provider, such as instruction, or all; may be repeated.",
    ),
    click.option(
        "--split", type=click.Choice(["pointwise", "always"]), default="pointwise", show_default=True,
        help="Models to split large requests for: those that score each document separately, or all.",
    ),
)  # fmt: skip


def with_target_options(command: Command) -> Command:
    """Add the options of this module to a command, which receives them as one `TargetOptions`."""

    @wraps(command)
    def gathered(**given: Any) -> Any:
        target_options = TargetOptions(**{field.name: given.pop(field.name) for field in fields(TargetOptions)})
        return command(target_options=target_options, **given)

    decorated: Any = reduce(lambda inner, option: option(inner), reversed(_OPTIONS), gathered)
    return decorated  # type: ignore[no-any-return]  # click's decorators return what they receive
