"""Routing: from a model name to the client that calls its targets.

1. A route of the settings, by its name.
2. ``provider/model``, or a name that a provider declares: that provider, if it is configured. A provider is configured
   if its key is set, or if a route names it without another key.
3. Any other name: the only configured provider gets it unchanged; with several, it is refused (`unknown_model`).
4. No name: the default chain, which is the route of the settings, else every provider whose key is set.
5. With no key and no route, `local` ranks every request, so that a new installation works offline.

`local` joins a chain only if the settings or the client name it: an outage of a provider must not silently turn into a
weaker ranking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache

from .._provider import Provider
from ..cache import ScoreCache
from ..client import AsyncClient
from ..dialect import Limits
from ..errors import AuthenticationError, InvalidRequestError, ModelNotFoundError
from ..fallback import Health, Target
from ..registry import provider as provider_by_name
from ..registry import provider_names
from ..transport import AsyncSender
from .auth import AuthenticatedClient
from .metrics import Metrics
from .settings import GatewaySettings, RouteSettings, TargetSettings

LOCAL = "local"
LONGEST = 200  # characters of a model name; names are cached
_DEFAULT = ""  # the default chain among the routes; no client can send this name


class Router:
    """Finds the client for a model name.

    Args:
        settings: the gateway's settings.
        environ: the environment variables that hold keys, such as ``os.environ``.
        sender: the HTTP sender of all clients.
        metrics: counts each attempt.
        cache: the cache of all clients; None for no cache.

    Attributes:
        keyed: the providers whose key is set.
        offline: whether `local` ranks every request, because nothing is configured.

    Raises:
        InvalidRequestError: a key is missing; the message names the route and the variable.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        environ: Mapping[str, str],
        sender: AsyncSender,
        metrics: Metrics,
        cache: ScoreCache | None = None,
    ) -> None:
        self._settings, self._environ, self._sender, self._metrics = settings, environ, sender, metrics
        self._cache = cache
        self._health = Health()  # shared by the routes and the default chain
        self._routes = dict(settings.models)
        if settings.default is not None:
            self._routes[_DEFAULT] = settings.default
        providers = [provider_by_name(name) for name in provider_names()]
        # A cloud's credentials are set for other services too: such a provider has to be named in a route.
        self.keyed = [one.name for one in providers if not one.auth.shared and one.key(environ) is not None]
        self.offline = not self.keyed and not self._routes and settings.unknown_model != "reject"
        self._targets: dict[str, list[Target]] = {}
        self._clients: dict[str, AsyncClient] = {}  # by route; a relayed key needs a client per request
        for name, route in self._routes.items():
            self._add_route(name, route)
        self._configured = self._configured_providers()
        if settings.default is None and (self.keyed or self.offline):
            # One provider per company: two dialects of one company fail together.
            chain = {_company(name): self._configured[name] for name in reversed(self.keyed)}
            self._clients[_DEFAULT] = self._client([*reversed(chain.values())] or [Target(LOCAL)], self._health)
        self._by_name = lru_cache(maxsize=1024)(self._client_for_name)

    @property
    def names(self) -> list[tuple[str, str]]:
        """The model names that are served, each with its first provider."""
        owners: dict[str, str] = {}
        for name in reversed([LOCAL] if self.offline else self.keyed):
            provider = provider_by_name(name)
            owners |= dict.fromkeys([*provider.models, *filter(None, [provider.default_model])], name)
        owners |= {name: route.targets[0].provider for name, route in self._settings.models.items()}
        return sorted(owners.items())

    @property
    def has_default_chain(self) -> bool:
        """Whether requests without a model are served."""
        return _DEFAULT in self._clients or _DEFAULT in self._routes

    def find(self, model: str | None, authenticated: AuthenticatedClient) -> tuple[AsyncClient, bool]:
        """Find the client for a model name.

        Args:
            model: the name that the client sent; None for no name.
            authenticated: the client of the gateway.

        Returns:
            The client, and whether it calls the provider with the client's own key.

        Raises:
            ModelNotFoundError: no configured provider serves the name.
            InvalidRequestError: there is no name and no default chain.
            AuthenticationError: the route relays the client's own key, and the client sent none.
        """
        name = model or _DEFAULT
        if name not in self._routes:
            if len(name) > LONGEST or not name.isprintable():
                raise ModelNotFoundError("model: the name is too long or has control characters", status=404)
            client = self._by_name(name) if name else None
            if client is not None:
                return client, False
            name = _DEFAULT
        if name in self._clients:
            return self._clients[name], False
        if name not in self._routes:
            raise InvalidRequestError("model: expected a model name", field="model")
        if authenticated.provider_key is None:
            raise AuthenticationError(
                "this model needs your own provider key: send Authorization: Bearer KEY", status=401
            )
        # A client's key stays out of shared state: this client has its own health and ends with the request.
        settings, key = self._routes[name].targets, authenticated.provider_key
        pairs = zip(settings, self._targets[name], strict=True)
        targets = [replace(target, api_key=key) if one.relay else target for one, target in pairs]
        return self._client(targets, Health(), self._routes[name]), len(targets) == 1

    # --- names that are no route

    def _client_for_name(self, model: str) -> AsyncClient | None:
        """Return the client for a name that is no route; None for the default chain."""
        if self.offline:
            return None
        target = self._target_for_name(model)
        if target is not None:
            # Clients can make names up, so their health must not accumulate: it is dropped with this client.
            return self._client([target], Health())
        if self._settings.unknown_model == "default-chain" and self.has_default_chain:
            return None
        head, _, tail = model.partition("/")
        if tail and head in provider_names():
            raise ModelNotFoundError(f"model: {head} is not configured here", status=404)
        served = {name.lower(): name for name, _ in self.names}
        near = " or ".join(repr(served[name]) for name in get_close_matches(model.lower(), served))
        hint = f"did you mean {near}?" if near else "GET /v1/models lists the names"
        raise ModelNotFoundError(f"model: no configured provider serves {model!r}; {hint}", status=404)

    def _target_for_name(self, model: str) -> Target | None:
        """Return the target for ``provider/model``, for a declared name, or for any name if there is one provider."""
        head, _, tail = model.partition("/")
        targets = self._configured.values()
        for target in targets:
            provider = target.resolved_provider
            if tail and head.lower() in (provider.name, *provider.organizations):
                return replace(target, model=next(_declared(provider, tail, str.lower), tail))
        for spelling in (str, str.lower):
            for target in targets:
                for declared in _declared(target.resolved_provider, model, spelling):
                    return replace(target, model=declared)
        routed = (target.name for chain in self._targets.values() for target in chain)
        companies = {_company(name) for name in (*self.keyed, *routed)}
        only = len(companies) == 1 and self._settings.unknown_model is None
        return next((replace(target, model=model) for target in targets if only), None)

    def _configured_providers(self) -> dict[str, Target]:
        """Return the providers that a client may name, each as a target without a model.

        A provider whose key is set in its own variable is called at its own host. A provider that a route names
        without `key_env`, `relay` and `headers` is called where the route says: keys and headers of a route serve that
        route alone.
        """
        configured = {name: Target(name, None, provider_by_name(name).key(self._environ)) for name in self.keyed}
        for name, route in self._routes.items():
            for one, target in zip(route.targets, self._targets[name], strict=True):
                if one.key_env is None and not one.relay and not one.headers and target.resolved_provider.ranks:
                    configured.setdefault(one.provider, replace(target, model=None, base_model=None))
        return configured

    # --- routes

    def _add_route(self, name: str, route: RouteSettings) -> None:
        try:
            targets = self._targets[name] = [self._target(one) for one in route.targets]
            if not any(one.relay for one in route.targets):
                self._clients[name] = self._client(targets, self._health, route)
        except InvalidRequestError as error:
            where = f"models.{name}" if name else "default"
            raise InvalidRequestError(f"{where}: {error.message}") from None

    def _target(self, one: TargetSettings) -> Target:
        provider = provider_by_name(one.provider)
        headers = {
            name: value if isinstance(value, str) else self._variable(value.env, f"the header {name} needs")
            for name, value in one.headers.items()
        }
        limits = one.limits.model_dump(exclude_none=True)
        return Target(
            one.provider,
            one.model or provider.default_model,  # never the public name
            None if one.relay else self._key(one, provider),
            base_url=one.base_url,
            timeout=one.timeout,
            weight=one.weight,
            base_model=one.base_model,
            url=one.url,
            headers=headers or None,
            auth_header=one.auth_header,
            limits=Limits(**limits) if limits else None,
            requests_per_minute=one.requests_per_minute,
            options=one.options or None,
        )

    def _variable(self, name: str, user: str) -> str:
        value = self._environ.get(name, "").strip()
        if not value:
            raise InvalidRequestError(f"{user} {name}, which is not set")
        return value

    def _key(self, one: TargetSettings, provider: Provider) -> str | None:
        if one.key_env is not None:
            return self._variable(one.key_env, f"{one.provider} needs the key in")
        url = one.url or one.base_url
        if url is not None and not provider.endpoint.serves(url):
            return None  # another host: it gets no key that the route does not name, and may need none
        key = provider.key(self._environ)
        auth_header = (one.auth_header or provider.auth.header).lower()
        if key is None and provider.auth.required and auth_header not in map(str.lower, one.headers):
            variables = " or ".join([*provider.env[:1], "key_env"])
            raise InvalidRequestError(f"{one.provider} needs a key: set {variables}")
        return key

    def _client(self, targets: list[Target], health: Health, route: RouteSettings | None = None) -> AsyncClient:
        upstream = self._settings.upstream
        return AsyncClient(
            targets,
            sender=self._sender,
            policy=upstream.policy(targets=len(targets)),
            health=health,
            timeout=upstream.timeout,
            connect_timeout=upstream.connect_timeout,
            deadline=upstream.deadline,
            max_response_bytes=upstream.max_response_bytes,
            split=upstream.split,
            cache=self._cache,
            min_score=None if route is None else route.min_score,
            min_unit_score=None if route is None else route.min_unit_score,
            on_attempt_end=self._metrics.attempt,
        )


def _declared(provider: Provider, model: str, spelling: Callable[[str], str]) -> Iterator[str]:
    """Yield the names that a provider declares and that are spelled like this one."""
    names = (*provider.models, provider.default_model or "")
    return (name for name in names if spelling(name) == spelling(model))


def _company(provider: str) -> object:
    """Return what the dialects of one company share: the variables of its key."""
    return provider_by_name(provider).env or provider
