"""A thousand targets are watched without holding the loop: what did not change is not made anew, and the rest goes by
small steps. The work is counted, not timed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from contextlib import aclosing
from typing import Any

from router import Router
from router.monitor.socket import protocol
from router.monitor.socket.encoding import SnapshotEncoder
from router.testing import run
from router.turns import at_once, in_turns
from router.views.figures import Snapshot
from tests.support.counting import functions_entered

TARGETS = 1000
ROUTES = [f"r{number}" for number in range(TARGETS // 20)]
FILE = (
    "providers:\n"
    + "".join(f"  p{number}: {{kind: fake}}\n" for number in range(TARGETS // 20))
    + "routes:\n"
    + "".join(
        f"  r{number}: [{', '.join(f'p{number}/m{model}' for model in range(20))}]\n" for number in range(TARGETS // 20)
    )
)
AT_MOST = 5000  # functions that one step enters: about a millisecond


def made(router: Router) -> Generator[None, None, Snapshot]:
    assert router.loop is not None
    return router.report.making(router.loop.time(), watching=False, with_sketches=True)


def largest(steps: Generator[None, None, Any]) -> int:
    """The functions that the largest step enters."""
    most = 0
    while True:
        with functions_entered() as entered:
            try:
                next(steps)
            except StopIteration:
                return most
            finally:
                most = max(most, entered())


async def busy(router: Router, calls: int = TARGETS) -> None:
    for number in range(calls):
        await router.complete(ROUTES[number // 20 % len(ROUTES)], "hi")


def test_what_did_not_change_is_not_made_anew() -> None:
    """Of a thousand targets that were called: nothing when nothing happened, and one's when it was called."""

    async def story() -> None:
        async with Router.from_text(FILE, env={}) as router:
            await busy(router)
            windows = router.report.windows
            first = router.snapshot()
            before = windows.made
            second = router.snapshot()
            assert windows.made == before
            assert all(old is new for old, new in zip(first.providers, second.providers, strict=True))
            assert all(old is new for old, new in zip(first.routes, second.routes, strict=True))
            await router.complete("r7", "hi")
            router.snapshot()
            assert windows.made - before <= 4 + 20  # all, provider, route, target; and the shares of its 20 flows

    run(story())


def test_no_step_is_long() -> None:
    """With all targets called in the same second, and in the second in which all of that leaves the window."""

    async def story() -> None:
        async with Router.from_text(FILE, env={}) as router:
            router.snapshot()
            for wait in (0, 1, 61, 1):
                await asyncio.sleep(wait)
                await busy(router)
                assert largest(made(router)) < AT_MOST
                assert largest(SnapshotEncoder().encoding(router.snapshot())) < AT_MOST

    run(story())


def test_no_request_pays_for_what_others_did() -> None:
    """The one after which a busy second leaves the window does a little of what that takes, and so do the next."""

    async def story() -> None:
        async with Router.from_text(FILE, env={}) as router:
            await busy(router)
            usual = await entered_by_a_call(router)
            await asyncio.sleep(70)
            for _ in range(100):
                assert await entered_by_a_call(router) < usual + AT_MOST
                await asyncio.sleep(1)
            assert sum((await router.feed().history()).total.calls) == TARGETS + 101

    run(story())


async def entered_by_a_call(router: Router) -> int:
    with functions_entered() as entered:
        await router.complete("r0", "hi")
        return entered()


def test_a_snapshot_that_goes_by_steps_is_a_snapshot() -> None:
    """Whatever is called, counted and asked between its steps: in the end all counts are right."""

    async def story() -> None:
        async with Router.from_text(FILE, env={}) as router:
            calls = 0
            for waited in (0, 1, 30, 31, 200, 1):
                await asyncio.sleep(waited)
                await busy(router)
                calls += TARGETS
                steps = [made(router), made(router)]
                for turn in range(12):
                    await router.complete(ROUTES[turn], "hi")
                    calls += 1
                    for each in steps:
                        next(each)
                    if turn % 4 == 0:
                        router.snapshot()
                for each in steps:
                    at_once(each)
                snapshot = await in_turns(made(router))
                assert snapshot.figures.totals.calls == calls
                assert sum(each.figures.totals.calls for each in snapshot.targets) == calls
                assert sum(each.figures.totals.calls for each in snapshot.routes) == calls
                assert snapshot.figures.window.calls == sum(each.figures.window.calls for each in snapshot.targets)
                assert snapshot.figures.latency.count == snapshot.figures.window.calls
            await asyncio.sleep(62)
            assert router.snapshot().figures.window.calls == 0

    run(story())


def test_it_is_written_as_it_is() -> None:
    """By steps and from parts of the last one, the JSON is the same as in one piece."""

    async def story() -> None:
        async with Router.from_text(FILE, env={}) as router:
            encoder = SnapshotEncoder()
            for calls in (0, 3, 0, 1000):
                await busy(router, calls)
                snapshot = router.snapshot(with_sketches=True)
                by_steps = at_once(encoder.encoding(snapshot))
                assert json.loads(by_steps) == json.loads(protocol.encoder.encode(snapshot))
            one = Router.from_text(
                "providers: {p: {kind: fake}}\nroutes: {x: ["
                + ", ".join(f"p/m{number}" for number in range(200))
                + "]}\n",
                env={},
            )
            snapshot = one.snapshot()
            assert json.loads(at_once(encoder.encoding(snapshot))) == json.loads(protocol.encoder.encode(snapshot))
            assert largest(encoder.encoding(snapshot)) < AT_MOST

    run(story())


def test_others_get_their_turn_while_a_feed_makes_one() -> None:
    """Between two steps of a dashboard's snapshot the loop runs what is ready."""

    async def story() -> None:
        async with Router.from_text(FILE, env={}) as router:
            await busy(router)
            turns = 0

            async def count() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            counting = asyncio.ensure_future(count())
            async with aclosing(router.feed().snapshots()) as snapshots:
                snapshot = await anext(snapshots)
            counting.cancel()
            assert snapshot.figures.totals.calls == TARGETS
            assert turns > 3

    run(story())
