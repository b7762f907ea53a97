"""What processes tell of their events, as whoever reads it takes it."""

from __future__ import annotations

import msgspec

from router.monitor.fleet.brief import Brief, read_brief


def test_what_is_told_can_do_nothing_to_a_terminal_and_is_bounded() -> None:
    events = [[1.0, "strange", "dire", "\x1b[2Jgone\n" + "x" * 10_000, "p", "t"] for _ in range(100)]
    brief = [*msgspec.to_builtins(Brief(1.0, 2, "", "", "", 1.0))[:-1], events]
    found = read_brief(msgspec.json.encode(brief)).events
    assert len(found) == 8
    assert {(event.kind, event.level) for event in found} == {("shared", "info")}
    assert all(len(event.sentence) <= 255 for event in found)
    assert not any(character in found[0].sentence for character in "\x1b\n")
