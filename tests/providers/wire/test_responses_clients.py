"""What clients of the Responses API rely on: their tools' own names, the conversation's items, the whole response."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from providers.accumulate import as_chunks
from providers.errors import ErrorCode, ProviderError
from providers.types import (
    CompletionResponse,
    FinishReason,
    ImagePart,
    Message,
    StreamChunk,
    TextPart,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from providers.validation import validate
from providers.wire import openai_responses
from providers.wire.reading import BadRequest, decode_body
from providers.wire.responses_tools import client_tools
from providers.wire.writing import Head

HEAD = Head("0123abcd", "m", 1_750_000_000.0)
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": SCHEMA, **more}


def namespace(name: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "namespace", "name": name, "description": "x", "tools": list(tools)}


CUSTOM = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"}}
TOOLS = [
    function("run"),
    namespace("team", function("run"), function("stop"), {**CUSTOM, "name": "edit"}),
    CUSTOM,
    {"type": "local_shell"},
    {"type": "web_search", "external_web_access": False},
    {"type": "tool_search", "execution": "client", "parameters": {}},
    {"type": "mcp", "server_label": "s", "server_url": "https://tools.example"},
    {"type": "web_search"},
]
USER: dict[str, Any] = {"role": "user", "content": "go"}
BODY: dict[str, Any] = {"model": "m", "input": [USER], "tools": TOOLS}


def read(**fields: Any) -> Any:
    return openai_responses.read_request({**BODY, **fields})


def events(data: bytes) -> list[dict[str, Any]]:
    """Each is named as its type, numbered, and fits the official SDK's own model of it."""
    found = []
    for place, block in enumerate(data.decode().removesuffix("\n\n").split("\n\n")):
        name, line = block.split("\n")
        told = json.loads(line.removeprefix("data: "))
        assert (name, told["sequence_number"]) == (f"event: {told['type']}", place)
        EVENTS.validate_python(told)
        found.append(told)
    return found


def streamed(answer: CompletionResponse, asked: dict[str, Any] | None = None, size: int = 3) -> list[dict[str, Any]]:
    writer = openai_responses.ResponsesStreamWriter(HEAD, lambda: answer.thinking, asked=asked)
    data = writer.start() + b"".join(map(writer.chunk, as_chunks(answer, size=size))) + writer.end()
    return events(data)


def plain(answer: CompletionResponse, asked: dict[str, Any] | None = None) -> dict[str, Any]:
    data = msgspec.json.encode(openai_responses.render_response(answer, HEAD, asked=asked))
    Response.model_validate_json(data)
    body: dict[str, Any] = json.loads(data)
    return body


# --- tools


def test_calls_come_back_under_the_clients_own_names() -> None:
    """With their namespaces and kinds, plain and streamed alike; as history they are the same calls again."""
    given: dict[str, dict[str, Any]] = {
        "run": {"a": 1},
        "team__run": {"a": 2},
        "team__stop": {},
        "team__edit": {"input": "+x"},
        "patch": {"input": 'a\n"b"'},
        "local_shell": {"command": ["ls", "-l"], "timeout_ms": 9},
        "unknown": {"a": 3},
    }
    calls = tuple(
        ToolCall(f"c{place}", name, arguments, json.dumps(arguments))
        for place, (name, arguments) in enumerate(given.items())
    )
    answer = CompletionResponse(text="I go.", tool_calls=calls, finish_reason="tool_calls")
    items = plain(answer, BODY)["output"]
    told = [(item["type"], item.get("name"), item.get("namespace")) for item in items[1:]]
    assert told == [
        ("function_call", "run", None),
        ("function_call", "run", "team"),
        ("function_call", "stop", "team"),
        ("custom_tool_call", "edit", "team"),
        ("custom_tool_call", "patch", None),
        ("local_shell_call", None, None),
        ("function_call", "unknown", None),
    ]
    assert [items[4]["input"], items[5]["input"]] == ["+x", 'a\n"b"']
    assert items[6]["action"] == {"type": "exec", "command": ["ls", "-l"], "env": {}, "timeout_ms": 9}
    assert streamed(answer, BODY)[-1]["response"]["output"] == items
    outputs = [
        *({"type": "function_call_output", "call_id": f"c{place}", "output": "ok"} for place in (0, 1, 2, 6)),
        *({"type": "custom_tool_call_output", "call_id": f"c{place}", "output": "ok"} for place in (3, 4)),
        {"type": "local_shell_call_output", "id": items[6]["id"], "output": "ok"},
    ]
    back = read(input=[USER, *items, *outputs])
    validate(back)
    turn = back.messages[1]
    assert [(call.id, call.name, call.arguments) for call in turn.tool_calls] == [
        (call.id, call.name, call.arguments) for call in calls
    ]
    assert {message.tool_call_id for message in back.messages[2:]} == {call.id for call in calls}


def test_a_custom_calls_pieces() -> None:
    """Its input, not the JSON in which models write it; one who writes it bare means the same."""
    for raw in ('{"input": "a b"}', "a b"):
        arguments = {"input": "a b"} if raw.startswith("{") else None
        answer = CompletionResponse(tool_calls=(ToolCall("c", "patch", arguments, raw),), finish_reason="tool_calls")
        found = streamed(answer, BODY)
        kinds = [event["type"].removeprefix("response.") for event in found]
        assert kinds[2:-1] == [
            "output_item.added",
            "custom_tool_call_input.delta",
            "custom_tool_call_input.done",
            "output_item.done",
        ]
        assert (found[2]["item"]["input"], found[4]["input"], found[5]["item"]["input"]) == ("", "a b", "a b")


def test_a_command_in_one_string_is_a_line_for_the_shell() -> None:
    """Clients take a list of words for given."""
    call = ToolCall("c", "local_shell", {"command": "ls | wc"}, "")
    (item,) = plain(CompletionResponse(tool_calls=(call,)), BODY)["output"]
    assert item["action"]["command"] == ["bash", "-lc", "ls | wc"]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    """In the pieces, too: some clients add these up and never look at the whole."""
    call = ToolCall("c", "run", {}, "")
    found = streamed(CompletionResponse(tool_calls=(call,), finish_reason="tool_calls"), BODY)
    told = [event.get("delta") or event.get("arguments") for event in found if "arguments" in event["type"]]
    assert told == ["{}", "{}"]


def test_hosted_tools_are_named() -> None:
    """Each kind once, and optional beside tools of the client's own; else they are what the client wants."""
    hosted = openai_responses.read_request(BODY).server_tools
    assert [tool.name for tool in hosted] == ["web_search", "tool_search", "mcp"]
    assert all(tool.optional for tool in hosted)
    found = read(tools=[{"type": "web_search"}, {"type": "made_up_tomorrow"}], tool_choice="required")
    assert (found.tools, found.tool_choice) == ((), None)
    assert [(tool.name, tool.optional) for tool in found.server_tools] == [
        ("web_search", False),
        ("made_up_tomorrow", False),
    ]


def test_long_names_are_cut_and_stay_apart() -> None:
    """Models take 64 characters."""
    long = "n" * 60
    tools = [namespace("team", function(f"{long}{end}")) for end in ("_one", "_two", "_six")]
    body = {**BODY, "tools": tools}
    names = list(client_tools(body))
    assert len(set(names)) == 3
    assert all(len(name) <= 64 for name in names)
    assert [tool.name for tool in client_tools(body).values()] == [f"{long}_one", f"{long}_two", f"{long}_six"]
    item = {"type": "function_call", "call_id": "c", "name": f"{long}_six", "namespace": "team", "arguments": "{}"}
    assert read(tools=tools, input=[USER, item]).messages[1].tool_calls[0].name == names[2]


def test_tools_of_the_conversation() -> None:
    """Those that an item brings, and those that a search found; one that is told again is the same tool."""
    items = [
        {"type": "additional_tools", "role": "developer", "tools": [function("run"), namespace("team", function("x"))]},
        USER,
        {"type": "tool_search_call", "call_id": "s", "execution": "client", "arguments": {"query": "y"}},
        {"type": "tool_search_output", "call_id": "s", "tools": [namespace("team", function("y", description="new"))]},
        {"type": "additional_tools", "role": "developer", "tools": [function("run", description="again")]},
    ]
    found = read(tools=[function("run")], input=items)
    assert [tool.name for tool in found.tools] == ["run", "team__x", "team__y"]
    assert found.tools[0].description == "again"
    assert [message.role for message in found.messages] == ["user"]


CHOICES: list[tuple[Any, tuple[str, ...] | None, str | None]] = [
    ("auto", None, "auto"),
    ("none", None, "none"),
    ("required", None, "required"),
    (None, None, None),
    ({"type": "function", "name": "run"}, None, "run"),
    ({"type": "function", "name": "run", "namespace": "team"}, None, "team__run"),
    ({"type": "function", "name": "stop"}, None, "team__stop"),
    ({"type": "function", "name": "team__stop"}, None, "team__stop"),
    ({"type": "custom", "name": "patch"}, None, "patch"),
    ({"type": "local_shell"}, None, "local_shell"),
    (
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "run"}, {"type": "mcp"}]},
        ("run",),
        "auto",
    ),
    (
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "patch"}]},
        ("patch",),
        "required",
    ),
    ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}, (), None),
]


@pytest.mark.parametrize(("choice", "names", "wanted"), CHOICES, ids=lambda value: str(value)[:50])
def test_a_choice_of_tools(choice: Any, names: tuple[str, ...] | None, wanted: str | None) -> None:
    """In all shapes that the API has; some of the tools, too."""
    found = read(tool_choice=choice)
    every = ("run", "team__run", "team__stop", "team__edit", "patch", "local_shell")
    assert tuple(tool.name for tool in found.tools) == (every if names is None else names)
    assert found.tool_choice == wanted
    validate(found)


# --- the conversation


def test_results_in_parts_with_pictures() -> None:
    """Of functions and of custom tools."""
    output = [
        {"type": "input_text", "text": "seen"},
        {"type": "input_image", "image_url": "https://pictures.example/a.png", "detail": "high"},
    ]
    calls = [
        {"type": "function_call", "call_id": "c1", "name": "run", "arguments": ""},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": ""},
    ]
    outputs = [
        {"type": "function_call_output", "call_id": "c1", "output": output},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": output},
    ]
    found = read(input=[USER, *calls, *outputs])
    wanted = (TextPart("seen"), ImagePart(url="https://pictures.example/a.png", detail="high"))
    assert [message.content for message in found.messages[2:]] == [wanted, wanted]


def test_what_clients_send_beside_the_conversation() -> None:
    """Fields without a meaning elsewhere, unknown ones and unknown items change nothing; `store` is taken."""
    more = {
        "store": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "k",
        "client_metadata": {"a": "b"},
        "truncation": "auto",
        "text": {"verbosity": "low"},
        "reasoning": {"effort": None},
        "stream_options": {"include_obfuscation": False},
        "background": False,
        "previous_response_id": None,
        "made_up": [1],
    }
    items = [
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"},
        {**USER, "id": None, "status": "completed", "internal_metadata": {}},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
        {"type": "shell_call", "call_id": "s", "action": {}},
        {"type": "shell_call_output", "call_id": "s", "output": []},
        {"type": "made_up_tomorrow"},
    ]
    assert read(**more, input=items) == read()


def test_a_reference_needs_no_type() -> None:
    """As the API has it."""
    with pytest.raises(BadRequest) as caught:
        read(input=[USER, {"id": "msg_1"}])
    assert (caught.value.param, caught.value.code) == ("input[1].type", ErrorCode.UNSUPPORTED)


def test_halves_of_characters_are_mended() -> None:
    """A client that cut a text in the middle of an emoji."""
    body = decode_body(rb'{"model": "m", "input": "a\ud83d", "instructions": "\ud83d\ude00 \ude00"}')
    found = openai_responses.read_request(body)
    assert found.messages == (Message("system", "\U0001f600 \ufffd"), Message("user", "a\ufffd"))


# --- the answer


def test_the_answer_says_what_was_asked() -> None:
    """With each response object, plain and streamed; what was not asked has the API's defaults; nothing is stored."""
    asked = {
        **BODY,
        "store": True,
        "instructions": "be brief",
        "tool_choice": {"type": "function", "name": "run"},
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}, "verbosity": "low"},
        "reasoning": {"effort": "low"},
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "max_output_tokens": 99,
    }
    answer = CompletionResponse(text="a", finish_reason="stop")
    found = streamed(answer, asked)
    bodies = [plain(answer, asked), *(event["response"] for event in (*found[:2], found[-1]))]
    for body in bodies:
        for name in ("instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "metadata", "temperature"):
            assert body[name] == asked[name], name
        assert body["reasoning"] == {"effort": "low", "summary": None}
        assert (body["store"], body["max_output_tokens"], body["top_p"]) == (False, 99, 1.0)
    assert [body["status"] for body in bodies] == ["completed", "in_progress", "in_progress", "completed"]
    verbose = plain(answer, {**BODY, "text": {"verbosity": "low"}})["text"]
    assert verbose == {"format": {"type": "text"}, "verbosity": "low"}
    assert plain(answer)["tools"] == []


@pytest.mark.parametrize(("reason", "told"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_was_cut(reason: FinishReason, told: str) -> None:
    """Says so, as does the item that was under way; those before it are whole."""
    call = ToolCall("c", "run", None, '{"a": ')
    answer = CompletionResponse(text="so", tool_calls=(call,), finish_reason=reason, usage=Usage(3, 4))
    body = plain(answer, BODY)
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": told})
    assert [item["status"] for item in body["output"]] == ["completed", "incomplete"]
    assert body["output"][1]["arguments"] == '{"a": '
    end = streamed(answer, BODY)[-1]
    assert end["type"] == "response.incomplete"
    assert end["response"]["output"] == body["output"]
    assert end["response"]["usage"] == body["usage"]


FAILURES: list[tuple[ProviderError, str, str]] = [
    (ProviderError(ErrorCode.RATE_LIMITED, "Slow.", retry_after=1.5), "rate_limit_exceeded", "try again in 1.5s"),
    (ProviderError(ErrorCode.RATE_LIMITED, "Slow.", retry_after=0.00001), "rate_limit_exceeded", "try again in 0s"),
    (ProviderError(ErrorCode.RATE_LIMITED, "Slow.", retry_after=1234567), "rate_limit_exceeded", "in 1234567s"),
    (ProviderError(ErrorCode.RATE_LIMITED, "Slow."), "rate_limit_exceeded", "Slow."),
    (ProviderError(ErrorCode.CONTEXT_LENGTH_EXCEEDED, "x"), "context_length_exceeded", "x"),
    (ProviderError(ErrorCode.QUOTA_EXHAUSTED, "x"), "insufficient_quota", "x"),
    (ProviderError(ErrorCode.OVERLOADED, "x"), "server_is_overloaded", "x"),
    (ProviderError(ErrorCode.SERVER_ERROR, "x"), "server_error", "x"),
    (ProviderError(ErrorCode.UNSUPPORTED, "x"), "invalid_prompt", "x"),
    (BadRequest("input: x", "input"), "invalid_prompt", "x"),
]


@pytest.mark.parametrize(("error", "code", "words"), FAILURES, ids=lambda value: str(value)[:30])
def test_a_failed_response(error: ProviderError, code: str, words: str) -> None:
    """One last event with the code that clients act on, what was whole before it, the usage, and what was asked."""
    writer = openai_responses.ResponsesStreamWriter(HEAD, asked=BODY)
    call = ToolCallDelta(0, "c", "run", "{}")
    data = writer.start() + writer.chunk(StreamChunk("so")) + writer.chunk(StreamChunk(tool_calls=(call,)))
    data += writer.chunk(StreamChunk(usage=Usage(3, 4))) + writer.error(error)
    last = json.loads(data.decode().rstrip().rpartition("data: ")[2])
    assert last["type"] == "response.failed"
    body = last["response"]
    assert (body["status"], body["error"]["code"]) == ("failed", code)
    assert words in body["error"]["message"]
    assert body["output"][0]["content"][0]["text"] == "so"
    assert (body["usage"]["total_tokens"], body["tools"]) == (7, TOOLS)
