"""What a file and its providers say of targets: policies, keys, capabilities; each made once, for `compile`."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from providers.base import KnowsEmbeddings, Provider
from providers.embeddings import EmbeddingLimits
from providers.header_names import authenticates
from providers.settings import ProviderSettings
from providers.types import ModelCapabilities, Requirement
from router.config import RoutesFile, effective
from router.config.route_breakers import breaker_routes
from router.plan.target import Key, digest

Rules = TypeVar("Rules")
_WHOSE = frozenset({"openai-organization", "openai-project", "anthropic-workspace-id"})  # headers


class ProviderCatalogue:
    """What a file and its providers say of targets, each thing made once. Providers are made for this only, and never
    connect.

    Args:
        settings: of each provider by name, once for each of its keys.
        create: makes a provider.
        required: what routes require of their targets, by the route's name.

    `variants` are the targets that routes give params of their own, by the name that tells each apart: the model's
    name, and those params. `breaker_routes` are the routes whose breaker is about a target, by its name.
    """

    def __init__(
        self,
        file: RoutesFile,
        settings: Mapping[str, tuple[ProviderSettings, ...]],
        create: Callable[[ProviderSettings], Provider],
        required: Mapping[str, Requirement],
    ) -> None:
        self.required = required
        self._file = file
        self._create = create
        self._rules: dict[tuple[str, str | None, str | None, str | None, tuple[str, ...]], Any] = {}
        self.settings = settings
        self.keys = {
            name: _keys(name, key_settings, shared=file.shared is not None and file.providers[name].shared)
            for name, key_settings in settings.items()
        }
        self._made: dict[str, Provider] = {}
        self.variants: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self.breaker_routes = breaker_routes(file)

    def rules(
        self,
        policy: str,
        make: Callable[..., Rules],
        *,
        provider: str,
        model: str | None = None,
        route: str | None = None,
        chains: tuple[str, ...] = (),
    ) -> Rules:
        """Return what `make` makes of the policy's values; it is the same for all models that do not say otherwise."""
        if model is not None and not getattr(self._file.models[model], policy).model_fields_set:
            model = None
        cache_key = policy, provider, model, route, chains
        if cache_key not in self._rules:
            where = {"provider": provider, "model": model, "route": route, "chains": chains}
            self._rules[cache_key] = make(**policy_values(self._file, policy, **where))
        return cast(Rules, self._rules[cache_key])

    def account(self, provider: str) -> str:
        """Return what stands for the provider with all that shapes its connection."""
        keys = self.keys[provider]
        if len(keys) == 1:
            return keys[0].identity
        return f"{provider}:{digest(sorted(key.identity for key in keys))}"

    def capabilities(self, provider: str, model: str) -> ModelCapabilities:
        """Return what the provider knows of a model; one that fails at that, of a kind not ours, knows nothing."""
        found: object = None
        asked = self._provider(provider)
        with suppress(Exception):
            found = asked.capabilities(model)
        return found if isinstance(found, ModelCapabilities) else ModelCapabilities()

    def embedding_limits(self, provider: str, model: str) -> EmbeddingLimits:
        """Return what the provider knows of a model that makes embeddings."""
        found: object = None
        asked = self._provider(provider)
        with suppress(Exception):
            found = asked.embedding_limits(model) if isinstance(asked, KnowsEmbeddings) else None
        return found if isinstance(found, EmbeddingLimits) else EmbeddingLimits()

    def _provider(self, name: str) -> Provider:
        if name not in self._made:
            self._made[name] = self._create(self.settings[name][0])
        return self._made[name]


def _share_id(settings: ProviderSettings) -> str:
    """Hash what a vendor knows a caller by: server, key, organisation and project. The way there (proxy, TLS) is each
    machine's own; a server of this machine is no other machine's.
    """
    url = urlsplit(settings.base_url or "")
    host = (url.hostname or "").rstrip(".")
    callers = sorted((name.lower(), text) for name, text in settings.headers.items() if names_caller(name))
    secret = settings.secret if settings.credential is None else settings.credential.shape
    is_known = secret is not None or url.username is not None or bool(callers)
    is_here = settings.unix_socket is not None or host == "localhost" or _is_loopback(host)
    is_here = is_here or not (host or is_known)  # a kind's own default, which may be this machine
    shape: list[Any] = [
        settings.kind,
        str(settings.options.get("dialect")),
        (url.username, url.password, host, url.port, url.path.rstrip("/")),
        secret,
        callers,
        settings.unix_socket,
        platform.node() if is_here else "",
    ]
    if not is_known:  # whose calls they are, nothing tells but the provider's name
        shape += [settings.name, sorted((name, repr(value)) for name, value in settings.options.items())]
    return digest(shape)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def names_caller(header: str) -> bool:
    """Say whether a header tells a vendor whose call it is: a key, an organisation or a project."""
    return authenticates(header) or header.lower() in _WHOSE


def _keys(provider: str, settings: tuple[ProviderSettings, ...], *, shared: bool) -> tuple[Key, ...]:
    keys = []
    for index, key_settings in enumerate(settings, 1):
        certificate = key_settings.client_cert
        shape = [
            key_settings.kind,
            key_settings.base_url,
            key_settings.secret if key_settings.credential is None else key_settings.credential.shape,
            sorted(key_settings.headers.items()),
            key_settings.proxy,
            key_settings.verify,
            certificate and (certificate.cert, certificate.key, certificate.secret),
            key_settings.unix_socket,
        ]
        shape.append(sorted((key, repr(value)) for key, value in key_settings.options.items()))
        # A hash, since the key is in it.
        share_id = _share_id(key_settings) if shared else ""
        keys.append(Key(f"{provider}:{digest(shape)}", key_settings, index if len(settings) > 1 else 0, share_id))
    return tuple(keys)


def policy_values(file: RoutesFile, policy: str, **where: Any) -> dict[str, Any]:
    """Return the effective values of a policy by key; `where` is as in `effective`."""
    return {key: value.value for key, value in effective(file, policy, **where).items()}
