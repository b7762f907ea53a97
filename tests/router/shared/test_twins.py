"""The script and its twin in Python give the same grants for the same history."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.shared.allocator import Allocator
from router.shared.exchange import Message, read_reply
from router.shared.limit import Grant, LimitEntry
from router.shared.redis import SCRIPT
from tests.support.redis_server import RedisServer, needs_redis

_LIMITS = {"a": (600.0, 60.0, 60.0), "b": (1e6, 60.0, 1e5), "c": (7.0, 1.0, 7.0), "d": (1000.0, 86_400.0, 1000.0)}
KEPT = 60.0  # seconds that a reply is kept; a Redis forgets by its own clock, which the test can't set
_CLOCK = "redis.call('TIME')"  # the server's own can't be set


@st.composite
def _asks(draw: st.DrawFn) -> LimitEntry:
    name = draw(st.sampled_from(sorted(_LIMITS)))
    amount, period, cap = _LIMITS[name]
    size = st.floats(-amount / 5, amount / 3)
    used = draw(st.lists(st.tuples(st.floats(0, period * 1.1), size), max_size=3))
    return LimitEntry(
        name,
        amount,
        period,
        cap,
        want=draw(st.integers(0, int(amount / 4))),
        charge=draw(st.sampled_from([0.0]) | size),
        left=draw(st.none() | st.floats(0, cap)),
        used=tuple(used),
    )


_STEPS = st.lists(
    st.tuples(
        st.floats(0, 5) | st.floats(0, 90),  # seconds since the last
        st.sampled_from("xyz"),  # who
        st.booleans(),  # whether it repeats its last
        st.sampled_from(["mine", "", "0.000000"]),  # the epoch that it knows
        st.booleans(),  # whether data was lost
        st.lists(_asks(), max_size=3, unique_by=lambda ask: ask.name),
    ),
    max_size=12,
)


@needs_redis
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_the_script_and_its_twin_agree(server: RedisServer, steps: list[tuple]) -> None:
    allocator, now, numbers, last = Allocator(), 1_700_000_000.0, dict.fromkeys("xyz", 0), {}
    epoch, told_at = "", dict.fromkeys("xyz", 0.0)
    with server.client() as client:
        client.flushall()
        assert _CLOCK in SCRIPT
        for gap, label, repeats, seen, lost, asks in steps:
            now = round(now + gap, 6)
            repeats = repeats and now - told_at[label] < KEPT
            numbers[label] += not repeats
            told_at[label] = told_at[label] if repeats else now
            seen = epoch if seen == "mine" else seen
            message = last[label] = (
                last[label] if repeats and label in last else Message(label, numbers[label], seen, tuple(asks), lost)
            )
            keys, (whole, micro) = message.keys("sb:{app/0}:"), f"{now:.6f}".split(".")
            exact = int(whole) + int(micro) / 1_000_000
            script = SCRIPT.replace(_CLOCK, f'{{"{whole}", "{micro}"}}')
            reply = read_reply(client.eval(script, len(keys), *keys, *message.arguments()))
            twin = allocator.exchange(message, exact)
            epoch = reply.epoch
            assert reply[:-1] == twin[:-1]
            for line, twins in zip(reply.answers, twin.answers, strict=True):
                mine, its = Grant.read(line), Grant.read(twins)
                assert mine.got == its.got
                assert abs(mine.fill - its.fill) < 2e-4
                assert abs(mine.wait - its.wait) < 2e-6 + 1e-9 * its.wait
