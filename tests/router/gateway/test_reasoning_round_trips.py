"""Reasoning that one vendor has sealed goes through a client of any protocol back to that vendor, and to no other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.native import sse
from tests.support.vendors_behind import WIRES, behind, events

SEAL = "SEALED-0123456789"
NAME = {"name": "look"}
CALL = {"id": "call_1", "type": "function", "function": {**NAME, "arguments": "{}"}}
THOUGHT = {"type": "thinking", "thinking": "hmm", "signature": SEAL}
REDACTED = {"type": "redacted_thinking", "data": SEAL}
USE = {"type": "tool_use", "id": "toolu_1", **NAME, "input": {}}
MESSAGE = {"type": "message", "role": "assistant", "model": "v", "stop_reason": "tool_use"}
REASONED = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hmm"}]}
HIDDEN = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": SEAL}
CALLED = {"type": "function_call", "id": "fc_1", "call_id": "call_1", **NAME, "arguments": "{}", "status": "completed"}
RESPONSE = {"id": "r", "object": "response", "status": "completed", "model": "v"}
SIGNED = {**CALL, "extra_content": {"google": {"thought_signature": SEAL}}}
DETAIL = {"type": "reasoning.encrypted", "data": SEAL, "id": "d"}


def _block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _items(*items: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = ("response.output_item.added", "response.output_item.done")
    return [{"type": k, "output_index": place, "item": item} for place, item in enumerate(items) for k in kinds]


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


OUTPUT = [{**REASONED, "encrypted_content": SEAL}, HIDDEN, CALLED]
# What each maker answers, plain and streamed; by the route it is asked at, and the dialect there.
MAKERS: dict[str, tuple[str, str, dict[str, Any], bytes]] = {
    "anthropic": (
        "claude",
        "generic",
        {**MESSAGE, "content": [THOUGHT, REDACTED, USE]},
        sse(
            {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
            *_block(
                0,
                {**THOUGHT, "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "hmm"},
                {"type": "signature_delta", "signature": SEAL},
            ),
            *_block(1, REDACTED),
            *_block(2, USE, {"type": "input_json_delta", "partial_json": "{}"}),
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
            named=True,
        ),
    ),
    "openai": (
        "responses",
        "generic",
        {**RESPONSE, "output": OUTPUT},
        sse(
            {"type": "response.created", "response": {**RESPONSE, "output": [], "status": "in_progress"}},
            *_items(*OUTPUT),
            {"type": "response.completed", "response": {**RESPONSE, "output": OUTPUT}},
            named=True,
        ),
    ),
    "gemini": (
        "chat",
        "gemini",
        {"choices": [{"message": {"role": "assistant", "tool_calls": [SIGNED]}, "finish_reason": "tool_calls"}]},
        sse(_chunk({"tool_calls": [{"index": 0, **SIGNED}]}), _chunk({}, "tool_calls"), "[DONE]"),
    ),
    "openrouter": (
        "chat",
        "openrouter",
        {
            "choices": [
                {
                    "message": {
                        "role": "assistant",
                        "reasoning": "hmm",
                        "reasoning_details": [DETAIL],
                        "tool_calls": [CALL],
                    },
                    "finish_reason": "tool_calls",
                }
            ]
        },
        sse(
            _chunk({"reasoning": "hmm", "reasoning_details": [DETAIL]}),
            _chunk({"tool_calls": [{"index": 0, **CALL}]}),
            _chunk({}, "tool_calls"),
            "[DONE]",
        ),
    ),
}
PARAMETERS = {"type": "object", "properties": {"at": {"type": "string"}}}
FUNCTION = {"type": "function", "function": {**NAME, "parameters": PARAMETERS}}
ASKS: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "hi"}], "tools": [FUNCTION]},
    "llama": {"messages": [{"role": "user", "content": "hi"}], "tools": [FUNCTION]},
    "responses": {
        "input": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", **NAME, "parameters": PARAMETERS}],
    },
    "claude": {
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{**NAME, "input_schema": PARAMETERS}],
        "max_tokens": 4000,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    },
}
# Chat has a place for what belongs to a call, and none for reasoning; Ollama has none at all.
CARRIED = [
    *(("claude", maker) for maker in MAKERS),
    *(("responses", maker) for maker in MAKERS),
    ("chat", "gemini"),
]


def _message(streamed: bytes) -> dict[str, Any]:
    """The message of a chat's stream, or of Ollama's."""
    found: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": []}
    for event in events(streamed):
        said = event["choices"][0]["delta"] if "choices" in event else event["message"]
        found["content"] += said.get("content") or ""
        for call in said.get("tool_calls", ()):
            if call.get("id"):
                found["tool_calls"].append({key: each for key, each in call.items() if key != "index"})
    return found


def _blocks(streamed: bytes) -> list[dict[str, Any]]:
    """The blocks of a stream of Anthropic's."""
    blocks: list[dict[str, Any]] = []
    for event in events(streamed):
        if event["type"] == "content_block_start":
            blocks.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            for key in event["delta"].keys() & {"text", "thinking", "signature"}:
                blocks[-1][key] = blocks[-1].get(key, "") + event["delta"][key]
    return blocks


def _next_turn(face: str, answer: bytes, *, stream: bool) -> dict[str, Any]:
    """What a client asks that has run the tool."""
    asked = ASKS[face]
    if face == "responses":
        output = events(answer)[-1]["response"]["output"] if stream else json.loads(answer)["output"]
        calls = [item["call_id"] for item in output if item["type"] == "function_call"]
        results = [{"type": "function_call_output", "call_id": call, "output": "seen"} for call in calls]
        return {**asked, "input": [*asked["input"], *output, *results]}
    if face == "claude":
        blocks = _blocks(answer) if stream else json.loads(answer)["content"]
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        shown = [{"type": "tool_result", "tool_use_id": call, "content": "seen"} for call in calls]
        turns = [{"role": "assistant", "content": blocks}, {"role": "user", "content": shown}]
    else:
        whole = json.loads(answer) if not stream else {"message": _message(answer)}
        message = whole["choices"][0]["message"] if "choices" in whole else whole["message"]
        turns = [
            message,
            *(
                {"role": "tool", "tool_call_id": c["id"], "tool_name": "look", "content": "seen"}
                for c in message["tool_calls"]
            ),
        ]
    return {**asked, "messages": [*asked["messages"], *turns]}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("face", WIRES)
async def test_sealed_reasoning_comes_back_to_its_maker_alone(face: str, maker: str, stream: bool) -> None:
    route, dialect, plain, streamed = MAKERS[maker]
    async with behind(options={"chat": f"options: {{dialect: {dialect}}}, "}) as run:
        run.says(route, plain, streamed if stream else None)
        answer = await run.post(face, {**ASKS[face], "model": route, "stream": stream})
        assert answer.status_code == 200, answer.text
        assert f'"{SEAL}' not in answer.text  # only in an envelope
        run.answers.clear()
        turn = _next_turn(face, answer.content, stream=stream)
        for target in WIRES:
            again = await run.post(face, {**turn, "model": target, "stream": False})
            assert again.status_code == 200, (target, again.text)
            arrived = json.dumps(run.asked(target)[-1])
            assert "sb1." not in arrived, target
            if target != route:
                assert SEAL not in arrived, target
            elif (face, maker) in CARRIED:
                assert SEAL in arrived
