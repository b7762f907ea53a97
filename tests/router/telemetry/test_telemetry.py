"""What a router tells of itself: counts that agree with the app's own, windows that move, events, requests, traces."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import weakref
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from providers import ErrorCode, FakeProvider
from providers.fake import Fail, Hang, Reply, Step
from providers.types import Usage
from router import RouteExhausted, Router
from router.testing import run
from router.views.commands import Done, Prompt, PromptChunk, PromptEnd, Reload
from router.views.events import Event
from router.views.figures import Counts, Snapshot
from router.views.requests import RequestFilter
from router.views.trace import Attempt
from tests.support.vendors import KEY
from tests.support.world import World, now, story, well

PRICED = """
models:
  x: {provider: a, id: x, price: {input: 1, output: 2}}
  y: {provider: b, id: y}
routes: {chat: {targets: [x], fallbacks: [y]}, pair: {targets: {x: 3, y: 1}}}
"""


def target(snapshot: Snapshot, name: str) -> Any:
    return next(each for each in snapshot.targets if each.name == name)


def route(snapshot: Snapshot, name: str) -> Any:
    return next(each for each in snapshot.routes if each.name == name)


async def stream(router: Router, name: str = "chat") -> None:
    async with router.stream(name, "hi") as chunks:
        async for _ in chunks:
            pass


@story
async def test_a_plain_request_counts_for_route_target_provider_and_whole() -> None:
    world = World(PRICED, a=well, b=well)
    await world.router.complete("chat", "hi")
    snapshot = world.router.snapshot()
    once = Counts(calls=1, succeeded=1, attempts=1, input_tokens=10, output_tokens=5, cost=20e-6)
    assert once == snapshot.figures.totals == snapshot.figures.window
    assert once == route(snapshot, "chat").figures.totals == target(snapshot, "x").figures.totals
    assert once == snapshot.providers[0].figures.totals
    assert Counts() == target(snapshot, "y").figures.totals == route(snapshot, "pair").figures.totals
    assert (target(snapshot, "x").share, target(snapshot, "y").share) == (1.0, 0.0)


@story
async def test_a_fallback_counts_as_one_request_and_two_attempts() -> None:
    """The failed attempt is the target's, the request is answered, and its latency is that of both."""
    world = World(
        PRICED,
        a=lambda _: Fail(ErrorCode.SERVER_ERROR, delay=2.0),
        b=lambda _: Reply("ok", delay=1.0, usage=Usage(7, 3)),
    )
    await world.router.complete("chat", "hi")
    snapshot = world.router.snapshot()
    asked = route(snapshot, "chat").figures
    assert asked.totals == Counts(
        calls=1,
        succeeded=1,
        attempts=2,
        errors={"server_error": 1},
        input_tokens=7,
        output_tokens=3,
        cost=None,
        unpriced=1,
        fallbacks=1,
    )
    assert asked.latency.p50 == pytest.approx(3.0, rel=0.035)
    assert asked.error_rate == 0.0
    assert asked.leading_code == "server_error"
    failed, mended = target(snapshot, "x").figures, target(snapshot, "y").figures
    assert (failed.totals.calls, failed.totals.failed, failed.totals.errors) == (1, 1, {"server_error": 1})
    assert failed.error_rate == 1.0
    assert failed.latency.p50 is None
    assert mended.latency.p50 == pytest.approx(1.0, rel=0.035)
    assert mended.totals.fallbacks == 1


@story
async def test_a_stream_tells_its_first_token_and_its_speed() -> None:
    reply = Reply("word " * 20, delay=0.5, every=0.1, usage=Usage(10, 20))
    world = World(PRICED, a=lambda _: reply, b=well)
    await stream(world.router)
    figures = target(world.router.snapshot(), "x").figures
    assert figures.first_token.p50 == pytest.approx(0.6, rel=0.2)
    assert figures.latency.p50 > figures.first_token.p50 + 1
    assert figures.stream_speed == pytest.approx(20 / (figures.latency.p50 - figures.first_token.p50), rel=0.1)


@story
async def test_who_goes_away_is_cancelled_and_nothing_stays_in_flight() -> None:
    world = World(PRICED, a=lambda _: Reply("word " * 50, every=1.0), b=lambda _: Hang())
    async with world.router.stream("chat", "hi") as chunks:
        await anext(chunks)
        assert world.router.snapshot().figures.in_flight == 1
        assert target(world.router.snapshot(), "x").figures.in_flight == 1
    waiting = asyncio.ensure_future(world.router.complete("y", "hi"))
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.wait([waiting])
    snapshot = world.router.snapshot()
    assert snapshot.figures.in_flight == 0
    assert (snapshot.figures.totals.calls, snapshot.figures.totals.cancelled) == (2, 2)
    assert [target(snapshot, name).figures.totals.cancelled for name in "xy"] == [1, 1]
    assert snapshot.figures.error_rate is None


@story
async def test_a_stream_that_was_never_begun_counts_nothing() -> None:
    world = World(PRICED, a=well, b=well)
    world.router.stream("chat", "hi")
    assert world.router.snapshot().figures.in_flight == 0
    assert world.router.snapshot().figures.totals == Counts()


def test_all_counts_agree_with_the_apps_own() -> None:
    """A thousand requests of all sorts, a third of the attempts failing, some broken off, some abandoned."""

    async def main() -> None:
        chance = random.Random(7)

        def step(now: float) -> Step:
            kind = chance.random()
            if kind < 0.1:
                return Fail(ErrorCode.SERVER_ERROR, delay=0.1)
            if kind < 0.2:
                return Fail(ErrorCode.INVALID_REQUEST)
            if kind < 0.3:
                return Reply("broken off", break_after=1, every=0.01)
            return Reply("fine words", delay=chance.random(), every=0.05, usage=Usage(10, 5))

        text = PRICED + "defaults: {breaker: {min_calls: 100000, consecutive: 100000}, retry: {budget: 100%}}\n"
        world = World(text, a=step, b=step)
        outcomes: Counter[str] = Counter()
        attempts: Counter[str] = Counter()
        codes: Counter[str] = Counter()

        async def one(number: int) -> None:
            trace = None
            name = ("chat", "pair")[number % 2]
            try:
                if number % 3:
                    trace = (await world.router.complete(name, "hi")).trace
                else:
                    chunks = world.router.stream(name, "hi")
                    trace = chunks.trace
                    async with chunks:
                        async for _ in chunks:
                            if number % 21 == 0:
                                outcomes["cancelled"] += 1
                                return
                outcomes["succeeded"] += 1
            except Exception as error:
                trace = trace or error.trace  # type: ignore[attr-defined]  # where complete raises it
                outcomes["failed"] += 1
            finally:
                assert trace is not None
                broken = {(each.target, each.at) for each in trace.attempts if each.code}
                for each in trace.attempts:  # a stream that broke has two entries: it began, and it failed
                    if each.code or (each.target, each.at) not in broken:
                        attempts[each.target] += 1
                    if each.code:
                        codes[each.code] += 1

        async with asyncio.TaskGroup() as group:
            for number in range(1000):
                group.create_task(one(number))
                await asyncio.sleep(0.03)
                if number % 50 == 0:
                    world.router.snapshot()  # reading changes nothing
        snapshot = world.router.snapshot()
        told = snapshot.figures.totals
        assert outcomes == {"succeeded": told.succeeded, "failed": told.failed, "cancelled": told.cancelled}
        assert told.calls == 1000
        assert dict(codes) == told.errors
        assert told.attempts == sum(attempts.values())
        assert dict(attempts) == {each.name: each.figures.totals.calls for each in snapshot.targets}
        assert sum(len(fake.requests) for fake in world.fakes.values()) == told.attempts
        assert snapshot.figures.window.calls == 1000  # it all took less than a minute
        assert sum(snapshot.figures.series) <= 1000
        assert snapshot.figures.in_flight == 0

    run(main())


@story
async def test_the_window_moves_and_the_totals_stay() -> None:
    """One call a second for two minutes, read or not: the last minute is 60 calls, five minutes are kept."""
    world = World(PRICED, a=well, b=well)
    for second in range(120):
        await world.router.complete("chat", "hi")
        if second in (3, 4, 50, 100):
            world.router.snapshot()
        await asyncio.sleep(1)
    snapshot = world.router.snapshot()
    assert snapshot.figures.totals.calls == 120
    assert snapshot.figures.window.calls in (60, 61)
    assert snapshot.figures.series == (1,) * 60
    assert snapshot.figures.rate == 1.0
    assert snapshot.figures.cost_per_minute == pytest.approx(60 * 20e-6, rel=0.02)
    await asyncio.sleep(70)
    later = world.router.snapshot()
    assert later.figures.totals == snapshot.figures.totals
    assert later.figures.window == Counts()
    assert (later.figures.rate, later.figures.latency.p50, later.figures.error_rate) == (0.0, None, None)
    history = await world.router.feed().history()
    assert sum(history.total.calls) == 120
    assert history.total.calls[-70:] == (0,) * 70
    assert history.total.calls[-100] == 1
    assert history.providers["a"].calls == history.routes["chat"].calls == history.total.calls
    assert history.total.latency_p50[-1] is None
    await asyncio.sleep(300)
    assert sum((await world.router.feed().history()).total.calls) == 0
    assert world.router.snapshot().figures.totals.calls == 120


@pytest.mark.slow
@story
@pytest.mark.slow
async def test_an_hour_of_many_targets_stays_small() -> None:
    """What is kept does not grow with time: slots older than five minutes are gone, and crowded seconds are joined."""
    models = "".join(f"  m{n}: {{provider: a, id: m{n}}}\n" for n in range(60))
    world = World(f"models:\n{models}routes: {{r: {{targets: [{', '.join(f'm{n}' for n in range(60))}]}}}}\n", a=well)
    for _ in range(400):
        for _ in range(60):
            await world.router.complete("r", "hi")
        await asyncio.sleep(1)
    telemetry = world.router.telemetry
    assert sum(len(slots) for _, slots in telemetry.recent) <= 60 * 63
    assert all(len(slots) == 1 for _, slots in telemetry.ages.older)
    assert len(telemetry.ages.older) <= 300
    history = await world.router.feed().history()
    assert set(history.total.calls) == {60}
    assert world.router.snapshot().figures.totals.calls == 400 * 60


@story
async def test_breakers_tell_why_they_open_and_that_they_close() -> None:
    world = World(PRICED, a=lambda now: Fail(ErrorCode.SERVER_ERROR) if now < 15 else well(now), b=well)
    for _ in range(6):
        await world.router.complete("chat", "hi")
    await asyncio.sleep(0)
    lamp = target(world.router.snapshot(), "x").health
    assert (lamp.state, lamp.why, lamp.by_hand) == ("open", "5 failures in a row", False)
    assert lamp.until == pytest.approx(world.router.snapshot().time + 10, abs=1.1)
    for _ in range(40):
        await asyncio.sleep(1)
        await world.router.complete("chat", "hi")
    sentences = [event.sentence for event in world.router.telemetry.events]
    assert sentences[0].startswith("x opened: 5 failures in a row (server_error); retry in ")
    assert sentences[1] == "x is half-open: the next calls probe it"
    assert sentences[-1] == "x closed: it answers again"
    assert target(world.router.snapshot(), "x").health.state == "closed"
    first = world.router.telemetry.events[0]
    assert (first.kind, first.level, first.provider, first.target) == ("breaker", "error", "a", "x")


@story
async def test_a_hold_is_an_event_once() -> None:
    """A vendor that asks to wait is news when the wait begins, by target; a spent quota is its provider's."""
    asked = [
        Fail(ErrorCode.RATE_LIMITED, retry_after=20.0),
        Fail(ErrorCode.QUOTA_EXHAUSTED, retry_after=60.0),
    ]
    world = World(PRICED, a=lambda now: asked[0] if now < 15 else asked[1], b=well)
    await asyncio.gather(*(world.router.complete("chat", "hi") for _ in range(5)))
    await asyncio.sleep(30)
    await world.router.complete("chat", "hi")
    holds = [event for event in world.router.telemetry.events if event.kind == "hold"]
    assert [(event.sentence, event.provider, event.target) for event in holds] == [
        ("x is held for 20 s: rate_limited", "a", "x"),
        ("a is held for 1 min: quota_exhausted", "a", None),
    ]


@story
async def test_a_hold_shows_on_the_lamp() -> None:
    world = World(PRICED, a=lambda _: Fail(ErrorCode.RATE_LIMITED, retry_after=30.0), b=well)
    await world.router.complete("chat", "hi")
    snapshot = world.router.snapshot()
    lamp = target(snapshot, "x").health
    assert lamp.state == "held"
    assert lamp.until == pytest.approx(snapshot.time + 30, abs=0.1)


@story
async def test_limits_show_how_far_they_are_used_up() -> None:
    world = World(
        "# a: limits: {requests: 600/min, in_flight: 4}\n" + PRICED, a=lambda _: Reply("ok", delay=5.0), b=well
    )
    calls = [asyncio.ensure_future(world.router.complete("x", "hi")) for _ in range(6)]
    await asyncio.sleep(0.01)
    key = world.router.snapshot().providers[0].keys[0]
    assert {limit.what: (limit.limit, limit.waiting) for limit in key.limits} == {
        "requests": (10.0, 0),
        "in_flight": (4.0, 2),
    }
    assert key.in_flight == 4
    assert world.router.snapshot().providers[0].pressure == 1.0
    await asyncio.gather(*calls)


@story
async def test_recent_requests_and_their_traces() -> None:
    """The newest first, filtered; a stream's attempt lasts to its end and says when its first content came."""
    world = World(
        PRICED,
        a=lambda now: (
            Fail(ErrorCode.SERVER_ERROR, delay=0.5) if now < 1 else Reply("a b c d e f g", delay=0.25, every=0.25)
        ),
        b=well,
    )
    await world.router.complete("chat", "hi")
    await asyncio.sleep(2)
    await stream(world.router, "x")
    feed = world.router.feed()
    newest, oldest = await feed.requests()
    assert (oldest.route, oldest.target, oldest.provider, oldest.attempts, oldest.tier) == ("chat", "y", "b", 2, 1)
    assert (newest.route, newest.target, newest.streamed, newest.code) == ("x", "x", True, None)
    assert newest.time - oldest.time == pytest.approx(2.5)
    assert await feed.requests(RequestFilter(provider="b")) == (oldest,)
    assert await feed.requests(RequestFilter(slow=0.6)) == (newest,)
    assert await feed.requests(RequestFilter(failed=True)) == ()
    assert len(await feed.requests(limit=1)) == 1
    view = await feed.trace(newest.id)
    assert view is not None
    [attempt] = view.entries
    assert isinstance(attempt, Attempt)
    assert attempt.seconds == pytest.approx(newest.seconds)
    assert attempt.first_token == newest.first_token == pytest.approx(0.25)
    assert view.captured is None
    assert await feed.trace("nothing") is None


@story
async def test_failed_requests_are_remembered_with_their_code() -> None:
    world = World(PRICED, a=lambda _: Fail(ErrorCode.SERVER_ERROR), b=lambda _: Fail(ErrorCode.OVERLOADED))
    with pytest.raises(RouteExhausted):
        await world.router.complete("chat", "hi")
    [failed] = await world.router.feed().requests(RequestFilter(failed=True))
    assert failed.code == "overloaded"
    assert failed.attempts == world.router.snapshot().figures.totals.attempts


@pytest.mark.parametrize(("capture", "prompt"), [("off", None), ("preview", "p" * 200), ("full", "user: " + "p" * 300)])
def test_prompts_are_kept_only_where_the_file_says_so(capture: str, prompt: str | None) -> None:
    async def main() -> None:
        world = World(f"telemetry: {{capture: {capture}}}\n" + PRICED, a=well, b=well)
        await world.router.complete("chat", "p" * 300)
        [record] = await world.router.feed().requests()
        view = await world.router.feed().trace(record.id)
        assert view is not None
        assert (view.captured and view.captured.prompt) == prompt
        assert (view.captured and view.captured.answer) == (prompt and "fine")
        assert world.router.snapshot().capture == capture

    run(main())


async def test_a_prompt_through_the_feed() -> None:
    """Chunks and one end with the trace; an error is an end as well; closing it cancels the call."""
    fakes = {"a": FakeProvider.scripted(Reply("one two three"), Fail(ErrorCode.INVALID_REQUEST), Hang(), name="a")}
    async with Router.from_text("providers: {a: {kind: fake}}\nroutes: {r: a/m}\n", env={}, providers=fakes) as router:
        feed = router.feed()
        *chunks, end = [event async for event in feed.prompt(Prompt("r", "hi"))]
        assert "".join(chunk.text for chunk in chunks if isinstance(chunk, PromptChunk)) == "one two three"
        assert isinstance(end, PromptEnd)
        assert end.error is None
        assert end.trace is not None
        assert end.trace.record.route == "r"
        [refused] = [event async for event in feed.prompt(Prompt("r", ({"role": "user", "content": "hi"},)))]
        assert isinstance(refused, PromptEnd)
        assert refused.code == "invalid_request"
        [unknown] = [event async for event in feed.prompt(Prompt("nowhere", "hi"))]
        assert isinstance(unknown, PromptEnd)
        assert "nowhere" in (unknown.error or "")
        async with aclosing(feed.prompt(Prompt("r", "hi"))) as events:
            asking = asyncio.ensure_future(anext(events))
            while len(fakes["a"].requests) < 3:
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
        assert fakes["a"].cancelled == 1
        assert router.snapshot().figures.in_flight == 0


async def test_a_feed_on_another_loop() -> None:
    """The engine runs on a thread of its own; figures, events and prompts come over."""
    from router import SyncRouter

    with SyncRouter.from_text("providers: {a: {kind: fake}}\nroutes: {r: a/m}\n", env={}) as there:
        await asyncio.to_thread(there.complete, "r", "hi")
        feed = there.router.feed()
        async with aclosing(feed.snapshots(0.0)) as snapshots:
            assert (await anext(snapshots)).figures.totals.calls == 1
        assert [type(event) for event in [each async for each in feed.prompt(Prompt("r", "hi"))]][-1] is PromptEnd
        assert sum((await feed.history()).total.calls) in (0, 1, 2)
        assert len(await feed.requests()) == 2
        assert there.snapshot().figures.totals.calls == 2


async def test_an_edit_is_an_event_and_a_revision(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Accepted and rejected ones, with difference and diagnostics, keys blanked out; logged, but with no handler."""
    path = tmp_path / "routes.yaml"
    text = f"providers: {{a: {{kind: fake, api_key: {KEY}}}}}\nroutes:\n  r: a/m\n"
    path.write_text(text)
    caplog.set_level(logging.INFO, "signalbox")
    async with Router.from_yaml(path, watch=False) as router:
        feed = router.feed()
        assert (await feed.config()).text == (await feed.config()).running
        assert KEY not in (await feed.config()).text
        path.write_text(text + "  s: a/n\n")
        assert (await feed.command(Reload())).ok
        path.write_text(text + "  s: a/n\n  t: [nobody]\n")
        done = await feed.command(Reload())
        assert not done.ok
        config, snapshot = await feed.config(), router.snapshot()
        assert [revision.accepted for revision in config.log] == [False, True, True]
        assert config.log[1].changes == ("route s added",)
        assert "+  s: a/n" in config.log[1].difference
        assert config.difference[-1] == "+  t: [nobody]"
        assert config.text.endswith("  t: [nobody]\n")
        assert config.running.endswith("  s: a/n\n")
        assert config.diagnostics[0].line == 5
        assert snapshot.last_reload is not None
        assert not snapshot.last_reload.accepted
        assert snapshot.name == tmp_path.name
        assert [event.kind for event in router.telemetry.events] == ["reload", "reload"]
        assert (await feed.command(Reload())) == Done(False, done.message)
        path.write_text(text + "  s: a/n\n")
        await feed.command(Reload())
        assert (await feed.config()).diagnostics == ()
        shown = repr(await feed.config()) + repr(router.snapshot()) + caplog.text + repr(router.telemetry.events)
        assert KEY not in shown
    assert "route s added" in caplog.text
    assert not logging.getLogger("signalbox").handlers


async def test_events_are_followed_from_the_recent_ones_on() -> None:
    async with Router.from_text("providers: {a: {kind: fake}}\nroutes: {r: a/m}\n", env={}) as router:
        router.telemetry.publish(Event(1.0, "drain", "before"))
        async with aclosing(router.feed().events()) as events:
            assert (await anext(events)).sentence == "before"
            coming = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            router.telemetry.publish(Event(2.0, "drain", "after"))
            assert (await coming).sentence == "after"
        assert not router.telemetry.subscribers


async def test_the_compiled_chains_tell_where_values_come_from() -> None:
    text = """
providers: {a: {kind: fake, timeout: {connect: 1s}}, b: {kind: fake}}
models: {x: {provider: a, id: x}}
routes:
  chat:
    targets: {x: 3, b/y: 1}
    timeout: {total: 9s}
    fallbacks: [{to: b/z, on: [timeout, overloaded]}]
"""
    async with Router.from_text(text, env={}) as router:
        [chat] = (await router.feed().chains()).routes
        assert [[branch.target for branch in tier.branches] for tier in chat.tiers] == [["x", "b/y"], ["b/z"]]
        assert [branch.share for branch in chat.tiers[0].branches] == [0.75, 0.25]
        assert chat.tiers[1].on == ("overloaded", "timeout")
        assert chat.total == 9.0
        told = {value.key: (value.value, value.origin, value.line) for value in chat.tiers[0].branches[0].policies}
        assert told["timeout.connect"] == ("1s", "providers.a.timeout.connect", 2)
        assert told["timeout.total"] == ("9s", "routes.chat.timeout.total", 7)
        assert told["breaker.consecutive"] == ("5", "built in", None)


def test_a_dropped_router_takes_its_telemetry_along() -> None:
    async def main() -> None:
        router = Router.from_text("providers: {a: {kind: fake}}\nroutes: {r: a/m}\n", env={})
        await router.complete("r", "hi")
        router.snapshot()
        gone = weakref.ref(router.telemetry)
        del router
        gc.collect()
        assert gone() is None

    run(main())


@story
async def test_answers_from_the_cache_are_requests_without_attempts() -> None:
    """Hits and joined calls, streamed or not, count as requests; a stale answer is a success."""
    text = PRICED + "defaults: {cache: {ttl: 10s, stale_if_error: true}}\n"
    world = World(
        text,
        a=lambda now: Fail(ErrorCode.SERVER_ERROR) if now > 50 else Reply("ok", delay=1.0, usage=Usage(10, 5)),
        b=lambda now: Fail(ErrorCode.SERVER_ERROR),
    )
    head = "providers: {a: {kind: fake}, b: {kind: fake}}\n"
    router = Router.from_text(head + text, env={}, providers=world.fakes, wall_clock=lambda: 1e9 + now())
    router.cache.adopt(None, 1_000_000)
    await asyncio.gather(*(router.complete("chat", "hi") for _ in range(3)))
    await router.complete("chat", "hi")
    await stream(router)
    totals = router.snapshot().figures.totals
    assert (totals.calls, totals.succeeded, totals.attempts, totals.cache_hits) == (5, 5, 1, 4)
    assert (totals.cost, totals.output_tokens) == (20e-6, 5)
    cache = router.snapshot().cache
    assert (cache.enabled, cache.hits, cache.joined, cache.hit_rate) == (True, 2, 2, 0.8)
    newest = (await router.feed().requests(limit=1))[0]
    assert (newest.cached, newest.attempts) == (True, 0)
    await asyncio.sleep(100)
    assert (await router.complete("chat", "hi")).stale
    after = router.snapshot().figures
    assert (after.totals.succeeded, after.totals.failed, after.in_flight) == (6, 0, 0)
    await router.aclose()
