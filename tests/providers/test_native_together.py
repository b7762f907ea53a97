"""What a vendor's read brings goes its way as one chunk, and nothing of it is lost, late or void thereby."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from providers import ErrorCode, ProviderError, StreamChunk
from tests.support.native import CHAT, MESSAGES, WIRES, Wire, http, sse, vendor

every_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())


def delta(**fields: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def call(arguments: str, **more: Any) -> dict[str, Any]:
    return delta(tool_calls=[{"index": 0, **more, "function": {"arguments": arguments}}])


async def chunks_of(wire: Wire, stream: bytes, step: int = 0) -> tuple[list[StreamChunk], ProviderError | None]:
    """The chunks of a stream that comes by one write, or so many bytes at a time, and what it failed with."""
    found: list[StreamChunk] = []
    async with vendor(wire, http(stream, wire.content_type), step=step) as there:
        try:
            async with there.provider.stream(wire.request(stream=True)) as chunks:
                async for chunk in chunks:
                    found += [chunk]
        except ProviderError as error:
            return found, error
    return found, None


async def test_many_words_are_few_chunks_and_the_first_is_not_kept_waiting() -> None:
    words = [f" word{number}" for number in range(300)]
    stream = sse(*(delta(content=word) for word in words), {**delta(), "usage": {"prompt_tokens": 1}}, "[DONE]")
    chunks, _ = await chunks_of(CHAT, stream)
    texts = [chunk.text for chunk in chunks]
    assert texts[0] == words[0]
    assert "".join(texts) == "".join(words)
    assert len(chunks) < 20
    assert b"".join(chunk.raw for chunk in chunks) == stream


async def test_thinking_calls_and_counts_are_kept_beside_text() -> None:
    """In the order in which a vendor may mix them."""
    events = [
        delta(reasoning_content="hm"),
        delta(reasoning_content=", so"),
        delta(content="Hi"),
        {**delta(content="!"), "usage": {"prompt_tokens": 1, "completion_tokens": 5}},
        call('{"a"', id="c1", type="function"),
        call(": 1}"),
        {**delta(), "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    events[4]["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] = "f"
    chunks, _ = await chunks_of(CHAT, sse(*events, "[DONE]"))
    assert "".join(chunk.thinking for chunk in chunks) == "hm, so"
    assert "".join(chunk.text for chunk in chunks) == "Hi!"
    deltas = [each for chunk in chunks for each in chunk.tool_calls]
    assert "".join(each.arguments for each in deltas) == '{"a": 1}'
    assert [each.name for each in deltas if each.name] == ["f"]
    usage = [chunk.usage for chunk in chunks if chunk.usage is not None][-1]
    assert usage.output_tokens == 5
    assert (chunks[-1].done, chunks[-1].finish_reason) == (True, "tool_calls")


@pytest.mark.parametrize("before", [1, 2, 9])
async def test_what_came_before_an_error_of_the_same_read_goes_out_first(before: int) -> None:
    good = sse(*(delta(content=f"{number} ") for number in range(before)))
    error = {"error": {"message": "overloaded", "type": "server_error", "code": 503}}
    chunks, failure = await chunks_of(CHAT, good + sse(error, delta(content="never")))
    assert b"".join(chunk.raw for chunk in chunks) == good
    assert failure is not None
    assert failure.code is ErrorCode.STREAM_INTERRUPTED
    assert failure.partial is not None
    assert failure.partial.text == "".join(chunk.text for chunk in chunks)


async def test_what_an_answer_takes_back_is_a_chunk_of_its_own() -> None:
    """Though it came by the same read as what it begins anew with."""
    begun = MESSAGES.stream.rpartition(b"event: content_block_stop")[0]
    more = {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "x"}}
    first = begun + sse(more, more, more, named=True)
    chunks, _ = await chunks_of(MESSAGES, first + MESSAGES.stream)
    (place,) = [place for place, chunk in enumerate(chunks) if chunk.restarted]
    assert "".join(chunk.text for chunk in chunks[:place]) == "Hélloxxx"
    assert b"".join(chunk.raw for chunk in chunks[place:]) == MESSAGES.stream
    assert "".join(chunk.text for chunk in chunks[place:]) == "Héllo"


@every_wire
async def test_nothing_after_the_end_is_handed_on(wire: Wire) -> None:
    chunks, failure = await chunks_of(wire, wire.stream + wire.stream)
    assert failure is None
    assert b"".join(chunk.raw for chunk in chunks) == wire.stream


@pytest.mark.parametrize("step", [0, 1], ids=["one-write", "single-bytes"])
async def test_an_answer_that_failed_is_not_told_to_have_ended(step: int) -> None:
    """A client that has read the end reads no error behind it; that holds however the stream was cut."""
    shown = sse(delta(content="Hi"), delta(content="!"))
    finish = {**delta(), "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}
    chunks, failure = await chunks_of(CHAT, shown + sse(finish, "[DONE]"), step=step)
    assert failure is not None
    assert b"".join(chunk.raw for chunk in chunks) == shown


@every_wire
async def test_the_end_of_an_answer_is_its_protocols_not_its_connections(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers keep the connection and say nothing more, and the end may come by a read of its own."""
    monkeypatch.setattr("providers.stream_reading.LATE", 3600.0)
    *_, last = (event for event in wire.stream.splitlines(keepends=True) if event.strip())
    at = wire.stream.rindex(last if wire.kind == "ollama" else last.partition(b"data:")[1])
    asked = wire.request(stream=True)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {wire.content_type}\r\ncontent-length: 1000000\r\n\r\n"
        writer.write(head.encode() + wire.stream[:at])
        await writer.drain()
        await has_come.wait()
        writer.write(wire.stream[at:])
        await asyncio.Event().wait()

    has_come = asyncio.Event()
    async with vendor(wire, answer) as there, asyncio.timeout(30), there.provider.stream(asked) as chunks:
        raw = b""
        async for chunk in chunks:
            raw += chunk.raw
            has_come.set()
    assert raw == wire.stream


@every_wire
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
async def test_the_bytes_do_not_depend_on_how_they_were_cut_or_how_lines_end(wire: Wire, end: bytes) -> None:
    comment = b"\n" if wire.kind == "ollama" else b": hello\n\n"
    stream = b"\xef\xbb\xbf" + comment + wire.stream.replace(b"\n", end)
    for step in (0, 1, 7, 100):
        chunks, failure = await chunks_of(wire, stream, step=step)
        assert failure is None
        assert b"".join(chunk.raw for chunk in chunks) == wire.stream
        assert "".join(chunk.text for chunk in chunks) == "Héllo"
