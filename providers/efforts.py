"""How much a model thinks, in the words that vendors share."""

from __future__ import annotations

from providers.types import Thinking


def effort_of(thinking: Thinking) -> str:
    """The nearest of none, low, medium and high for a level or for a budget in tokens."""
    if thinking == "off":
        return "none"
    if isinstance(thinking, str):
        return thinking
    return "low" if thinking <= 2048 else "medium" if thinking <= 10_000 else "high"
