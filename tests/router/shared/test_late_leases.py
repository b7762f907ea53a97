"""Leases that are at their end when they arrive, since the server is far: in virtual time."""

from __future__ import annotations

import pytest

from router.testing import run
from tests.support.fleet import Fleet, most_in


@pytest.mark.parametrize(
    ("limit", "period", "round_trip", "lease"),
    [(30, 1.0, 0.1, 2.0), (30, 1.0, 0.2, 2.0), (6, 1.0, 0.04, 2.0), (20, 2.0, 0.2, 2.0), (600, 60.0, 0.2, 0.1)],
)
def test_who_waits_has_what_was_asked_for(limit: int, period: float, round_trip: float, lease: float) -> None:
    async def story() -> None:
        fleet = Fleet(4, limit, period=period, lease=lease)
        fleet.server.round_trip = round_trip
        await fleet.demand(1.5 * limit / period, 90, longest=2.0)
        assert most_in(period, fleet.admitted) <= 1.15 * limit
        assert len(fleet.admitted) >= 0.75 * limit / period * 90
        await fleet.end()

    run(story())
