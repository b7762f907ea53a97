"""A lamp tells how it is at the first glance: the worst of the key, of the targets, and of what becomes of calls."""

from __future__ import annotations

import pytest

from router.views.figures import Counts, Figures, Health, HealthState, KeyFigures, ProviderFigures, TargetFigures
from tests.support.dashboard_app import lines, running
from tests.support.dashboard_feed import outage
from tui.lamps import lamp_of
from tui.widgets.provider_table import ProviderTable

NOW = 1_000.0


def target(state: HealthState, *, failed: int = 0, calls: int = 10) -> TargetFigures:
    window = Counts(calls=calls, succeeded=calls - failed, failed=failed)
    rate = failed / calls if calls else None
    return TargetFigures("t", "p", "m", Health(state), figures=Figures(error_rate=rate, window=window))


def provider(key: HealthState, *targets: TargetFigures, failed: int = 0) -> ProviderFigures:
    window = Counts(calls=10, succeeded=10 - failed, failed=failed)
    return ProviderFigures(
        "p", "openai", Health(key), targets=targets, figures=Figures(error_rate=failed / 10, window=window)
    )


@pytest.mark.parametrize(
    ("shown", "state", "words"),
    [
        (provider("closed", target("closed"), target("closed")), "closed", ""),
        (provider("closed", target("open"), target("closed")), "open", "1 of 2 out"),
        (provider("closed", target("open"), target("open")), "open", "2 of 2 out"),
        (provider("closed", target("drained"), target("open")), "open", "2 of 2 out"),
        (provider("closed", target("held"), target("closed")), "held", "1 of 2 out"),
        (provider("closed", target("half_open"), target("closed")), "half_open", "1 of 2 half-open"),
        (provider("closed", target("drained"), target("closed")), "drained", "1 of 2 out"),
        (provider("closed", target("open")), "open", "open"),
        (provider("open", target("closed"), target("closed")), "open", "open"),
        (provider("held", target("half_open"), target("closed")), "held", "held"),
        (provider("half_open", target("open"), target("closed")), "open", "1 of 2 out"),
        (provider("disabled", target("closed")), "disabled", "left out"),
        (provider("closed"), "closed", ""),
        (provider("closed", target("closed", failed=10), target("closed")), "failing", "1 of 2 failing"),
        (provider("closed", target("closed"), target("closed"), failed=10), "failing", "failing"),
        (target("closed", failed=10), "failing", "failing"),
        (target("closed", failed=4), "closed", ""),
        (target("closed", failed=2, calls=2), "closed", ""),
        (target("open", failed=10), "open", "open"),
    ],
)
def test_a_lamp_is_the_worst_of_all(shown: ProviderFigures | TargetFigures, state: str, words: str) -> None:
    lamp = lamp_of(shown, NOW)
    assert (lamp.state, lamp.words) == (state, words)


def test_a_key_of_a_pool_that_is_out_is_named() -> None:
    keys = (KeyFigures("key 1"), KeyFigures("key 2", Health("held")))
    lamp = lamp_of(ProviderFigures("p", "openai", keys=keys, targets=(target("closed"),)), NOW)
    assert (lamp.state, lamp.words) == ("closed", "key 2 held")


async def test_no_closed_lamp_stands_beside_targets_that_are_out() -> None:
    async with running(outage()) as (app, _, _):
        for line in lines(app.screen.query_one(ProviderTable)):
            assert not ("●" in line and " out " in line), line
