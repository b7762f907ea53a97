"""The list of keys that act on the screen."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from tui.theme import MUTED, STRONG, TITLE


class Keys(ModalScreen[None]):
    """All keys that do something now, and what the signs mean."""

    DEFAULT_CSS = """
    Keys { align: center middle; background: $background 60%; }
    Keys > VerticalScroll { width: 74; max-width: 96%; height: auto; max-height: 90%; background: $panel;
                            border: round $accent; border-title-color: $accent; padding: 1 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", "close")]

    def __init__(self, below: Screen[object]) -> None:
        super().__init__()
        self._below = below

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = "Keys"
            box.border_subtitle = "escape closes"
            yield Static(self._text())

    def _text(self) -> Content:
        groups: dict[str, list[tuple[str, str]]] = {"Here": [], "Everywhere": []}
        for active in self._below.active_bindings.values():
            binding = active.binding
            if binding.description and not binding.system and active.enabled:
                told = binding.tooltip or binding.description
                where = "Everywhere" if active.node is self.app else "Here"
                entry = (self.app.get_key_display(binding), told)
                same = next((each for each in groups[where] if each[1] == told), None)
                if same is None:
                    groups[where].append(entry)
                else:
                    groups[where][groups[where].index(same)] = (f"{same[0]} {entry[0]}", told)
        lines = []
        for title, entries in groups.items():
            lines.append(Content.styled(title, TITLE))
            lines += [Content.assemble((f"  {key:<14}", STRONG), (told, MUTED)) for key, told in entries]
            lines.append(Content(""))
        lines.append(Content.styled("Lamps", TITLE))
        lines.append(Content.assemble(*SIGNS))
        return Content("\n").join(lines)


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
    ("· ", "$foreground 40%"),
    ("left out: a variable is not set", MUTED),
)
