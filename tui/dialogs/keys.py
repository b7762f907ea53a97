"""The keys that act on the screen below. `?` opens it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from tui.theme import MUTED, STRONG, TITLE
from tui.widgets.row_list import RowList

_ROOM = 50  # cells beside the keys, where the list scrolls


class Keys(ModalScreen[None]):
    """Lists all keys that do something now, and what the signs of the lamps mean.

    Args:
        below: The screen or dialog whose keys are listed.
        commands: Lines for another terminal.
    """

    DEFAULT_CSS = """
    Keys { align: center middle; background: $background 60%; }
    Keys > VerticalScroll { width: 74; max-width: 96%; height: auto; max-height: 90%; background: $panel;
                            border: round $accent; border-title-color: $accent; padding: 1 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", "close")]

    def __init__(self, below: Screen[object], commands: Sequence[str] = ()) -> None:
        super().__init__()
        self._below = below
        self._commands = commands

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = "Keys"
            box.border_subtitle = "escape closes"
            yield Static(self._text())

    def _text(self) -> Content:
        groups: dict[str, dict[str, list[str]]] = {"Here": {}, "Everywhere": {}, "In lists": {}}  # keys by what they do
        for active in self._below.active_bindings.values():
            binding = active.binding
            if binding.description and active.enabled and _is_ours(active):
                in_list = isinstance(active.node, RowList)
                keys = groups["Everywhere" if active.node is self.app else "In lists" if in_list else "Here"]
                keys.setdefault(binding.tooltip or binding.description, []).append(self.app.get_key_display(binding))
        lines = []
        for title, keys in groups.items():
            if not keys:
                continue
            lines.append(Content.styled(title, TITLE))
            lines += [
                Content.assemble((f"  {' '.join(names):<14}", STRONG), (_below_each_other(meaning), MUTED))
                for meaning, names in keys.items()
            ]
            lines.append(Content(""))
        if self._commands:
            lines.append(Content.styled("From another terminal", TITLE))
            lines += [Content.styled(f"  {line}", MUTED) for line in self._commands]
            lines.append(Content(""))
        lines.append(Content.styled("Lamps", TITLE))
        lines.append(Content.assemble(*SIGNS))
        return Content("\n").join(lines)


def _below_each_other(meaning: str) -> str:
    return f"\n{' ' * 16}".join(textwrap.wrap(meaning, _ROOM))


def _is_ours(active: ActiveBinding) -> bool:
    """Return whether the dashboard itself binds this key, and not what it is built of."""
    key = active.binding.key
    return any(
        key in {each for binding in vars(kind).get("BINDINGS", ()) for each in _keys_of(binding)}
        for kind in type(active.node).__mro__
        if kind.__module__.partition(".")[0] == "tui"
    )


def _keys_of(binding: BindingType) -> list[str]:
    return (binding.key if isinstance(binding, Binding) else binding[0]).split(",")


SIGNS = (
    ("  ● ", "$text-success"),
    ("closed: it gets calls   ", MUTED),
    ("◐ ", "$text-warning"),
    ("half-open: calls probe it\n", MUTED),
    ("  ○ ", "$text-error"),
    ("open: left alone        ", MUTED),
    ("◷ ", "$text-warning"),
    ("held: the vendor asked to wait\n", MUTED),
    ("  ‖ ", "$text-primary"),
    ("drained: no new calls   ", MUTED),
    ("· ", "$foreground 72%"),
    ("left out: a variable is not set\n", MUTED),
    ("  ! ", "$text-error"),
    ("failing: it gets calls, and half of them fail, or more", MUTED),
)
