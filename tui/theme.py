"""The dashboard's colours and signs. No state is told by colour alone: every lamp has a sign of its own."""

from __future__ import annotations

from typing import Literal, TypeAlias

from textual.theme import Theme

from router.views.figures import HealthState

DARK = Theme(
    name="signalbox",
    primary="#5bb8c4",
    secondary="#b59be6",
    accent="#f0b440",
    success="#45c7a2",
    warning="#f0b440",
    error="#ff7464",
    foreground="#d5dee4",
    background="#0c1216",
    surface="#10181d",
    panel="#18232a",
    dark=True,
    variables={"footer-key-foreground": "#f0b440", "block-cursor-background": "#24424b", "border-blurred": "#2a3a44"},
)
LIGHT = Theme(
    name="signalbox-light",
    primary="#0a6572",
    secondary="#6b4aa8",
    accent="#7d4a00",
    success="#0b7357",
    warning="#7d4a00",
    error="#b8281c",
    foreground="#1b262c",
    background="#f7f5ef",
    surface="#fdfcf9",
    panel="#ebe7dc",
    dark=False,
    variables={"footer-key-foreground": "#7d4a00", "block-cursor-background": "#cfe3e2", "border-blurred": "#cfc9ba"},
)

# Styles by what they mean; textual's theme variables, so that every theme works.
GOOD, INFO, WARN, BAD = "$text-success", "$text-primary", "$text-warning", "$text-error"
MONEY = "$text-secondary"
TEXT, MUTED, FAINT = "$foreground", "$foreground 85%", "$foreground 72%"
STRONG, TITLE = "bold $foreground", "bold $accent"
FOUND = "bold $background on $accent"  # what was searched for
LEVELS = {"good": GOOD, "info": INFO, "warning": WARN, "error": BAD}

LampState: TypeAlias = HealthState | Literal["failing"]

# The sign of a lamp, its style and its word.
LAMPS: dict[LampState, tuple[str, str, str]] = {
    "closed": ("●", GOOD, "closed"),
    "half_open": ("◐", WARN, "half-open"),
    "open": ("○", BAD, "open"),
    "failing": ("!", BAD, "failing"),
    "held": ("◷", WARN, "held"),
    "drained": ("‖", INFO, "drained"),
    "disabled": ("·", FAINT, "left out"),
}
