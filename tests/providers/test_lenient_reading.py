"""What servers send beside their protocol is read as it is meant: nothing is lost, and nothing made up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from providers import registry
from providers.accumulate import Accumulator
from providers.errors import ErrorCode, ProviderError
from providers.settings import ProviderSettings
from providers.tokens import Learned
from providers.types import CompletionRequest, CompletionResponse, Message, TokenCount, Usage
from tests.support.raw_server import accepting

REQUEST = CompletionRequest(model="m", messages=(Message.user("Hi"),), max_tokens=9)
BOM = "\ufeff"


@asynccontextmanager
async def server(body: str, kind: str) -> AsyncIterator[str]:
    data = body.encode()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n".encode()
        writer.write(head + data[:1])  # cut early: the first byte alone tells nothing
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(data[1:])
        await writer.drain()
        writer.close()

    async with accepting(handle) as port:
        yield f"http://127.0.0.1:{port}"


async def asked(body: str, content_type: str, kind: str, *, stream: bool = True, **options: Any) -> CompletionResponse:
    async with server(body, content_type) as url:
        settings = ProviderSettings(name="p", kind=kind, base_url=url, options={"max_retries": 0, **options})
        provider = registry.create(settings)
        try:
            if not stream:
                return await provider.complete(REQUEST)
            gathered = Accumulator("p", "m")
            async with provider.stream(REQUEST) as chunks:
                async for chunk in chunks:
                    gathered.add(chunk)
            answer, shown = chunks.response, gathered.response()
            assert (shown.tool_calls, shown.usage) == (answer.tool_calls, answer.usage)
            return answer
        finally:
            await provider.aclose()


def sse(*payloads: Any) -> str:
    return "".join(f"data: {p if isinstance(p, str) else json.dumps(p)}\n\n" for p in payloads)


async def chat(*payloads: Any, **options: Any) -> CompletionResponse:
    return await asked(sse(*payloads), "text/event-stream", "openai", **options)


async def anthropic(*payloads: Any) -> CompletionResponse:
    return await asked(sse(*payloads), "text/event-stream", "anthropic")


async def responses(*payloads: Any) -> CompletionResponse:
    return await asked(sse(*payloads), "text/event-stream", "openai", api="responses")


async def ollama(*payloads: Any, **options: Any) -> CompletionResponse:
    lines = "".join(f"{p if isinstance(p, str) else json.dumps(p)}\n" for p in payloads)
    return await asked(lines, "application/x-ndjson", "ollama", **options)


def said(text: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish, **more}]}


# --- what a body is


CHAT = sse(said("Hello"), said("", "stop"), "[DONE]")
WHOLE = json.dumps({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (CHAT, "application/json"),
        (": PROCESSING\n\n" + CHAT, "application/json"),
        ("\n\n" + CHAT, "application/json; charset=utf-8"),
        ("id: 1\nevent: x\n" + CHAT, "text/html"),
        (BOM + CHAT, "application/json"),
        (BOM + CHAT, "text/event-stream"),
        (CHAT, "text/plain"),
        (WHOLE, "application/json"),
        (BOM + WHOLE, "application/json"),
        ("\n \n" + WHOLE, "application/json"),
        (WHOLE, "text/event-stream"),
    ],
)
async def test_its_beginning_tells_what_a_body_is(body: str, kind: str) -> None:
    """Events under a wrong name, and a whole answer in place of a stream."""
    answer = await asked(body, kind, "openai")
    assert (answer.text, answer.finish_reason) == ("Hello", "stop")


async def test_a_byte_order_mark_before_json() -> None:
    """In a plain answer, and in an error, whose code is not lost."""
    assert (await asked(BOM + WHOLE, "application/json", "openai", stream=False)).text == "Hello"
    with pytest.raises(ProviderError) as caught:
        await asked(BOM + '{"error": {"code": "rate_limit_exceeded"}}', "application/json", "openai", stream=False)
    assert caught.value.code is ErrorCode.RATE_LIMITED


@pytest.mark.parametrize("noise", ["", ": keep-alive", "ping", "[PING]", "keep-alive", "null", "OK"])
async def test_keep_alives_as_data_are_skipped(noise: str) -> None:
    assert (await chat(noise, said("Hel"), noise, said("lo", "stop"), noise, "[DONE]")).text == "Hello"
    block = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}
    assert (await anthropic(noise, block, noise, {"type": "message_stop"})).text == "Hello"
    assert (await ollama(noise, {"message": {"content": "Hello"}}, noise, {"done": True})).text == "Hello"


async def test_broken_json_is_no_keep_alive() -> None:
    """It had content, which is lost."""
    with pytest.raises(ProviderError):
        await chat(said("Hel"), '{"choices":[{"del', said("", "stop"), "[DONE]")


async def test_an_answer_that_comes_whole_in_one_event() -> None:
    """A server that streams without knowing how; one that only closes with the whole is not read twice."""
    whole = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}
    assert (await chat(whole, "[DONE]")).text == "Hello"
    assert (await chat(said("Hello"), whole, "[DONE]")).text == "Hello"


# --- why it ended


CALL = {"id": "a", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("raw", "calls", "unified"),
    [
        ("stop", True, "tool_calls"),
        ("end_turn", True, "tool_calls"),
        ("tool_call", True, "tool_calls"),
        ("tool_use", True, "tool_calls"),
        ("tool_calls", False, "stop"),
        ("STOP", False, "stop"),
        ("length", True, "length"),
        ("max_tokens", False, "length"),
        ("null", True, "tool_calls"),
    ],
)
async def test_the_reason_goes_by_what_was_seen(raw: str, calls: bool, unified: str) -> None:
    """On every protocol that has reasons, each vendor's words."""
    entries = [CALL] if calls else []
    found = await chat(
        {"choices": [{"delta": {"content": "x", "tool_calls": entries}, "finish_reason": raw}]}, "[DONE]"
    )
    assert found.finish_reason == unified
    lines = [{"message": {"content": "x", "tool_calls": entries}}, {"done": True, "done_reason": raw}]
    assert (await ollama(*lines)).finish_reason == unified
    block = {"type": "tool_use", "id": "a", "name": "f"} if calls else {"type": "text", "text": "x"}
    message = {"content": [block], "stop_reason": raw}
    events = (
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "message_delta", "delta": {"stop_reason": raw}},
        {"type": "message_stop"},
    )
    assert (await anthropic(*events)).finish_reason == unified
    if raw != "null":
        plain = await asked(json.dumps(message), "application/json", "anthropic", stream=False)
        assert plain.finish_reason == unified


async def test_the_word_null_is_no_reason() -> None:
    """A stream that is cut after such chunks is cut."""
    with pytest.raises(ProviderError) as caught:
        await chat(said("Hel", "null"), said("lo", "null"))
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED


# --- counts


COUNTS = {"prompt_tokens": 9, "completion_tokens": 2}


@pytest.mark.parametrize(
    "payloads",
    [
        [said("x"), said("", "stop", usage={**COUNTS, "cached_tokens": 4})],
        [said("x", "stop"), {"choices": [], "usage": {**COUNTS, "prompt_tokens_details": {"cached_tokens": 4}}}],
        [
            {**said("x"), "usage": {**COUNTS, "cached_tokens": 4}},
            {**said("", "stop"), "usage": dict.fromkeys(COUNTS, 0)},
        ],
        [{**said("x", "stop"), "usage": {"prompt_tokens": 9.0, "completion_tokens": 2.0, "cached_tokens": 4.0}}],
        [{**said("x", "stop"), "x_groq": {"usage": {**COUNTS, "cached_tokens": 4}}}],
    ],
    ids=["in the choice", "last chunk", "zeros last", "floats", "groq"],
)
async def test_counts_are_found(payloads: list[Any]) -> None:
    assert (await chat(*payloads, "[DONE]")).usage == Usage(9, 2, 4)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ({"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 300, "output_tokens": 2}),
        ({"input_tokens": 300, "output_tokens": 1}, {"input_tokens": 0, "output_tokens": 2}),
        ({"input_tokens": 300, "output_tokens": 2}, {"input_tokens": 0, "output_tokens": 0}),
        ({"input_tokens": 300.0, "output_tokens": 1}, {"output_tokens": 2}),
        (
            {"input_tokens": 100, "cache_read_input_tokens": 9000, "output_tokens": 1},
            {"input_tokens": 300, "cache_read_input_tokens": 0, "output_tokens": 2},
        ),
    ],
    ids=["zeros first", "no prompt last", "zeros last", "floats", "compacted"],
)
async def test_zeros_do_not_undo_counts(first: dict[str, Any], last: dict[str, Any]) -> None:
    found = await anthropic(
        {"type": "message_start", "message": {"usage": first}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "x"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last},
        {"type": "message_stop"},
    )
    assert (found.usage.input_tokens, found.usage.output_tokens) == (300, 2)


@pytest.mark.parametrize("real", [0, -1, 1, 10**12])
def test_no_count_makes_learning_fail(real: int) -> None:
    """And a count of nothing teaches nothing."""
    learned = Learned()
    for _ in range(5):
        learned.add(REQUEST.messages, real)
    assert learned.corrected(TokenCount(10, False, "estimate", 0.3)).tokens >= (10 if real <= 0 else 0)


async def test_counts_that_are_none_are_unknown() -> None:
    found = await chat({**said("x", "stop"), "usage": {"prompt_tokens": 10**400, "completion_tokens": 2.5}}, "[DONE]")
    assert found.usage == Usage()


# --- blocks and items


def start(index: int | None, **block: Any) -> dict[str, Any]:
    event = {"type": "content_block_start", "content_block": block}
    return event if index is None else {**event, "index": index}


def delta(index: int | None, kind: str, **fields: Any) -> dict[str, Any]:
    event = {"type": "content_block_delta", "delta": {"type": kind, **fields}}
    return event if index is None else {**event, "index": index}


STOP = ({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, {"type": "message_stop"})


@pytest.mark.parametrize("index", [0, None])
async def test_blocks_that_share_an_index_or_have_none(index: int | None) -> None:
    end = {"type": "content_block_stop"} if index is None else {"type": "content_block_stop", "index": index}
    found = await anthropic(
        start(index, type="thinking", thinking=""),
        delta(index, "thinking_delta", thinking="Hm."),
        delta(index, "signature_delta", signature="s"),
        end,
        start(index, type="text", text=""),
        delta(index, "text_delta", text="Look."),
        end,
        start(index, type="tool_use", id="t1", name="f", input={}),
        delta(index, "input_json_delta", partial_json='{"a":'),
        delta(index, "input_json_delta", partial_json="1}"),
        end,
        start(index, type="tool_use", id="t2", name="g", input={"b": 2}),
        end,
        *STOP,
    )
    assert (found.text, found.thinking[0].text, found.thinking[0].signature) == ("Look.", "Hm.", "s")
    assert [(call.id, call.arguments) for call in found.tool_calls] == [("t1", {"a": 1}), ("t2", {"b": 2})]


@pytest.mark.parametrize("given", ['{"a":1}', {"a": 1}])
async def test_input_that_comes_whole(given: Any) -> None:
    """At the start, as an object or as JSON text, with or without the deltas and the stop."""
    block = {"type": "tool_use", "id": "t1", "name": "f", "input": given}
    plain = json.dumps({"content": [block], "stop_reason": "tool_use"})
    answers = [
        await asked(plain, "application/json", "anthropic", stream=False),
        await anthropic(start(0, **block), {"type": "content_block_stop", "index": 0}, *STOP),
        await anthropic(start(0, **block), *STOP),
        await anthropic(start(0, **block), delta(0, "input_json_delta", partial_json='{"a":1}'), *STOP),
    ]
    assert [[call.arguments for call in answer.tool_calls] for answer in answers] == [[{"a": 1}]] * 4


async def test_a_second_start_begins_the_answer_anew() -> None:
    """A gateway asked again in mid-stream: what came before is void, and the consumer is told so."""
    begin = {"type": "message_start", "message": {"id": "m"}}
    found = await anthropic(
        begin,
        start(0, type="text", text="Half"),
        start(1, type="tool_use", id="t1", name="f", input={}),
        delta(1, "input_json_delta", partial_json='{"a"'),
        begin,
        start(0, type="text", text="Whole"),
        start(1, type="tool_use", id="t2", name="f", input={}),
        delta(1, "input_json_delta", partial_json='{"a":1}'),
        *STOP,
    )
    assert (found.text, [call.id for call in found.tool_calls]) == ("Whole", ["t2"])


async def test_text_on_an_open_tool_block_is_text() -> None:
    found = await anthropic(
        start(0, type="tool_use", id="t1", name="f", input={}),
        delta(0, "input_json_delta", partial_json='{"a":'),
        delta(0, "text_delta", text="Lo"),
        delta(0, "input_json_delta", partial_json="1}"),
        delta(0, "text_delta", text="ok."),
        *STOP,
    )
    assert (found.text, found.tool_calls[0].arguments) == ("Look.", {"a": 1})


ITEM = {"type": "function_call", "id": "i2", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
MESSAGE = {"type": "message", "id": "i1", "content": [{"type": "output_text", "text": "Look."}]}
ADDED, DONE = "response.output_item.added", "response.output_item.done"
TEXT, ARGS = "response.output_text.delta", "response.function_call_arguments.delta"


def end(*output: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"status": "completed", "output": list(output)}}


ITEMS: dict[str, list[dict[str, Any]]] = {
    "only at the end": [end(MESSAGE, ITEM)],
    "also at the end": [
        {"type": TEXT, "output_index": 0, "item_id": "i1", "delta": "Look."},
        {"type": ADDED, "output_index": 1, "item": {**ITEM, "arguments": ""}},
        {"type": ARGS, "output_index": 1, "item_id": "i2", "delta": '{"a":1}'},
        {"type": DONE, "output_index": 1, "item": ITEM},
        end(MESSAGE, ITEM),
    ],
    "partly at the end": [
        {"type": TEXT, "output_index": 0, "delta": "Lo"},
        {"type": ADDED, "output_index": 1, "item": {**ITEM, "arguments": ""}},
        {"type": ARGS, "output_index": 1, "delta": '{"a"'},
        end(MESSAGE, ITEM),
    ],
    "index 0 for all": [
        {"type": ADDED, "output_index": 0, "item": {"type": "message", "id": "i1"}},
        {"type": TEXT, "output_index": 0, "item_id": "i1", "delta": "Look."},
        {"type": ADDED, "output_index": 0, "item": {**ITEM, "arguments": ""}},
        {"type": ARGS, "output_index": 0, "item_id": "i2", "delta": '{"a":1}'},
        {"type": DONE, "output_index": 0, "item": ITEM},
        {"type": DONE, "output_index": 0, "item": MESSAGE},
        end(),
    ],
    "no index": [
        {"type": ADDED, "item": {"type": "message", "id": "i1"}},
        {"type": TEXT, "item_id": "i1", "delta": "Look."},
        {"type": ADDED, "item": {**ITEM, "arguments": ""}},
        {"type": ARGS, "item_id": "i2", "delta": '{"a":1}'},
        {"type": DONE, "item": ITEM},
        end(),
    ],
    "neither index nor id": [
        {"type": TEXT, "delta": "Lo"},
        {"type": TEXT, "delta": "ok."},
        {"type": ADDED, "item": {**ITEM, "id": None, "arguments": ""}},
        {"type": ARGS, "delta": '{"a":1}'},
        {"type": DONE, "item": {**ITEM, "id": None}},
        end(),
    ],
    "arguments before the item": [
        {"type": ARGS, "output_index": 1, "item_id": "i2", "delta": '{"a":'},
        {"type": ADDED, "output_index": 1, "item": {**ITEM, "arguments": ""}},
        {"type": ARGS, "output_index": 1, "item_id": "i2", "delta": "1}"},
        {"type": DONE, "output_index": 1, "item": ITEM},
        {"type": DONE, "output_index": 0, "item": MESSAGE},
        end(),
    ],
    "another id in every event": [
        {"type": ADDED, "output_index": 0, "item": {**MESSAGE, "id": "x1", "content": []}},
        {"type": TEXT, "output_index": 0, "item_id": "x2", "delta": "Look."},
        {"type": DONE, "output_index": 0, "item": {**MESSAGE, "id": "x3"}},
        {"type": ADDED, "output_index": 1, "item": {**ITEM, "id": "x4", "arguments": ""}},
        {"type": ARGS, "output_index": 1, "item_id": "x5", "delta": '{"a":1}'},
        {"type": DONE, "output_index": 1, "item": {**ITEM, "id": "x6"}},
        end({**MESSAGE, "id": "x7"}, {**ITEM, "id": "x8"}),
    ],
    "wholes without pieces": [
        {"type": "response.output_text.done", "output_index": 0, "item_id": "i1", "text": "Look."},
        {"type": ADDED, "output_index": 1, "item": {**ITEM, "arguments": ""}},
        {"type": "response.function_call_arguments.done", "output_index": 1, "arguments": '{"a":1}'},
        end(),
    ],
}


@pytest.mark.parametrize("events", ITEMS.values(), ids=ITEMS)
async def test_items_of_a_response_are_found(events: list[dict[str, Any]]) -> None:
    """Once each, wherever they are told."""
    found = await responses(*events)
    assert (found.text, found.finish_reason) == ("Look.", "tool_calls")
    assert [(call.id, call.name, call.arguments) for call in found.tool_calls] == [("c1", "f", {"a": 1})]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_custom_tool_call_is_a_call(streamed: bool) -> None:
    """Its input is free text."""
    item = {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "*** Begin"}
    if streamed:
        piece = {"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "*** "}
        found = await responses(
            {"type": ADDED, "output_index": 0, "item": {**item, "input": ""}},
            piece,
            {**piece, "delta": "Begin"},
            {"type": DONE, "output_index": 0, "item": item},
            end(item),
        )
    else:
        body = json.dumps({"status": "completed", "output": [item]})
        found = await asked(body, "application/json", "openai", stream=False, api="responses")
    (call,) = found.tool_calls
    assert (call.name, call.raw_arguments, found.finish_reason) == ("patch", "*** Begin", "tool_calls")


async def test_tags_in_the_text_of_ollama() -> None:
    """Taken out where the provider is told so."""
    lines = [{"message": {"content": "<thi"}}, {"message": {"content": "nk>hm</think>Hello"}}, {"done": True}]
    found = await ollama(*lines, think_tags=True)
    assert (found.text, found.thinking[0].text) == ("Hello", "hm")
    assert (await ollama(*lines)).text == "<think>hm</think>Hello"
    found = await ollama({"message": {"content": "Hm.\n</think>Hello"}}, {"done": True}, think_tags=True)
    assert (found.text, found.thinking[0].text) == ("Hello", "Hm.\n")


async def test_calls_of_ollama() -> None:
    """Two equal ones without ids are two; a call that is sent again under its id is one."""
    entry = {"function": {"name": "f", "arguments": {"wei": 123456789012345678901234567890}}}
    found = await ollama({"message": {"tool_calls": [entry]}}, {"message": {"tool_calls": [entry]}}, {"done": True})
    assert [call.arguments for call in found.tool_calls] == [{"wei": 123456789012345678901234567890}] * 2
    again = {"message": {"tool_calls": [{**entry, "id": "a"}]}}
    assert len((await ollama(again, again, {"done": True})).tool_calls) == 1
