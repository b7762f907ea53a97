"""The Try screen: a prompt to a route, or to several targets side by side, through the router that is watched."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Select, Static
from textual.worker import Worker

from router.views.commands import Prompt
from router.views.figures import Snapshot
from tui import format as as_text
from tui.dialogs.pick import MOST, Pick
from tui.session import Session
from tui.theme import FAINT, INFO, MUTED, STRONG
from tui.view import DashboardScreen
from tui.widgets.answer import Answer
from tui.widgets.prompt_box import PromptBox
from tui.widgets.prompt_options import PromptOptions


class TryScreen(DashboardScreen):
    """Asks, and shows the answers as they stream, which goes on while another screen is in front."""

    CSS_PATH = "try_prompt.tcss"
    name_of_mode: ClassVar[str] = "try"
    AUTO_FOCUS = "PromptBox"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "pick", "whom", tooltip="choose routes and targets to ask"),
        Binding("ctrl+o", "options", "parameters", tooltip="system prompt, temperature, tokens, cache"),
        Binding("escape", "leave", "cancel", tooltip="cancel what streams; then out of the prompt"),
        Binding("i", "write", "write", tooltip="back to the prompt", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._to: tuple[str, ...] = ()
        self._asked: list[Worker[None]] = []

    def body(self) -> ComposeResult:
        with Horizontal(id="answers"):
            yield Static(_HINT, id="hint")
        yield PromptOptions()
        with Vertical(id="prompt"):
            box = PromptBox()
            box.add_class("box")
            box.border_title = "prompt"
            yield box
            yield Static(id="to")

    def on_screen_resume(self) -> None:
        """Choose what another screen wants asked; then the common part runs, as Textual calls every class's."""
        wanted, self.session.wanted_targets = self.session.wanted_targets, ()
        if wanted:
            self._to = wanted[:MOST]

    def try_on(self, *names: str) -> None:
        """Choose these here."""
        self._to = names[:MOST]
        self._show_choice()

    def render_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.fleet is not None:
            for hint in self.query("#hint").results(Static):
                hint.update(Content.styled(_NOT_HERE, MUTED), layout=False)
        known = {route.name for route in snapshot.routes} | {target.name for target in snapshot.targets}
        self._to = tuple(name for name in self._to if name in known)
        if not self._to and snapshot.routes:
            self._to = (snapshot.routes[0].name,)
        self._show_choice()

    def _show_choice(self) -> None:
        """Say below the prompt who is asked, and with what."""
        names = [(f" {name} ", f"{STRONG} on $panel") for name in self._to]
        pieces: list[tuple[str, str]] = [("to ", FAINT)]
        for name in names:
            pieces += [name, (" ", "")]
        if not names:
            pieces = [("no route to ask", FAINT)]
        choice = Content.assemble(*pieces, ("ctrl+t changes  " if names else "  ", FAINT))
        self.query_one("#to", Static).update(choice.append(self.query_one(PromptOptions).summary()))

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show_choice()

    def on_select_changed(self, event: Select.Changed) -> None:
        self._show_choice()

    # --- asking

    async def on_prompt_box_sent(self, event: PromptBox.Sent) -> None:
        feed, snapshot = self.session.feed, self.session.snapshot
        if snapshot is not None and snapshot.fleet is not None:
            self.tell(_NOT_HERE, level="warning")
            return
        try:
            params = dict(self.query_one(PromptOptions).params())
        except ValueError as error:
            self.tell(str(error), level="error")
            return
        if feed is None or not self._to:
            self.tell("no router to ask yet", level="warning")
            return
        self._cancel()
        columns = self.query_one("#answers")
        await columns.remove_children()
        answers = [Answer(to) for to in self._to]
        columns.set_class(len(answers) > 1, "-several")
        await columns.mount(*answers)
        messages = self._messages(event.text)
        box = self.query_one(PromptBox)
        box.text = ""
        box.border_subtitle = Content(f"asked: {as_text.fit(event.text.splitlines()[0], 70).rstrip()}")
        self._asked = [answer.run(feed, Prompt(answer.to, messages, params)) for answer in answers]

    def _messages(self, text: str) -> str | tuple[dict[str, Any], ...]:
        system = self.query_one(PromptOptions).system
        return ({"role": "system", "content": system}, {"role": "user", "content": text}) if system else text

    def _cancel(self) -> bool:
        """End the answers that stream; return False when none does."""
        running = [asking for asking in self._asked if not asking.is_finished]
        for asking in running:
            asking.cancel()
        return bool(running)

    def on_answer_trace_requested(self, event: Answer.TraceRequested) -> None:
        self.open_trace(event.trace)

    # --- keys

    def action_leave(self) -> None:
        if self._cancel():
            return
        answers = self.query(Answer)
        if answers:
            answers.first().query_one("VerticalScroll").focus()
        else:
            self.set_focus(None)

    def action_write(self) -> None:
        self.query_one(PromptBox).focus()

    def action_options(self) -> None:
        options = self.query_one(PromptOptions)
        options.display = not options.display
        if options.display:
            options.query_one("#system", Input).focus()
        else:
            self.query_one(PromptBox).focus()

    def action_pick(self) -> None:
        snapshot = self.session.snapshot
        if snapshot is not None:
            self.app.push_screen(Pick(snapshot, self._to), self._picked)

    def _picked(self, chosen: tuple[str, ...] | None) -> None:
        if chosen:
            self._to = chosen
            self._show_choice()


_NOT_HERE = "No prompt goes to a fleet, and none comes from it: `signalbox dash FILE` runs them in a router of its own."
_HINT = Content.assemble(
    ("Ask a route, or several targets side by side.\n\n", STRONG),
    ("  enter", INFO),
    ("    sends          ", MUTED),
    ("ctrl+j", INFO),
    ("  a new line\n", MUTED),
    ("  ctrl+t", INFO),
    ("   whom to ask    ", MUTED),
    ("ctrl+o", INFO),
    ("  system prompt, temperature, tokens, cache\n", MUTED),
    ("  ctrl+↑", INFO),
    ("   earlier ones   ", MUTED),
    ("escape", INFO),
    ("  cancels, then leaves the prompt", MUTED),
)
