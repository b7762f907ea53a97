"""An hour and a day of a fleet, since it is watched."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from router.monitor.fleet.seen import Seen
from router.views.figures import Counts, Figures, Quantiles, RouteFigures, Snapshot
from router.views.history import NAMES, RANGES
from tests.support.fleet import Server
from tests.support.fleet_view import fleet, seen, watching
from tests.support.world import story

NOTHING = Snapshot(time=0.0, name="shop", path=None, revision="1", loaded_at=0.0, started_at=0.0)


@story
async def test_every_range_has_the_calls_of_all_processes() -> None:
    server = Server()
    async with fleet(server) as processes, watching(server) as feed:
        await seen(feed)
        for _ in range(40):
            for process in processes:
                await process.ask()
            await asyncio.sleep(1)
        for span, grain in RANGES.items():
            history = await feed.history(span)
            assert (history.seconds, history.grain, len(history.total.calls)) == (span, grain, span // grain)
            assert sum(history.routes["chat"].calls) in range(105, 121)


def figures(calls: int, p50: float, cost: float | None) -> Figures:
    totals = Counts(calls=calls, cost=cost)
    return Figures(rate=float(calls), series=(calls,), first_token=Quantiles(calls, p50=p50), totals=totals)


def test_a_longer_value_is_the_sum_or_the_mean_of_its_seconds() -> None:
    watched, cost = Seen(), 0.0
    for second in range(1_000, 1_021):
        busy = second % 2
        cost += 0.5 * busy
        route = RouteFigures("chat", figures(3 * busy, 0.2 if second < 1_015 else 0.4, cost))
        watched.add(replace(NOTHING, time=float(second + 1), figures=route.figures, routes=(route,)))
    hour = watched.history(3600)
    assert hour.end == 1_021.0
    assert hour.total.calls[-2:] == (15, 15)  # of the second that has begun nothing came
    assert hour.routes["chat"].cost[-1] == 2.5
    assert hour.routes["chat"].first_token_p50[-2:] == pytest.approx((0.2, (2 * 0.2 + 3 * 0.4) / 5))


def test_so_many_routes_are_told_apart_and_no_more() -> None:
    watched = Seen()
    routes = tuple(RouteFigures(f"r{number}", figures(1, 0.1, 0.0)) for number in range(NAMES + 20))
    watched.add(replace(NOTHING, time=5_000.0, figures=figures(NAMES + 20, 0.1, 0.0), routes=routes))
    assert len(watched.history(300).routes) == NAMES + 20
    hour = watched.history(3600)
    assert len(hour.routes) == NAMES - 1  # the whole is one of them
    assert sum(hour.total.calls) == NAMES + 20
