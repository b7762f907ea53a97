"""The values that hold for a route or a target, and where each comes from."""

from __future__ import annotations

from collections.abc import Sequence

from router.telemetry.views import PolicyValue
from tui import format as as_text
from tui.theme import FAINT, INFO, MUTED, STRONG
from tui.widgets.rows import Row, Rows


class Policies(Rows):
    """What the file says comes first; the rest is built in."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._values: tuple[PolicyValue, ...] = ()

    def draw(self, values: Sequence[PolicyValue]) -> None:
        """Show these."""
        self._values = tuple(values)
        width = self.scrollable_content_region.width
        ordered = sorted(self._values, key=lambda each: each.line is None)
        longest = min(24, max((len(each.key) for each in ordered), default=0))
        self.show([Row(each.key, tuple(_pieces(each, longest, width))) for each in ordered])

    def on_resize(self) -> None:
        self.draw(self._values)


def _pieces(value: PolicyValue, longest: int, width: int) -> list[tuple[str, str]]:
    room = max(8, width - longest - 3)
    origin = value.origin if value.line is None else f"line {value.line}: {value.origin}"
    shown = as_text.fit(value.value, min(len(value.value), room - 2))
    left = room - len(shown) - 2
    style = MUTED if value.line is None else STRONG
    where = as_text.fit(origin, left).rstrip() if left >= 8 else ""
    return [
        (f" {as_text.fit(value.key, longest)} ", INFO if value.line is not None else MUTED),
        (f"{shown}  ", style),
        (where, FAINT),
    ]
