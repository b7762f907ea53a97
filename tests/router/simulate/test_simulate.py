"""Simulations: what the simulated vendors do, what is counted, and that the same seed gives the same run."""

from __future__ import annotations

import math
import re
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.plan.compile import compile_plan
from router.plan.plan import Plan
from router.simulate import Outcome, judge, simulate
from router.simulate.chart import axis, bars, lane
from router.simulate.counters import Quantiles
from router.simulate.report import as_dict, episodes, render
from router.simulate.scenario import load_routes, scenario_from
from router.simulate.schema import Bound, Expect, Times, Traffic

PAIR = """\
providers:
  a: {kind: openai, api_key: "${A_KEY}"}
  b: {kind: anthropic, api_key: "${B_KEY}"}
models:
  one: {provider: a, id: m1, price: {input: 1, output: 10}}
  two: {provider: b, id: m2, price: {input: 2, output: 20}}
routes:
  chat: {targets: [one], fallbacks: [two]}
"""


def plan_of(text: str, tmp_path: Any) -> Plan:
    path = tmp_path / "routes.yaml"
    path.write_text(text)
    return compile_plan(load_routes(path, env={}))


def play(text: str, scenario: str, tmp_path: Any, seed: int | None = None) -> Outcome:
    plan = plan_of(text, tmp_path)
    loaded = scenario_from(scenario, plan)
    assert loaded.scenario is not None, [found.render() for found in loaded.diagnostics]
    return simulate(plan, loaded.scenario, seed=seed)


def story(*lines: str, rate: str = "2/s", more: str = "") -> str:
    """Ten minutes of chat with constant vendors, and these events."""
    events = "".join(f"  - {line}\n" for line in lines)
    return (
        "duration: 10m\n"
        f"traffic: [{{route: chat, rate: {rate}, prompt: 1k, answer: 100{more}}}]\n"
        "targets: {default: {first_token: 200ms, speed: 100/s}}\n" + (f"events:\n{events}" if events else "")
    )


# --- what is counted


def test_a_quiet_run_adds_up(tmp_path: Any) -> None:
    """Every request is answered by the first target, as fast and as dear as its numbers say."""
    outcome = play(PAIR, story(), tmp_path)
    chat, one, two = outcome.routes["chat"], outcome.targets["one"], outcome.targets["two"]
    assert chat.requests == chat.answered == one.calls == one.answers == sum(one.course)
    assert 1000 < chat.requests < 1400  # 2/s for 10 minutes
    assert (two.calls, chat.retries, chat.fallbacks, chat.failed, one.opened) == (0, 0, 0, 0, 0)
    assert one.usd == pytest.approx(chat.requests * (1000 * 1 + 100 * 10) / 1e6)
    assert chat.usd == pytest.approx(one.usd)
    assert one.wasted == 0
    assert chat.first_token.quantile(0.5) == pytest.approx(0.2, rel=0.01)
    assert chat.whole.quantile(0.99) == pytest.approx(1.19, rel=0.01)
    assert outcome.breakers[0].changes == []


@pytest.mark.parametrize("stream", ["true", "false"])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("overloaded", "overloaded"),
        ("hang", "timeout"),
        ("stall", None),
        ("cut", None),
        ("refused", "connection_failed"),
        ("authentication", "authentication"),
        ("slow, times: 100", "timeout"),
        ("rate_limited, retry_after: 10s", "rate_limited"),
    ],
)
def test_faults_are_met_by_the_engine(fault: str, code: str | None, stream: str, tmp_path: Any) -> None:
    """The target fails with the fault's code, the fallback answers, and outside the window nothing fails."""
    more = "\ndefaults: {timeout: {first_token: 3s, idle: 3s, answer: 3s}}"
    text = PAIR.replace("fallbacks: [two]", "fallbacks: [two], on_stream_break: restart") + more
    outcome = play(text, story(f"{{at: 2m, for: 2m, who: a, fault: {fault}}}", more=f", stream: {stream}"), tmp_path)
    chat, one, two = outcome.routes["chat"], outcome.targets["one"], outcome.targets["two"]
    if code is None:  # of a stream they show after its beginning
        code = "stream_interrupted" if stream == "true" else {"stall": "timeout", "cut": "protocol_error"}[fault]
    assert set(one.errors) == {code}
    assert chat.failed == 0
    assert chat.answered == one.answers + two.answers
    assert two.answers > 100
    assert sum(one.course[13:23]) < 30  # shut out while it fails
    assert sum(one.course[48:]) > 150  # and back at the end
    if code != "rate_limited":  # which is a hold
        opened = {history.name: history for history in outcome.breakers if history.opened}
        expected = {"authentication": {"a key"}, "connection_failed": {"a key", "one"}}
        assert set(opened) == expected.get(code, {"one"})
        assert all(episodes(history)[0][0] == pytest.approx(120, abs=15) for history in opened.values())
    if stream == "true" and fault == "cut":
        assert chat.restarts == one.errors[code]
        assert one.wasted > 0


@pytest.mark.slow
def test_a_share_of_calls_and_again_and_again(tmp_path: Any) -> None:
    """`share` hits so many, `every` comes again; `errors` is a background of its own."""
    calm = "\ndefaults: {breaker: {consecutive: 1000, failure_rate: 100%}}"
    scenario = story("{at: 1m, for: 1m, every: 2m, who: one, fault: server_error, share: 50%}", rate="5/s")
    outcome = play(PAIR + calm, scenario, tmp_path)
    one = outcome.targets["one"]
    assert one.errors["server_error"] == pytest.approx(5 * 300 / 2, rel=0.15)
    background = play(PAIR + calm, story(rate="5/s").replace("speed", "errors: 5%, error: overloaded, speed"), tmp_path)
    one = background.targets["one"]
    assert one.errors["overloaded"] == pytest.approx(0.05 * one.calls, rel=0.25)


@pytest.mark.slow
def test_vendors_limit_each_key(tmp_path: Any) -> None:
    """120/min a key: two keys let 240/min through, and what is more than that meets a 429."""
    pool = PAIR.replace('api_key: "${A_KEY}"', 'api_keys: ["${A_KEY}", "${OTHER_KEY}"]')
    limits = "targets: {a: {limits: {requests: 120/min}}, default: "
    scenario = story(rate="6/s").replace("targets: {default: ", limits)
    single, double = (play(text, scenario, tmp_path).targets["one"] for text in (PAIR, pool))
    assert single.answers == pytest.approx(120 * 11, rel=0.03)  # a full bucket to begin with
    assert double.answers == pytest.approx(240 * 11, rel=0.03)
    assert single.errors["rate_limited"] > 0


def test_our_limits_spare_the_vendors(tmp_path: Any) -> None:
    """A file that keeps to the vendor's limits sees no 429; what does not fit is skipped, not failed."""
    text = PAIR.replace("kind: openai,", "kind: openai, limits: {requests: 110/min},")
    scenario = story(rate="4/s").replace("targets: {", "targets: {a: {limits: {requests: 120/min}}, ")
    one = play(text, scenario, tmp_path).targets["one"]
    assert one.failed == 0
    assert one.skips["limited"] > 500


def test_hedges_are_counted_and_paid(tmp_path: Any) -> None:
    """A slow call gets a second one beside it; the loser's prompt is on the bill."""
    text = PAIR.replace("{targets: [one], fallbacks: [two]}", "{targets: [one, two], hedge: {after: 1s, budget: 50%}}")
    text = text.replace("hedge", "balance: ordered, hedge")
    outcome = play(text, story("{at: 0s, for: 10m, who: one, fault: slow, share: 10%, times: 20}"), tmp_path)
    chat, one, two = outcome.routes["chat"], outcome.targets["one"], outcome.targets["two"]
    assert chat.hedges == two.calls == two.hedges == one.lost
    assert chat.hedges == pytest.approx(0.1 * chat.requests, rel=0.3)
    assert chat.retries == 0
    assert one.wasted == pytest.approx(one.lost * 1000 * 1 / 1e6)
    assert chat.usd == pytest.approx(float(one.usd or 0) + float(two.usd or 0))
    assert chat.first_token.quantile(0.99) == pytest.approx(1.2, rel=0.01)


def test_a_continued_answer_is_made_once(tmp_path: Any) -> None:
    """The second target makes only the rest; both are paid for what they made."""
    text = PAIR.replace("fallbacks: [two]", "fallbacks: [two], on_stream_break: continue")
    outcome = play(text, story("{at: 0s, for: 10m, who: one, fault: cut}"), tmp_path)
    one, two, chat = outcome.targets["one"], outcome.targets["two"], outcome.routes["chat"]
    assert chat.failed == 0
    broken = one.errors["stream_interrupted"]
    assert broken >= 5
    plain = chat.requests - broken  # answered by the second from the beginning
    assert one.output_tokens + two.output_tokens == pytest.approx(100 * (plain + broken), abs=broken)


def test_requests_that_never_end_are_told(tmp_path: Any) -> None:
    """Without any timeout a hanging vendor keeps them for ever: they count as failed."""
    off = "\ndefaults: {timeout: {first_token: 2d, idle: 2d, total: 2d}}"
    outcome = play(PAIR + off, story("{at: 9m, for: 1m, who: one, fault: hang}"), tmp_path)
    chat = outcome.routes["chat"]
    assert set(chat.errors) == {"unfinished"}
    assert chat.failed == pytest.approx(120, rel=0.3)
    assert sum(chat.failed_course[54:]) == chat.failed


@pytest.mark.slow
def test_budgets_are_kept_and_told(tmp_path: Any) -> None:
    """A dollar an hour: then the fallback serves, until the next hour; what was spent at most stands in the report."""
    text = PAIR.replace('api_key: "${A_KEY}"', 'api_key: "${A_KEY}", budget: $1/h')
    outcome = play(text, story(rate="1/s").replace("10m", "90m"), tmp_path)
    one, two = outcome.targets["one"], outcome.targets["two"]
    assert one.usd == pytest.approx(2.0, abs=0.02)  # two hours have begun
    assert one.skips["over_budget"] == two.calls > 1000
    assert outcome.budgets["provider a"].usd == pytest.approx(1.0, abs=0.01)
    assert one.course[0] > 0
    assert one.course[39] == 0  # just before the second hour
    assert one.course[40] > 0
    assert "over_budget" in (report := render(outcome, []))
    assert re.search(r"provider a +\$1.00 at most of \$1.00 in 1h", report)


# --- traffic and chance


def test_the_same_seed_is_the_same_run(tmp_path: Any) -> None:
    """To the last digit; another seed is another run; the requests do not depend on the file."""
    scenario = story("{at: 2m, for: 2m, who: a, fault: overloaded, share: 50%}").replace(
        "200ms", "{p50: 200ms, p95: 1s}"
    )
    runs = [play(PAIR, scenario, tmp_path, seed=seed) for seed in (5, 5, 6)]
    first, again, other = ({**as_dict(run, judge(run)), "took": 0} for run in runs)
    assert first == again
    assert first != other
    alone = play(PAIR.replace(", fallbacks: [two]", ""), scenario, tmp_path, seed=5)
    assert alone.requests == runs[0].requests


def test_keys_and_addresses_need_not_be_there(tmp_path: Any) -> None:
    """Unset variables, missing secret files, `when_unset: disable`: all take part, and no value changes the run."""
    text = """\
providers:
  a: {kind: openai, api_key: "${A_KEY}", base_url: "${A_URL}", proxy: "${PROXY:-http://p}", when_unset: disable}
  b: {kind: anthropic, api_keys: ["${file:/nowhere/key-1}", "${file:/nowhere/key-2}"]}
routes: {chat: {targets: [a/m, b/m], balance: affinity}}
"""
    path = tmp_path / "routes.yaml"
    path.write_text(text)
    plans = [
        compile_plan(load_routes(path, env=env))
        for env in ({}, {"A_KEY": "sk-real", "A_URL": "https://x.example", "PROXY": "http://q"})
    ]
    assert plans[0].revision == plans[1].revision
    assert len(plans[0].catalogue.keys["b"]) == 2
    scenario = scenario_from(story(more=", sessions: 50"), plans[0]).scenario
    assert scenario is not None
    first, second = (simulate(plan, scenario) for plan in plans)
    assert {name: count.calls for name, count in first.targets.items()} == {
        name: count.calls for name, count in second.targets.items()
    }
    assert all(count.calls > 100 for count in first.targets.values())


def test_other_variables_come_from_the_environment(tmp_path: Any) -> None:
    """A limit that a variable holds is no key: it counts."""
    path = tmp_path / "routes.yaml"
    path.write_text('providers: {a: {kind: openai, limits: {requests: "${RATE}"}}}\nroutes: {chat: a/m}\n')
    loaded = load_routes(path, env={"RATE": "60/min"})
    assert compile_plan(loaded).chains["chat"].targets[0].key_limits.requests == ((60.0, 60.0),)
    assert "RATE is not set" in load_routes(path, env={}).diagnostics[0].message


def test_traffic_follows_its_course(tmp_path: Any) -> None:
    """A ramp from nothing to 10/s; straight in between; nothing outside from and until."""
    scenario = story().replace("rate: 2/s", "rate: {0s: 0/s, 10m: 10/s}, from: 1m, until: 9m")
    course = play(PAIR, scenario, tmp_path).targets["one"].course
    assert course[:6] == [0] * 6
    assert course[54:] == [0] * 6
    assert sum(course[30:33]) == pytest.approx(30 * 5.25, rel=0.2)
    assert sum(course) == pytest.approx(480 * 5, rel=0.06)


@given(st.floats(0, 7200), st.dictionaries(st.integers(0, 7200), st.floats(0, 100), min_size=1, max_size=6))
def test_rates_stay_between_their_points(now: float, points: dict[int, float]) -> None:
    """Straight lines do not leave the range of the points."""
    line = Traffic.model_construct(rate={float(at): rate for at, rate in points.items()})
    assert min(points.values()) - 1e-9 <= line.rate_at(now) <= max(points.values()) + 1e-9


@pytest.mark.parametrize(
    "spread", [{"p50": "400ms", "p95": "1.2s"}, {"min": "100ms", "max": "300ms"}, {"always": "1s"}]
)
def test_spreads_are_what_they_say(spread: dict[str, str]) -> None:
    """20,000 draws have the quantiles that were asked for."""
    times, chance = Times.model_validate(spread), Random(1)
    drawn = sorted(times.draw(chance) for _ in range(20_000))
    middle, late = drawn[10_000], drawn[19_000]
    expected = {"p50": (0.4, 1.2), "min": (0.2, 0.29), "always": (1.0, 1.0)}[next(iter(spread))]
    assert (middle, late) == (pytest.approx(expected[0], rel=0.03), pytest.approx(expected[1], rel=0.03))


# --- counters, bounds, charts


@given(st.lists(st.floats(1e-5, 1e5), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_quantiles_are_exact_to_a_percent(values: list[float], share: float) -> None:
    """Against the sorted list; also when put together from two."""
    parts = Quantiles(), Quantiles()
    for number, value in enumerate(values):
        parts[number % 2].add(value)
    parts[0].merge(parts[1])
    exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    assert parts[0].quantile(share) == pytest.approx(exact, rel=0.0101)


@pytest.mark.parametrize(
    ("written", "inside", "outside"),
    [
        ("< 5%", [0.0, 0.049], [0.05, 0.5]),
        ("<= 5%", [0.05], [0.051]),
        ("> 5%", [0.051, 1.0], [0.05, 0.0]),
        (">=5%", [0.05], [0.049]),
        ("5% - 10%", [0.05, 0.07, 0.1], [0.049, 0.101]),
        ("5% to 10%", [0.05], [0.11]),
    ],
)
def test_bounds(written: str, inside: list[float], outside: list[float]) -> None:
    """Each form, at its edges."""
    bound = Expect.model_validate({"errors": written}).errors
    assert isinstance(bound, Bound)
    assert all(map(bound.holds, inside))
    assert not any(map(bound.holds, outside))


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=60), st.integers(1, 4))
def test_bars_show_all_that_is_there(values: list[float], rows: int) -> None:
    """What is not 0 is seen; the highest fills all rows; nothing is shown for 0."""
    top = max(values)
    drawn = bars(values, top, rows=rows)
    assert [len(row) for row in drawn] == [len(values)] * rows
    for place, value in enumerate(values):
        column = "".join(row[place] for row in drawn)
        assert (column.strip() != "") == (value > 0)
        assert value < top or top == 0 or column == "█" * rows


def test_lanes_and_axes() -> None:
    """Nothing, a part, all of it; the axis ends with the chart."""
    assert lane([0, 0.2, 0.7, 1]) == "·▄██"
    assert len(axis(7200, 60)) == 60
    assert axis(7200, 60).split() == ["0s", "30m", "1h", "90m", "2h"]
    assert axis(86400, 60).split() == ["0s", "6h", "12h", "18h", "1d"]


def test_the_report_fits_a_terminal(tmp_path: Any) -> None:
    """80 columns, whatever the names and however much goes wrong."""
    long = "a-model-with-quite-a-long-name-for-a-column"
    text = PAIR.replace("one", long).replace("chat", "a-route-with-a-long-name-as-well")
    scenario = story(
        *(f"{{at: {at}m, for: 30s, who: a, fault: {fault}}}" for at, fault in enumerate(("overloaded", "cut", "hang"))),
        *(f"{{at: {at}m, for: 30s, who: [a, b], fault: context_length_exceeded}}" for at in (4, 6, 8)),
        rate="4/s",
    ).replace("chat", "a-route-with-a-long-name-as-well")
    scenario += f'expect: {{{long}: {{share: "> 99%", opened: "< 1"}}}}\n'
    outcome = play(text, scenario, tmp_path)
    report = render(outcome, judge(outcome))
    assert [line for line in report.splitlines() if len(line) > 80] == []
    for words in ("context_length_exceeded", "breaker open", "✗ a-model-with-q…", "2 of 2 do not hold"):
        assert words in report
    assert re.search(r"open from 0:0\d:\d\d to", report)


def test_a_model_by_two_names_is_one_target(tmp_path: Any) -> None:
    """What is said of either name holds; the report has it once."""
    text = PAIR.replace(
        "routes:", "  also: {provider: a, id: m1, price: {input: 1, output: 10}}\nroutes:\n  other: also"
    )
    scenario = story("{at: 0s, for: 10m, who: also, fault: slow, times: 4}").replace(
        "traffic: [", "traffic: [{route: other, rate: 1/s, answer: 100}, "
    )
    scenario += "expect: {one: {share: '>= 100%'}, also: {share: '>= 100%'}, a: {opened: '<= 0'}}\n"
    outcome = play(text, scenario.replace("targets: {", "targets: {one: {speed: 50/s}, "), tmp_path)
    assert list(outcome.targets) == ["also", "two"]
    assert outcome.routes["chat"].first_token.quantile(0.5) == pytest.approx(0.8, rel=0.01)
    assert outcome.routes["other"].whole.quantile(0.5) == pytest.approx(0.8 + 99 / 12.5, rel=0.01)
    assert outcome.targets["also"].calls == outcome.requests
    assert [verdict.holds for verdict in judge(outcome)] == [True, True, True]
