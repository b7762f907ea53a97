"""Provider kinds by name: those shipped, those an app registers, those of installed packages.

A kind's module is imported when the first provider of that kind is made, so that naming a kind costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points

from providers.base import Provider
from providers.errors import SignalboxError
from providers.settings import ProviderSettings
from providers.spelling import did_you_mean

__all__ = ["UnknownKind", "create", "known_kinds", "register"]

Factory = Callable[[ProviderSettings], Provider]

ENTRY_POINT_GROUP = "signalbox.providers"

_SHIPPED = {
    "openai": "providers.openai.provider:OpenAIProvider",
    "anthropic": "providers.anthropic.provider:AnthropicProvider",
    "ollama": "providers.ollama.provider:OllamaProvider",
    "fake": "providers.fake:FakeProvider",
}
_registered: dict[str, Factory] = {}


class UnknownKind(SignalboxError):
    """No provider kind of that name; the message lists the known ones."""


def register(kind: str) -> Callable[[Factory], Factory]:
    """Class decorator (or a call on any factory) that adds a kind; the last registration wins."""

    def add(factory: Factory) -> Factory:
        _registered[kind] = factory
        return factory

    return add


def known_kinds() -> tuple[str, ...]:
    """All kinds that `create` knows, sorted."""
    installed = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    return tuple(sorted({*_SHIPPED, *_registered, *installed}))


def create(settings: ProviderSettings) -> Provider:
    """Make a provider.

    Raises:
        UnknownKind: with the list of the known kinds and the nearest of them.
    """
    return _factory(settings.kind)(settings)


def _factory(kind: str) -> Factory:
    if kind in _registered:
        return _registered[kind]
    if kind in _SHIPPED:
        module, _, name = _SHIPPED[kind].partition(":")
        factory: Factory = getattr(import_module(module), name)
        return factory
    for point in entry_points(group=ENTRY_POINT_GROUP, name=kind):
        loaded: Factory = point.load()
        return loaded
    known = known_kinds()
    raise UnknownKind(f'no provider kind is named "{kind}"{did_you_mean(kind, known)}; known kinds: {", ".join(known)}')
