"""A rate holds in every window of its own period, and what it allows can be used."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.units import Allowance, allowances
from router.plan.rules import Limits
from router.state.limits import Rate, RateLimits

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


def most_in_a_window(taken: list[tuple[float, float]], period: float) -> float:
    """The most that any half-open window of the period has; one that begins with an entry has it."""
    most, first, amount = 0.0, 0, 0.0
    for at, much in taken:
        amount += much
        while taken[first][0] <= at - period * (1 - 1e-9):  # a float has its rounding
            amount -= taken[first][1]
            first += 1
        most = max(most, amount)
    return most


def served(rate: Rate, moments: list[float]) -> list[tuple[float, float]]:
    """Those of one request at each of these moments that are let through."""
    taken = []
    for now in moments:
        if rate.wait(1.0, now) <= 0:
            rate.take(1.0, now, now)
            taken.append((now, 1.0))
    return taken


@pytest.mark.parametrize(
    ("written", "asked", "every", "had"),
    [
        ("250/d", 10, 1.0, 10),
        ("250/d", 300, 1.0, 250),
        ("600/h", 60, 0.0, 60),
        ("600/h", 700, 0.0, 600),
        ("10/s", 20, 0.0, 10),
        ("60/min", 60, 0.0, 6),  # a tenth of a minute's allowance at once
        ("60/min", 60, 1.0, 60),
        ("1/min", 3, 0.0, 1),
        ("0.5/s", 10, 1.0, 5),
    ],
)
def test_a_rate_has_its_own_period(written: str, asked: int, every: float, had: int) -> None:
    (allowance,) = allowances(written)
    assert len(served(Rate(allowance), [number * every for number in range(asked)])) == had


@pytest.mark.parametrize(("written", "period"), [("250/d", DAY), ("600/h", HOUR), ("60/min", MINUTE), ("5/s", 1.0)])
def test_it_is_exact_at_the_edge(written: str, period: float) -> None:
    """What was used up at one moment is free again a period later, not before and not after."""
    rate = Rate(*allowances(written))
    step = period / rate.amount / 20
    moments = [number * step for number in range(int(rate.amount) * 25)]
    taken = served(rate, moments)
    assert most_in_a_window(taken, period) <= rate.amount
    rate = Rate(Allowance(3, period * 2))  # not smoothed
    assert [at for at, _ in served(rate, [0.0, 0.0, 0.0, 0.0, 2 * period - 0.001, 2 * period])] == [0, 0, 0, 2 * period]


@pytest.mark.parametrize("written", ["250/d", "600/h", "60/min", "6k/min", "10/s", "1/s", "0.2/s", "1k/h"])
@pytest.mark.parametrize("seed", range(3))
def test_steady_overload_uses_what_is_allowed(written: str, seed: int) -> None:
    """Three times too many: 95 % of the allowance and more is served, over ten periods, and never too many."""
    (allowance,) = allowances(written)
    rate, chance, now, taken = Rate(allowance), random.Random(seed), 0.0, []
    while now < 10 * allowance.period:
        now += chance.expovariate(max(3 * allowance.per_second, 30 / allowance.period))
        if rate.wait(1.0, now) <= 0:
            rate.take(1.0, now, now)
            taken.append((now, 1.0))
    assert most_in_a_window(taken, allowance.period) <= allowance.amount
    assert len(taken) >= 0.95 * 10 * allowance.amount - 1


steps = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 0.02), st.floats(0, 2), st.sampled_from([0.0, 0.999, 1.0, 50.0])),  # periods
        st.floats(0.01, 1.5),  # of the amount
        st.sampled_from(["use", "use less", "fail", "line up", "line up and leave"]),
    ),
    max_size=60,
)


@given(st.sampled_from([(20.0, MINUTE), (1000.0, DAY), (3.0, 1.0)]), steps)
def test_no_window_has_more_than_the_amount(
    allowance: tuple[float, float], steps: list[tuple[float, float, str]]
) -> None:
    """Whatever was reserved ahead, given back or used less, in jumps of time: but for a call that is larger by itself,
    which has its window alone.
    """
    rate, now = Rate(Allowance(*allowance)), 0.0
    amount, period = allowance
    taken: list[tuple[float, float]] = []
    for gap, part, what in steps:
        now += gap * period
        wanted = part * amount
        wait = rate.wait(wanted, now)
        if wait > 0 and not what.startswith("line up"):
            continue
        entry = rate.take(wanted, now, now + wait)
        if what == "line up and leave" or what == "fail":
            rate.correct(entry, 0.0, now)
            continue
        if wait > 0:
            now += wait
            assert rate.early(entry, now) <= 1e-6  # those before used no more than they had reserved
        used = wanted / 2 if what == "use less" else wanted
        rate.correct(entry, used, now)
        taken.append((now, min(used, amount)))
    assert most_in_a_window(taken, period) <= amount * (1 + 1e-9) + 1e-6


def test_who_leaves_the_line_holds_nobody_up() -> None:
    rate = Rate(Allowance(2, HOUR))
    for _ in range(2):
        rate.take(1.0, 0.0, 0.0)
    waiting = rate.take(1.0, 1.0, 1.0 + rate.wait(1.0, 1.0))
    assert rate.wait(1.0, 1.0) == pytest.approx(HOUR - 1)
    rate.correct(waiting, 0.0, 2.0)
    assert rate.wait(1.0, 2.0) == pytest.approx(HOUR - 2)
    first = rate.take(1.0, 2.0, 2.0 + rate.wait(1.0, 2.0))
    assert rate.wait(1.0, 2.0) == pytest.approx(HOUR - 2)  # two are free by then
    rate.take(1.0, 2.0, HOUR)
    assert rate.wait(1.0, 2.0) == pytest.approx(2 * HOUR - 2)
    assert rate.early(first, HOUR) == 0


def test_a_whole_line_that_leaves_is_forgotten() -> None:
    """The next one has the first turn, not the one after theirs."""
    rate = Rate(Allowance(1, HOUR))
    rate.take(1.0, 0.0, 0.0)
    waiting = [rate.take(1.0, 1.0, 1.0 + rate.wait(1.0, 1.0)) for _ in range(3)]
    assert rate.wait(1.0, 1.0) == pytest.approx(4 * HOUR - 1)
    for entry in waiting:
        rate.correct(entry, 0.0, 2.0)
    assert rate.wait(1.0, 2.0) == pytest.approx(HOUR - 2)


def test_several_rates_side_by_side() -> None:
    """`[60/min, 100/h]`: the minute smooths, and the hour ends it."""
    limits = RateLimits(Limits(requests=allowances(["60/min", "100/h"])))
    had = []
    for now in range(4000):
        if limits.wait(0.0, now) <= 0:
            limits.take(0.0, now, now)
            had.append(now)
    assert had[:100] == list(range(100))
    assert had[100] == 3600
    at_once = RateLimits(Limits(requests=allowances(["60/min", "100/h"])))
    count = 0
    while at_once.wait(0.0, 0.0) <= 0:
        at_once.take(0.0, 0.0, 0.0)
        count += 1
    assert count == 6


def test_an_edit_keeps_what_was_taken() -> None:
    """Of a period that stays; the amount may change, and the order."""
    limits = RateLimits(Limits(requests=allowances("3/h")))
    for _ in range(3):
        limits.take(0.0, 0.0, 0.0)
    limits.change(Limits(requests=allowances(["60/min", "4/h"])))
    limits.take(0.0, 1.0, 1.0)
    assert limits.wait(0.0, 2.0) == pytest.approx(HOUR - 2)
    limits.change(Limits(requests=allowances("60/min")))
    assert limits.wait(0.0, 3.0) == 0
