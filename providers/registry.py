"""Provider kinds by name: those shipped, those an app registers, those of installed packages.

A kind's module is imported when the first provider of that kind is made, so that naming a kind costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from importlib import import_module

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
_installed: dict[str, Factory] = {}  # those that were asked for: to find one, all installed packages are looked through


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
    from importlib.metadata import entry_points  # here: few files name a kind that is not of this package

    installed = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    return tuple(sorted({*_SHIPPED, *_registered, *installed}))


def is_known(kind: str, known: Callable[[], Container[str]] = known_kinds) -> bool:
    """Whether `create` knows a kind; installed packages are looked through only for what is not of this one.

    Args:
        known: how to look; for those who ask often, and look once.
    """
    return kind in _registered or kind in _SHIPPED or kind in known()


def create(settings: ProviderSettings) -> Provider:
    """Make a provider.

    Raises:
        UnknownKind: with the list of the known kinds and the nearest of them.
    """
    return _factory(settings.kind)(settings)


def preload(kind: str) -> None:
    """Import all that a provider of this kind will need; one that imports more at its first call has a `preload`."""
    more = getattr(_factory(kind), "preload", None)
    if more is not None:
        more()


def _factory(kind: str) -> Factory:
    if kind in _registered:
        return _registered[kind]
    if kind in _SHIPPED:
        module, _, name = _SHIPPED[kind].partition(":")
        factory: Factory = getattr(import_module(module), name)
        return factory
    if kind in _installed:
        return _installed[kind]
    from importlib.metadata import entry_points  # here: few files name a kind that is not of this package

    for point in entry_points(group=ENTRY_POINT_GROUP, name=kind):
        _installed[kind] = point.load()
        return _installed[kind]
    known = known_kinds()
    hint = remedy(kind) or did_you_mean(kind, known)
    raise UnknownKind(f'no provider kind is named "{kind}"{hint}; known kinds: {", ".join(known)}')


def remedy(kind: str) -> str | None:
    """How to write a vendor that is no kind of its own, to go on an error about it; None for a name of no vendor."""
    from providers.anthropic.endpoints import ENDPOINTS
    from providers.openai.dialects import DIALECTS

    name = re.sub(r"[^a-z0-9]+", "_", kind.strip().lower())
    if name in ("openai_compatible", "openai_like", "custom", "generic"):
        return "; use kind: openai with the server's base_url"
    ways = [f"kind: openai with base_url: {row.base_url}" for row in DIALECTS.values() if name in (row.name, *row.also)]
    ways += [f"kind: anthropic with base_url: {row.base_url}" for row in ENDPOINTS if name in (row.name, *row.also)]
    return f"; use {', or '.join(ways)}" if ways else None
