"""The keys that work now, in one line at the bottom of every screen.

Textual's own footer makes a widget of every key, and all of them anew whenever the focus moves: most of what a change
of screens cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from textual import events
from textual.binding import ActiveBinding
from textual.content import Content
from textual.screen import Screen
from textual.style import Style
from textual.widget import Widget

_MORE = "…"  # further keys have no room
_HELP = "keys"  # the action that lists all keys


@dataclass(frozen=True)
class _Key:
    """What to press, how it is shown, and what it does in a phrase."""

    key: str
    shown: str
    phrase: str
    enabled: bool


@dataclass(frozen=True)
class _Entry:
    """One key with its word, or a group of keys with a common one."""

    keys: tuple[_Key, ...]
    word: str

    @property
    def width(self) -> int:
        return len(" ".join([*(key.shown for key in self.keys), self.word]).rstrip())


class KeyBar(Widget):
    """Shows the keys; a click on one presses it.

    Args:
        palette: Whether the key of the command palette stands at the right, beside that of the help.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = "KeyBar { dock: bottom; height: 1; padding: 0 1; background: $panel; }"

    def __init__(self, *, palette: bool = True) -> None:
        super().__init__()
        self.palette = palette
        self._entries: tuple[_Entry, ...] = ()
        self._last: tuple[_Entry, ...] = ()  # those that always have room, at the right: the help's, and the palette's
        self._under = ""  # the key under the mouse

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if not self.is_attached or screen is not self.screen:
            return
        active = screen.active_bindings
        shown = [key for key in active.values() if key.binding.show]
        entries = tuple(self._grouped(key for key in shown if key.binding.action != _HELP))
        palette = active.get(self.app.COMMAND_PALETTE_BINDING)
        lasting = [*(key for key in shown if key.binding.action == _HELP), *([] if palette is None else [palette])]
        last = tuple(_Entry((self._key(key),), key.binding.description) for key in lasting)
        if (entries, last) != (self._entries, self._last):
            self._entries, self._last = entries, last
            self.refresh()

    def _key(self, active: ActiveBinding) -> _Key:
        binding = active.binding
        phrase = active.tooltip or binding.description
        return _Key(binding.key, self.app.get_key_display(binding), phrase, active.enabled)

    def _grouped(self, keys: Iterable[ActiveBinding]) -> Iterable[_Entry]:
        first = {key.binding.action: key for key in reversed(list(keys))}  # an action may have several keys
        for group, members in groupby(reversed(first.values()), lambda key: key.binding.group):
            if group is None:
                yield from (_Entry((self._key(key),), key.binding.description) for key in members)
            else:
                yield _Entry(tuple(map(self._key, members)), group.description)

    def render(self) -> Content:
        width = self.content_size.width
        last = tuple(entry for entry in self._last if self.palette or entry.word == _HELP)
        taken = sum(entry.width + 2 for entry in last)
        room = width - taken - 1 if last else width
        pieces, used = [], 0
        for number, entry in enumerate(self._entries, 1):
            rest = 0 if number == len(self._entries) else 2 + len(_MORE)
            if used + entry.width + rest > room:
                pieces.append(Content.styled(_MORE, "$foreground 72%"))
                used += len(_MORE)
                break
            pieces += [self._drawn(entry), Content("  ")]
            used += entry.width + 2
        pieces.append(Content(" " * max(0, width - used - taken)))
        for entry in last:
            pieces += [Content("  "), self._drawn(entry)]
        return Content("").join(pieces)

    def _drawn(self, entry: _Entry) -> Content:
        shown = []
        for key in entry.keys:
            ink = "bold $footer-key-foreground" if key.enabled else "$foreground 72%"
            if key.key == self._under:
                ink += " on $block-cursor-background"
            shown.append(Content.styled(key.shown, Style.parse(ink) + Style.from_meta({"key": key.key})))
        word = Style.parse("$foreground" if any(key.enabled for key in entry.keys) else "$foreground 72%")
        if len(entry.keys) == 1:
            word += Style.from_meta({"key": entry.keys[0].key})
        return Content(" ").join([*shown, Content.styled(entry.word, word)])

    # --- the mouse

    def _at(self, event: events.MouseEvent) -> _Key | None:
        name = event.style.meta.get("key")
        entries = (*self._entries, *self._last)
        return next((key for entry in entries for key in entry.keys if key.key == name), None)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        key = self._at(event)
        under = "" if key is None else key.key
        if under != self._under:
            self._under = under
            self.tooltip = None if key is None else key.phrase
            self.refresh()

    def on_leave(self) -> None:
        self._under = ""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        key = self._at(event)
        if key is not None and key.enabled:
            self.app.simulate_key(key.key)
