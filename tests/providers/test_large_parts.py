"""Pictures of tens of megabytes: whole, bounded, not copied more than need be, and worked on beside the event loop."""

from __future__ import annotations

import asyncio
import base64
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import ProviderSettings, registry
from providers.base64_text import data_url, decoded, encoded
from providers.errors import ErrorCode, ProviderError
from providers.simulator import Simulator
from providers.surrogates import encode_json
from providers.transport import lines
from providers.types import AudioPart, CompletionRequest, FilePart, ImagePart, Message, Part
from tests.support.native import http as whole
from tests.support.raw_server import serving

MEGABYTES = 14
DATA = bytes(range(256)) * (MEGABYTES * 4096)
PICTURE = ImagePart(data=DATA, media_type="image/png")
KINDS = {
    "chat": ("openai", {"dialect": "openrouter"}),
    "responses": ("openai", {"dialect": "openai", "api": "responses"}),
    "claude": ("anthropic", {}),
    "ollama": ("ollama", {}),
}


class Counted(ThreadPoolExecutor):
    """Counts what is done beside the loop."""

    count = 0

    def submit(self, *args: Any, **named: Any) -> Any:
        self.count += 1
        return super().submit(*args, **named)


@asynccontextmanager
async def provider(name: str, url: str) -> AsyncIterator[Any]:
    kind, options = KINDS[name]
    made = registry.create(ProviderSettings(name=name, kind=kind, base_url=url, options={"max_retries": 0, **options}))
    try:
        yield made
    finally:
        await made.aclose()


def asked(*parts: Part) -> CompletionRequest:
    return CompletionRequest(model="gpt-4o", messages=(Message.user(parts or "hi"),), max_tokens=50)


def held(body: Any) -> bytes:
    """The data in a request, wherever the protocol has it."""
    if isinstance(body, str):
        text = body.rpartition(",")[2]
        return base64.b64decode(text, validate=True) if len(text) > 1000 else b""
    values = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    return next((found for value in values if (found := held(value))), b"")


@pytest.mark.parametrize("name", KINDS)
async def test_a_large_picture_arrives_whole(name: str) -> None:
    """It is written in a thread: small requests are not."""
    loop, beside = asyncio.get_running_loop(), Counted()
    loop.set_default_executor(beside)
    async with Simulator(seed=1) as sim:
        vendor = sim.vendor(KINDS[name][0])
        vendor.set(fast=True, prompt_cache=False)
        async with provider(name, sim.base_url(KINDS[name][0])) as made:
            await made.complete(asked())
            before = beside.count
            await made.complete(asked())
            assert beside.count == before
            await made.complete(asked(PICTURE))
            assert beside.count > before
        assert vendor.last_request is not None
        assert held(vendor.last_request.body) == DATA


ANSWERS: dict[str, Callable[[str], tuple[Any, list[Any]]]] = {
    "chat": lambda text: (
        {"choices": [{"index": 0, "message": _drawn(text), "finish_reason": "stop"}]},
        [{"choices": [{"index": 0, "delta": _drawn(text), "finish_reason": "stop"}]}],
    ),
    "responses": lambda text: (
        _response(text),
        [
            {"type": "response.output_item.done", "output_index": 0, "item": _response(text)["output"][0]},
            {"type": "response.completed", "response": _response(text)},
        ],
    ),
}


def _drawn(text: str) -> dict[str, Any]:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{text}"}}
    return {"role": "assistant", "content": "Here.", "images": [image]}


def _response(text: str) -> dict[str, Any]:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": text}
    return {"id": "r", "object": "response", "status": "completed", "model": "m", "output": [item]}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_a_large_picture_of_an_answer_is_read_whole(name: str, stream: bool) -> None:
    plain, events = ANSWERS[name](base64.b64encode(DATA).decode())
    body = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"
    kind = "text/event-stream" if stream else "application/json"
    answer = whole(body if stream else json.dumps(plain).encode(), kind)

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with serving(say) as server, provider(name, server.url) as made:
        if stream:
            async with made.stream(asked()) as chunks:
                async for _ in chunks:
                    pass
                reply = chunks.response
        else:
            reply = await made.complete(asked())
    (drawn,) = [other.image for other in reply.others]
    assert drawn is not None
    assert drawn.data == DATA


def test_an_event_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_BYTES", 2**20)
    decoder = lines.SSEDecoder()
    with pytest.raises(ProviderError) as caught:
        for _ in range(100):
            decoder.feed(b"data: " + b"x" * 2**16 if not _ else b"x" * 2**16)
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize("name", KINDS)
def test_it_is_not_copied_more_than_need_be(name: str) -> None:
    """The text, with what stands before it, and the JSON: of each no more than one at a time beside the other's."""
    kind, options = KINDS[name]
    made = registry.create(ProviderSettings(name=name, kind=kind, base_url="http://127.0.0.1:1", options=options))
    request = asked(PICTURE)
    size = len(DATA) * 4 / 3
    tracemalloc.start()
    try:
        _, body = made.encode(request, stream=False)  # type: ignore[attr-defined]  # of those over HTTP
        data = encode_json(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(data) > size
    assert peak < 3.5 * size


@given(st.binary(max_size=100))
def test_base64_is_the_standards(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert encoded(data) == text
    assert decoded(text) == data
    assert data_url(data, "image/png") == f"data:image/png;base64,{text}"


@pytest.mark.parametrize("size", [0, 1, 786_431, 786_432, 786_433, 2_000_000])
def test_base64_of_many_pieces_is_one(size: int) -> None:
    data = DATA[:size]
    assert encoded(data) == base64.b64encode(data).decode()
    assert decoded(encoded(data)) == data


@pytest.mark.parametrize("odd", ["YQ", "Y?==", "YWJj\n", "a-_b", f"{'A' * 1_048_574}==AAAA", "A" * 1_048_577])
def test_what_is_no_base64_is_refused(odd: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        decoded(odd)


@pytest.mark.parametrize("part", [FilePart(DATA, "application/pdf"), AudioPart(DATA, "audio/wav")])
def test_all_kinds_of_data_count(part: Part) -> None:
    from providers.parts import is_large

    assert is_large(asked(part))
    assert not is_large(asked(ImagePart(url="https://a.example/" + "x" * 2_000_000)))
