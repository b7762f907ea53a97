"""One request step by step. The Requests screen opens it, and the Try screen for an answer."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from router.views.requests import TraceView
from tui import format as as_text
from tui.theme import BAD, FAINT, GOOD, MUTED, STRONG, TEXT
from tui.widgets.key_bar import KeyBar
from tui.widgets.waterfall import LEGEND, waterfall


class TraceDialog(ModalScreen[str | None]):
    """Shows a waterfall with the words of the vendors, and the prompt where the file lets it be kept.

    It returns the target or route that people want to try now, else None.
    """

    DEFAULT_CSS = """
    TraceDialog { align: center middle; background: $background 60%; }
    TraceDialog > Vertical { width: 92%; max-width: 150; height: auto; max-height: 92%; background: $panel;
                             border: round $accent; border-title-color: $accent; padding: 0 1; }
    TraceDialog VerticalScroll { height: auto; padding: 1 0; }
    TraceDialog KeyBar { padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "leave", "close"),
        Binding("y", "copy", "copy", tooltip="copy the trace as JSON"),
        Binding("t", "try_it", "try", tooltip="ask the same target a prompt"),
    ]

    def __init__(self, trace: TraceView) -> None:
        super().__init__()
        self._trace = trace

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = f"request {self._trace.record.id}"
            with VerticalScroll():
                yield Static(id="trace")
            yield KeyBar(palette=False)

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def on_mount(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width = min(150, self.app.size.width * 92 // 100) - 5
        lines = [*_head(self._trace), *waterfall(self._trace, width), Content(""), LEGEND, *_said(self._trace)]
        self.query_one("#trace", Static).update(Content("\n").join(lines))

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(as_json(self._trace))
        self.notify("the trace is in the clipboard, as JSON", timeout=6, markup=False)

    def action_try_it(self) -> None:
        record = self._trace.record
        self.dismiss(record.target or record.route)


def as_json(trace: TraceView) -> str:
    """Return the whole trace as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(trace), indent=2).decode()


def _head(trace: TraceView) -> list[Content]:
    record, cached = trace.record, trace.prompt_cache
    outcome = (f"✗ {record.code}", f"bold {BAD}") if record.code else ("✓ answered", f"bold {GOOD}")
    by = f" by {record.target}" if record.target and not record.code else ""
    figures = [
        as_text.clock(record.time),
        as_text.seconds(record.seconds),
        f"{as_text.number(record.input_tokens)} → {as_text.number(record.output_tokens)} tokens",
        as_text.paid(record.cost, cached=record.cached),
        "streamed" if record.streamed else "plain",
    ]
    if record.cached:
        figures.append("from the cache")
    if record.shadow:
        figures.append("a copy, which no caller got")
    tags = "  ".join(f"{name}={value}" for name, value in (record.tags or {}).items())
    said = "; ".join(f"{name}: {text}" for name, text in trace.of_call.items())
    where = f"revision {trace.revision[:7]}" + (f" · process {record.pid}" if record.pid else "")
    return [
        Content.assemble((record.route, STRONG), ("  ", ""), outcome, (by, TEXT)),
        Content.styled(" · ".join(figures), MUTED),
        Content.styled(where, FAINT),
        *([Content.styled(trace.rule, MUTED)] if trace.rule else []),
        *([Content.styled(tags, MUTED)] if tags else []),
        *([Content.styled(f"set by the call: {said}", MUTED)] if said else []),
        *([] if cached is None else [Content.styled(f"prompt cache: {cached.line()}", MUTED)]),
        Content(""),
    ]


def _said(trace: TraceView) -> list[Content]:
    """Return the prompt and the answer, where they were kept."""
    if trace.captured is None:
        return []
    kept = "" if trace.captured.whole else " (its beginning)"
    return [
        Content(""),
        Content.styled("prompt", FAINT),
        Content(trace.captured.prompt),
        Content.styled(f"answer{kept}", FAINT),
        Content(trace.captured.answer or "–"),
    ]
