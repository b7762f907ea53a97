"""What a vendor itself says that an answer costs is what counts: in budgets, traces and figures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from providers.simulator import Simulator
from router import RouteExhausted, Router
from router.views.money import dollars

ROUTES = """
providers:
  a: {{kind: openai, options: {{dialect: openrouter}}, base_url: "{openai}", api_key: k}}
  b: {{kind: anthropic, base_url: "{anthropic}", api_key: k}}
defaults:
  timeout: {{connect: 60s, first_token: 60s, answer: 60s, idle: 60s, total: 120s}}
  retry: {{same_target: 0, backoff: 1ms, max_backoff: 1ms}}
models:
  costly: {{provider: a, id: x, price: {{input: 1000, output: 1000}}}}
  odd: {{provider: a, id: y/unheard-of}}
  other: {{provider: b, id: claude-sonnet-4-5, price: {{input: 1, output: 1}}}}
routes:
  dear: {{targets: [costly], budget: $1/day}}
  unpriced: {{targets: [odd], budget: $1/day}}
  both: {{targets: [costly], fallbacks: [other], budget: $1/day}}
"""
both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as simulator:
        for vendor in simulator.vendors.values():
            vendor.set(fast=True, answer="It is so.")
        yield simulator


def router(sim: Simulator) -> Router:
    text = ROUTES.format(openai=sim.base_url("openai"), anthropic=sim.base_url("anthropic"))
    return Router.from_text(text, env={}, seed=1)


async def ask(made: Router, route: str, stream: bool, **params: Any) -> Any:
    if not stream:
        return await made.complete(route, "Is it so?", **params)
    async with made.stream(route, "Is it so?", **params) as chunks:
        async for _ in chunks:
            pass
    return chunks.response


def spent(made: Router, route: str) -> float | None:
    (found,) = [budget.usd for budget in made.spending if budget.name == route]
    return found


@both
@pytest.mark.parametrize("route", ["dear", "unpriced"])
async def test_budgets_traces_and_figures_have_it(sim: Simulator, route: str, stream: bool) -> None:
    """Also where a price says otherwise, or there is none."""
    sim.vendor("openai").set(cost=0.25)
    async with router(sim) as made:
        reply = await ask(made, route, stream, max_tokens=50)
        assert reply.cost == 0.25
        assert spent(made, route) == 0.25
        (attempt,) = reply.trace.attempts
        assert attempt.told_cost == 0.25
        assert f"{dollars(0.25, fine=True)} by the vendor's own account" in reply.trace.render()
        figures = made.snapshot()
        (shown,) = [each for each in figures.routes if each.name == route]
        assert shown.figures.totals.cost == 0.25
        (listed,) = made.telemetry.requests
        assert listed.outcome.cost == 0.25


@both
async def test_a_budget_is_used_up_by_it(sim: Simulator, stream: bool) -> None:
    sim.vendor("openai").set(cost=1.0)
    async with router(sim) as made:
        await ask(made, "unpriced", stream)
        with pytest.raises(RouteExhausted, match="budget"):
            await ask(made, "unpriced", stream)
    assert sim.vendor("openai").requests == 1


@both
async def test_where_nothing_is_told_the_price_counts(sim: Simulator, stream: bool) -> None:
    async with router(sim) as made:
        reply = await ask(made, "both", stream, only="b")
        assert reply.cost == pytest.approx((reply.usage.input_tokens + reply.usage.output_tokens) / 1e6)
        assert spent(made, "both") == pytest.approx(reply.cost)
        assert reply.trace.attempts[-1].told_cost is None


async def test_an_answer_that_is_not_taken_costs_what_its_vendor_says(sim: Simulator) -> None:
    """It is paid for, and so counted, beside the one that is given out."""
    sim.vendor("openai").set(cost=0.25)
    sim.vendor("anthropic").set(cost=0.125, answer='{"a": 1}')
    wanted = {"name": "a", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}
    async with router(sim) as made:
        reply = await made.complete("both", "Is it so?", response_format=wanted, max_tokens=50)
        assert reply.parsed == {"a": 1}
        paid = [attempt.cost for attempt in reply.trace.attempts if attempt.code is not None]
        assert paid == [0.25]
        assert reply.cost == 0.375
        assert spent(made, "both") == 0.375


@pytest.mark.parametrize(("header", "cost"), [("0.25", 0.25), ("nan", None), ("free", None)])
async def test_litellms_proxy_tells_it_beside_the_answer(sim: Simulator, header: str, cost: float | None) -> None:
    sim.vendor("openai").set(headers={"x-litellm-response-cost": header})
    text = ROUTES.format(openai=sim.base_url("openai"), anthropic="http://127.0.0.1:1").replace("openrouter", "litellm")
    async with Router.from_text(text, env={}, seed=1) as made:
        assert (await ask(made, "unpriced", False)).cost == cost


@pytest.mark.parametrize("told", [1e300, 10_000_000])
async def test_what_can_be_no_cost_is_not_taken_for_one(sim: Simulator, told: float) -> None:
    sim.vendor("openai").set(cost=told)
    async with router(sim) as made:
        reply = await ask(made, "dear", False, max_tokens=50)
        assert reply.cost is not None
        assert reply.cost < 1
