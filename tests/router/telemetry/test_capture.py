"""What of prompts and answers is kept with the recent requests."""

from __future__ import annotations

import pytest

from providers.fake import Reply
from router.testing import run
from router.views.requests import Captured
from tests.support.world import World

PROMPT = "".join(f"question {number} " for number in range(100))
ANSWER = "".join(f"answer {number} " for number in range(100))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("capture", "kept"),
    [
        ("off", None),
        ("preview", Captured(PROMPT[-200:], ANSWER[:200], False)),
        ("full", Captured(f"user: {PROMPT}", ANSWER, True)),
    ],
)
def test_as_much_is_kept_as_the_file_says(capture: str, kept: Captured | None, streamed: bool) -> None:
    """A preview is the end of the prompt and the beginning of the answer, and no more of either."""

    async def main() -> None:
        text = f"telemetry: {{capture: {capture}}}\nroutes: {{chat: a/m}}\n"
        world = World(text, a=lambda _: Reply(ANSWER))
        if streamed:
            async with world.router.stream("chat", PROMPT) as stream:
                assert "".join([chunk.text async for chunk in stream]) == ANSWER
        else:
            assert (await world.router.complete("chat", PROMPT)).text == ANSWER
        [record] = await world.router.feed().requests()
        view = await world.router.feed().trace(record.id)
        assert view is not None
        assert view.captured == kept

    run(main())
