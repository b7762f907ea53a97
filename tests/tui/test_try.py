"""The Try screen: whom to ask, parameters, streams side by side, cancelling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from textual.containers import VerticalScroll
from textual.widgets import Collapsible, Input, Markdown, Select, Static

from providers.simulator import Simulator
from router import Router
from router.monitor.feed import FeedLost
from router.views.commands import Prompt, PromptChunk, PromptEnd, PromptEvent
from tests.support.dashboard_app import answered, running, settle, toasts, write
from tests.support.dashboard_feed import SHORT, FixedFeed, busy, trace
from tests.support.vendors import routes
from tui.app import Dashboard
from tui.dialogs.pick import Pick
from tui.dialogs.trace import TraceDialog
from tui.widgets.answer import Answer
from tui.widgets.prompt_box import PromptBox
from tui.widgets.prompt_options import PromptOptions


async def ask(pilot: Any, *to: str, text: str = "Why is the sky blue?") -> None:
    await settle(pilot)
    pilot.app.view.try_on(*to)
    await settle(pilot)
    pilot.app.screen.query_one(PromptBox).cursor_blink = False
    await write(pilot, text)
    await pilot.press("enter")
    await settle(pilot)


def state(answer: Answer) -> str:
    return str(answer.query_one("#state", Static).visual)


class Lingering(FixedFeed):
    """Its streams go on for a while after their last word, as those of a socket do."""

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[PromptEvent, None]:
        async for event in super().prompt(prompt):
            yield event
        for _ in range(50):
            await asyncio.sleep(0)


async def test_text_that_is_laid_out_late_does_not_hide_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    append = Markdown.append

    async def slow(markdown: Markdown, text: str) -> None:
        for _ in range(20):  # as on a busy machine: the next piece's turn comes, and waits for this one
            await asyncio.sleep(0)
        await append(markdown, text)

    monkeypatch.setattr("tui.widgets.answer.FLUSH", 0)
    monkeypatch.setattr(Markdown, "append", slow)
    feed = Lingering(busy(), answer="Rayleigh")
    app = Dashboard(feed)
    async with app.run_test(size=(120, 36)) as pilot:
        await ask(pilot, "chat")
        await answered(pilot)
        assert "tokens/s" in state(app.screen.query_one(Answer))


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
def test_answers_side_by_side_look_like_this(size: tuple[int, int], snap_compare: Any) -> None:
    async def asked(pilot: Any) -> None:
        await ask(pilot, "chat", "haiku")
        await answered(pilot)

    assert snap_compare(Dashboard(FixedFeed(busy(), answer=SHORT)), terminal_size=size, run_before=asked)


def test_the_empty_screen_explains_itself_in_light(snap_compare: Any) -> None:
    async def opened(pilot: Any) -> None:
        await settle(pilot)
        await pilot.press("T", "4")
        await settle(pilot)
        pilot.app.screen.query_one(PromptBox).cursor_blink = False
        await pilot.press("ctrl+o")
        pilot.app.screen.query_one("#system", Input).cursor_blink = False
        await settle(pilot)

    assert snap_compare(Dashboard(FixedFeed(busy())), terminal_size=(120, 36), run_before=opened)


def test_choosing_looks_like_this(snap_compare: Any) -> None:
    async def picking(pilot: Any) -> None:
        await settle(pilot)
        await pilot.press("4")
        await settle(pilot)
        pilot.app.screen.query_one(PromptBox).cursor_blink = False
        await pilot.press("ctrl+t")
        await settle(pilot)

    assert snap_compare(Dashboard(FixedFeed(busy())), terminal_size=(120, 36), run_before=picking)


async def test_a_prompt_goes_to_the_first_route_and_comes_back_with_its_figures() -> None:
    async with running(mode="try") as (app, feed, pilot):
        await pilot.press(*"Hello 1", "ctrl+j", *"two", "enter")
        await answered(pilot)
        assert feed.prompts == [Prompt("chat", "Hello 1\ntwo", {})]
        [answer] = app.screen.query(Answer)
        assert answer.text == feed.answer
        assert state(answer) == "✓ 184 ms first · 61.6 tokens/s"
        figures = str(answer.query_one("#figures", Static).visual)
        assert "by haiku · fallback · 21 → 96 tokens · $0.0021 · 1.74 s" in figures
        assert "overloaded HTTP 503" in str(answer.query_one("#flow", Static).visual)
        assert answer.query_one(Markdown).source == feed.answer


async def test_several_are_marked_up_to_four() -> None:
    async with running(mode="try") as (app, feed, pilot):
        await pilot.press("ctrl+t")
        await settle(pilot)
        assert isinstance(app.screen, Pick)
        for _ in range(5):  # chat is marked already
            await pilot.press("down", "space")
        assert "at most 4 fit side by side; unmark one first" in toasts(app)
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("x", "enter")
        await answered(pilot)
        assert [prompt.to for prompt in feed.prompts] == ["chat", "summarize", "local", "luna"]


async def test_leaving_the_choice_changes_nothing() -> None:
    async with running(mode="try") as (_, feed, pilot):
        await pilot.press("ctrl+t")
        await settle(pilot)
        await pilot.press("space", "escape")
        await settle(pilot)
        await pilot.press("x", "enter")
        await answered(pilot)
        assert [prompt.to for prompt in feed.prompts] == ["chat"]


async def test_parameters_are_sent_and_wrong_ones_are_explained() -> None:
    async with running(mode="try") as (app, feed, pilot):
        await pilot.press("ctrl+o")
        options = app.screen.query_one(PromptOptions)
        options.query_one("#temperature", Input).value = "hot"
        await settle(pilot)
        assert 'temperature: "hot" is not a number from 0 to 2' in str(app.screen.query_one("#to", Static).visual)
        await pilot.press("ctrl+o", "x", "enter")
        await settle(pilot)
        assert feed.prompts == []
        assert toasts(app) == ['temperature: "hot" is not a number from 0 to 2']
        options.query_one("#temperature", Input).value = "0.5"
        options.query_one("#max_tokens", Input).value = "64"
        options.query_one("#system", Input).value = "Be brief."
        options.query_one("#cache", Select).value = "skip"
        await settle(pilot)
        await pilot.press("enter")
        await answered(pilot)
        messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "x"})
        assert feed.prompts == [Prompt("chat", messages, {"temperature": 0.5, "max_tokens": 64, "cache": "skip"})]


@pytest.mark.parametrize("most", ["0", "-1", "many", "1.5"])
async def test_tokens_at_most_is_a_whole_number(most: str) -> None:
    async with running(mode="try") as (app, feed, pilot):
        app.screen.query_one("#max_tokens", Input).value = most
        await pilot.press("x", "enter")
        await settle(pilot)
        assert feed.prompts == []
        assert toasts(app) == [f'max tokens: "{most}" is not a whole number of at least 1']


async def test_escape_cancels_what_streams_then_leaves_the_prompt() -> None:
    async with running(mode="try") as (app, feed, pilot):
        feed.hold = 2
        await write(pilot, "long")
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("escape")
        await answered(pilot)
        [answer] = app.screen.query(Answer)
        assert state(answer).startswith("■ cancelled")
        assert feed.cancelled == 1
        await pilot.press("escape", "1")
        await settle(pilot)
        assert app.current_mode == "panel"


async def test_digits_and_letters_are_text_while_a_prompt_is_written() -> None:
    async with running(mode="try") as (app, _, pilot):
        await pilot.press(*"q1p2")
        assert app.screen.query_one(PromptBox).text == "q1p2"
        assert app.current_mode == "try"


async def test_earlier_prompts_come_back_and_the_draft_is_not_lost() -> None:
    async with running(mode="try") as (app, _, pilot):
        box = app.screen.query_one(PromptBox)
        await write(pilot, "one")
        await pilot.press("enter")
        await answered(pilot)
        await write(pilot, "two")
        await pilot.press("enter")
        await answered(pilot)
        await pilot.press(*"draft", "ctrl+up")
        assert box.text == "two"
        await pilot.press("ctrl+up", "ctrl+up")
        assert box.text == "one"
        await pilot.press("ctrl+down", "ctrl+down", "ctrl+down")
        assert box.text == "draft"


async def test_streams_go_on_behind_another_screen() -> None:
    async with running(mode="try") as (app, feed, pilot):
        await pilot.press(*"x", "enter")
        app.switch_mode("panel")
        await answered(pilot)
        app.switch_mode("try")
        await settle(pilot)
        assert app.screen.query_one(Answer).text == feed.answer


async def test_the_trace_and_the_text_of_an_answer() -> None:
    async with running(mode="try") as (app, feed, pilot):
        await pilot.press(*"x", "enter")
        await answered(pilot)
        await pilot.press("escape", "y")
        assert app.clipboard == feed.answer
        await pilot.press("v")
        await settle(pilot)
        assert isinstance(app.screen, TraceDialog)


class Scripted(FixedFeed):
    """Answers with these events."""

    def __init__(self, *script: PromptEvent) -> None:
        super().__init__(busy())
        self.script = script

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[PromptEvent, None]:
        for event in self.script:
            yield event


async def scripted(*script: PromptEvent) -> tuple[str, str, Answer]:
    """(state, figures with what was thought, column) at the end."""
    app = Dashboard(Scripted(*script))
    async with app.run_test(size=(120, 36)) as pilot:
        await ask(pilot, "chat")
        await answered(pilot)
        answer = app.screen.query_one(Answer)
        thought = answer.query_one(Collapsible).title if answer.query_one(Collapsible).display else ""
        return state(answer), thought + str(answer.query_one("#figures", Static).visual), answer


async def test_errors_are_told_in_words_with_their_code() -> None:
    end = PromptEnd(error="[all] targets failed", code="route_exhausted", seconds=0.2, trace=trace())
    shown, figures, _ = await scripted(PromptChunk("half"), end)
    assert shown == "✗ route_exhausted  200 ms"
    assert figures == "[all] targets failed"


async def test_a_restart_voids_what_came_before() -> None:
    script = (PromptChunk("void"), PromptChunk("", "", True), PromptChunk("whole"), PromptEnd("haiku", seconds=1.0))
    _, _, answer = await scripted(*script)
    assert answer.text == "whole"
    assert "restarted" in str(answer.border_subtitle)


async def test_thinking_is_kept_apart() -> None:
    script = (PromptChunk("", "hm " * 10), PromptChunk("answer"), PromptEnd("haiku", seconds=1.0))
    _, told, answer = await scripted(*script)
    assert told.startswith("thinking, 30 characters")
    assert answer.text == "answer"


async def test_an_answer_out_of_the_cache_costs_nothing() -> None:
    shown, figures, _ = await scripted(PromptEnd("luna", cached=True, cost=0.0042))
    assert "cached" in shown
    assert "$0, $0.0042 saved" in figures


async def test_tool_calls_and_unknown_costs_are_told() -> None:
    end = PromptEnd("luna", tool_calls=('weather({"city":"Bonn"})',), finish_reason="tool_calls")
    _, figures, _ = await scripted(end)
    assert 'weather({"city":"Bonn"})' in figures
    assert "cost unknown" in figures
    assert "tool_calls" in figures


async def test_a_lost_router_is_told_in_the_column() -> None:
    async with running(mode="try") as (app, feed, pilot):
        feed.gone = True
        await pilot.press("x", "enter")
        await answered(pilot)
        assert state(app.screen.query_one(Answer)) == "✗ no process of shop answers"


# --- the real thing


async def test_two_vendors_side_by_side_through_a_real_router(simulator: Simulator) -> None:
    """Over sockets, in two protocols."""
    async with Router.from_text(routes(simulator), env={}, monitor=False) as router:
        app = Dashboard(router.feed())
        async with app.run_test(size=(120, 36)) as pilot:
            await ask(pilot, "luna", "haiku")
            await answered(pilot)
            shown = [(answer.to, state(answer)[0], "Rayleigh" in answer.text) for answer in app.screen.query(Answer)]
            assert shown == [("luna", "✓", True), ("haiku", "✓", True)]


async def test_cancelling_ends_the_call_upstream(simulator: Simulator) -> None:
    simulator.vendor("openai").set(fast=False, hang_after=1)
    async with Router.from_text(routes(simulator), env={}, monitor=False) as router:
        app = Dashboard(router.feed())
        async with app.run_test(size=(120, 36)) as pilot:
            await ask(pilot, "luna")
            async with asyncio.timeout(60):
                while not router.snapshot().figures.in_flight or not app.screen.query_one(Answer).text:
                    await pilot.pause()
            await pilot.press("escape")
            await answered(pilot)
            assert router.snapshot().figures.in_flight == 0
            assert router.snapshot().figures.totals.cancelled == 1


async def test_back_to_the_prompt_by_key() -> None:
    async with running(mode="try") as (app, _, pilot):
        await pilot.press("escape", "i", "i")
        assert app.screen.query_one(PromptBox).text == "i"


async def test_asking_again_while_an_answer_streams_ends_the_first() -> None:
    async with running(mode="try") as (app, feed, pilot):
        feed.hold = 2
        await write(pilot, "first")
        await pilot.press("enter")
        await settle(pilot)
        feed.hold = None
        await write(pilot, "second")
        await pilot.press("enter")
        await answered(pilot)
        [answer] = app.screen.query(Answer)
        assert (feed.cancelled, answer.text) == (1, feed.answer)
        assert state(answer).startswith("✓")


@pytest.mark.parametrize(("size", "cut"), [((80, 24), True), ((120, 36), False)])
async def test_a_short_answer_stands_on_top_and_a_long_trace_says_that_it_goes_on(
    size: tuple[int, int], cut: bool
) -> None:
    async with running(mode="try", size=size) as (app, feed, pilot):
        feed.answer = "Short."
        await pilot.press(*"x", "enter")
        await answered(pilot)
        answer = app.screen.query_one(Answer)
        assert answer.query_one(VerticalScroll).scroll_y == 0
        flow = str(answer.query_one("#flow", Static).visual).splitlines()
        assert (flow[-1] == "… escape, then v: the whole trace") == cut
        assert len(flow) == answer.query_one("#flow").size.height


# --- streams that end in odd ways


class Odd(Scripted):
    """After its script it raises `error`, or just stops; `slow` waits with the end of the stream until the text that
    came before the last event was laid out."""

    def __init__(self, *script: PromptEvent, error: Exception | None = None, slow: bool = False) -> None:
        super().__init__(*script)
        self.error = error
        self.slow = slow
        self.app = Dashboard(self)

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[PromptEvent, None]:
        laid_out = self.app.screen.query_one(Answer).query_one(Markdown).lock
        for event in self.script:
            while self.slow and isinstance(event, PromptEnd) and not laid_out.is_locked:
                await asyncio.sleep(0)
            yield event
        if self.error is not None:
            raise self.error
        while self.slow and laid_out.is_locked:
            await asyncio.sleep(0)
        for _ in range(50 if self.slow else 0):
            await asyncio.sleep(0)

    async def seen(self) -> tuple[str, str]:
        """(state, Markdown that is shown) at the end."""
        async with self.app.run_test(size=(120, 36)) as pilot:
            await ask(pilot, "chat")
            await answered(pilot)
            answer = self.app.screen.query_one(Answer)
            return state(answer), answer.query_one(Markdown).source


END = PromptEnd("luna", seconds=1.0, first_token=0.5, output_tokens=20)


async def test_an_end_while_text_is_laid_out_is_told() -> None:
    """The state does not fall back to "it streams" when the layout is ready after the end."""
    assert await Odd(PromptChunk("text"), END, slow=True).seen() == ("✓ 500 ms first · 40 tokens/s", "text")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "✗ the answer broke off"),
        (FeedLost("the process 7 is gone"), "✗ the process 7 is gone"),
        (RuntimeError("[bold] of a provider"), "✗ RuntimeError: [bold] of a provider"),
    ],
)
async def test_a_stream_without_an_end_keeps_its_text_and_says_why(error: Exception | None, said: str) -> None:
    assert await Odd(PromptChunk("half"), error=error).seen() == (said, "half")


async def test_a_router_that_goes_after_the_end_takes_nothing_back() -> None:
    shown, _ = await Odd(PromptChunk("whole"), END, error=FeedLost("gone")).seen()
    assert shown.startswith("✓")


async def test_an_answer_that_came_unseen_is_drawn_for_its_place() -> None:
    """The trace below it follows the width of the terminal."""
    async with running(mode="try", size=(200, 60)) as (app, _, pilot):
        await pilot.press(*"x", "enter")
        await answered(pilot)
        await pilot.resize_terminal(100, 40)
        await settle(pilot)
        answer = app.screen.query_one(Answer)
        flow = str(answer.query_one("#flow", Static).visual).splitlines()
        assert max(map(len, flow)) <= answer.content_size.width
        assert any("overloaded HTTP 503" in line for line in flow)
