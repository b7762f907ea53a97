"""The Routes screen: chains as track plans, and where values come from."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from router.telemetry.commands import ClearCache, Drain, SetBreaker, Undrain
from router.telemetry.views import RequestFilter
from tests.dashboard_app import running, settle, told
from tests.dashboard_feed import busy, outage
from tests.test_dash_panel import lines
from tui.widgets.policies import Policies
from tui.widgets.track import TrackPlan


async def test_tiers_are_told_with_their_conditions_weights_and_real_shares() -> None:
    async with running(outage(), mode="routes") as (app, _, _):
        shown = lines(app.screen.query_one(TrackPlan))
        luna = next(line for line in shown if "luna" in line)
        for words in ("weighted", "○ luna", "open 10 s", "70%", "68%", "24.6/s"):
            assert words in luna
        assert any("↳ any failure" in line and "llama" in line for line in shown)
        assert any("↳ overloaded" in line and "qwen" in line for line in shown)
        assert "$12.71 of $40.00" in shown[1]


async def test_values_come_with_their_origin() -> None:
    async with running(mode="routes") as (app, _, pilot):
        policies = app.screen.query_one(Policies)
        assert policies.border_title == "chat"
        assert any("cache.ttl" in line and "1h  line 19: routes.chat.cache.ttl" in line for line in lines(policies))
        await pilot.press("down")
        await settle(pilot)
        assert policies.border_title == "luna in chat"
        assert any("limits.requests" in line and "500/min" in line for line in lines(policies))


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        (("down", "o", "y"), SetBreaker("luna", "open")),
        (("down", "c", "y"), SetBreaker("luna", "close")),
        (("down", "x"), SetBreaker("luna", "reset")),
        (("down", "d", "y"), Drain("luna")),
        (("down", "down", "down", "down", "d"), Undrain("qwen")),
        (("C", "y"), ClearCache("chat")),
    ],
)
async def test_keys_act_on_the_target_of_the_row(keys: tuple[str, ...], command: Any) -> None:
    async with running(outage(), mode="routes") as (_, feed, pilot):
        for key in keys:
            await pilot.press(key)
            await settle(pilot)
        assert feed.commands == [command]


async def test_a_route_has_no_breaker_and_says_so() -> None:
    async with running(mode="routes") as (app, feed, pilot):
        await pilot.press("o")
        await settle(pilot)
        assert told(app) == ["chat is a route; choose one of its targets below it"]
        assert feed.commands == []


async def test_try_and_requests_take_the_row_along() -> None:
    async with running(mode="routes") as (app, feed, pilot):
        await pilot.press("down", "f")
        await settle(pilot)
        assert feed.filters[-1] == RequestFilter(route="chat", target="luna")
        app.switch_mode("routes")
        await settle(pilot)
        await pilot.press("home", "t")
        await settle(pilot)
        assert app.current_mode == "try"
        assert app.screen._to == ("chat",)  # type: ignore[attr-defined] - what it will ask


async def test_chains_are_asked_for_only_when_the_revision_changes() -> None:
    async with running(mode="routes") as (app, feed, pilot):
        asked = []
        chains = feed.chains

        async def counted() -> Any:
            asked.append(1)
            return await chains()

        feed.chains = counted  # type: ignore[method-assign] - counted
        app.look_now()
        await settle(pilot)
        assert asked == []
        feed.pending.put_nowait(replace(busy(), revision="0123456789ab"))
        await settle(pilot)
        app.look_now()
        await settle(pilot)
        assert asked == [1]
