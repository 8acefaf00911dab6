"""Routing: from a model name to the client that calls its targets.

1. A route of the settings, by its name.
2. ``provider/model``, or a name that a provider declares: that provider, if it is configured. A provider is configured
   if its key is set, or if a route names it without another key.
3. The default: the route of the settings, else every provider whose key is set.
4. With no key and no route, `local` serves every name, so that a new installation works offline.

`local` joins a chain only if the settings or the client name it: an outage of a provider must not silently turn into a
weaker ranking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from .._provider import Provider
from ..client import AsyncClient
from ..errors import AuthenticationError, InvalidRequestError, ModelNotFoundError
from ..fallback import Health, Target
from ..registry import provider as provider_by_name
from ..registry import provider_names
from ..transport import AsyncSender
from .auth import AuthenticatedClient
from .metrics import Metrics
from .settings import EnvironmentValue, GatewaySettings, RouteSettings, TargetSettings

LOCAL = "local"
LONGEST = 200  # characters of a model name; names are cached


class Router:
    """Finds the client for a model name.

    Args:
        settings: the gateway's settings.
        environ: the environment variables that hold keys, such as ``os.environ``.
        sender: the HTTP sender of all clients.
        metrics: counts each attempt.

    Raises:
        InvalidRequestError: a key is missing; the message names the route and the variable.
    """

    def __init__(
        self, settings: GatewaySettings, environ: Mapping[str, str], sender: AsyncSender, metrics: Metrics
    ) -> None:
        self._settings, self._environ, self._sender, self._metrics = settings, environ, sender, metrics
        self._health = Health()  # shared by the routes and the default
        # A cloud's credentials are set for other services too: such a provider has to be named in a route.
        self.keyed = [
            name
            for name in provider_names()
            if not provider_by_name(name).auth.shared and provider_by_name(name).key(environ) is not None
        ]
        self.offline = not self.keyed and not settings.models and settings.default == "keys"
        self._configured = self._configured_providers()
        self._named = lru_cache(maxsize=1024)(self._client_for_name)
        self._routes = {name: self._of_route(route, f"models.{name}") for name, route in settings.models.items()}
        self._default = self._of_default()

    @property
    def names(self) -> list[tuple[str, str]]:
        """The model names that are served, each with its first provider."""
        listed: dict[str, str] = {}
        for name in [LOCAL] if self.offline else self.keyed:
            provider = provider_by_name(name)
            listed |= dict.fromkeys([*provider.models, *filter(None, [provider.default_model])], name)
        listed |= {name: route.targets[0].provider for name, route in self._settings.models.items()}
        return sorted(listed.items())

    def find(self, model: str | None, authenticated: AuthenticatedClient) -> tuple[AsyncClient, bool]:
        """Find the client for a model name.

        Args:
            model: the name that the client sent; None for no name.
            authenticated: the client of the gateway.

        Returns:
            The client, and whether it calls the provider with the client's own key.

        Raises:
            ModelNotFoundError: no configured provider serves the name.
            AuthenticationError: the route relays the client's own key, and the client sent none.
        """
        if model is not None and (len(model) > LONGEST or not model.isprintable()):
            raise ModelNotFoundError("model: the name is too long or has control characters", status=404)
        route = self._settings.models.get(model or "")
        if route is None and isinstance(self._settings.default, RouteSettings) and self._pinned(model) is None:
            route = self._settings.default
        if route is not None and any(target.relay for target in route.targets):
            if authenticated.provider_key is None:
                raise AuthenticationError(
                    "this model needs your own provider key: send Authorization: Bearer KEY", status=401
                )
            # A client's key stays out of shared state: this client has its own health and ends with the request.
            client = self._client([self._target(one, authenticated.provider_key) for one in route.targets], Health())
            return client, len(route.targets) == 1
        return self._routes.get(model or "") or self._named(model), False

    def _client_for_name(self, model: str | None) -> AsyncClient:
        pinned = self._pinned(model)
        if pinned is not None:
            # Clients can make names up, so their health must not accumulate: it is dropped with this client.
            return self._client([pinned], Health())
        if self._default is None:
            reason = f"no configured provider serves {model!r}" if model else "expected a model name"
            raise ModelNotFoundError(f"model: {reason}", status=404)
        return self._default

    def _pinned(self, model: str | None) -> Target | None:
        """Return the target for ``provider/model`` or for a name that a provider declares."""
        if model is None or self.offline:
            return None
        head, _, tail = model.partition("/")
        if tail and head in self._configured:
            return replace(self._configured[head], model=tail)
        if tail and head in provider_names():
            raise ModelNotFoundError(f"model: {head} is not configured here", status=404)
        for target in self._configured.values():
            if model in target.resolved_provider.models or model == target.resolved_provider.default_model:
                return replace(target, model=model)
        return None

    def _configured_providers(self) -> dict[str, Target]:
        """Return the providers that a client may name, each as a target without a model.

        A provider whose key is set in its own variable is called at its own host. A provider that a route names
        without `key_env`, `relay` and `headers` is called where the route says: keys and headers of a route serve that
        route alone.
        """
        configured = {name: Target(name, None, provider_by_name(name).key(self._environ)) for name in self.keyed}
        routes = [*self._settings.models.values(), self._settings.default]
        for one in (one for route in routes if isinstance(route, RouteSettings) for one in route.targets):
            if one.key_env is None and not one.relay and not one.headers:
                target = Target(
                    one.provider, base_url=one.base_url, url=one.url, auth_header=one.auth_header, timeout=one.timeout
                )
                configured.setdefault(one.provider, target)
        return configured

    def _of_route(self, route: RouteSettings, place: str) -> AsyncClient | None:
        """Create the client of a route; None if a target relays the client's key, which needs a client per request."""
        try:
            targets = [self._target(one, None) for one in route.targets if not one.relay]
            return self._client(targets, self._health) if len(targets) == len(route.targets) else None
        except InvalidRequestError as error:
            raise InvalidRequestError(f"{place}: {error.message}") from None

    def _of_default(self) -> AsyncClient | None:
        default = self._settings.default
        if isinstance(default, RouteSettings):
            return self._of_route(default, "default")
        if default == "none":
            return None
        if self.offline:
            return self._client([Target(LOCAL)], self._health)
        # One provider per key: two dialects of one company fail together.
        providers = {provider_by_name(name).env: provider_by_name(name) for name in reversed(self.keyed)}
        targets = [Target(one.name, None, one.key(self._environ)) for one in reversed(providers.values())]
        return self._client(targets, self._health) if targets else None

    def _target(self, one: TargetSettings, provider_key: str | None) -> Target:
        provider = provider_by_name(one.provider)
        headers = {name: self._header(name, value) for name, value in one.headers.items()}
        return Target(
            one.provider,
            one.model or provider.default_model,  # never the public name
            provider_key if one.relay else self._key(one, provider),
            base_url=one.base_url,
            timeout=one.timeout,
            weight=one.weight,
            base_model=one.base_model,
            url=one.url,
            headers=headers or None,
            auth_header=one.auth_header,
        )

    def _header(self, name: str, value: str | EnvironmentValue) -> str:
        if isinstance(value, str):
            return value
        header = self._environ.get(value.env, "").strip()
        if not header:
            raise InvalidRequestError(f"the header {name} needs {value.env}, which is not set")
        return header

    def _key(self, one: TargetSettings, provider: Provider) -> str | None:
        if one.key_env is not None:
            named_key = self._environ.get(one.key_env, "").strip()
            if not named_key:
                raise InvalidRequestError(f"{one.provider} needs the key in {one.key_env}, which is not set")
            return named_key
        url = one.url or one.base_url
        if url is not None and not provider.endpoint.serves(url):
            return None  # another host: it gets no key that the route does not name, and may need none
        key = provider.key(self._environ)
        auth_header = (one.auth_header or provider.auth.header).lower()
        if key is None and provider.auth.required and auth_header not in map(str.lower, one.headers):
            variables = " or ".join([*provider.env[:1], "key_env"])
            raise InvalidRequestError(f"{one.provider} needs a key: set {variables}")
        return key

    def _client(self, targets: list[Target], health: Health) -> AsyncClient:
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
            on_attempt_end=self._metrics.attempt,
        )
