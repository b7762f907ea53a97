"""The script and its twin in Python keep and say the same of what processes tell of themselves."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.shared.allocator import Allocator
from router.shared.exchange import Entry, Message, read_reply
from router.shared.fleet import BriefEntry, ReadEntry, SnapshotEntry, WatchEntry, brief_key, snapshot_key
from router.shared.redis import SCRIPT
from tests.support.redis_server import RedisServer, needs_redis

_CLOCK = "redis.call('TIME')"  # the server's own can't be set
LABELS = ("aa", "ab", "a-_", "bb")
_SEALED = st.text("abcXYZ+/=", min_size=1, max_size=30)
_NAMES = st.sampled_from([key(label) for label in LABELS for key in (brief_key, snapshot_key)])


def entries(label: str) -> st.SearchStrategy[Entry]:
    """What a process tells of itself, and what anybody may ask."""
    return st.one_of(
        st.builds(BriefEntry, st.just(label), _SEALED),
        st.builds(SnapshotEntry, st.just(label), _SEALED),
        st.builds(WatchEntry, st.lists(st.sampled_from(LABELS), unique=True).map(tuple)),
        st.builds(ReadEntry, st.lists(_NAMES, min_size=1, max_size=5).map(tuple)),
    )


@st.composite
def _steps(draw: st.DrawFn) -> tuple[float, str, tuple[Entry, ...], bool]:
    label = draw(st.sampled_from(LABELS))
    told = draw(st.lists(entries(label), max_size=4))
    return draw(st.floats(0, 0.3)), label, tuple(told), draw(st.booleans())


@needs_redis
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_steps(), max_size=12))  # of few seconds: a server forgets by its own clock
def test_the_script_and_its_twin_agree(
    server: RedisServer, steps: list[tuple[float, str, tuple[Entry, ...], bool]]
) -> None:
    allocator, now = Allocator(), 1_700_000_000.0
    with server.client() as client:
        client.flushall()
        for number, (gap, label, told, leaving) in enumerate(steps):
            now = round(now + gap, 6)
            message = Message(label, number, "", told, leaving=leaving)
            keys, (whole, micro) = message.keys("sb:{app/0}:"), f"{now:.6f}".split(".")
            script = SCRIPT.replace(_CLOCK, f'{{"{whole}", "{micro}"}}')
            reply = read_reply(client.eval(script, len(keys), *keys, *message.arguments()))
            assert reply == allocator.exchange(message, int(whole) + int(micro) / 1_000_000)


@needs_redis
def test_all_of_it_ends_by_itself(server: RedisServer) -> None:
    told = (BriefEntry("aa", "x"), SnapshotEntry("aa", "y"), WatchEntry(("aa",)))
    message = Message("aa", 1, "", told)
    with server.client() as client:
        keys = message.keys("sb:{app/0}:")
        client.eval(SCRIPT, len(keys), *keys, *message.arguments())
        assert [client.ttl(f"sb:{{app/0}}:{name}") for name in ("br:aa", "s:aa", "w")] == [10, 5, 10]


def test_the_twin_forgets_in_time() -> None:
    allocator = Allocator()

    def ask(entry: Entry, now: float) -> str:
        (answer,) = allocator.exchange(Message("watcher", 0, "", (entry,), leaving=True), now).answers
        return answer

    told = (BriefEntry("aa", "x"), SnapshotEntry("aa", "y"), WatchEntry(("aa",)))
    allocator.exchange(Message("aa", 1, "", told), 100.0)
    both = ReadEntry((brief_key("aa"), snapshot_key("aa")))
    assert [ask(both, now) for now in (100.1, 104.9)] == ["x y", "x y"]
    assert [ask(WatchEntry(()), now) for now in (104.9, 105.1)] == ["aa", ""], "who is silent for 5 s does not live"
    assert [ask(both, now) for now in (105.1, 109.9, 110.1)] == ["x -", "x -", "- -"]
