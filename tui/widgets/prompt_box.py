"""The box where the Try screen's prompt is written. Enter sends it; ctrl+up and ctrl+down go through earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea


class PromptBox(TextArea):
    """A text area that remembers the prompts of this session."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "send", tooltip="send the prompt"),
        Binding("ctrl+j", "new_line", "new line"),
        Binding("ctrl+up", "earlier(-1)", "earlier", tooltip="the prompt before", show=False),
        Binding("ctrl+down", "earlier(1)", "later", tooltip="the prompt after it", show=False),
    ]

    @dataclass
    class Sent(Message):
        """Enter was pressed on this text."""

        text: str

    def __init__(self) -> None:
        super().__init__(soft_wrap=True, show_line_numbers=False)
        self._history: list[str] = []
        self._place = 0  # in the history; behind its end is what is being written
        self._draft = ""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":  # else it would be a new line
            event.prevent_default()
            event.stop()
            self.action_send()
            return
        await super()._on_key(event)

    def action_send(self) -> None:
        text = self.text.strip()
        if text:
            if not self._history or self._history[-1] != text:
                self._history.append(text)
            self._place = len(self._history)
            self._draft = ""
            self.post_message(self.Sent(text))

    def action_new_line(self) -> None:
        self.insert("\n")

    def action_earlier(self, by: int) -> None:
        """Put another prompt of this session here; the one being written is not lost."""
        if self._place == len(self._history):
            self._draft = self.text
        self._place = min(max(self._place + by, 0), len(self._history))
        self.text = self._history[self._place] if self._place < len(self._history) else self._draft
        self.move_cursor(self.document.end)
