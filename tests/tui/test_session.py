"""The session, which needs no terminal: what is shown, what is news, and changing from one router to another."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from msgspec.structs import replace

from router.views.commands import Done, Reload
from router.views.events import Event
from router.views.running import Running
from tests.support.dashboard_app import answered, front, running, settle
from tests.support.dashboard_feed import NOW, FixedFeed, busy
from tui.dialogs.trace import TraceDialog
from tui.session import Session

OTHER = Running("other", None, (7,), ("/run/other",), "0123456789ab")


def named(name: str) -> FixedFeed:
    return FixedFeed(replace(busy(), name=name))


async def test_a_pause_holds_snapshots_back_and_ends_at_the_newest() -> None:
    first, second, third, fourth = (replace(busy(), name=name) for name in ("first", "second", "third", "fourth"))
    feed = FixedFeed(first)
    session = Session(feed)
    async with aclosing(session.snapshots()) as snapshots:
        assert await anext(snapshots) == first
        assert session.pause_or_go_on() == first
        feed.pending.put_nowait(second)
        feed.pending.put_nowait(third)
        following = asyncio.create_task(anext(snapshots))
        while not feed.pending.empty() and not following.done():
            await asyncio.sleep(0)
        assert session.snapshot == first
        assert session.pause_or_go_on() == third
        feed.pending.put_nowait(fourth)
        assert await following == fourth
        assert session.shown == 2


async def test_only_what_happens_after_the_first_snapshot_is_news() -> None:
    old, new = (Event(time, "breaker", "luna opened", "error") for time in (NOW - 1, NOW + 1))
    session = Session(FixedFeed(busy(), events=(old, new)))
    async with aclosing(session.news()) as news:
        assert await anext(news) == old
        assert not session.happened_while_watched(new)  # nothing is known of the time yet
        async with aclosing(session.snapshots()) as snapshots:
            await anext(snapshots)
        assert await anext(news) == new
    assert [session.happened_while_watched(event) for event in (old, new)] == [False, True]
    assert list(session.events) == [old, new]


async def test_watching_another_router_forgets_the_one_before() -> None:
    one, other = named("one"), named("other")
    session = Session(one, attach=lambda running: other)
    async with aclosing(session.snapshots()) as snapshots:
        await anext(snapshots)
    async with aclosing(session.news()) as news:
        await anext(news)
    assert session.watch(OTHER) is one
    assert (session.snapshot, session.shown, len(session.events)) == (None, 0, 0)
    async with aclosing(session.snapshots()) as snapshots:
        assert (await anext(snapshots)).name == "other"
    await session.aclose()
    assert (one.closed, other.closed) == (False, True)  # the caller closes the one before


async def test_a_command_says_why_it_was_not_run() -> None:
    assert await Session().run(Reload()) == Done(False, "no router is watched")
    feed = FixedFeed(busy())
    feed.gone = True
    assert await Session(feed).run(Reload()) == Done(False, "no process of shop answers")
    assert feed.commands == []


async def test_the_target_of_an_answer_is_tried_from_its_trace() -> None:
    """The dialog returns it, and the screen that asks already takes it."""
    async with running(mode="try") as (app, feed, pilot):
        await pilot.press(*"x", "enter")
        await answered(pilot)
        await pilot.press("escape", "v")
        await settle(pilot)
        assert isinstance(app.screen, TraceDialog)
        await pilot.press("t")
        await settle(pilot)
        await pilot.press("i", *"y", "enter")
        await answered(pilot)
        assert [prompt.to for prompt in feed.prompts] == ["chat", "haiku"]


async def test_the_screen_that_asks_can_be_told_whom_to_ask() -> None:
    """As the command palette does while it is in front."""
    async with running(mode="try") as (app, feed, pilot):
        front(app).try_on("luna", "haiku")
        await pilot.press("x", "enter")
        await answered(pilot)
        assert [prompt.to for prompt in feed.prompts] == ["luna", "haiku"]
