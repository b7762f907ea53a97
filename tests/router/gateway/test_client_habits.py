"""What real clients send that is easily lost on the way to a vendor of another protocol, or refused for no reason."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from providers.sealed_ids import digest_of
from tests.support.native import MESSAGES, OLLAMA, RESPONSES, http, sse
from tests.support.vendors_behind import Behind, behind, events

USER = {"role": "user", "content": "hi"}
TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}
FUNCTION = {"type": "function", "function": {"name": "look", "parameters": TOOL["input_schema"]}}
PATCH = {"name": "patch", "description": "Change files."}
GRAMMAR = {"definition": "start: X", "syntax": "lark"}


@pytest.fixture
async def run() -> AsyncIterator[Behind]:
    async with behind() as running:
        yield running


async def asked(run: Behind, face: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the vendor of a route is asked by a client that asks so."""
    answer = await run.post(face, body)
    assert answer.status_code == 200, answer.text
    return run.asked(body["model"])[-1]


def names(body: dict[str, Any]) -> list[str]:
    return [tool.get("function", tool)["name"] for tool in body.get("tools", ())]


@pytest.mark.parametrize("target", ["chat", "claude", "llama"])
async def test_what_one_agent_of_codex_says_to_another_is_read(run: Behind, target: str) -> None:
    said = [
        {"type": "input_text", "text": "The tests are red."},
        {"type": "encrypted_content", "encrypted_content": "x"},
    ]
    item = {"type": "agent_message", "author": "/root/tester", "recipient": "/root", "content": said}
    body = await asked(run, "responses", {"model": target, "input": [USER, item]})
    assert "The tests are red." in json.dumps(body)
    assert "/root/tester" in json.dumps(body)


@pytest.mark.parametrize("target", ["chat", "responses", "llama"])
async def test_a_tool_that_a_search_found_is_named_in_its_result(run: Behind, target: str) -> None:
    """Claude Code looks for tools by a tool of its own; all of them are in the request."""
    found = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "tool_reference", "tool_name": "look"}]}
    used = {"type": "tool_use", "id": "t1", "name": "ToolSearch", "input": {}}
    turns = [USER, {"role": "assistant", "content": [used]}, {"role": "user", "content": [found]}]
    tools = [{**TOOL, "name": "ToolSearch"}, {**TOOL, "defer_loading": True}]
    body = await asked(run, "claude", {"model": target, "max_tokens": 9, "messages": turns, "tools": tools})
    assert names(body) == ["ToolSearch", "look"]
    assert "Tool found: look" in json.dumps(body)
    assert "defer_loading" not in json.dumps(body)


@pytest.mark.parametrize("target", ["chat", "responses", "llama"])
async def test_a_turn_of_the_system_without_words_says_nothing(run: Behind, target: str) -> None:
    """Claude Code changes settings in mid-conversation by it."""
    turns = [USER, {"role": "system", "content": [], "output_config": {"effort": "low"}}, USER]
    body = await asked(run, "claude", {"model": target, "max_tokens": 9, "messages": turns})
    said = body.get("messages") or body["input"]
    assert [turn["role"] for turn in said] == ["user", "user"]


@pytest.mark.parametrize("target", ["responses", "claude", "llama"])
async def test_tools_of_the_vendors_own_are_left_out_of_a_chat(run: Behind, target: str) -> None:
    """Where the client has others, and the vendor has not the like."""
    tools = [{"type": "made_up"}, FUNCTION, {"type": "file_search", "vector_store_ids": ["v"]}]
    body = await asked(run, "chat", {"model": target, "messages": [USER], "tools": tools})
    kept = [tool for tool in body["tools"] if tool.get("type") in (None, "function")]
    assert names({**body, "tools": kept}) == ["look"]
    alone = {"model": target, "messages": [USER], "tools": [{"type": "web_search_preview"}]}
    refused = await run.post("chat", {**alone, "tool_choice": {"type": "web_search_preview"}})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "tool_choice")


async def test_tools_of_the_vendors_own_reach_it(run: Behind) -> None:
    asks = {"tools": [{"type": "web_search_preview"}], "tool_choice": {"type": "web_search_preview"}}
    body = await asked(run, "chat", {"model": "chat", "messages": [USER], **asks})
    assert {name: body[name] for name in asks} == asks


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "custom", "custom": {**PATCH, "format": {"type": "grammar", "grammar": GRAMMAR}}},
        {"type": "custom", **PATCH, "format": {"type": "grammar", **GRAMMAR}},
    ],
    ids=["nested", "flat"],
)
async def test_a_custom_tool_of_a_chat_is_called_with_a_text(run: Behind, tool: dict[str, Any]) -> None:
    """Other models see a function that takes a text; its calls come back as the client knows them."""
    call = {"type": "tool_use", "id": "t1", "name": "patch", "input": {"input": "*** Begin\n"}}
    made = {"type": "message", "role": "assistant", "model": "m", "content": [call], "stop_reason": "tool_use"}
    run.says("claude", made)
    earlier = {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "*** Before"}}
    turns = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [earlier]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    body = {"model": "claude", "messages": turns, "tools": [tool, FUNCTION]}
    answer = (await run.post("chat", body)).json()
    [offered, _] = run.asked("claude")[-1]["tools"]
    assert list(offered["input_schema"]["properties"]) == ["input"]
    assert "start: X" in offered["description"]
    assert {"input": "*** Before"} in [
        block.get("input") for block in run.asked("claude")[-1]["messages"][1]["content"]
    ]
    told = {"id": "t1", "type": "custom", "custom": {"name": "patch", "input": "*** Begin\n"}}
    assert answer["choices"][0]["message"]["tool_calls"] == [told]
    start = {"type": "content_block_start", "index": 0, "content_block": {**call, "input": {}}}
    pieces = ['{"input": "*** ', 'Begin\\n"}']
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    run.says(
        "claude",
        stream=sse(
            {"type": "message_start", "message": {**made, "content": [], "stop_reason": None}},
            start,
            *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
            named=True,
        ),
    )
    streamed = events((await run.post("chat", {**body, "stream": True})).content)
    calls = [call for event in streamed for call in event["choices"][0]["delta"].get("tool_calls", ())]
    assert calls == [{"index": 0, **told}]
    assert streamed[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_prompt_that_is_only_to_be_cached_is_sent_as_it_is(run: Behind) -> None:
    """Anthropic reads it and answers nothing; elsewhere one token is the least."""
    warm = {"max_tokens": 0, "messages": [USER]}
    assert (await asked(run, "claude", {"model": "claude", **warm}))["max_tokens"] == 0
    assert (await asked(run, "claude", {"model": "chat", **warm}))["max_tokens"] == 1


STREAM = "/v1/messages"


@pytest.mark.parametrize("target", ["chat", "responses", "llama"])
async def test_a_stream_of_messages_begins_with_what_the_prompt_costs(run: Behind, target: str) -> None:
    """Clients make their conversation shorter by it; other vendors tell it last, or never. Tools cost as well."""
    body = {"model": target, "max_tokens": 9, "messages": [{"role": "user", "content": "word " * 700}], "stream": True}
    told = [
        events((await run.post(STREAM, {**body, **more})).content)[0]["message"]["usage"]["input_tokens"]
        for more in ({}, {"tools": [{**TOOL, "description": "word " * 700}]})
    ]
    assert 700 <= told[0] <= 1400
    assert told[1] >= told[0] + 700


@pytest.mark.parametrize("target", ["chat", "claude", "llama"])
async def test_arguments_that_a_client_has_read_are_arguments(run: Behind, target: str) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": {"at": "the sky"}}
    empty = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": None, "content": None}
    result = {"type": "function_call_output", "call_id": "c", "output": "x"}
    body = await asked(run, "responses", {"model": target, "input": [USER, empty, call, result]})
    assert "the sky" in json.dumps(body)


NATIVE: list[tuple[str, dict[str, Any]]] = [
    (
        "responses",
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}], "previous_response_id": "r"},
    ),
    (
        "responses",
        {
            "input": [
                {"type": "item_reference", "id": "f"},
                {"type": "function_call_output", "call_id": "c", "output": "x"},
            ]
        },
    ),
    ("llama", {"messages": [USER, {"role": "tool", "content": "x", "tool_name": "look"}]}),
    ("llama", {"messages": [USER, {"role": "assistant", "tool_calls": [{"function": {"name": "a"}}]}, USER]}),
    ("chat", {"messages": [USER], "temperature": 3.5}),
    ("chat", {"messages": [USER], "max_tokens": -1}),
    ("chat", {"messages": [USER], "reasoning_effort": "utmost"}),
    ("chat", {"messages": [{"role": "critic", "content": "x"}, USER]}),
    (
        "claude",
        {"messages": [USER], "max_tokens": 9, "thinking": {"type": "made_up"}, "tool_choice": {"type": "made_up"}},
    ),
    ("responses", {"input": "hi", "reasoning": {"effort": "utmost"}, "text": {"format": {"type": "made_up"}}}),
    ("llama", {"messages": [USER], "think": "utmost", "format": "xml"}),
    ("chat", {"messages": [{"role": "assistant", "content": "x", "tool_calls": [{"id": "c", **FUNCTION}]}, USER]}),
]


@pytest.mark.parametrize(("face", "fields"), NATIVE, ids=lambda value: str(value)[:60])
async def test_what_nobody_else_takes_goes_to_the_vendor_of_the_clients_protocol(
    run: Behind, face: str, fields: dict[str, Any]
) -> None:
    """Its rules are its own, and it may have the half of the conversation that is not sent."""
    body = await asked(run, face, {"model": face, "stream": False, **fields})
    assert body.items() >= fields.items()
    other = "claude" if face != "claude" else "chat"
    refused = await run.post(face, {"model": other, "stream": False, **fields})
    assert refused.status_code == 400
    assert run.asked(other) == []


async def test_others_are_passed_over_without_an_attempt() -> None:
    """There is one; what the file adds is not checked either where the rest is the vendor's own business."""
    native = "{model: responses/m-responses, params: {temperature: 0.5}}"
    async with behind(f"routes:\n  any: {{targets: [claude/m-claude, {native}]}}\n") as run:
        answer = await run.post("responses", {"model": "any", **NATIVE[0][1]})
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-signalbox-attempts"] == "1"
        assert run.asked("responses")[0]["temperature"] == 0.5
        assert run.asked("claude") == []


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_what_the_vendor_refuses_of_it_is_told(run: Behind, stream: bool) -> None:
    """A word that is newer than the gateway may be none at all."""
    told = {"error": {"message": "think: no such word", "type": "invalid_request_error"}}
    run.answers["chat"] = [http(json.dumps(told).encode(), status=400)]
    body = {"model": "chat", "messages": [USER], "reasoning_effort": "utmost", "stream": stream}
    answer = await run.post("chat", body)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (400, "false")
    assert "think: no such word" in answer.json()["error"]["message"]


async def test_a_stream_that_breaks_is_told_also_where_its_request_is_read_in_part(run: Behind) -> None:
    """What the writers of answers look at is what could be read."""
    run.says("responses", stream=RESPONSES.stream.partition(b"event: response.output_item.done")[0])
    body = {"model": "responses", "input": "hi", "tools": ["made_up"], "stream": True}
    streamed = events((await run.post("responses", body)).content)
    assert streamed[-1]["type"] == "response.failed"
    assert run.asked("responses")[0]["tools"] == ["made_up"]


@pytest.mark.parametrize("space", [b"", b" "], ids=["compact", "spaced"])
async def test_ollamas_clients_read_the_name_that_they_asked_for(run: Behind, space: bytes) -> None:
    """Servers in Python write JSON with spaces."""
    lines = OLLAMA.stream.replace(b'"model": ', b'"model":' + space)
    run.says("llama", stream=lines)
    streamed = events((await run.post("llama", {"model": "llama:latest", "messages": [USER]})).content)
    assert [event["model"] for event in streamed] == ["llama:latest"] * 3


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_stop_sequence_is_told_of_an_answer_that_goes_on_at_another_model(stream: bool) -> None:
    """Such an answer is written anew, in the words of the vendor that ended it."""
    chain = "{targets: [claude/m-claude], on_stream_break: continue}"
    async with behind(f"routes:\n  any: {chain}\n") as run:
        ended = MESSAGES.stream.replace(b'"stop_reason": "end_turn"', b'"stop_reason": "stop_sequence"')
        run.says("claude", {**MESSAGES.answer, "stop_reason": "stop_sequence"}, ended if stream else None)
        body = {"model": "any", "max_tokens": 9, "messages": [USER], "stop_sequences": ["x"], "stream": stream}
        answer = await run.post("claude", body)
    told = events(answer.content)[-2]["delta"] if stream else answer.json()
    assert told["stop_reason"] == "stop_sequence"


async def test_a_client_may_add_its_base_to_that_of_its_settings(run: Behind) -> None:
    body = {"model": "chat", "max_tokens": 9, "messages": [USER]}
    assert (await run.post("/v1/v1/messages", body)).status_code == 200


async def test_what_can_be_read_of_a_prompt_is_counted(run: Behind) -> None:
    """A conversation may hold what the vendor's own tools did; what others have sealed does not get to it."""
    used = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    digests = digest_of("claude/m-claude"), "01234567"
    own, others = ({"type": "thinking", "thinking": "hmm", "signature": f"sb1.{digest}.c2Vh"} for digest in digests)
    turns = [USER, {"role": "assistant", "content": [own, others, used, {"type": "text", "text": "word " * 300}]}, USER]
    for target in ("claude", "chat"):
        answer = await run.post("/v1/messages/count_tokens", {"model": target, "messages": turns})
        assert answer.status_code == 200, answer.text
        assert answer.json()["input_tokens"] >= 300
    assert "sb1." not in json.dumps(run.asked("claude"))
    assert json.dumps(run.asked("claude")).count('"signature": "c2Vh"') == 1


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
@pytest.mark.parametrize("face", ["claude", "responses", "llama"])
async def test_halves_of_a_character_are_put_together(run: Behind, face: str, field: str) -> None:
    """Some servers cut a text between them; one whose other half never comes is replaced."""
    pieces: list[dict[str, Any]] = [{field: "a\ud83d"}, {field: "\ude00b"}, {field: "\ud83d"}, {"content": "end\ud83d"}]
    chunks = [{"choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    run.says("chat", stream=sse(*chunks, end, "[DONE]"))
    asked = {"input": "hi"} if face == "responses" else {"messages": [USER], "max_tokens": 9}
    told = events((await run.post(face, {"model": "chat", "stream": True, **asked})).content)
    said = "".join(_told(event) for event in told)
    assert said == "a😀b�end�"


def _told(event: dict[str, Any]) -> str:
    """What an event adds to the thinking or the text."""
    if "message" in event and "created_at" in event:
        return event["message"].get("thinking", "") + event["message"]["content"]
    delta = event.get("delta", "")
    return delta if isinstance(delta, str) else delta.get("text", delta.get("thinking", ""))
