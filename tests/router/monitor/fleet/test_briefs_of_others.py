"""Briefs that others tell: of newer and older versions, and of somebody who has the secret and means harm."""

from __future__ import annotations

import json

import pytest
from msgspec.json import encode

from router.cli.status import render
from router.monitor.fleet.adding import add_up
from router.monitor.fleet.brief import Brief, read_brief
from router.monitor.fleet.tallies import Tally

ONE = Tally(succeeded=1, input_tokens=10, output_tokens=20, cost=0.5)
PLAIN = Brief(
    1.7e9, 12, "host", "1.0", "rev", 1.6e9, rate=1.0, in_flight=2, cost_per_minute=0.1, window=ONE, totals=ONE
)


def told(**others: object) -> list[object]:
    """What a brief is when it is told, with something else in some places."""
    fields: list[object] = json.loads(encode(PLAIN))
    for name, value in others.items():
        fields[Brief.__struct_fields__.index(name)] = value
    return fields


def read(fields: list[object]) -> Brief:
    return read_brief(json.dumps(fields).encode())


def test_what_a_process_tells_is_read_as_it_is() -> None:
    assert read(told()) == PLAIN


@pytest.mark.parametrize(
    "fields",
    [
        [*told(), "of a newer version", {"more": 1}],
        told(window=[1, 0, 0, 10, 20, 0.5, 0, 0, 99]),
        told(state="melting"),
        told()[:6],
    ],
    ids=["more fields", "more counts", "a lamp that is not known here", "as few as the first version tells"],
)
def test_another_version_is_counted_all_the_same(fields: list[object]) -> None:
    snapshot = add_up("shop", {"a": read(fields), "b": PLAIN}, {}, 2, common=True)
    assert snapshot.fleet is not None
    assert snapshot.fleet.silent == 0
    assert "of 2 processes" in render(snapshot)


@pytest.mark.parametrize(
    "harm",
    [
        {"rate": 1.7e308},
        {"cost_per_minute": 1e300},
        {"in_flight": -5},
        {"pid": 10**30},
        {"time": 1e300},
        {"started_at": -1e18},
        {"window": [-1, -5, 0, 10, 20, -0.1, 0, 0]},
        {"totals": [10**18]},
        {"host": 7},
    ],
    ids=lambda harm: next(iter(harm)),
)
def test_numbers_that_nobody_can_have_are_no_brief(harm: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        read(told(**harm))


@pytest.mark.parametrize("name", ["host", "version", "revision", "state", "worst"])
def test_no_word_of_another_acts_on_a_terminal_or_is_endless(name: str) -> None:
    brief = read(told(**{name: "\x1b]0;x\x07\n" + "w" * 1_000_000}))
    word = getattr(brief, name)
    assert len(word) < 300
    assert "\x1b" not in word
    assert "\n" not in word
    shown = render(add_up("shop", {"a": brief, "b": PLAIN}, {}, 2, common=True))
    assert "\x1b]0" not in shown
    assert len(shown) < 5000


def test_no_outcome_of_a_command_acts_on_a_terminal() -> None:
    brief = read(told(done=[["n", True, "\x1b[2J" + "x" * 10_000]] * 100))
    assert len(brief.done) == 3
    assert all(len(message) <= 130 and "\x1b" not in message for _, _, message in brief.done)
