"""Weighted balancing alone: shares, comings and goings, and what it costs with many targets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.balance.balancer import BalanceContext
from router.balance.weighted import Weighted
from router.plan.rules import BreakerRules
from router.plan.target import Target
from router.state.states import States


class Tier:
    """Targets with these weights, and the picks that they got."""

    def __init__(self, weights: Iterable[float]) -> None:
        self.targets = tuple(
            Target(name=f"t{place}", provider="p", model=f"m{place}", weight=weight, breaker=BreakerRules(ramp=10.0))
            for place, weight in enumerate(weights)
        )
        self.balancer = Weighted()
        self.states = States(random.Random(1))
        self.now = 100.0
        self.away: set[str] = set()
        self.asked = 0
        self.calls: Counter[str] = Counter()

    def may(self, target: Target) -> bool:
        self.asked += 1
        return target.name not in self.away

    def pick(self) -> str | None:
        look = BalanceContext(states=self.states, now=self.now, rng=random.Random(1))
        target = self.balancer.pick(self.targets, self.may, look)
        if target is None:
            return None
        assert target.name not in self.away
        self.calls[target.name] += 1
        return target.name

    def furthest(self, calls: int) -> float:
        """From its share of so many calls, of those that are there: the one that is furthest from it."""
        there = [target for target in self.targets if target.name not in self.away]
        whole = sum(target.weight for target in there)
        return max(abs(self.calls[each.name] - calls * each.weight / whole) for each in there)


WEIGHTS = st.lists(st.floats(0.01, 100), min_size=1, max_size=12)


@given(WEIGHTS)
@settings(max_examples=settings().max_examples)
def test_any_weights_are_kept_to_one_call(weights: list[float]) -> None:
    tier = Tier(weights)
    for calls in range(1, 300):
        tier.pick()
        assert tier.furthest(calls) <= 1 + 1e-6


@given(WEIGHTS, st.lists(st.sets(st.integers(0, 11)), min_size=1, max_size=20), st.randoms(use_true_random=False))
@settings(max_examples=2 * settings().max_examples)
def test_what_one_missed_while_away_is_not_made_up_for(
    weights: list[float], absences: list[set[int]], chance: random.Random
) -> None:
    """However they came and went: from then on all have their share, within what each was owed at both ends."""
    tier = Tier(weights)
    for absence in absences:
        tier.away = {f"t{place}" for place in absence}
        for _ in range(chance.randrange(50)):
            tier.pick()
    tier.away = {f"t{place}" for place in absences[0] if place < len(weights)}
    if len(tier.away) == len(weights):
        assert tier.pick() is None
        return
    tier.calls.clear()
    for calls in range(1, 300):
        tier.pick()
        assert tier.furthest(calls) <= 3


def test_a_thousand_targets_are_not_all_asked() -> None:
    """One call asks the one target whose turn it is; a dead one is asked by every call, so that traces name it."""
    tier = Tier([1.0 + place % 7 for place in range(1000)])
    for calls in range(1, 3001):
        tier.pick()
        assert tier.furthest(calls) <= 1 + 1e-6
    assert tier.asked == 3000
    tier.away = {"t3", "t5"}
    for _ in range(2000):
        tier.pick()
    tier.asked = 0
    tier.pick()
    assert tier.asked == 3


def test_all_away_is_nobody_and_they_come_back_as_they_were() -> None:
    tier = Tier([2, 1, 1])
    before = [tier.pick() for _ in range(3)]
    tier.away = {"t0", "t1", "t2"}
    assert [tier.pick() for _ in range(5)] == [None] * 5
    tier.away = set()
    assert Counter([*before, tier.pick()]) == {"t0": 2, "t1": 1, "t2": 1}


def test_one_that_came_back_has_less_until_the_ramp_is_over() -> None:
    tier = Tier([1, 1])
    breaker = tier.states.target(tier.targets[0]).breaker
    breaker.trip(tier.now)
    tier.now = breaker.until + 1
    while breaker.state != "closed":
        breaker.success(breaker.acquire(tier.now), tier.now)
    shares = []
    for _ in range(3):
        calls = [tier.pick() for _ in range(100)]
        shares.append(calls.count("t0") / 100)
        tier.now += 5.0
    assert shares == pytest.approx([0.09, 0.35, 0.5], abs=0.02)


def test_time_that_begins_anew_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does so after a million calls, so that a router's shares stay exact however long it runs."""
    weights = [4, 2, 1, 1]  # exact in binary, so that those that are due at once stay so
    usual = Tier(weights)
    picks = [usual.pick() for _ in range(500)]
    monkeypatch.setattr("router.balance.weighted._LONG", 7.0)
    often = Tier(weights)
    assert [often.pick() for _ in range(500)] == picks
