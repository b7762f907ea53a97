"""A stream's event of megabytes, such as a picture, is read beside the event loop, and changes no order."""

from __future__ import annotations

import asyncio
import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from providers import ProviderSettings, registry
from providers.errors import ErrorCode, ProviderError
from providers.types import CompletionRequest, Message, Native
from tests.support.native import http as whole
from tests.support.raw_server import serving

DATA = bytes(range(256)) * 8192
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(DATA).decode()}"}}
TEXT = {"choices": [{"index": 0, "delta": {"content": "Here."}}]}
DRAWN = {"choices": [{"index": 0, "delta": {"images": [IMAGE]}}]}
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
FAILED = {"error": {"message": "Overloaded", "code": 503}}
ASKED = CompletionRequest(model="m", messages=(Message.user("Draw."),))
NATIVE = Native("openai.chat", {"model": "m", "messages": [{"role": "user", "content": "Draw."}]})


class Counted(ThreadPoolExecutor):
    """Counts what is done beside the loop."""

    count = 0

    def submit(self, *args: Any, **named: Any) -> Any:
        self.count += 1
        return super().submit(*args, **named)


async def read(events: list[Any], *, native: bool = False) -> tuple[list[str], Any, ProviderError | None, int]:
    """What the chunks bring, the answer, what failed, and how often something was done beside the loop."""
    beside = Counted()
    asyncio.get_running_loop().set_default_executor(beside)
    body = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    request = CompletionRequest(model="m", messages=ASKED.messages, native=NATIVE) if native else ASKED
    brought, failure = [], None
    async with serving(whole(body, "text/event-stream")) as server:
        made: Any = registry.create(ProviderSettings(name="p", kind="openai", base_url=server.url))
        try:
            async with made.stream(request) as chunks:
                try:
                    async for chunk in chunks:
                        brought += [chunk.text] * bool(chunk.text) + ["image"] * len(chunk.others)
                except ProviderError as error:
                    failure = error
                return brought, chunks.response, failure, beside.count
        finally:
            await made.aclose()


@pytest.mark.parametrize("native", [False, True], ids=["translated", "native"])
async def test_a_picture_is_read_beside_the_loop(native: bool) -> None:
    few = (await read([TEXT, END], native=native))[3]
    brought, answer, failure, count = await read([TEXT, DRAWN, TEXT, END], native=native)
    assert count > few
    assert sorted(brought) == ["Here.", "Here.", "image"]
    assert (failure, answer.text, answer.others[0].image.data) == (None, "Here.Here.", DATA)


async def test_what_came_before_a_failure_is_given_before_it() -> None:
    brought, answer, failure, _ = await read([TEXT, DRAWN, FAILED])
    assert failure is not None
    assert (failure.code, brought) == (ErrorCode.STREAM_INTERRUPTED, ["Here.", "image"])
    assert failure.partial is not None
    assert failure.partial.others[0].image.data == DATA
    assert answer.text == "Here."


async def test_a_picture_in_the_place_of_a_stream_is_read_beside_the_loop() -> None:
    """Some gateways answer whole although a stream was asked for."""
    beside = Counted()
    asyncio.get_running_loop().set_default_executor(beside)
    plain = {"choices": [{"index": 0, "message": {"content": "Here.", "images": [IMAGE]}, "finish_reason": "stop"}]}
    async with serving(whole(json.dumps(plain).encode(), "application/json")) as server:
        made: Any = registry.create(ProviderSettings(name="p", kind="openai", base_url=server.url))
        await made.complete(ASKED)
        before = beside.count
        async with made.stream(ASKED) as chunks:
            assert [len(chunk.others) async for chunk in chunks if chunk.others] == [1]
        await made.aclose()
    assert beside.count > before
