"""A stream is complete where its protocol says so, whatever its connection does then; and nothing before is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from providers import registry
from providers.errors import ErrorCode, ProviderError
from providers.settings import ProviderSettings
from providers.types import CompletionRequest, CompletionResponse, Message, StreamChunk
from tests.support.raw_server import accepting, closes_by_reset

pytestmark = pytest.mark.usefixtures("every_carrier")
REQUEST = CompletionRequest(model="m", messages=(Message.user("Hi"),), max_tokens=9)


def events(*payloads: Any) -> bytes:
    return b"".join(b"data: " + (p if isinstance(p, bytes) else json.dumps(p).encode()) + b"\n\n" for p in payloads)


def lines(*payloads: Any) -> bytes:
    return b"".join(json.dumps(payload).encode() + b"\n" for payload in payloads)


def block(index: int, kind: str, text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", kind: text}}


# By wire: the kind and api, the beginning with the text "Hello", the end, and text that has no business after it.
WIRES: dict[str, tuple[dict[str, Any], bytes, bytes, bytes]] = {
    "chat": (
        {"kind": "openai"},
        events({"choices": [{"delta": {"content": "Hello"}}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]}),
        events(b"[DONE]"),
        events({"choices": [{"delta": {"content": "late"}}]}),
    ),
    "chat without a reason": (
        {"kind": "openai"},
        events({"choices": [{"delta": {"content": "Hello"}}]}),
        events(b"[DONE]"),
        events({"error": {"message": "late"}}),
    ),
    "responses": (
        {"kind": "openai", "options": {"api": "responses"}},
        events({"type": "response.output_text.delta", "output_index": 0, "delta": "Hello"}),
        events({"type": "response.completed", "response": {"status": "completed", "output": []}}),
        events({"type": "response.output_text.delta", "output_index": 0, "delta": "late"}),
    ),
    "responses, cut": (
        {"kind": "openai", "options": {"api": "responses"}},
        events({"type": "response.output_text.delta", "output_index": 0, "delta": "Hello"}),
        events({"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}}),
        events(b"{broken"),
    ),
    "anthropic": (
        {"kind": "anthropic"},
        events(block(0, "text", "Hello")),
        events({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}),
        events(block(0, "text", "late")),
    ),
    "ollama": (
        {"kind": "ollama"},
        lines({"message": {"content": "Hello"}, "done": False}),
        lines({"message": {"content": ""}, "done": True, "done_reason": "stop"}),
        lines({"error": "late"}),
    ),
}
AFTERWARDS = ("open", "reset", "no last chunk", "late text", "sound")


@asynccontextmanager
async def server(body: bytes, afterwards: str) -> AsyncIterator[tuple[str, list[str]]]:
    """Answers with a chunked body; gives its URL, and what happened to its connections."""
    seen: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append("connected")
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                half = len(body) // 2
                for part in (body[:half], body[half:]):
                    writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                    await writer.drain()
                    for _ in range(9 if afterwards == "reset" else 0):
                        await asyncio.sleep(0)
                if afterwards == "sound":
                    writer.write(b"0\r\n\r\n")
                await writer.drain()
                if afterwards in ("open", "late text"):
                    await reader.read()  # until the client closes
                    seen.append("closed")
                elif afterwards == "reset":
                    closes_by_reset(writer)
                if afterwards != "sound":
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async with accepting(handle) as port:
        yield f"http://127.0.0.1:{port}", seen


async def ask(settings: dict[str, Any], url: str, *, times: int = 1) -> tuple[list[StreamChunk], CompletionResponse]:
    options = {"max_retries": 0, **settings.get("options", {})}
    provider = registry.create(ProviderSettings(name="p", kind=settings["kind"], base_url=url, options=options))
    try:
        for _ in range(times):
            async with provider.stream(REQUEST) as stream:
                chunks = [chunk async for chunk in stream]
        return chunks, stream.response
    finally:
        await provider.aclose()


SILENT = {
    "chat": WIRES["chat"][:2],
    "anthropic": (
        {"kind": "anthropic"},
        events(block(0, "text", "Hello"), {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
    ),
}


@pytest.mark.parametrize("wire", SILENT)
async def test_a_finished_answer_waits_for_no_end_that_never_comes(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finish reason, and then an open connection that says nothing: the answer is whole after a short while."""
    monkeypatch.setattr("providers.stream_reading.LATE", 0.0)
    settings, body = SILENT[wire]
    async with server(body, "open") as (url, _):
        chunks, answer = await ask(settings, url)
    assert "".join(chunk.text for chunk in chunks) == answer.text == "Hello"
    assert answer.finish_reason == "stop"
    assert chunks[-1].done


@pytest.mark.parametrize("afterwards", AFTERWARDS)
@pytest.mark.parametrize("wire", WIRES)
async def test_what_comes_after_the_end_changes_nothing(wire: str, afterwards: str) -> None:
    """The answer is whole; a connection that stays open would otherwise hang this test."""
    settings, beginning, end, late = WIRES[wire]
    body = beginning + end + (late if afterwards == "late text" else b"")
    async with server(body, afterwards) as (url, _):
        chunks, answer = await ask(settings, url)
    assert "".join(chunk.text for chunk in chunks) == answer.text == "Hello"
    assert answer.finish_reason == ("length" if wire == "responses, cut" else "stop")
    assert [chunk.done for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


@pytest.mark.parametrize("wire", WIRES)
async def test_a_connection_that_was_read_to_its_end_is_used_again(wire: str) -> None:
    settings, beginning, end, _ = WIRES[wire]
    async with server(beginning + end, "sound") as (url, seen):
        await ask(settings, url, times=3)
        assert seen == ["connected"]


async def test_a_connection_that_stays_open_is_closed() -> None:
    settings, beginning, end, _ = WIRES["chat"]
    async with server(beginning + end, "open") as (url, seen):
        await ask(settings, url, times=2)
        while seen.count("closed") < 2:
            await asyncio.sleep(0)


@pytest.mark.parametrize("wire", ["chat without a reason", "responses", "anthropic", "ollama"])
async def test_a_reset_loses_nothing_of_what_came_before_it(wire: str) -> None:
    """Also where the reader is slower than the network: the text is given, then the interruption."""
    settings, beginning, _, _ = WIRES[wire]
    options = {"max_retries": 0, **settings.get("options", {})}
    async with server(beginning * 3, "reset") as (url, _):
        provider = registry.create(ProviderSettings(name="p", kind=settings["kind"], base_url=url, options=options))
        with pytest.raises(ProviderError) as caught:
            async with provider.stream(REQUEST) as stream:
                async for _ in stream:
                    for _ in range(20):
                        await asyncio.sleep(0)  # meanwhile all of it comes, and the reset
        await provider.aclose()
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hello" * 3
