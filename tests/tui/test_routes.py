"""The Routes screen: chains as track plans, and where values come from."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from router.config.loader import load_text
from router.monitor import routes as describe
from router.plan.compile import compile_plan
from router.views.commands import ClearCache, Drain, SetBreaker, Undrain
from router.views.requests import RequestFilter
from tests.support.dashboard_app import front, lines, running, settle, toasts
from tests.support.dashboard_feed import busy, outage
from tui.widgets.policies import Policies
from tui.widgets.route_plan import RoutePlan


async def test_tiers_are_told_with_their_conditions_weights_and_real_shares() -> None:
    async with running(outage(), mode="routes") as (app, _, _):
        shown = lines(app.screen.query_one(RoutePlan))
        luna = next(line for line in shown if "luna" in line)
        for words in ("weighted", "○ luna", "open 10 s", "70%", "68%", "24.6/s"):
            assert words in luna
        assert any("↳ any failure" in line and "llama" in line for line in shown)
        assert any("↳ overloaded" in line and "qwen" in line for line in shown)
        assert "cache 11 %  $12.71 of $40.00 spent" in shown[1]


NESTED = """\
version: 1
providers: {one: {kind: ollama}, two: {kind: ollama}}
models:
  a: {provider: one, id: small}
  b: {provider: one, id: large}
  c: {provider: two, id: a-model-with-a-long-name}
  d: {provider: two, id: other}
routes:
  main:
    targets: [a]
    fallbacks:
      - {targets: [b, c], balance: ordered, on: [rate_limited, overloaded, server_error, timeout, connection_failed]}
      - last
  last: {targets: [c], fallbacks: [d]}
"""


@contextlib.asynccontextmanager
async def nested() -> AsyncIterator[Any]:
    """Tiers after many codes, and a route whose fallback is a route with one of its own."""

    async def chains() -> Any:
        return describe.chains(compile_plan(load_text(NESTED, env={})))

    async with running(mode="routes") as (app, feed, pilot):
        feed.chains = chains  # type: ignore[method-assign] - another file's
        feed.pending.put_nowait(replace(busy(), revision="0123456789ab"))
        await settle(pilot)
        front(app).refresh_now()
        await settle(pilot)
        yield app, pilot


async def test_a_rail_joins_tiers_and_those_of_a_fallback_route_are_set_in() -> None:
    async with nested() as (app, _):
        shown = lines(app.screen.query_one(RoutePlan))
        starts = [line.split("  ──")[0].split(" ──")[0].split(" ┬─")[0].split(" └─")[0].rstrip() for line in shown[2:7]]
        assert starts == [
            " ├ first",
            " ├ ↳ connection_f…",
            " │   ordered",
            " ├ ↳ any failure",
            " └   ↳ any failure",
        ]
        assert "#1" not in shown[2]  # it is the only one of its tier
        assert "#2" in shown[4]
        assert "one/small" in shown[2]  # where a lamp that is lit has nothing to tell, the model stands


async def test_what_is_chosen_is_told_whole() -> None:
    async with nested() as (app, pilot):
        policies = app.screen.query_one(Policies)
        await pilot.press("down", "down", "down")
        await settle(pilot)
        told_of = dict(line.strip().split("  ", 1) for line in lines(policies)[:4])
        assert {key: value.strip() for key, value in told_of.items()} == {
            "model": "two/a-model-with-a-long-name",
            "asked": "after connection_failed, overloaded, rate_limited, server_error, timeout",
            "tier": "2 of 4",
            "balance": "ordered: 2 of 2",
        }
        await pilot.press("down", "down")
        await settle(pilot)
        assert any("after any failure that falls back, once tier 3 was asked" in line for line in lines(policies))


@pytest.mark.parametrize("width", [80, 94, 98, 105, 112, 120, 140, 160, 200, 300])
async def test_columns_fit_every_terminal(width: int) -> None:
    async with running(busy(), mode="routes", size=(width, 36)) as (app, _, _):
        plan = app.screen.query_one(RoutePlan)
        assert plan.virtual_size.width <= plan.scrollable_content_region.width
        assert all("luna" not in line or "24.6/s" in line for line in lines(plan))


async def test_a_route_tells_its_deadline_cache_and_budget() -> None:
    async with running(mode="routes") as (app, _, _):
        shown = lines(app.screen.query_one(Policies))
        assert [line.split()[-4:] for line in shown[:1]] == [["answers", "within", "1", "min"]]
        assert "for 1h, stale for 1d when all is down; 11 % of answers in the last minute" in shown[1]
        assert "$12.71 of $40.00 spent" in shown[2]


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
        assert toasts(app) == ["chat is a route; choose one of its targets below it"]
        assert feed.commands == []


async def test_try_and_requests_take_the_row_along() -> None:
    async with running(mode="routes") as (app, feed, pilot):
        await pilot.press("down", "r")
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
        front(app).refresh_now()
        await settle(pilot)
        assert asked == []
        feed.pending.put_nowait(replace(busy(), revision="0123456789ab"))
        await settle(pilot)
        front(app).refresh_now()
        await settle(pilot)
        assert asked == [1]
