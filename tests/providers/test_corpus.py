"""Recorded answers of 44 vendors and servers, replayed through real sockets: a fixed tenth of them."""

from __future__ import annotations

import pytest

from tests.support.corpus import FLOOR, FOLDER, KNOWN, PROTOCOLS, TENTH, replay

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"the recorded vendor traffic is not at {FOLDER} (SIGNALBOX_CORPUS)"
)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_recorded_answers_are_read_as_expected(protocol: str) -> None:
    """Text, thinking, calls, finish reason, model, usage and error as the recordings expect, cut anywhere."""
    score = await replay(protocol, every=TENTH)
    unexplained = {name: found for name, found in score.wrong.items() if name not in KNOWN}
    assert score.total > 10
    assert unexplained == {}
    assert score.share >= FLOOR - 0.01
