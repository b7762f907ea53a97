"""The lamp of a provider or a target as it is shown: it tells how its calls fare, and the worst of what it is made of.

A snapshot's `Health` is a breaker's or a key's alone. Beside it may stand targets that get no calls, or calls that fail
though every breaker is closed.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from router.views.figures import Figures, Health, ProviderFigures, TargetFigures
from tui import format as as_text
from tui.theme import LAMPS, LampState

Shown: TypeAlias = ProviderFigures | TargetFigures

_WORST: tuple[LampState, ...] = ("open", "held", "failing", "half_open", "drained", "disabled", "closed")
_OUT = ("open", "held", "drained", "disabled")
_FAILING = 0.5  # share of the last minute's calls that fail
_FEW = 5  # calls, of which even all may fail by chance


class Lamp(NamedTuple):
    """What is shown of it; `words` are "" for one that is closed by itself."""

    state: LampState
    words: str

    @property
    def sign(self) -> str:
        return LAMPS[self.state][0]

    @property
    def style(self) -> str:
        return LAMPS[self.state][1]

    @property
    def badness(self) -> int:
        """How bad it is, 0 for closed."""
        return len(_WORST) - 1 - _WORST.index(self.state)


def lamp_of(shown: Shown, now: float) -> Lamp:
    """Return the lamp of a provider, which is the worst of its key and its targets, or of a target.

    Args:
        shown: The provider or target.
        now: The snapshot's time.
    """
    own = Lamp(shown.health.state, words_of(shown.health, now))
    if own.state == "closed" and _fails(shown.figures):
        own = Lamp("failing", LAMPS["failing"][2])
    if isinstance(shown, TargetFigures) or not shown.targets:
        return own
    lamps = [lamp_of(target, now) for target in shown.targets]
    worst = max(lamps, key=lambda lamp: lamp.badness)
    if worst.badness <= own.badness:
        return _with_keys(shown, own)
    if len(lamps) == 1:
        return worst
    alike = sum(lamp.state in _OUT if worst.state in _OUT else lamp.state == worst.state for lamp in lamps)
    word = "out" if worst.state in _OUT else LAMPS[worst.state][2]
    return Lamp(worst.state, f"{alike} of {len(lamps)} {word}")


def _with_keys(provider: ProviderFigures, own: Lamp) -> Lamp:
    """Name a key of the pool that gets no calls, while others serve."""
    out = next((key for key in provider.keys if key.health.state in _OUT), None)
    if own.words or out is None:
        return own
    return Lamp(own.state, f"{out.name} {LAMPS[out.health.state][2]}")


def _fails(figures: Figures) -> bool:
    answered = figures.window.succeeded + figures.window.failed
    return answered >= _FEW and (figures.error_rate or 0.0) >= _FAILING


def words_of(health: Health, now: float) -> str:
    """Return the state of a breaker or key in words; "" for one that is closed by itself."""
    word = LAMPS[health.state][2]
    if health.state == "closed":
        return "closed, by hand" if health.by_hand else ""
    if health.until is not None:
        return f"{word} {as_text.span(max(0.0, health.until - now))}"
    return f"{word}, by hand" if health.by_hand and health.state == "open" else word
