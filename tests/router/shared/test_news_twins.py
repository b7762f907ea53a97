"""The script and its twin in Python tell the same news."""

from __future__ import annotations

from contextlib import closing

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.shared.fact import Fact, NewsEntry, NewsReply
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.twins import Twins

_FACTS = st.builds(
    Fact,
    st.sampled_from(["hold", "breaker"]),
    st.sampled_from("abcd"),
    st.sampled_from([0.0, 0.5, 30.0, 30.0, 700.0]),
    st.sampled_from(["", "x", "some words, more of them"]),
)
_STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.3, 1.0, 40.0]),  # seconds since the last
        st.sampled_from("xyz"),  # who
        st.sampled_from(["mine", "", "0.000000"]),  # the epoch that it knows
        st.sampled_from([0, 0, 1, 10_000]),  # added to its cursor
        st.lists(_FACTS, max_size=3, unique_by=lambda fact: (fact.kind, fact.name)),
    ),
    max_size=15,
)


@needs_redis
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_the_script_and_its_twin_tell_the_same(server: RedisServer, steps: list[tuple]) -> None:
    cursors = dict.fromkeys("xyz", 0)
    with closing(Twins(server)) as twins:
        for gap, label, seen, ahead, facts in steps:
            twins.pass_by(gap)
            seen = twins.epoch if seen == "mine" else seen
            mine, its = twins.exchange(label, NewsEntry(cursors[label] + ahead, tuple(facts)), seen=seen)
            news, twin = NewsReply.read(mine.answers[0]), NewsReply.read(its.answers[0])
            cursors[label] = news.cursor
            assert (news.cursor, news.is_full) == (twin.cursor, twin.is_full)
            assert [(one.kind, one.name, one.payload) for one in news.facts] == [
                (one.kind, one.name, one.payload) for one in twin.facts
            ]
            for one, other in zip(news.facts, twin.facts, strict=True):
                assert abs(one.seconds - other.seconds) < 3e-6


@needs_redis
def test_many_news_come_in_parts(server: RedisServer) -> None:
    facts = tuple(Fact("hold", f"n{number}", 60.0) for number in range(600))
    with closing(Twins(server)) as twins:
        twins.exchange("x", NewsEntry(0, facts))
        cursor, found = 0, []
        while True:
            mine, its = twins.exchange("y", NewsEntry(cursor))
            news = NewsReply.read(mine.answers[0])
            assert news == NewsReply.read(its.answers[0])
            cursor = news.cursor
            found += [fact.name for fact in news.facts]
            assert len(news.facts) <= 256
            if not news.is_full:
                break
    assert found == [fact.name for fact in facts]
