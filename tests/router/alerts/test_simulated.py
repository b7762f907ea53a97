"""`signalbox simulate` says which alerts would have told what; `signalbox alerts test` whether they arrive."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from router.cli import group as main
from tests.support.webhook import webhook

ROUTES = """
providers: {a: {kind: fake}}
models: {one: {provider: a, id: m, price: {input: 1000, output: 1000}}}
routes: {chat: {targets: [one], budget: {usd: 5/d, by: user}}}
alerts:
  - {on: breaker_open, for: 1m, to: "${ALERT_URL}"}
  - {on: error_rate, above: 20%, for: 1m, to: "${ALERT_URL}"}
  - {on: budget, above: 80%, to: "${ALERT_URL}"}
"""
SCENARIO = """
duration: 20m
traffic: [{route: chat, rate: 1/s, prompt: 5, answer: 5, users: 2}]
events: [{at: 5m, for: 5m, who: a, fault: overloaded}]
"""


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    path = tmp_path / "routes.yaml"
    path.write_text(ROUTES)
    return path


def simulated(routes: Path, *more: str) -> Result:
    return CliRunner().invoke(
        main, ["simulate", str(routes), "--scenario", str(routes.parent / "scenario.yaml"), *more]
    )


def test_a_simulation_tells_when_which_alert_would_have_been_sent(routes: Path) -> None:
    """No address needs to be there, and nobody is told."""
    found = json.loads(simulated(routes, "--json").stdout)["alerts"]
    by_rule = {rule: [each for each in found if each["rule"] == rule] for rule in {each["rule"] for each in found}}
    opened = by_rule["breaker_open for 1m"]
    assert [each["state"] for each in opened][:1] == ["firing"]
    assert 300 + 60 <= opened[0]["at"] <= 300 + 120
    assert opened[-1]["state"] == "resolved"
    assert 600 <= opened[-1]["at"] <= 900
    assert by_rule["error_rate above 20% for 1m"]
    budgets = [says for each in by_rule["budget above 80%"] for says in each["says"]]
    assert any("the budget of route chat, user 1: " in says for says in budgets)


def test_the_report_lists_them(routes: Path) -> None:
    told = simulated(routes).stdout
    assert "Alerts" in told
    assert "breaker_open for 1m: " in told
    assert "route chat, user 2" in told


async def invoked(*arguments: str, url: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, arguments, env={"ALERT_URL": url}, standalone_mode=False)


async def test_a_test_sends_one_message_to_each_address(routes: Path) -> None:
    async with webhook() as hook:
        result = await invoked("alerts", "test", str(routes), url=hook.url)
    assert result.return_value == 0, result.output
    assert result.stdout == "✓ http://127.0.0.1/…  taken  (breaker_open for 1m)\n"
    (body,) = hook.got
    assert (body["alert"], body["app"]) == ("test", routes.parent.name)


async def test_one_that_does_not_arrive_is_told_without_its_address(routes: Path) -> None:
    async with webhook() as hook:
        hook.statuses = [404]
        result = await invoked("alerts", "test", str(routes), "--json", url=hook.url)
    assert result.return_value == 1
    (tried,) = json.loads(result.stdout)["alerts"]
    assert tried["problem"] == "it answers 404: as it was told"
    assert "SECRET-PATH" not in result.output


async def test_a_file_without_alerts_says_what_to_write(routes: Path) -> None:
    without = routes.with_name("without.yaml")
    await asyncio.to_thread(without.write_text, ROUTES.split("alerts:")[0])
    result = await invoked("alerts", "test", str(without), url="")
    assert "has no alerts: write alerts:" in str(result.exception)
