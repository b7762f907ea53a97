"""The script and its twin in Python answer alike to the same history of budgets; and what both promise."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from router.shared.allocator import Allocator
from router.shared.budget import BudgetEntry, Standing
from router.shared.exchange import Message, read_reply
from router.shared.redis import SCRIPT
from tests.support.redis_server import RedisServer, needs_redis

_CLOCK = "redis.call('TIME')"  # the server's own can't be set
START = 1_700_000_000.0
_MOST = 9_000_000_000_000_000  # nano-dollars
_LIMITS = {"a": (5_000_000_000, 7_000_000_000), "b": (_MOST, _MOST - 1), "c": (3, 4)}


@st.composite
def _entries(draw: st.DrawFn) -> BudgetEntry:
    name = draw(st.sampled_from(sorted(_LIMITS)))
    limit = draw(st.sampled_from(_LIMITS[name]))
    amount = st.integers(0, limit // 3) | st.just(0)
    machine = draw(st.sampled_from(["one", "two"]))
    total = draw(st.integers(0, limit) | st.just(0))
    return BudgetEntry(name, limit, machine, total, draw(amount), draw(amount), draw(amount), 4_000_000)


_STEPS = st.lists(
    st.tuples(
        st.floats(0, 3) | st.floats(0, 30),  # seconds since the last
        st.sampled_from("xyz"),  # who
        st.booleans(),  # whether it repeats its last
        st.sampled_from(["mine", "", "0.000000"]),  # the epoch that it knows
        st.booleans(),  # whether it leaves
        st.lists(_entries(), max_size=3, unique_by=lambda entry: entry.name),
    ),
    max_size=12,
)

_HALF_OF_THE_MOST = [  # and one more: a double holds their sum, and not that sum and what was told before
    (0.0, "x", False, "mine", False, [BudgetEntry("b", _MOST, machine, total, 0, 0, 0, 4_000_000)])
    for machine, total in (("one", 1 << 52), ("two", 1), ("one", 0))
]


@needs_redis
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
@example(steps=_HALF_OF_THE_MOST)
def test_the_script_and_its_twin_agree(server: RedisServer, steps: list[tuple]) -> None:
    allocator, now, numbers, last, epoch = Allocator(), START, dict.fromkeys("xyz", 0), {}, ""
    with server.client() as client:
        client.flushall()
        for gap, label, repeats, seen, leaving, entries in steps:
            now = round(now + gap, 6)
            if not (repeats and label in last):
                numbers[label] += 1
                seen = epoch if seen == "mine" else seen
                last[label] = Message(label, numbers[label], seen, tuple(entries), leaving=leaving)
            message = last[label]
            keys, (whole, micro) = message.keys("sb:{app/0}:"), f"{now:.6f}".split(".")
            script = SCRIPT.replace(_CLOCK, f'{{"{whole}", "{micro}"}}')
            reply = read_reply(client.eval(script, len(keys), *keys, *message.arguments()))
            epoch = reply.epoch
            assert reply == allocator.exchange(message, int(whole) + int(micro) / 1_000_000)


class Process:
    """One process that tells an allocator of one budget of $5."""

    def __init__(self, allocator: Allocator, label: str, machine: str) -> None:
        self.allocator, self.label, self.machine, self.number = allocator, label, machine, 0

    def tell(self, now: float, total: int = 0, hold: int = 0, more: int = 0, **told: object) -> Standing:
        self.number += 1
        return self.again(now, total, hold, more, **told)

    def again(
        self, now: float, total: int, hold: int, more: int, *, least: int = 1, limit: int = 5000, seen: str = ""
    ) -> Standing:
        entry = BudgetEntry("a", limit, self.machine, total, hold, more, least, 100)
        reply = self.allocator.exchange(Message(self.label, self.number, seen, (entry,)), START + now)
        return Standing.read(reply.answers[0])


def pair(*machines: str) -> list[Process]:
    allocator = Allocator()
    return [Process(allocator, f"{number}", machine) for number, machine in enumerate(machines)]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 900)), max_size=40))
def test_a_sum_is_what_the_machines_say_however_often_and_in_whatever_order(told: list[tuple[int, int]]) -> None:
    processes, totals = pair("one", "one", "two", "three"), {"one": 0, "two": 0, "three": 0}
    for who, total in told:
        machine = processes[who].machine
        totals[machine] = max(totals[machine], total)
        assert processes[who].tell(0.0, total).spent == sum(totals.values())


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4000), st.integers(0, 500)), max_size=40))
def test_no_more_is_leased_than_is_left(asked: list[tuple[int, int, int]]) -> None:
    processes = pair("one", "one", "two", "three")
    held = dict.fromkeys(range(4), 0)
    for who, more, least in asked:
        held[who] += processes[who].tell(0.0, hold=held[who], more=more, least=least).got
        assert sum(held.values()) <= 5000


def test_one_process_gets_no_more_than_half_of_its_part_but_one_call() -> None:
    first, second = pair("one", "two")
    assert first.tell(0.0).free == 5000
    assert second.tell(0.0, more=4000).got == 1250
    assert first.tell(0.0, more=4000, least=3000).got == 3000


def test_what_is_less_than_one_call_is_had_by_the_last_who_has_none() -> None:
    first, second = pair("one", "two")
    first.tell(0.0, total=4000, hold=400)
    assert second.tell(0.0, more=1000, least=1000).got == 0
    assert first.tell(0.0, total=4400).others == 0
    assert second.tell(0.0, more=1000, least=1000).got == 600


def test_the_lease_of_one_who_is_gone_is_had_by_others() -> None:
    first, second = pair("one", "two")
    assert first.tell(0.0, more=3000, least=3000).got == 3000
    assert second.tell(4.9, more=3000, least=3000).got == 0
    assert second.tell(5.1, more=3000, least=3000).got == 3000


def test_of_two_amounts_the_lower_holds_as_long_as_somebody_tells_it() -> None:
    old, new = pair("one", "two")
    old.tell(0.0, limit=1000)
    lower = new.tell(1.0, total=900, more=4000, limit=5000)
    assert lower.got + lower.free == 100
    assert new.tell(14.0, total=900, limit=5000).limit == 1000
    assert new.tell(15.1, total=900, limit=5000).limit == 5000


def test_after_a_loss_nothing_is_leased_until_all_have_told_again() -> None:
    first, second = pair("one", "two")
    assert first.tell(0.0, total=3000, hold=100, more=100, seen="of before").got == 0
    assert second.tell(1.0, total=1500, more=5000, seen="of before").got == 0
    after = second.tell(2.1, total=1500, more=5000)
    assert (after.spent, after.others, after.got + after.free) == (4500, 100, 400)
