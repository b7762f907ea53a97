"""Many processes in a simulation: what they share, and what becomes of a limit when they don't, or can't."""

from __future__ import annotations

import pytest

from router.config import load_text
from router.simulate import Outcome, simulate
from router.simulate.report import as_dict, render
from router.simulate.scenario import compile_simulated, scenario_from

ROUTES = """
providers: {a: {kind: openai, api_key: k, limits: {requests: 300/min}}}
models: {m: {provider: a, id: gpt-4o-mini, price: {input: 1, output: 2}}}
routes: {chat: {targets: [m], retry: {max_wait: 1s}, budget: $100/d}}
"""
SHARED = "shared: {url: redis://simulated.invalid}\n"
SCENARIO = """
duration: 2m
seed: 4
processes: 8
traffic: [{route: chat, rate: 10/s}]
targets: {default: {limits: {requests: 300/min}}}
"""


def run(routes: str, scenario: str = SCENARIO) -> Outcome:
    plan = compile_simulated(load_text(routes, env={}))
    loaded = scenario_from(scenario, plan)
    assert loaded.scenario is not None, loaded.diagnostics
    return simulate(plan, loaded.scenario)


def test_a_fleet_that_shares_keeps_to_the_limit_and_one_that_does_not_is_refused() -> None:
    shared, alone = run(ROUTES + SHARED).fleet, run(ROUTES).fleet
    assert shared is not None
    assert alone is not None
    assert 0.95 * 300 <= shared.targets["m"].most_in_a_minute() <= 1.05 * 300
    assert shared.targets["m"].refused == 0
    assert shared.targets["m"].waits.count > 0
    assert shared.exchanges
    assert alone.targets["m"].most_in_a_minute() > 2 * 300
    assert alone.targets["m"].refused > 100
    assert alone.exchanges is None


def test_while_the_server_is_away_each_has_its_part() -> None:
    outcome = run(ROUTES + SHARED, SCENARIO + "shared_away: [{at: 1m, for: 1m}]")
    assert outcome.fleet is not None
    assert outcome.fleet.targets["m"].most_in_a_minute() <= 1.1 * 300
    meanwhile = outcome.targets["m"].course[32:58]
    assert sum(meanwhile) >= 0.6 * 300 * len(meanwhile) / 30, "they go on"


def test_the_same_seed_gives_the_same_run_and_all_of_it_is_told() -> None:
    scenario = SCENARIO + "shared_away: [{at: 1m, for: 10s, every: 40s}]"
    first, again = (run(ROUTES + SHARED, scenario) for _ in range(2))
    told = as_dict(first, []) | {"took": 0}
    assert told == as_dict(again, []) | {"took": 0}
    assert told["fleet"]["processes"] == 8
    assert told["fleet"]["targets"]["m"]["most_in_a_minute"] > 0
    assert "8 processes" in render(first, [])
    (spent,) = first.budgets.values()
    assert spent.usd == pytest.approx(first.routes["chat"].usd, rel=0.1), "what all have spent"


def test_one_process_is_no_fleet() -> None:
    outcome = run(ROUTES, SCENARIO.replace("processes: 8", ""))
    assert outcome.fleet is None
    assert "Fleet" not in render(outcome, [])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("shared_away: [{at: 1s, for: 1s}]", "the routes file has no `shared`"),
        ("processes: 0", "this must be from 1 to 2000"),
        ("processes: 5000", "this must be from 1 to 2000"),
        ("shared_away: [{at: 1s, for: 9s, every: 9s}]", "every is no longer than for"),
        ("shared_away: [{at: 9m, for: 9s}]", "this begins after the scenario has ended"),
    ],
)
def test_mistakes_are_told(more: str, told: str) -> None:
    routes = ROUTES if "no `shared`" in told else ROUTES + SHARED
    plan = compile_simulated(load_text(routes, env={}))
    loaded = scenario_from(SCENARIO.replace("processes: 8", "") + more, plan)
    assert told in "".join(found.message for found in loaded.diagnostics)
