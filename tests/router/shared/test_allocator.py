"""What the allocator hands out, whatever it is told: never more than a limit has."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from router.shared.allocator import Allocator
from router.shared.exchange import Message, Reply
from router.shared.limit import Grant, LimitEntry

AMOUNT, PERIOD, CAP = 100.0, 60.0, 10.0
START = 1_700_000_000.0


def granted(reply: Reply) -> int:
    [answer] = reply.answers
    return Grant.read(answer).got


class Client:
    """One process that asks an allocator for one limit."""

    def __init__(self, allocator: Allocator, label: str) -> None:
        self.allocator, self.label, self.number = allocator, label, 0

    def ask(self, want: int, now: float, **told: object) -> int:
        self.number += 1
        return self.again(want, now, **told)

    def again(self, want: int, now: float, **told: object) -> int:
        ask = LimitEntry("a", AMOUNT, PERIOD, CAP, want, **told)  # type: ignore[arg-type]  # of a test
        return granted(self.allocator.exchange(Message(self.label, self.number, "", (ask,)), now))


@given(steps=st.lists(st.tuples(st.floats(0, 20), st.sampled_from("xyz"), st.integers(0, 60)), max_size=60))
def test_no_minute_gets_more_than_its_amount_and_nobody_more_than_the_cap_at_once(steps: list) -> None:
    allocator, now = Allocator(), START
    clients = {label: Client(allocator, label) for label in "xyz"}
    grants: list[tuple[float, int]] = []
    for gap, label, want in steps:
        now += gap
        got = clients[label].ask(want, now)
        assert 0 <= got <= min(want, CAP)
        grants.append((now, got))
    for began, _ in grants:
        assert sum(got for at, got in grants if began <= at < began + PERIOD) <= AMOUNT
        assert sum(got for at, got in grants if began <= at <= began + 6) <= CAP + 6 * AMOUNT / PERIOD + 1e-3


@given(wants=st.lists(st.integers(1, 10), min_size=1, max_size=20), age=st.floats(0, 59))
def test_what_is_given_back_can_be_had_again_and_no_more_than_that(wants: list[int], age: float) -> None:
    allocator, now, grants = Allocator(), START, []
    client = Client(allocator, "x")
    for want in wants:
        got = client.ask(want, now)
        back = min(got, 3)
        now += age
        client.ask(0, now, charge=-back, used=((age, -back),))
        grants.append((now - age, got - back))
    for began, _ in grants:
        kept = sum(got for at, got in grants if began <= at < began + PERIOD)
        assert kept <= AMOUNT
    now += 3 * PERIOD
    assert client.ask(100, now) == CAP


def test_a_repeated_message_has_no_effect_again() -> None:
    allocator = Allocator()
    client, other = Client(allocator, "x"), Client(allocator, "y")
    assert client.ask(6, START) == 6
    assert client.again(6, START + 1) == 6
    assert other.ask(10, START + 1) == 5  # 4, and 1 that has flowed in


def test_what_was_used_without_a_lease_counts() -> None:
    client = Client(Allocator(), "x")
    assert client.ask(0, START, charge=8.0, used=((0.0, 8.0),)) == 0
    assert client.ask(10, START) == 2


def test_what_the_vendor_says_is_left_holds() -> None:
    client = Client(Allocator(), "x")
    assert client.ask(10, START, left=3.0) == 3


def test_a_limit_that_was_lost_begins_empty() -> None:
    ask = LimitEntry("a", AMOUNT, PERIOD, CAP, 10)
    assert granted(Allocator().exchange(Message("x", 1, "", (ask,)), START)) == CAP
    assert granted(Allocator().exchange(Message("x", 1, "of before", (ask,)), START)) == 0
    assert granted(Allocator().exchange(Message("x", 1, "", (ask,), lost=True), START)) == 0


@settings(max_examples=20)
@given(living=st.integers(1, 30))
def test_the_living_are_counted(living: int) -> None:
    allocator = Allocator()
    for number in range(living):
        reply = allocator.exchange(Message(str(number), 1, "", ()), START)
    assert reply.processes == living
    assert allocator.exchange(Message("0", 2, "", (), leaving=True), START).processes == living - 1
    assert allocator.exchange(Message("new", 1, "", ()), START + 10).processes == 1
