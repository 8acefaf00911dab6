"""Who answers for a model name.

1. A route of the configuration.
2. ``provider/model``, and a name that a provider declares: that provider, where it is configured. A provider is
   configured where its key is set, or where a route names it without another key.
3. The default: as configured, else every provider whose key is set.
4. No key at all: `local` answers every name, so that a new installation works offline, and says so.

`local` is in no other chain unless the configuration or the client names it: a vendor's outage must not turn into
a weaker ranking in silence.
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
from .settings import GatewaySettings, RouteSettings, TargetSettings

LOCAL = "local"
LONGEST = 200  # characters of a model's name: names are kept, for the next request


class Router:
    """From a model's name to the client that calls its targets.

    Args:
        settings: the gateway's.
        environ: where the keys are, such as ``os.environ``.
        sender: shared by all clients.
        metrics: told of each attempt.

    Raises:
        InvalidRequestError: a route lacks its key; the sentence names the variable.
    """

    def __init__(
        self, settings: GatewaySettings, environ: Mapping[str, str], sender: AsyncSender, metrics: Metrics
    ) -> None:
        self._settings, self._environ, self._sender, self._metrics = settings, environ, sender, metrics
        self._health = Health()  # of the configured routes and of the default
        self.keyed = [name for name in provider_names() if provider_by_name(name).key(environ) is not None]
        self.offline = not self.keyed and not settings.models and settings.default == "keys"
        self._configured = self._configured_providers()
        self._named = lru_cache(maxsize=1024)(self._client_for_name)
        self._routes = {name: self._of_route(route, f"models.{name}") for name, route in settings.models.items()}
        self._default = self._of_default()

    @property
    def names(self) -> list[tuple[str, str]]:
        """The names that are known to be served, each with who answers first."""
        listed: dict[str, str] = {}
        for name in [LOCAL] if self.offline else self.keyed:
            provider = provider_by_name(name)
            listed |= dict.fromkeys([*provider.models, *filter(None, [provider.default_model])], name)
        listed |= {name: route.targets[0].provider for name, route in self._settings.models.items()}
        return sorted(listed.items())

    def find(self, model: str | None, authenticated: AuthenticatedClient) -> tuple[AsyncClient, bool]:
        """Who answers, and whether with the caller's own vendor key.

        Raises:
            ModelNotFoundError: nobody does.
            AuthenticationError: the route passes on the client's own key, and there is none.
        """
        if model is not None and (len(model) > LONGEST or not model.isprintable()):
            raise ModelNotFoundError("model: nobody serves such a name here", status=404)
        route = self._settings.models.get(model or "")
        if route is None and isinstance(self._settings.default, RouteSettings) and self._pinned(model) is None:
            route = self._settings.default
        if route is not None and any(target.relay for target in route.targets):
            if authenticated.provider_key is None:
                raise AuthenticationError(
                    "this model takes your own vendor key as Authorization: Bearer KEY", status=401
                )
            # A client's key is in no shared state: its own health, gone with the request.
            client = self._client([self._target(one, authenticated.provider_key) for one in route.targets], Health())
            return client, len(route.targets) == 1
        return self._routes.get(model or "") or self._named(model), False

    def _client_for_name(self, model: str | None) -> AsyncClient:
        pinned = self._pinned(model)
        if pinned is not None:
            # Clients make names up, so that what is known of them must be forgotten: with this client.
            return self._client([pinned], Health())
        if self._default is None:
            raise ModelNotFoundError(f"model: nobody serves {model!r} here" if model else "model: name one", status=404)
        return self._default

    def _pinned(self, model: str | None) -> Target | None:
        """The one target that a name means by itself: ``provider/model``, or a name that a provider declares."""
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
        """The providers that a client may name, each as a target without a model.

        A provider whose key is set in its own variable is called at its own host. One that a route names without a key
        is called where the route says. A key that only ``key_env`` names is for its route alone.
        """
        configured = {name: Target(name, None, provider_by_name(name).key(self._environ)) for name in self.keyed}
        routes = [*self._settings.models.values(), self._settings.default]
        for one in (one for route in routes if isinstance(route, RouteSettings) for one in route.targets):
            if one.key_env is None and not one.relay:
                configured.setdefault(one.provider, Target(one.provider, None, None, one.base_url, one.timeout))
        return configured

    def _of_route(self, route: RouteSettings, place: str) -> AsyncClient | None:
        """The route's client; None where a target takes the client's own key, so that each request needs another."""
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
        # One provider for each key: two dialects of one vendor fail together.
        providers = {provider_by_name(name).env: provider_by_name(name) for name in reversed(self.keyed)}
        targets = [Target(one.name, None, one.key(self._environ)) for one in reversed(providers.values())]
        return self._client(targets, self._health) if targets else None

    def _target(self, one: TargetSettings, provider_key: str | None) -> Target:
        provider = provider_by_name(one.provider)
        key = provider_key if one.relay else self._key(one, provider)
        model = one.model or provider.default_model  # never the public name
        return Target(one.provider, model, key, one.base_url, one.timeout, one.weight, one.base_model)

    def _key(self, one: TargetSettings, provider: Provider) -> str | None:
        if one.key_env is not None:
            key = self._environ.get(one.key_env, "").strip()
            if not key:
                raise InvalidRequestError(f"{one.provider} needs the key in {one.key_env}, which is not set")
            return key
        # A key of the environment goes to the vendor's own host alone.
        key_value = provider.key(self._environ) if one.base_url is None else None
        if key_value is None and provider.auth.required:
            variable = provider.env[0] if one.base_url is None and provider.env else "key_env"
            raise InvalidRequestError(f"{one.provider} needs a key: set {variable}")
        return key_value

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
