"""Caches in a simulation: off, unless the scenario says how many requests repeat; then in memory, with their ttl."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.simulate import Outcome, judge, simulate
from router.simulate.report import as_dict, render
from router.simulate.scenario import compile_simulated, load_routes, scenario_from

FILE = """\
providers: {a: {kind: openai, api_key: "${A_KEY}"}, b: {kind: ollama}}
models: {one: {provider: a, id: m1, price: {input: 1, output: 10}}}
routes: {chat: {targets: [one], fallbacks: [b/m], cache: {CACHE}}}
cache: {path: "FOLDER"}
"""


def play(
    tmp_path: Path,
    line: str = "",
    cache: str = "ttl: 1d",
    events: str = "[]",
    folder: str = "",
    more: str = "",
    answer: str = "50",
) -> Outcome:
    path = tmp_path / "routes.yaml"
    path.write_text(FILE.replace("CACHE", cache).replace("FOLDER", folder or str(tmp_path / "answers")))
    plan = compile_simulated(load_routes(path, env={}))
    scenario = scenario_from(
        f"duration: 20m\ntraffic: [{{route: chat, rate: 1/s, answer: {answer}{line}}}]\nevents: {events}\n{more}", plan
    )
    assert scenario.scenario is not None, [found.render() for found in scenario.diagnostics]
    outcome = simulate(plan, scenario.scenario)
    assert not (tmp_path / "answers").exists()
    return outcome


@pytest.mark.parametrize("folder", ["", "memory"], ids=["on disk", "in memory"])
def test_without_repeats_every_request_is_a_call(tmp_path: Path, folder: str) -> None:
    """What the simulated people ask is not one question: a cache would hide what the run is for."""
    outcome = play(tmp_path, folder=folder)
    assert outcome.targets["one"].calls == outcome.requests > 1000
    assert outcome.routes["chat"].hits == 0


@pytest.mark.parametrize("streamed", ["true", "false"])
@pytest.mark.parametrize("folder", ["", "memory"], ids=["on disk", "in memory"])
def test_repeats_are_hits(tmp_path: Path, folder: str, streamed: str) -> None:
    """So many as the scenario says, told in the report and to machines; the rest are calls, and paid."""
    expect = 'expect: {chat: {hits: "20% - 30%", p50: "< 5s"}, one: {share: ">= 100%"}}\n'
    outcome = play(tmp_path, f", repeats: 25%, stream: {streamed}", folder=folder, more=expect)
    chat, one = outcome.routes["chat"], outcome.targets["one"]
    assert chat.hits == pytest.approx(0.25 * chat.requests, rel=0.12)
    assert one.calls == one.answers == chat.requests - chat.hits
    assert one.usd == pytest.approx(one.calls * (500 + 50 * 10) / 1e6)
    assert [verdict.holds for verdict in judge(outcome)] == [True] * 3
    assert re.search(rf"{chat.hits:,} answers from the cache \(2\d\.\d\d%\)", render(outcome, []))
    assert as_dict(outcome, [])["routes"]["chat"]["hits"] == chat.hits


def test_ttl_is_that_of_virtual_time(tmp_path: Path) -> None:
    """With a minute, few of the last thousand questions are still there."""
    hours, minute = (play(tmp_path, ", repeats: 50%", cache=f"ttl: {ttl}").routes["chat"].hits for ttl in ("1h", "1m"))
    assert 0 < minute < hours / 3


def test_large_answers_repeat_too(tmp_path: Path) -> None:
    """Such answers are written in a thread, which takes no simulated time."""
    outcome = play(tmp_path, ", repeats: 50%", answer="30k", more="targets: {default: {speed: 50k/s}}\n")
    assert outcome.routes["chat"].hits > 0.3 * outcome.requests  # what is used least goes first


def test_an_outage_is_bridged(tmp_path: Path) -> None:
    """Hits and stale answers while everything is down; those who joined a failing call count it once."""
    down = "[{at: 10m, for: 10m, who: [a, b], fault: overloaded}]"
    plain = play(tmp_path, events=down)
    cached = play(tmp_path, ", repeats: 50%", events=down)
    stale = play(tmp_path, ", repeats: 50%", cache="ttl: 1m, stale_if_error: true", events=down)
    assert stale.routes["chat"].failed < plain.routes["chat"].failed * 0.7
    assert cached.routes["chat"].failed < plain.routes["chat"].failed * 0.7
    for outcome in (cached, stale):
        calls = sum(count.calls for count in outcome.targets.values())
        assert calls == sum(sum(count.course) for count in outcome.targets.values())
        assert outcome.routes["chat"].answered + outcome.routes["chat"].failed == outcome.requests


def test_a_failed_call_that_others_joined_counts_once(tmp_path: Path) -> None:
    """Many ask the same while the one call for them fails."""
    fault = "[{at: 0s, for: 40m, who: [a, b], fault: hang}]"
    outcome = play(tmp_path, ", repeats: 95%", events=fault)
    asked = outcome.routes["chat"]
    assert asked.failed == asked.requests
    assert sum(count.calls for count in outcome.targets.values()) < asked.requests / 2


def test_another_line_of_traffic_asks_something_else(tmp_path: Path) -> None:
    """Questions come again within a line; a line without `repeats` goes past the cache."""
    other = "}, {route: chat, rate: 1/s, answer: 50"
    both = play(tmp_path, f", repeats: 100%{other}")
    assert both.routes["chat"].hits == pytest.approx(both.requests / 2, rel=0.1)
    assert both.targets["one"].calls == both.requests - both.routes["chat"].hits


@pytest.mark.parametrize("wrong", ["12", "0.5", "101%", "-1%", "often"])
def test_it_is_a_share(wrong: str, tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("providers: {a: {kind: ollama}}\nroutes: {chat: a/m}\n")
    plan = compile_simulated(load_routes(tmp_path / "routes.yaml", env={}))
    text = f"duration: 1m\ntraffic: [{{route: chat, rate: 1/s, repeats: {wrong}}}]\n"
    found = scenario_from(text, plan)
    assert found.scenario is None
    assert "traffic.0.repeats" in found.diagnostics[0].render()
