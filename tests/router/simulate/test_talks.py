"""Talks of several turns: what vendors' prompt caches read of them, and what that spares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.config import load_text
from router.plan.compile import compile_plan
from router.plan.plan import Plan
from router.simulate.expect import judge
from router.simulate.report import as_dict, render
from router.simulate.run import Outcome, simulate
from router.simulate.scenario import scenario_from
from router.simulate.schema import Scenario
from tests.support.command import signalbox

FILE = """
providers:
  claude: {{kind: anthropic, api_key: k{more}}}
  openai: {{kind: openai, api_key: k{more}}}
  local: {{kind: ollama}}
models:
  smart: {{provider: claude, id: claude-sonnet-4-5, price: {{input: 3, output: 9, cache_read: 0.3, cache_write: 4}}}}
  gpt: {{provider: openai, id: gpt-4.1, price: {{input: 2, output: 8, cache_read: 0.5}}}}
  new: {{provider: openai, id: gpt-5.6, price: {{input: 2, output: 8, cache_read: 0.2, cache_write: 2.5}}}}
  own: {{provider: local, id: llama, price: {{input: 0, output: 0}}}}
  odd: {{provider: openai, id: other}}
routes: {{two: {{targets: [smart, gpt], balance: {balance}}}}}
"""
TALK = {"rate": "2/min", "prompt": 200, "answer": 300, "prefix": 4000, "turns": 20, "pause": "30s"}


def ran(route: str, *, more: str = ", prompt_cache: auto", balance: str = "weighted", **line: Any) -> Outcome:
    scenario: dict[str, Any] = {"duration": "30m", "traffic": [{"route": route, **TALK, **line}]}
    plan = compile_plan(load_text(FILE.format(more=more, balance=balance), env={}))
    return simulate(plan, read(yaml.safe_dump(scenario), plan))


def read(text: str, plan: Plan) -> Scenario:
    loaded = scenario_from(text, plan)
    assert loaded.scenario is not None, [found.render() for found in loaded.diagnostics]
    return loaded.scenario


def share(outcome: Outcome) -> float:
    [count] = outcome.routes.values()
    return count.prompts.read / count.prompts.tokens


@pytest.mark.parametrize("route", ["smart", "gpt", "new"])
def test_of_a_talk_of_20_turns_nine_tenths_are_read(route: str) -> None:
    outcome = ran(route)
    assert share(outcome) > 0.9
    [count] = outcome.routes.values()
    assert count.prompts.saved
    assert count.usd
    whole = count.prompts.tokens * (3 if route == "smart" else 2) / 1e6
    answers = outcome.targets[route].output_tokens * (9 if route == "smart" else 8) / 1e6
    assert count.usd == pytest.approx(whole + answers - count.prompts.saved)
    assert count.requests > 20 * 20


def test_each_turn_asks_with_all_that_was_said_before() -> None:
    outcome = ran("gpt", rate="12/h", turns=3)
    target = outcome.targets["gpt"]
    turns = 4200, 4700, 5200
    assert target.calls % 3 == 0, "no talk is cut off by the end, with this seed"
    assert target.input_tokens == target.calls / 3 * sum(turns)


@pytest.mark.parametrize(
    ("route", "line"),
    [
        ("smart", {"more": ""}),  # nobody asked for it
        ("smart", {"prefix": 1, "turns": 2}),  # shorter than what is kept
        ("gpt", {"prefix": 1, "turns": 2}),
        ("own", {}),  # which tells of no cache
    ],
)
def test_where_nothing_is_kept_nothing_is_read(route: str, line: dict[str, Any]) -> None:
    outcome = ran(route, **line)
    [count] = outcome.routes.values()
    assert (count.prompts.read, count.prompts.written, count.prompts.saved) == (0, 0, 0.0)
    assert "prompt caches" not in render(outcome, ())


def test_what_is_kept_ends() -> None:
    assert share(ran("smart", pause="10m", rate="6/h", turns=3)) == 0
    assert share(ran("smart", pause="10m", rate="6/h", turns=3, more=", prompt_cache: 1h")) > 0.4


def test_a_prefix_is_shared_by_all_of_a_line() -> None:
    """Single requests too: with the same instructions each reads those of the last one."""
    outcome = ran("gpt", turns=1, rate="1/s", prefix=2048, prompt=100)
    assert share(outcome) == pytest.approx(2048 / 2148, abs=0.01)


def test_talks_that_are_spread_over_targets_read_less() -> None:
    assert share(ran("two", balance="affinity")) > share(ran("two", balance="weighted")) + 0.02


def test_a_price_that_is_unknown_leaves_the_money_unknown() -> None:
    outcome = ran("odd")
    [count] = outcome.routes.values()
    assert count.prompts.read
    assert count.prompts.saved is None
    assert "– saved" in render(outcome, ())


def test_it_is_told_and_can_be_expected() -> None:
    plan = compile_plan(load_text(FILE.format(more=", prompt_cache: auto", balance="weighted"), env={}))
    text = yaml.safe_dump(
        {
            "duration": "20m",
            "traffic": [{"route": "smart", **TALK}],
            "expect": {"smart": {"prompt_cache": "> 80%"}, "claude": {"prompt_cache": "< 50%"}},
        },
        sort_keys=False,
    )
    outcome = simulate(plan, read(text, plan))
    verdicts = judge(outcome)
    assert [verdict.holds for verdict in verdicts] == [True, False]
    report = " ".join(render(outcome, verdicts).split())
    assert "out of vendors' prompt caches" in report
    assert "written, $" in report
    assert "saved" in report
    told = as_dict(outcome, verdicts)
    assert told["routes"]["smart"]["prompt_cache"]["read"] == told["targets"]["smart"]["prompt_cache"]["read"] > 0
    json.dumps(told)


def test_the_same_seed_is_the_same_run() -> None:
    one, two = (as_dict(ran("smart", turns={"min": 1, "max": 9}), ()) for _ in range(2))
    assert {**one, "took": 0} == {**two, "took": 0}


async def test_repeats_and_turns_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("providers: {a: {kind: fake}}\nroutes: {r: a/x}\n")
    (tmp_path / "s.yaml").write_text("duration: 1m\ntraffic: [{route: r, rate: 1/s, repeats: 10%, turns: 3}]\n")
    run = await signalbox("simulate", "routes.yaml", "-s", "s.yaml", cwd=tmp_path)
    assert run.code == 2
    assert "repeats goes with single requests" in run.err + run.out
