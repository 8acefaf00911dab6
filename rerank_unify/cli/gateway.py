"""``serve`` and ``key``: the commands of the gateway."""

from __future__ import annotations

from typing import Any

import click
from pydantic_core import to_json

from ..errors import MissingExtraError
from .output import write_json


@click.command()
@click.option("--config", metavar="FILE", envvar="RERANK_UNIFY_CONFIG", help="A TOML file with settings.")
@click.option(
    "--host", metavar="HOST", help="Address to listen on; other than loopback only with keys.  [default: 127.0.0.1]"
)
@click.option("--port", type=int, metavar="PORT", help="Port to listen on; 0 for a free port.  [default: 8080]")
@click.option("--workers", type=int, metavar="N", help="Number of processes.  [default: 1]")
@click.option("--check", is_flag=True, help="Read the settings, print what would be served, and exit.")
def serve(config: str | None, host: str | None, port: int | None, workers: int | None, check: bool) -> None:
    """Run the gateway: any rerank client, any rerank provider.

    Without a file, model names lead to the providers whose keys are set. Without any key, `local` serves every name.
    A flag overrides a variable (RERANK_UNIFY_PORT), a variable overrides the file.
    """
    flags = {"host": host, "port": port, "workers": workers}
    try:
        from ..gateway.server import serve as run
        from ..gateway.settings import read_settings
    except ModuleNotFoundError as error:
        raise MissingExtraError("the gateway needs its extra: pip install 'rerank-unify[gateway]'") from error
    settings = read_settings(config, **{name: value for name, value in flags.items() if value is not None})
    if not check:
        run(settings)
        return
    settings.checked_host()
    from ..gateway.app import create_app

    write_json(to_json(_served(create_app(settings).state.gateway)))


def _served(gateway: Any) -> dict[str, Any]:
    settings, router = gateway.settings, gateway.router
    return {
        "listens": f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}",
        "keys": list(settings.keys),
        "models": {name: [one.provider for one in route.targets] for name, route in settings.models.items()},
        "providers": router.keyed,
        "offline": router.offline,
    }


@click.command()
@click.option("--hash", "given", metavar="KEY", help="Hash this key instead of a new one; - prompts for the key.")
def key(given: str | None) -> None:
    """Make a key for the gateway's clients.

    The key is for the client. The hash is for the gateway's settings, which hold no key.
    """
    from ..gateway.auth import hash_of, new_key

    if given == "-":
        given = str(click.prompt("key", hide_input=True, err=True))
    if given is not None and not given.strip():
        raise click.BadParameter("the key is empty", param_hint="--hash")
    made = given or new_key()
    hashed = {"hash": hash_of(made)}
    write_json(to_json({"key": made, **hashed} if given is None else hashed))
