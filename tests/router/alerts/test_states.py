"""When an alert is told: after it has lasted, once while it goes on, once when it is over, and not again soon."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.alerts.conditions import Trouble
from router.alerts.messages import message
from router.alerts.states import AlertStates, Notice
from router.plan.alerts import AlertRule

RULE = AlertRule(on="breaker_open", to="https://x.example/secret", lasts=60.0, every=600.0)
OPEN = Trouble("groq", "groq: the breaker is open")
OTHER = Trouble("openai", "openai: the breaker is open")


def play(wrong: list[tuple[float, list[Trouble]]], rule: AlertRule = RULE) -> list[tuple[float, str, list[str]]]:
    """Each look's troubles hold until the next; it is looked every 5 s."""
    states, told = AlertStates(), []
    moments = [*wrong, (wrong[-1][0] + 5, [])]
    for (begin, troubles), (end, _) in pairwise(moments):
        now = begin
        while now < end:
            notices = states.look(rule, troubles, now)
            told += [(now, note.state, [each.who for each in note.troubles]) for note in notices]
            now += 5
    return told


def test_it_is_told_when_it_has_lasted_and_when_it_is_over() -> None:
    assert play([(0, []), (100, [OPEN]), (300, []), (1000, [])]) == [
        (160, "firing", ["groq"]),
        (355, "resolved", ["groq"]),
    ]


def test_what_is_shorter_than_that_is_not_told() -> None:
    assert play([(0, [OPEN]), (55, []), (100, [OPEN]), (155, []), (1000, [])]) == []


def test_without_a_duration_it_is_told_at_once() -> None:
    rule = AlertRule(on="held", to="https://x.example")
    assert play([(0, [OPEN]), (5, []), (500, [])], rule) == [(0, "firing", ["groq"]), (60, "resolved", ["groq"])]


def test_what_flaps_is_one() -> None:
    flapping = [(float(at), [OPEN] if at % 20 else []) for at in range(0, 1000, 10)]
    rule = AlertRule(on="held", to="https://x.example")
    assert play([*flapping, (1000.0, []), (2000.0, [])], rule) == [
        (10, "firing", ["groq"]),
        (1055, "resolved", ["groq"]),
    ]


def test_the_same_is_not_told_again_soon() -> None:
    """What is there still when that time is over is told then."""
    waves = [(0.0, [OPEN]), (70.0, []), (200.0, [OPEN]), (800.0, []), (900.0, [])]
    assert play(waves) == [
        (60, "firing", ["groq"]),
        (125, "resolved", ["groq"]),
        (660, "firing", ["groq"]),
        (855, "resolved", ["groq"]),
    ]


def test_many_at_once_are_one_message() -> None:
    assert play([(0, [OPEN, OTHER]), (100, [OTHER]), (300, [])]) == [
        (60, "firing", ["groq", "openai"]),
        (155, "resolved", ["groq"]),
    ]


def test_who_goes_on_after_another_tells_nothing_twice() -> None:
    states = AlertStates()
    assert [note.state for at in range(0, 100, 5) for note in states.look(RULE, [OPEN], at)] == ["firing"]
    after = AlertStates(states.known)
    assert not [note for at in range(100, 300, 5) for note in after.look(RULE, [OPEN], at)]
    assert [note.state for at in range(300, 400, 5) for note in after.look(RULE, [], at)] == ["resolved"]


def test_an_edit_forgets_what_is_not_asked_for_any_more() -> None:
    states = AlertStates()
    states.look(RULE, [OPEN], 0)
    states.keep([AlertRule(on="held", to="https://x.example")])
    assert not states.known


@given(st.lists(st.tuples(st.integers(5, 400), st.booleans()), min_size=1, max_size=30))
def test_firing_and_resolved_take_turns_and_keep_their_distance(waves: list[tuple[int, bool]]) -> None:
    states, now = AlertStates(), 0
    notices: list[tuple[float, Notice]] = []
    for lasts, is_wrong in [*waves, (2000, False)]:
        for at in range(now, now + lasts, 5):
            notices += [(at, note) for note in states.look(RULE, [OPEN] if is_wrong else [], at)]
        now += lasts
    assert [note.state for _, note in notices] == ["firing", "resolved"] * (len(notices) // 2)
    fired = [at for at, note in notices if note.state == "firing"]
    assert all(later - earlier >= RULE.every for earlier, later in pairwise(fired))
    assert not states.known[next(iter(states.known))], "nothing is remembered of what is long over"


@pytest.mark.parametrize(("state", "text"), [("firing", OPEN.says), ("resolved", f"over: {OPEN.says}")])
def test_the_text_alone_says_whether_it_is_over(state: Literal["firing", "resolved"], text: str) -> None:
    """A person who is shown nothing else of the message knows."""
    assert message(Notice(RULE, state, (OPEN,)), app="shop", host="web-1", now=0.0)["text"] == text
