"""What processes ask of the server that seldom call: in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from router.shared.allocator import Allocator
from router.shared.exchange import Message, Reply
from router.testing import run
from tests.support.fleet import Fleet, most_in


class Counting(Allocator):
    """Counts what is told of limits."""

    told = 0

    def exchange(self, message: Message, now: float) -> Reply:
        self.told += len(message.entries)
        return super().exchange(message, now)


@pytest.mark.parametrize(("demand", "asks"), [(0.5, 1.3), (0.7, 1.3), (1.5, 5.0)])
def test_a_request_of_a_process_that_seldom_calls_is_told_about_once(demand: float, asks: float) -> None:
    async def story() -> None:
        fleet = Fleet(40, 600)
        counting = fleet.server.allocator = Counting()
        await asyncio.sleep(2)
        await fleet.demand(demand * 10, 90)
        assert counting.told <= asks * len(fleet.admitted)
        assert most_in(60.0, fleet.admitted) <= 1.02 * 600
        if demand < 1:
            assert sum(waited > 0 for waited in fleet.waited) <= 0.01 * len(fleet.waited)
            assert fleet.refused == 0
        else:
            assert len(fleet.admitted) >= 0.98 * 900
        await fleet.end()

    run(story())
