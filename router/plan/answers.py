"""What of a chain can change its answers: which of them the cache may give to others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.plan.plan import Tier
from router.plan.target import digest


def answers_of(tiers: Sequence[Tier]) -> str:
    """Hash what can change the answers of a chain; another key, weights, timeouts and the order of targets change
    none.
    """
    shapes = set()
    for target in (target for tier in tiers for target in tier.targets):
        settings = target.keys[0].settings
        shape: list[Any] = [target.model, sorted((name, repr(value)) for name, value in target.params.items())]
        if settings is not None:
            shape += [settings.kind, settings.base_url, sorted(settings.headers.items())]
            shape.append(sorted((name, repr(value)) for name, value in settings.options.items()))
        shapes.add(repr(shape))
    return digest(sorted(shapes))


def space_of(tiers: Sequence[Tier]) -> str:
    """Hash whose vectors a chain makes: that of all its targets."""
    first = tiers[0].targets[0]
    assert first.embeds is not None, "a route of embeddings has no others"
    return digest([first.embeds.space, sorted((name, repr(value)) for name, value in first.params.items())])
