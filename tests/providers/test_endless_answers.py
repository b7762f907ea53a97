"""What a server sends without end, or in great number, has a bound, and costs time that grows with it alone."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from providers import ProviderSettings, registry, stream_reading
from providers.base import ListsModels
from providers.errors import ErrorCode, ProviderError
from providers.transport.unpack import Unpacker
from providers.types import CompletionRequest, Message
from tests.support.raw_server import serving
from tests.support.scripted import Vendor

EVENTS = {"content-type": "text/event-stream"}


@contextmanager
def no_longer_than(seconds: float) -> Iterator[None]:
    """Of this process's own time: what is quadratic takes a hundred times as long, whatever the machine."""
    begin = time.process_time()
    yield
    assert time.process_time() - begin < seconds


def events(*chunks: object) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def chunk(delta: object, finish: str | None = None) -> dict[str, object]:
    return {"id": "x", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


@pytest.mark.parametrize("at_once", [True, False], ids=["in one event", "an event each"])
async def test_a_flood_of_tool_calls_is_read_in_time(at_once: bool) -> None:
    """Thirty thousand: all are there, and the loop is not held for minutes."""
    calls = [{"index": n, "id": f"t{n}", "function": {"name": "f", "arguments": "{}"}} for n in range(30_000)]
    pieces = [calls] if at_once else [[call] for call in calls]
    body = events(*(chunk({"tool_calls": piece}) for piece in pieces), chunk({}, "tool_calls"))
    with no_longer_than(10):
        reply = await Vendor("openai", httpx.Response(200, content=body, headers=EVENTS)).ask(stream=True)
    assert len({call.id for call in reply.tool_calls}) == 30_000


async def test_a_beginning_that_never_tells_is_no_stream() -> None:
    """A field's name and spaces without end: what may still begin a stream is not kept and read again for ever."""
    body = b"data" + b" " * 20_000_000
    with no_longer_than(10):
        error = await Vendor("openai", httpx.Response(200, content=body, headers=EVENTS)).fails(stream=True)
    assert error.code in (ErrorCode.PROTOCOL_ERROR, ErrorCode.STREAM_INTERRUPTED)


@pytest.mark.parametrize("kind", ["openai", "anthropic", "ollama"])
async def test_members_of_nothing_are_an_error_of_that_call(kind: str) -> None:
    """A gzip body of thousands of empty members."""
    body = gzip.compress(b"") * 5000
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with serving(head + body) as server:
        provider = registry.create(ProviderSettings(name="p", kind=kind, base_url=server.url))
        with pytest.raises(ProviderError) as caught:
            await provider.complete(CompletionRequest(model="m", messages=(Message.user("hi"),)))
        await provider.aclose()
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


def test_some_empty_members_are_no_harm() -> None:
    """Some servers flush before they have anything to say."""
    unpacker = Unpacker("gzip")
    unpacker.feed(gzip.compress(b"") * 20 + gzip.compress(b"said") + gzip.compress(b""))
    assert unpacker.some() == b"said"
    assert unpacker.some() == b""


async def test_a_stream_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a plain answer has; a model that never ends would take all memory."""
    monkeypatch.setattr(stream_reading, "MAX_STREAM", 100_000)
    said = [chunk({"content": "a" * 1000}) for _ in range(200)]
    error = await Vendor("openai", httpx.Response(200, content=events(*said), headers=EVENTS)).fails(stream=True)
    assert error.code is ErrorCode.STREAM_INTERRUPTED
    assert "larger than" in error.message
    assert error.partial is not None
    assert 50_000 < len(error.partial.text) < 110_000


async def test_pages_of_models_without_end() -> None:
    """A list that always says there is more comes to an end, and what it says goes into a URL as it may."""
    asked: list[str] = []

    def page(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        last = f"m{len(asked)} \r\nx\x00&limit=9\u2028#?"
        return httpx.Response(200, json={"data": [{"id": f"m{len(asked)}"}], "has_more": True, "last_id": last})

    options = {"transport": httpx.MockTransport(page)}
    provider = registry.create(ProviderSettings(name="p", kind="anthropic", options=options))
    assert isinstance(provider, ListsModels)
    found = await provider.list_models()
    assert len(found) == len(asked) == 100
    assert all("limit=1000" in url and "limit=9" not in url for url in asked[1:])
