"""Reasoning through a client of the Responses API: it keeps its place, and its seals go back to their maker."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from providers.accumulate import as_chunks
from providers.anthropic.encode import encode as encode_anthropic
from providers.envelope import open_request, seal_response
from providers.openai.dialects import DIALECTS
from providers.openai.responses_encode import encode as encode_responses
from providers.sealed_ids import digest_of
from providers.types import CompletionResponse, StreamChunk, ThinkingPart, ToolCall
from providers.wire import openai_responses
from providers.wire.writing import Head

HEAD = Head("0123abcd", "m", 1_750_000_000.0)
USER: dict[str, Any] = {"role": "user", "content": "go"}


def read(**fields: Any) -> Any:
    return openai_responses.read_request({"model": "m", "max_output_tokens": 9000, "input": [USER], **fields})


def events(data: bytes) -> list[dict[str, Any]]:
    blocks = data.decode().removesuffix("\n\n").split("\n\n")
    return [json.loads(block.partition("data: ")[2]) for block in blocks]


def plain(answer: CompletionResponse) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(msgspec.json.encode(openai_responses.render_response(answer, HEAD)))[
        "output"
    ]
    return items


def streamed(answer: CompletionResponse) -> list[dict[str, Any]]:
    writer = openai_responses.ResponsesStreamWriter(HEAD, lambda: answer.thinking)
    data = writer.start() + b"".join(map(writer.chunk, as_chunks(answer, size=3))) + writer.end()
    items: list[dict[str, Any]] = events(data)[-1]["response"]["output"]
    return items


def test_reasoning_keeps_its_place() -> None:
    """Before the text or call that it led to; its seal goes back as it came."""
    sealed = [
        {"type": "reasoning", "id": f"rs_{n}", "summary": [], "encrypted_content": f"seal {n}", "status": None}
        for n in range(3)
    ]
    items = [
        USER,
        sealed[0],
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "First."}]},
        sealed[1],
        {"type": "function_call", "call_id": "c1", "name": "run", "arguments": "{}", "id": None, "status": None},
        sealed[2],
        {"type": "function_call", "call_id": "c2", "name": "run", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": "two"},
    ]
    found = read(input=items)
    turn = found.messages[1]
    assert [(part.opaque, part.after) for part in turn.thinking] == [
        (sealed[0], (0, 0)),
        (sealed[1], (6, 0)),
        (sealed[2], (6, 1)),
    ]
    answer = CompletionResponse(text=turn.text, thinking=turn.thinking, tool_calls=turn.tool_calls)
    told = plain(answer)
    assert [item["type"] for item in told] == [item["type"] for item in items[1:7]]
    assert [item["id"] for item in told if item["type"] == "reasoning"] == ["rs_0", "rs_1", "rs_2"]


def test_an_id_of_ours_is_not_given_to_a_vendor() -> None:
    """A stream names reasoning before its maker's id is known: the seal comes back under no id, not a wrong one."""
    item = {"type": "reasoning", "id": "rs_9", "summary": [{"type": "summary_text", "text": "hm"}]}
    item["encrypted_content"] = "sealed"
    known: list[ThinkingPart] = []
    writer = openai_responses.ResponsesStreamWriter(HEAD, lambda: known)
    data = writer.start() + writer.chunk(StreamChunk(thinking="hm"))
    known.append(ThinkingPart("hm", opaque=item, origin="p/m"))
    found = events(data + writer.chunk(StreamChunk("so")) + writer.end())
    ids = {event["item_id"] for event in found if "reasoning" in event["type"]}
    added, done = (event["item"] for event in found if event.get("item", {}).get("type") == "reasoning")
    assert ids == {added["id"]} == {done["id"]}
    assert done["encrypted_content"] == "sealed"
    (part,) = read(input=[USER, done]).messages[1].thinking
    assert part.opaque == {key: value for key, value in item.items() if key != "id"}


SEALS = [
    ThinkingPart("hm", signature="EqQB+/="),
    ThinkingPart("", signature="EqQB+/="),
    ThinkingPart("", opaque={"type": "redacted_thinking", "data": "EqQB+/="}),
]


@pytest.mark.parametrize("part", SEALS, ids=str)
def test_anthropics_seals_go_round(part: ThinkingPart) -> None:
    """A client that gives reasoning items back unread, without their ids, gives Claude its own thinking back."""
    answer = CompletionResponse(text="so", thinking=(part,), finish_reason="stop")
    whole = plain(answer)[0]
    assert streamed(answer)[0] == whole
    back = {key: value for key, value in whole.items() if key != "id"}
    assert read(input=[USER, back]).messages[1].thinking == (part,)


@pytest.mark.parametrize("part", SEALS, ids=str)
@pytest.mark.parametrize("write", [plain, streamed])
def test_claude_gets_its_own_thinking_back(write: Any, part: ThinkingPart) -> None:
    """Sealed for the way through a client that knows OpenAI's items alone, and given to nobody else."""
    answer = CompletionResponse(
        thinking=(replace(part, origin="anthropic/claude-sonnet-4-5"),),
        tool_calls=(ToolCall("toolu_1", "look", {"a": 1}, '{"a": 1}'),),
        finish_reason="tool_calls",
    )
    items = write(seal_response(answer))
    assert items[0]["encrypted_content"].startswith(f"sb1.{digest_of('anthropic/claude-sonnet-4-5')}.")
    result = {"type": "function_call_output", "call_id": "toolu_1", "output": "seen"}
    tools = [{"type": "function", "name": "look", "parameters": {"type": "object"}}]
    asked = read(input=[USER, *items, result], tools=tools, reasoning={"effort": "low"})
    opened = open_request(asked, {digest_of("anthropic/claude-sonnet-4-5"): "anthropic/claude-sonnet-4-5"})
    mine = encode_anthropic(replace(opened, model="claude-sonnet-4-5"), stream=False, provider="anthropic")
    (block,) = (
        block
        for turn in mine["messages"][1:]
        for block in turn["content"]
        if block["type"] in ("thinking", "redacted_thinking")
    )
    wanted = part.opaque or {"type": "thinking", "thinking": part.text, "signature": part.signature}
    assert block == wanted
    other = encode_responses(opened, DIALECTS["openai"], stream=False, provider="openai")
    assert all(item.get("type") != "reasoning" for item in other["input"])
