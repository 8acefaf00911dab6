"""Look up providers by name: those of this process, and entry points of the group ``rerank_unify.providers``.

Entry points of the group ``rerank_unify.unavailable`` are sentences about names that have no endpoint.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from .errors import InvalidRequestError, UnknownProviderError, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

    from ._provider import Provider


GROUP = "rerank_unify.providers"
UNAVAILABLE = "rerank_unify.unavailable"
BUILT_IN = "rerank_unify.providers."

# Providers that this process registered, by name.
_registered: dict[str, Provider] = {}


@cache
def entry_points() -> dict[str, EntryPoint]:
    """Return the entry points of all installed providers by name, sorted. They are read once per process.

    Of two with one name, the built-in one counts, else the first; a warning names the other one.
    """
    # Imported here because it costs more than this whole package, and `import rerank_unify` does not need it.
    from importlib import metadata

    points: dict[str, EntryPoint] = {}
    found = metadata.entry_points(group=GROUP)
    for point in sorted(found, key=lambda point: (point.name, not point.value.startswith(BUILT_IN), point.value)):
        if points.setdefault(point.name, point).value != point.value:
            _warn(point, "another installed provider has this name")
    return points


def register(provider: Provider) -> None:
    """Register a provider, so that this process finds it by name.

    The command line and ``rerank-unify serve`` are other processes and find installed entry points alone. Registering
    another provider under the same name replaces the first.

    Args:
        provider: the provider.

    Raises:
        InvalidRequestError: it is no `Provider`, or an installed package has a provider of that name.
    """
    name = getattr(provider, "name", None)
    if not isinstance(name, str) or not hasattr(provider, "dialect"):
        raise InvalidRequestError(f"provider: expected a Provider, not a {type(provider).__name__}", field="provider")
    if name in entry_points():
        raise InvalidRequestError(f"provider: the name {name!r} is taken by an installed package", field="provider")
    _registered[name] = provider


def unregister(name: str) -> None:
    """Undo `register`; a name that is not registered is ignored."""
    _registered.pop(name, None)


def check_option_names(options: Mapping[str, object], known: Mapping[str, object]) -> None:
    """Refuse provider options under a name that no provider has: as a typo they would be lost in silence.

    Args:
        options: a request's ``provider_options``.
        known: the providers at hand by name, beside the installed and registered ones.

    Raises:
        InvalidRequestError: names the field and the nearest provider.
    """
    for name in options:
        if name not in known and name not in _registered and name not in entry_points():
            field = f"provider_options.{name}"
            raise InvalidRequestError(f"{field}: {unknown_provider(name)}", field=field)


def unknown_provider(name: object) -> str:
    """Return the sentence for a name that no provider has: why it has none, or the nearest name."""
    from difflib import get_close_matches  # with the first mistake
    from importlib import metadata

    known = provider_names()
    for point in metadata.entry_points(group=UNAVAILABLE, name=str(name).strip().lower()):
        return f"no provider is called {point.name!r}: {point.load()}"
    near = get_close_matches(str(name).lower(), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return f"no provider is called {str(name)[:40]!r}; {hint}"


def provider(name: str | Provider) -> Provider:
    """Return the provider of that name: built in, of an installed package, or registered in this process.

    Args:
        name: the name; a `Provider` is returned as it is.

    Raises:
        UnknownProviderError: no provider has that name; the message suggests the nearest one.

    Examples:
        >>> ru.provider("voyage").default_model
        'rerank-2.5'
    """
    if isinstance(name, str):
        made = _registered.get(name)
        return made if made is not None else _installed(name)
    if not hasattr(name, "dialect"):  # users without a type checker
        raise UnknownProviderError(f"provider: expected a name or a Provider, not a {type(name).__name__}")
    return name


@cache
def _installed(name: str) -> Provider:
    point = entry_points().get(name)
    if point is None:
        raise UnknownProviderError(unknown_provider(name), name=name)
    loaded = _load(point)
    if isinstance(loaded, str):
        raise UnknownProviderError(f"the provider {name!r} of {point.value} cannot be used: {loaded}", name=name)
    return loaded


@cache
def _load(point: EntryPoint) -> Provider | str:
    """Return the provider of an entry point, or why it cannot be used."""
    try:
        loaded: Provider = point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - another package may raise anything
        return one_line(f"{type(error).__name__}: {error}")[:200]
    if not hasattr(loaded, "dialect") or not hasattr(loaded, "name"):
        return f"expected a Provider, not a {type(loaded).__name__}"
    return loaded if loaded.name == point.name else f"its name is {loaded.name!r}"


@cache
def _is_usable(name: str) -> bool:
    """Return whether an installed provider can be loaded; a warning names the one that cannot, once per process."""
    loaded = _load(entry_points()[name])
    if isinstance(loaded, str):
        _warn(entry_points()[name], loaded)
    return not isinstance(loaded, str)


def _warn(point: EntryPoint, reason: str) -> None:
    import warnings

    message = f"the provider {point.name} of {point.value} is left out: {reason}"
    warnings.warn(message, RuntimeWarning, stacklevel=2)


def provider_names() -> list[str]:
    """Return the names of all providers, installed and registered, sorted.

    An installed provider that cannot be loaded is left out, and a `RuntimeWarning` names it.

    Examples:
        >>> "voyage" in ru.provider_names()
        True
    """
    return sorted({*filter(_is_usable, entry_points()), *_registered})
