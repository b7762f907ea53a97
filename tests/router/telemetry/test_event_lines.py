"""A name in an event, whoever wrote it, makes no line of its own in a log."""

from __future__ import annotations

import logging
from contextlib import aclosing

import pytest

from providers.printable import one_line
from router import Router


@pytest.mark.parametrize("bad", ["x\ny", "x\r\ny", "x\x1b[2Jy", "x\u2028y", "x\u202ey", "x\x9by", "x\ty", "x\x00y"])
async def test_an_event_is_one_line(bad: str, caplog: pytest.LogCaptureFixture) -> None:
    """In the log, and for whoever follows."""
    caplog.set_level(logging.INFO, "signalbox")
    escaped = "".join(f"\\u{ord(char):04x}" for char in bad)
    text = f'providers: {{p: {{kind: fake}}}}\nroutes: {{r: {{targets: ["p/{escaped}"]}}}}\n'
    async with Router.from_text(text, env={}, monitor=False) as router:
        router.drain(f"p/{bad}")
        async with aclosing(router.feed().events()) as events:
            event = await anext(events)
    told = [event.sentence, *(record.getMessage() for record in caplog.records)]
    assert any("being drained" in each for each in told[1:])
    assert all(one_line(each) == each for each in told)
