"""One answer as it streams: Markdown, its figures, and its trace when it is done. A column of the Try screen."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Collapsible, Markdown, Static

from router.views.commands import Prompt, PromptChunk, PromptEnd
from router.views.requests import TraceView
from tui import format as as_text
from tui.feed import Feed, FeedLost
from tui.theme import BAD, FAINT, GOOD, INFO, MUTED, TEXT, WARN
from tui.widgets.waterfall import waterfall

FLUSH = 0.08  # seconds that text is collected for before it is laid out, which costs much more than collecting


class Answer(Vertical):
    """A column that shows one answer. `run` asks, and fills it.

    Args:
        to: The route or target that is asked.
    """

    DEFAULT_CSS = """
    Answer { width: 1fr; height: 1fr; padding: 0 1; }
    Answer > #state { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    Answer > VerticalScroll { height: 1fr; scrollbar-size: 0 1; scrollbar-gutter: stable; }
    Answer #said { height: auto; min-height: 100%; }  /* else what is anchored stands at the bottom while it is short */
    Answer Markdown { padding: 0; margin: 0; background: $surface; }
    Answer Collapsible { display: none; border: none; padding: 0; background: $surface; }
    Answer Collapsible Static { color: $foreground 72%; }
    Answer > #figures { height: auto; }
    Answer > #flow { height: auto; text-wrap: nowrap; text-overflow: ellipsis; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "trace", "trace", tooltip="how this answer came about"),
        Binding("y", "copy", "copy", tooltip="copy the answer"),
    ]

    @dataclass
    class TraceRequested(Message):
        """People want to see how this answer came about."""

        trace: TraceView

    def __init__(self, to: str) -> None:
        super().__init__(classes="box")
        self.to = to
        self.border_title = Content(to)
        self.text = ""
        self._thinking = ""
        self._waiting = ""  # text that is not laid out yet
        self._flushing: asyncio.Task[None] | None = None
        self._layout = asyncio.Lock()  # a text is laid out whole before the next one, and before the end is told
        self._over = False  # nothing more comes
        self._trace: TraceView | None = None
        self._began = 0.0
        self._first: float | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="state")
        with VerticalScroll(), Vertical(id="said"):
            with Collapsible(title="thinking"):
                yield Static(id="thinking", markup=False)
            yield Markdown()
        yield Static(id="figures")
        yield Static(id="flow")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).anchor()
        self._say(("waiting for the first token…", MUTED))

    # --- while it runs

    @work(group="try")
    async def run(self, feed: Feed, prompt: Prompt) -> None:
        """Ask, and show what comes. Cancelling the worker stops the call upstream."""
        clock = asyncio.get_running_loop().time
        self._began = clock()
        try:
            async with aclosing(feed.prompt(prompt)) as stream:
                async for event in stream:
                    if isinstance(event, PromptEnd):
                        await self._flush()
                        self._ended(event)
                    else:
                        self._first = clock() - self._began if self._first is None else self._first
                        await self._piece(event)
            await self._broken("the answer broke off")
        except FeedLost as error:
            await self._broken(str(error))
        except asyncio.CancelledError:
            await self._flush()
            self._over = True
            self._say(("■ cancelled", WARN), (f"  after {as_text.seconds(clock() - self._began)}", MUTED))
            raise
        except Exception as error:  # whatever a provider of somebody's own raises, the dashboard stays
            await self._broken(f"{type(error).__name__}: {error}")
        finally:
            if self._flushing is not None:
                self._flushing.cancel()

    async def _broken(self, why: str) -> None:
        """Say why it broke off, unless it had ended. What did come stays."""
        if not self._over:
            await self._flush()
            self._over = True
            self._say((f"✗ {why}", BAD))

    async def _piece(self, piece: PromptChunk) -> None:
        if piece.restarted:
            await self._restart()
        if piece.thinking:
            self._thinking += piece.thinking
        self._waiting += piece.text
        self.text += piece.text
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_soon())

    async def _restart(self) -> None:
        self.text = self._waiting = self._thinking = ""
        async with self._layout:
            if self.is_attached:
                await self.query_one(Markdown).update("")
                self.query_one(Collapsible).display = False
                self.border_subtitle = "restarted: what came before was void"

    async def _flush_soon(self) -> None:
        await asyncio.sleep(FLUSH)
        await self._flush()

    async def _flush(self) -> None:
        if not self.is_attached:  # another prompt has taken the place
            return
        async with self._layout:
            if self.is_attached:
                await self._lay_out()

    async def _lay_out(self) -> None:
        waiting, self._waiting = self._waiting, ""
        if self._thinking:
            collapsible = self.query_one(Collapsible)
            collapsible.display = True
            collapsible.title = f"thinking, {as_text.count(len(self._thinking))} characters"
            self.query_one("#thinking", Static).update(self._thinking)
        if waiting:
            await self.query_one(Markdown).append(waiting)
        if not self._over:  # a flush may come after the end
            passed = asyncio.get_running_loop().time() - self._began
            self._say(
                ("● ", GOOD),
                (f"first token {as_text.seconds(self._first)}", TEXT),
                (f" · {as_text.seconds(passed)}", MUTED),
            )

    # --- when it is done

    def _ended(self, end: PromptEnd) -> None:
        self._over = True
        self._trace = end.trace
        if end.error is not None:
            self._say((f"✗ {end.code or 'failed'}", f"bold {BAD}"), (f"  {as_text.seconds(end.seconds)}", MUTED))
        else:
            speed = speed_of(end)
            self._say(
                ("✓ ", GOOD),
                (f"{as_text.seconds(end.first_token)}", TEXT),
                (" first", MUTED),
                *([] if speed is None else [(" · ", MUTED), (f"{as_text.number(speed)} tokens/s", TEXT)]),
                *([("  cached", INFO)] if end.cached else []),
            )
        self._show_end(end)

    def _show_end(self, end: PromptEnd) -> None:
        lines = []
        if end.error is not None:
            lines.append(Content.styled(end.error, BAD))
        else:
            by = end.target or end.model
            figures = [
                f"by {by}" if by != self.to else "",
                "fallback" if end.trace is not None and end.trace.record.tier else "",
                f"{as_text.number(end.input_tokens)} → {as_text.number(end.output_tokens)} tokens",
                as_text.paid(end.cost, cached=end.cached),
                as_text.seconds(end.seconds),
                "" if end.finish_reason in ("stop", "end_turn") else end.finish_reason,
            ]
            lines.append(Content.styled(" · ".join(figure for figure in figures if figure), MUTED))
        lines += [Content.styled(f"⚙ {call}", INFO) for call in end.tool_calls]
        self.query_one("#figures", Static).update(Content("\n").join(lines))
        self._draw_flow()

    def _draw_flow(self) -> None:
        if self._trace is not None and self._trace.entries and self.content_size.width:
            flow = waterfall(self._trace, self.content_size.width)
            room = max(3, self.content_size.height * 2 // 5)
            if len(flow) > room:
                flow[room - 1 :] = [Content.styled("… escape, then v: the whole trace", FAINT)]
            self.query_one("#flow", Static).update(Content("\n").join(flow))

    def on_resize(self, event: events.Resize) -> None:
        self._draw_flow()

    def _say(self, *pieces: tuple[str, str]) -> None:
        if self.is_attached:
            self.query_one("#state", Static).update(Content.assemble(*pieces))

    # --- keys

    def action_trace(self) -> None:
        if self._trace is not None:
            self.post_message(self.TraceRequested(self._trace))

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.text)
        self.notify("the answer is in the clipboard", markup=False)


def speed_of(end: PromptEnd) -> float | None:
    """Return the tokens a second while it streamed; None where that is unknown, and for what was stored."""
    if end.cached or not end.output_tokens or end.first_token is None or end.seconds <= end.first_token:
        return None
    return end.output_tokens / (end.seconds - end.first_token)
