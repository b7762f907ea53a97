"""What is read of a request beside what our own clients write, and what is refused, by the name of the field."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from providers.errors import ErrorCode
from providers.types import (
    CompletionResponse,
    FilePart,
    ImagePart,
    Message,
    StreamChunk,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolCallDelta,
)
from providers.validation import validate
from providers.wire import anthropic_messages, ollama_chat, openai_chat, openai_responses
from providers.wire.reading import BadRequest, decode_body
from providers.wire.responses_tools import ClientTool, client_tools
from providers.wire.writing import Head

USER = [{"role": "user", "content": "hi"}]
CHAT: dict[str, Any] = {"model": "m", "messages": USER}
RESPONSES: dict[str, Any] = {"model": "m", "input": "hi"}
ANTHROPIC: dict[str, Any] = {"model": "m", "messages": USER, "max_tokens": 9}
OLLAMA: dict[str, Any] = {"model": "m", "messages": USER}
SERVERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "chat": (openai_chat, CHAT),
    "responses": (openai_responses, RESPONSES),
    "anthropic": (anthropic_messages, ANTHROPIC),
    "ollama": (ollama_chat, OLLAMA),
}
HEAD = Head("0123abcd", "m", 1_750_000_000.0)
FUNCTION = {"type": "function", "name": "look", "description": "looks", "parameters": {"type": "object"}}


def read(name: str, **fields: Any) -> Any:
    server, body = SERVERS[name]
    return server.read_request({**body, **fields})


def image(data: object) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return {"role": "user", "content": [{"type": "image", "source": source}]}


REFUSED: list[tuple[str, dict[str, Any], str, ErrorCode]] = [
    *((name, {"model": None}, "model", ErrorCode.INVALID_REQUEST) for name in SERVERS),
    *((name, {"model": 7}, "model", ErrorCode.INVALID_REQUEST) for name in SERVERS),
    ("chat", {"messages": []}, "messages", ErrorCode.INVALID_REQUEST),
    ("chat", {"messages": "hi"}, "messages", ErrorCode.INVALID_REQUEST),
    ("chat", {"messages": [{"content": "hi"}]}, "messages[0].role", ErrorCode.INVALID_REQUEST),
    ("chat", {"messages": [{"role": "user", "content": 7}]}, "messages[0].content", ErrorCode.INVALID_REQUEST),
    ("chat", {"temperature": "hot"}, "temperature", ErrorCode.INVALID_REQUEST),
    ("chat", {"temperature": True}, "temperature", ErrorCode.INVALID_REQUEST),
    ("chat", {"max_tokens": 0}, "max_tokens", ErrorCode.UNSUPPORTED),
    ("chat", {"stop": [1]}, "stop", ErrorCode.INVALID_REQUEST),
    ("chat", {"n": 2}, "n", ErrorCode.UNSUPPORTED),
    ("chat", {"modalities": ["text", "smell"]}, "modalities", ErrorCode.UNSUPPORTED),
    ("chat", {"reasoning_effort": "some"}, "reasoning_effort", ErrorCode.INVALID_REQUEST),
    ("chat", {"tools": [{"type": "function"}]}, "tools[0]", ErrorCode.INVALID_REQUEST),
    ("chat", {"tool_choice": {"type": "x"}}, "tool_choice", ErrorCode.INVALID_REQUEST),
    ("chat", {"response_format": {"type": "json_schema"}}, "response_format", ErrorCode.INVALID_REQUEST),
    ("responses", {"input": None}, "input", ErrorCode.INVALID_REQUEST),
    ("responses", {"input": [{"role": "owner", "content": "a"}]}, "input[0].role", ErrorCode.INVALID_REQUEST),
    ("responses", {"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type", ErrorCode.UNSUPPORTED),
    ("responses", {"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id", ErrorCode.INVALID_REQUEST),
    ("responses", {"previous_response_id": "resp_1"}, "previous_response_id", ErrorCode.UNSUPPORTED),
    ("responses", {"conversation": "conv_1"}, "conversation", ErrorCode.UNSUPPORTED),
    ("responses", {"background": True}, "background", ErrorCode.UNSUPPORTED),
    ("responses", {"tools": [{"type": "function"}]}, "tools[0].name", ErrorCode.INVALID_REQUEST),
    ("responses", {"tool_choice": {"type": "web_search"}}, "tool_choice", ErrorCode.UNSUPPORTED),
    ("anthropic", {"max_tokens": None}, "max_tokens", ErrorCode.INVALID_REQUEST),
    ("anthropic", {"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", ErrorCode.INVALID_REQUEST),
    ("anthropic", {"messages": [{"role": "user"}]}, "messages[0].content", ErrorCode.INVALID_REQUEST),
    ("anthropic", {"messages": [image("no base64!")]}, "messages[0].content[0].source.data", ErrorCode.INVALID_REQUEST),
    ("anthropic", {"system": [{"type": "text"}]}, "system[0].text", ErrorCode.INVALID_REQUEST),
    (
        "anthropic",
        {"messages": [{"role": "user", "content": [{"type": "container_upload"}]}]},
        "messages[0].content[0].type",
        ErrorCode.UNSUPPORTED,
    ),
    ("anthropic", {"thinking": {"type": "enabled"}}, "thinking.budget_tokens", ErrorCode.INVALID_REQUEST),
    ("anthropic", {"tools": [{"description": "x"}]}, "tools[0].name", ErrorCode.INVALID_REQUEST),
    ("anthropic", {"tool_choice": {"type": "tool", "name": "f"}}, "tool_choice", ErrorCode.INVALID_REQUEST),
    ("ollama", {"messages": [{"role": "owner"}]}, "messages[0].role", ErrorCode.INVALID_REQUEST),
    ("ollama", {"messages": [{"role": "user", "images": ["?"]}]}, "messages[0].images", ErrorCode.INVALID_REQUEST),
    ("ollama", {"format": "xml"}, "format", ErrorCode.INVALID_REQUEST),
    ("ollama", {"think": "a lot"}, "think", ErrorCode.INVALID_REQUEST),
    ("ollama", {"options": {"temperature": "hot"}}, "options.temperature", ErrorCode.INVALID_REQUEST),
]


@pytest.mark.parametrize(("name", "fields", "param", "code"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_makes_no_sense_is_refused_by_name(name: str, fields: dict[str, Any], param: str, code: ErrorCode) -> None:
    """The field at fault stands in the error and at the beginning of its message."""
    with pytest.raises(BadRequest) as caught:
        read(name, **fields)
    assert (caught.value.param, caught.value.code) == (param, code)
    assert caught.value.message.startswith(param.partition(".")[0])
    status, _, body = SERVERS[name][0].render_error(caught.value)
    assert status == 400
    assert body["error"]


@pytest.mark.parametrize("raw", [b"{", b"", b"\xff", b"[1]", b"[" * 100_000])
def test_a_body_that_is_no_object(raw: bytes) -> None:
    """Broken, of another kind, or nested too deeply."""
    with pytest.raises(BadRequest):
        decode_body(raw)


def test_numbers_of_any_size_are_read() -> None:
    """As the vendors read them."""
    assert decode_body(b'{"seed": 123456789012345678901234567890}') == {"seed": 123456789012345678901234567890}


def test_streams_are_asked_for_in_each_ones_way() -> None:
    """Silence means a stream to Ollama alone."""
    assert [SERVERS[name][0].wants_stream({}) for name in SERVERS] == [False, False, False, True]
    assert [SERVERS[name][0].wants_stream({"stream": False}) for name in SERVERS] == [False] * 4
    with pytest.raises(BadRequest):
        openai_chat.wants_stream({"stream": "yes"})
    assert openai_chat.wants_usage({"stream_options": {"include_usage": True}})
    assert not openai_chat.wants_usage({"stream_options": None})


# --- chat


def test_chats_older_fields() -> None:
    """`functions` and `function_call`, `max_tokens`, a single stop string; null is the same as nothing."""
    function = {"name": "look", "parameters": {"type": "object"}}
    found = read("chat", functions=[function], function_call={"name": "look"}, max_tokens=7, stop="end", seed=None)
    assert [tool.name for tool in found.tools] == ["look"]
    assert (found.tool_choice, found.max_tokens, found.stop) == ("look", 7, ("end",))


@pytest.mark.parametrize(("word", "level"), [("none", "off"), ("minimal", "minimal"), ("max", "max")])
def test_efforts_are_kept_for_vendors_that_have_them(word: str, level: str) -> None:
    """Others get the nearest that they have."""
    assert read("chat", reasoning_effort=word).thinking == level


def test_what_one_vendor_alone_knows_is_left_out() -> None:
    """Another one would refuse the request over it."""
    assert read("chat", store=True, logit_bias={}, made_up=1) == read("chat")


# --- Responses


def test_one_answer_in_several_items_is_one_message() -> None:
    """Reasoning, text and calls of one turn belong together; results follow them; what hosted tools did is dropped."""
    sealed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}
    items = [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "be brief"}]},
        {"role": "user", "content": "look"},
        sealed,
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "look", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
        {"type": "message", "role": "assistant", "content": "Done."},
        {"type": "message", "role": "assistant", "content": "Really."},
    ]
    found = read("responses", input=items, instructions="from above")
    calls = (ToolCall("c1", "look", {}, "{}"), ToolCall("c2", "look", {"a": 1}, '{"a": 1}'))
    assert found.messages == (
        Message("system", "from above"),
        Message("developer", (TextPart("be brief"),)),
        Message("user", "look"),
        Message("assistant", (TextPart("I look."),), calls, (ThinkingPart("", opaque=sealed),)),
        Message("tool", "one", tool_call_id="c1"),
        Message("tool", (TextPart("two"),), tool_call_id="c2"),
        Message("assistant", "Done."),
        Message("assistant", "Really."),
    )
    validate(found)


GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}
TOOLS = [
    FUNCTION,
    {"type": "namespace", "name": "team", "description": "x", "tools": [FUNCTION]},
    {"type": "custom", "name": "patch", "description": "patches", "format": GRAMMAR},
    {"type": "local_shell"},
    {"type": "web_search"},
    {"type": "function", "name": "team__look"},
]


def test_a_clients_tools_are_plain_functions_to_models() -> None:
    """Names of namespaces are put before, and made unique; hosted tools are left out; calls come back as they were."""
    body = {**RESPONSES, "tools": TOOLS}
    found = openai_responses.read_request(body)
    names = [tool.name for tool in found.tools]
    assert names == ["look", "team__look", "patch", "local_shell", "team__look_2"]
    assert "start: WORD" in found.tools[2].description
    tools = client_tools(body)
    assert tools["team__look"] == ClientTool("function", "look", "team")
    given = [{"a": 1}, {}, {"input": "+x"}, {"command": ["ls"]}, {}]
    calls = tuple(ToolCall(f"c{place}", name, given[place]) for place, name in enumerate(names))
    answer = CompletionResponse(tool_calls=calls, finish_reason="tool_calls")
    items = openai_responses.render_response(answer, HEAD, tools=tools)["output"]
    assert [item["type"] for item in items] == [
        "function_call",
        "function_call",
        "custom_tool_call",
        "local_shell_call",
        "function_call",
    ]
    assert (items[1]["name"], items[1]["namespace"]) == ("look", "team")
    assert (items[2]["name"], items[2]["input"]) == ("patch", "+x")
    assert items[3]["action"]["command"] == ["ls"]
    assert "namespace" not in items[4]
    back = openai_responses.read_request({**body, "input": [{"role": "user", "content": "hi"}, *items]})
    assert [(call.id, call.name) for call in back.messages[1].tool_calls] == [(call.id, call.name) for call in calls]
    assert back.messages[1].tool_calls[2].arguments == {"input": "+x"}


def test_a_custom_call_is_streamed_as_its_input() -> None:
    """Not as the JSON that models write it in."""
    tools = {"patch": ClientTool("custom", "patch")}
    writer = openai_responses.ResponsesStreamWriter(HEAD, tools=tools)
    delta = StreamChunk(tool_calls=(ToolCallDelta(0, "c1", "patch", '{"input": "a\\nb"}'),))
    data = (writer.start() + writer.chunk(delta) + writer.end()).decode()
    assert '"type":"response.custom_tool_call_input.done"' in data
    assert '"input":"a\\nb"' in data
    assert "function_call" not in data


def test_more_tools_within_the_conversation() -> None:
    """Codex brings them as an item."""
    items = [{"type": "additional_tools", "tools": [FUNCTION]}, {"role": "user", "content": "hi"}]
    found = read("responses", input=items)
    assert [tool.name for tool in found.tools] == ["look"]
    assert len(found.messages) == 1


def test_allowed_tools() -> None:
    """A choice of some tools offers only those."""
    other = {**FUNCTION, "name": "other"}
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "other"}]}
    found = read("responses", tools=[FUNCTION, other], tool_choice=choice)
    assert ([tool.name for tool in found.tools], found.tool_choice) == (["other"], "required")
    assert read("responses", tools=[FUNCTION], tool_choice={"type": "function", "name": "look"}).tool_choice == "look"


# --- Anthropic


def test_results_come_before_the_rest_of_the_turn() -> None:
    """Several results and a text in one turn; pictures within results; what failed is marked."""
    picture = {"type": "image", "source": {"type": "url", "url": "https://pictures.example/a.png"}}
    turns = [
        {"role": "user", "content": "look"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "sealed"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {}},
                {"type": "tool_use", "id": "t2", "name": "look", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "go on"},
                {"type": "tool_result", "tool_use_id": "t1", "is_error": True},
                {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "two"}, picture]},
            ],
        },
        {"role": "system", "content": "be brief"},
    ]
    found = read("anthropic", messages=turns)
    assert found.messages == (
        Message("user", "look"),
        Message(
            "assistant",
            (TextPart("I look."),),
            (ToolCall("t1", "look", {}, ""), ToolCall("t2", "look", {"a": 1}, '{"a":1}')),
            (ThinkingPart("hm", "sig"), ThinkingPart("", opaque={"type": "redacted_thinking", "data": "sealed"})),
        ),
        Message("tool", "", tool_call_id="t1", is_error=True),
        Message("tool", (TextPart("two"), ImagePart(url="https://pictures.example/a.png")), tool_call_id="t2"),
        Message("user", (TextPart("go on"),)),
        Message("system", "be brief"),
    )
    validate(found)


def test_documents_and_marks_of_the_cache() -> None:
    """Text and PDF documents with their titles."""
    pdf = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF").decode()}
    content = [
        {"type": "document", "source": pdf, "title": "a.pdf"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "abc"}},
        {"type": "text", "text": "these", "cache_control": {"type": "ephemeral"}},
    ]
    found = read("anthropic", messages=[{"role": "user", "content": content}])
    assert found.messages[0].content == (
        FilePart(b"%PDF", "application/pdf", "a.pdf"),
        FilePart(b"abc", "text/plain"),
        TextPart("these", cache=True),
    )


def test_the_line_for_billing_is_no_part_of_the_prompt() -> None:
    """It changes with every request, and would cost the prompt's cache."""
    blocks = [{"type": "text", "text": "x-anthropic-billing-header: v=1"}, {"type": "text", "text": "be brief"}]
    assert read("anthropic", system=blocks).messages[0] == Message("system", (TextPart("be brief"),))
    assert read("anthropic", system=blocks[:1]).messages == (Message("user", "hi"),)


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"thinking": {"type": "disabled"}}, "off"),
        ({"thinking": {"type": "enabled", "budget_tokens": 3000}}, 3000),
        ({"thinking": {"type": "adaptive"}}, "high"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, "low"),
        ({"output_config": {"effort": "max"}}, "max"),
        ({}, None),
    ],
)
def test_how_much_is_thought(fields: dict[str, Any], thinking: object) -> None:
    """A budget, or adaptive thinking with an effort."""
    assert read("anthropic", **fields).thinking == thinking


def test_hosted_tools_are_told_apart() -> None:
    """Other models answer without them; to count needs no limit."""
    tools = [{"type": "web_search_20250305", "name": "web_search"}, {"name": "look", "input_schema": {}}]
    found = read("anthropic", tools=tools, tool_choice={"type": "any", "disable_parallel_tool_use": True})
    assert ([tool.name for tool in found.tools], found.tool_choice) == (["look"], "required")
    assert found.parallel_tool_calls is False
    assert read("anthropic", tools=tools[:1], tool_choice={"type": "any"}).tool_choice is None
    uncounted = {key: value for key, value in ANTHROPIC.items() if key != "max_tokens"}
    assert anthropic_messages.read_request(uncounted, count_only=True).max_tokens is None


# --- Ollama


def call(name: str) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": {}}}


def test_results_without_ids_find_their_calls() -> None:
    """By the tool's name, else in order: old clients have no ids."""
    messages = [
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b"), call("a")]},
        {"role": "tool", "tool_name": "b", "content": "of b"},
        {"role": "tool", "content": "of a"},
        {"role": "tool", "tool_name": "a", "content": "of the other a"},
    ]
    found = read("ollama", messages=messages)
    ids = [each.id for each in found.messages[1].tool_calls]
    assert len(set(ids)) == 3
    assert [message.tool_call_id for message in found.messages[2:]] == [ids[1], ids[0], ids[2]]
    validate(found)


def test_pictures_are_known_by_their_first_bytes() -> None:
    """The protocol does not say what they are."""
    pictures = {b"\xff\xd8\xff\xe0": "image/jpeg", b"GIF89a": "image/gif", b"\x89PNG\r\n": "image/png"}
    images = [base64.b64encode(data).decode() for data in pictures]
    found = read("ollama", messages=[{"role": "user", "content": "", "images": images}])
    assert found.messages[0].content == tuple(ImagePart(data=data, media_type=kind) for data, kind in pictures.items())


def test_what_clients_send_without_a_wish() -> None:
    """Empty lists and objects, and limits that are none."""
    found = read("ollama", tools=[], options={"num_predict": -1}, format="", think=None)
    assert found == read("ollama")
    assert [read("ollama", think=value).thinking for value in (False, True, "low")] == ["off", "medium", "low"]


def test_generate() -> None:
    """One prompt, answered in `response`; without one the model is only loaded."""
    found = ollama_chat.read_generate_request({"model": "m", "prompt": "hi", "system": "be brief"})
    assert found.messages == (Message("system", "be brief"), Message("user", "hi"))
    assert ollama_chat.read_generate_request({"model": "m"}).messages == ()
    with pytest.raises(BadRequest):
        ollama_chat.read_generate_request({"model": "m", "prompt": "def f(", "suffix": ")"})
    answer = CompletionResponse(text="ho", thinking=(ThinkingPart("hm"),), finish_reason="stop")
    body = ollama_chat.render_response(answer, HEAD, generate=True)
    assert (body["response"], body["thinking"], body["done"]) == ("ho", "hm", True)
    assert "message" not in body
    assert ollama_chat.render_load(HEAD, generate=True)["done_reason"] == "load"
    writer = ollama_chat.OllamaStreamWriter(HEAD, generate=True)
    lines = [decode_body(line) for line in (writer.chunk(StreamChunk("ho")) + writer.end()).splitlines()]
    assert [(line["response"], line["done"]) for line in lines] == [("ho", False), ("", True)]
