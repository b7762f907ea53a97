"""The circuit breaker against a plain model of its rules, and its promises one by one."""

from __future__ import annotations

import random
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from router.plan.rules import BreakerRules
from router.state.breaker import Breaker, Permit

RULES = BreakerRules()


def breaker(**changes: object) -> Breaker:
    return Breaker(replace(RULES, **changes), random.Random(1))  # type: ignore[arg-type]  # fields of the rules


def fail(made: Breaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        assert made.admits(now)
        made.failure(made.acquire(now), now)


def succeed(made: Breaker, now: float, times: int = 1, seconds: float = 0.0) -> None:
    for _ in range(times):
        assert made.admits(now)
        made.success(made.acquire(now), now, seconds)


def test_failures_in_a_row_open_it() -> None:
    """The fifth by default; a success in between starts the count anew."""
    made = breaker(min_calls=100)
    fail(made, 0.0, 4)
    succeed(made, 0.0)
    fail(made, 0.0, 4)
    assert made.state == "closed"
    fail(made, 0.0)
    assert made.state == "open"
    assert not made.admits(1.0)


def test_the_failure_rate_opens_it_when_there_are_enough_calls() -> None:
    """Half of ten within the window; not of nine, and not of those that lie further back."""
    made = breaker(consecutive=100)
    for _ in range(4):
        succeed(made, 0.0)
        fail(made, 0.0)
    assert made.state == "closed"
    succeed(made, 0.0)
    fail(made, 0.0)
    assert made.state == "open"

    made = breaker(consecutive=100)
    fail(made, 0.0, 9)
    succeed(made, 31.0, 9)
    fail(made, 31.0)
    assert made.state == "closed"


def test_it_opens_for_longer_each_time_and_closes_after_probes() -> None:
    """10 s, 20 s, 40 s (±10%) up to the most; one success of one probe closes it."""
    made = breaker(max_open_for=35.0)
    now = 0.0
    fail(made, now, 5)
    for expected in (10.0, 20.0, 35.0, 35.0):
        assert abs(made.until - now - expected) <= expected * 0.1 + 1e-9
        assert not made.admits(made.until - 0.001)
        now = made.until
        fail(made, now)  # the probe fails
    now = made.until
    succeed(made, now)
    assert made.state == "closed"
    fail(made, now, 5)
    assert abs(made.until - now - 10.0) <= 1.0


def test_half_open_lets_so_many_probes_through() -> None:
    """Two at a time, both of which have to be well."""
    made = breaker(probes=2)
    fail(made, 0.0, 5)
    now = made.until
    assert made.admits(now)
    first = made.acquire(now)
    assert made.admits(now)
    second = made.acquire(now)
    assert not made.admits(now)
    made.success(first, now)
    assert made.state == "half_open"
    made.success(second, now)
    assert made.state == "closed"


def test_a_lost_probe_expires() -> None:
    """A permit that never comes back shuts the target out for its lease only."""
    made = breaker()
    fail(made, 0.0, 5)
    now = made.until
    assert made.admits(now)
    made.acquire(now)
    assert not made.admits(now + 119.0)
    assert made.admits(now + 121.0)


def test_a_cancelled_probe_frees_its_place() -> None:
    """And tells nothing: the next one comes a second later, so that those who give up soon are no crowd."""
    made = breaker()
    fail(made, 0.0, 5)
    now = made.until
    assert made.admits(now)
    made.forget(made.acquire(now), now)
    assert made.state == "half_open"
    assert not made.admits(now + 0.9)
    assert made.next_probe(now) == now + 1.0
    assert made.admits(now + 1.0)


def test_outcomes_of_older_generations_are_ignored() -> None:
    """A slow call that began before it opened neither closes nor reopens it."""
    made = breaker()
    old = [made.acquire(0.0) for _ in range(3)]
    fail(made, 0.0, 5)
    now = made.until
    assert made.admits(now)
    made.success(old[0], now)
    made.failure(old[1], now)
    assert made.state == "half_open"
    made.forget(old[2], now)


def test_a_trip_opens_it_for_the_longest() -> None:
    """A wrong key is not better after ten seconds."""
    made = breaker()
    made.trip(5.0)
    assert not made.admits(304.0)
    assert made.admits(305.0)


def test_slow_calls_count_where_asked() -> None:
    """80% of ten calls over 20 s."""
    made = breaker(slow_threshold=20.0, slow_rate=0.8)
    succeed(made, 0.0, 2, seconds=1.0)
    succeed(made, 0.0, 7, seconds=25.0)
    assert made.state == "closed"
    succeed(made, 0.0, seconds=25.0)
    assert made.state == "open"


def test_the_share_ramps_up_after_closing() -> None:
    """From a tenth to all of it over ten seconds; a new one has all of it."""
    made = breaker()
    assert made.share(0.0) == 1.0
    fail(made, 0.0, 5)
    now = made.until
    succeed(made, now)
    assert [round(made.share(now + passed), 2) for passed in (0.0, 5.0, 10.0, 99.0)] == [0.1, 0.55, 1.0, 1.0]


def test_a_state_set_by_hand_stays() -> None:
    """Until it is reset."""
    made = breaker()
    made.force("open")
    assert not made.admits(1e9)
    made.reset()
    assert made.admits(0.0)
    made.force("closed")
    fail(made, 0.0, 50)
    assert made.state == "closed"


class Model:
    """The rules written down plainly: a list in place of buckets. Time moves by whole buckets: both cut alike."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.rules = BreakerRules(
            consecutive=rng.randint(1, 6),
            min_calls=rng.randint(1, 12),
            probes=rng.randint(1, 3),
            failure_rate=rng.choice([0.3, 0.5, 1.0]),
            open_for=10,
            max_open_for=60,
        )
        self.made = Breaker(self.rules, random.Random(1))
        self.now = 0.0
        self.state = "closed"
        self.calls: deque[tuple[float, bool]] = deque()
        self.in_row = 0
        self.leases: dict[Permit, float] = {}
        self.passed = 0
        self.paced_until = 0.0
        self.permits: list[tuple[Permit, int]] = []  # with the model's own generation
        self.generation = 0
        self.shut_since: float | None = None
        self.walk: list[str] = []

    def __repr__(self) -> str:
        return f"<{self.rules} after {' '.join(self.walk)}>"

    def become(self, state: str) -> None:
        self.state = state
        self.generation += 1
        self.calls.clear()
        self.leases.clear()
        self.in_row = self.passed = 0
        self.paced_until = 0.0

    def admitted(self) -> bool:
        if self.state == "closed":
            return True
        if self.state == "open":
            if self.now < self.made.until:
                return False
            self.become("half_open")
        self.leases = {permit: ends for permit, ends in self.leases.items() if ends > self.now}
        return self.now >= self.paced_until and len(self.leases) < self.rules.probes

    def wait(self) -> None:
        self.now += 3.0 * self.rng.randint(0, 12)

    def call(self) -> None:
        expected = self.admitted()
        assert self.made.admits(self.now) == expected
        if not expected:
            if self.shut_since is None:
                self.shut_since = self.now
            # Never shut out for longer than the longest opening and one lease.
            assert self.now - self.shut_since <= 2 * (60.0 + 60.0 + 36.0) or self.state == "half_open"
            return
        self.shut_since = None
        permit = self.made.acquire(self.now)
        self.permits.append((permit, self.generation))
        if self.state == "half_open":
            self.leases[permit] = self.now + 60.0

    def any_permit(self) -> tuple[Permit, int]:
        return self.permits.pop(self.rng.randrange(len(self.permits)))

    def succeed(self) -> None:
        self.outcome(well=True)

    def fail(self) -> None:
        self.outcome(well=False)

    def outcome(self, well: bool) -> None:
        if not self.permits:
            return
        permit, generation = self.any_permit()
        until = self.made.until
        (self.made.success if well else self.made.failure)(permit, self.now)
        if generation != self.generation:
            assert self.made.until == until
            return
        if self.state == "half_open":
            self.leases.pop(permit, None)
            self.passed += well
            if not well:
                self.become("open")
            elif self.passed >= self.rules.probes:
                self.become("closed")
            return
        self.in_row = 0 if well else self.in_row + 1
        self.calls.append((self.now, well))
        while self.calls and self.calls[0][0] <= self.now - 30.0:
            self.calls.popleft()
        failed = sum(1 for _, good in self.calls if not good)
        rate = len(self.calls) >= self.rules.min_calls and failed >= self.rules.failure_rate * len(self.calls)
        if not well and (self.in_row >= self.rules.consecutive or rate):
            self.become("open")

    def cancel(self) -> None:
        if self.permits:
            permit, generation = self.any_permit()
            self.made.forget(permit, self.now)
            if generation == self.generation and self.leases.pop(permit, None) is not None:
                self.paced_until = self.now + 1.0

    def lose(self) -> None:
        if self.permits:
            self.any_permit()

    def by_hand(self) -> None:
        self.made.reset()
        self.become("closed")
        self.shut_since = None


STEPS = {  # how likely they are
    Model.wait: 2.0,
    Model.call: 6.0,
    Model.succeed: 1.0,
    Model.fail: 2.0,
    Model.cancel: 0.5,
    Model.lose: 0.3,
    Model.by_hand: 0.1,
}


@pytest.mark.parametrize("seed", range(10))
def test_it_is_as_the_model(seed: int) -> None:
    """Over three hundred walks of two hundred steps, of which each has a mixture of its own."""
    rng = random.Random(seed)
    for _ in range(300):
        model = Model(rng)
        mixture = [likely * rng.random() ** 2 for likely in STEPS.values()]
        for step in rng.choices(tuple(STEPS), mixture, k=200):
            model.walk.append(step.__name__)
            step(model)
            assert model.made.state == model.state, model


@given(st.lists(st.sampled_from(["fail", "lose", "cancel", "force", "late"]), max_size=40))
def test_a_healthy_target_comes_back(before: list[str]) -> None:
    """Whatever happened: after the longest opening and one lease a call is let through, and one success closes it."""
    made = breaker(max_open_for=60.0)
    now, late = 0.0, []
    for event in before:
        if event == "force":
            made.reset()
        elif made.admits(now):
            permit = made.acquire(now)
            if event == "fail":
                made.failure(permit, now)
            elif event == "cancel":
                made.forget(permit, now)
            elif event == "late":
                late.append(permit)
        now += 7.0
    now += 60.0 + 60.0
    for permit in late:
        made.failure(permit, now)
    if made.state == "open":
        now = made.until
    assert made.admits(now)
    succeed(made, now)
    assert made.state == "closed"
