"""The script and its twin in Python count the same of breakers, tell the same news, and give the same places."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.shared.fact import NewsEntry, NewsReply
from router.shared.outage import Outage, OutageEntry
from router.shared.place import PlaceEntry, Places
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.twins import Twins

pytestmark = needs_redis
_GAPS = st.sampled_from([0.0, 0.2, 0.7, 1.0, 5.0, 30.0, 300.0])
_OUTAGES = st.builds(
    OutageEntry,
    st.sampled_from("ab"),
    st.sampled_from(["opened", "opened", "refused", "called", "heard", "closed"]),
    st.sampled_from([0.0, 10.0, 20.5, 1000.0]),
    st.sampled_from(["here", "there"]),
)
_PLACES = st.builds(PlaceEntry, st.sampled_from("ab"), st.integers(1, 5), st.integers(0, 4), st.integers(0, 4))
_WHO = st.sampled_from([f"p{number}" for number in range(14)])
_TWINS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@_TWINS
@given(
    steps=st.lists(st.tuples(_GAPS, _WHO, st.lists(_OUTAGES, max_size=2, unique_by=lambda one: one.name)), max_size=25)
)
def test_breakers(server: RedisServer, steps: list[tuple]) -> None:
    with closing(Twins(server)) as twins:
        for gap, label, entries in steps:
            twins.pass_by(gap)
            mine, its = twins.exchange(label, *entries, NewsEntry(0))
            for line, twin in zip(mine.answers[:-1], its.answers[:-1], strict=True):
                one, other = Outage.read(line), Outage.read(twin)
                assert one[:5] == other[:5]
                assert one[5:] == pytest.approx(other[5:], abs=3e-6)
            news, twins_news = NewsReply.read(mine.answers[-1]), NewsReply.read(its.answers[-1])
            assert news.cursor == twins_news.cursor
            assert [(one.name, one.payload) for one in news.facts] == [
                (one.name, one.payload) for one in twins_news.facts
            ]


@_TWINS
@given(steps=st.lists(st.tuples(_GAPS, _WHO, st.sampled_from(["mine", "", "0.000000"]), _PLACES), max_size=30))
def test_places(server: RedisServer, steps: list[tuple]) -> None:
    with closing(Twins(server)) as twins:
        for gap, label, seen, entry in steps:
            twins.pass_by(gap)
            mine, its = twins.exchange(label, entry, seen=twins.epoch if seen == "mine" else seen)
            assert Places.read(mine.answers[0]) == Places.read(its.answers[0])
