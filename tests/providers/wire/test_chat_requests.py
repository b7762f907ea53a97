"""What a chat client may send: every form that is read, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from providers.errors import ErrorCode, ProviderError
from providers.types import FilePart, ImagePart, Message, TextPart, ThinkingPart, ToolCall
from providers.validation import validate
from providers.wire import openai_chat
from providers.wire.reading import BadRequest, decode_body

PNG = b"\x89PNG\r\n\x1a\n"
DATA = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
USER: list[Any] = [{"role": "user", "content": "hi"}]
FUNCTION = {"name": "look", "description": "looks", "parameters": {"type": "object"}, "strict": True}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def read(**fields: Any) -> Any:
    """The request, which makes sense."""
    found = openai_chat.read_request({"model": "m", "messages": USER, **fields})
    validate(found)
    return found


def refused(**fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        openai_chat.read_request({"model": "m", "messages": USER, **fields})
    return caught.value


REFUSED: list[tuple[dict[str, Any], str, ErrorCode]] = [
    ({"n": 2}, "n", ErrorCode.UNSUPPORTED),
    ({"n": 0}, "n", ErrorCode.UNSUPPORTED),
    ({"audio": "loud"}, "audio", ErrorCode.INVALID_REQUEST),
    ({"modalities": ["text", "smell"]}, "modalities", ErrorCode.UNSUPPORTED),
    ({"messages": [{"role": "owner", "content": "a"}]}, "messages[0].role", ErrorCode.INVALID_REQUEST),
    (
        {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
        "messages[0].content[0].type",
        ErrorCode.INVALID_REQUEST,
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "?"}}]}]},
        "messages[0].content[0]",
        ErrorCode.INVALID_REQUEST,
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x,y"}}]}]},
        "messages[0].content[0]",
        ErrorCode.INVALID_REQUEST,
    ),
    ({"tools": [{"type": "x"}], "tool_choice": {"type": "x"}}, "tool_choice", ErrorCode.UNSUPPORTED),
    ({"response_format": {"type": "grammar"}}, "response_format", ErrorCode.UNSUPPORTED),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
        "response_format",
        ErrorCode.INVALID_REQUEST,
    ),
    ({"reasoning_effort": "much"}, "reasoning_effort", ErrorCode.INVALID_REQUEST),
    ({"tool_choice": {"type": "custom", "custom": {"name": "f"}}}, "tool_choice", ErrorCode.INVALID_REQUEST),
]


@pytest.mark.parametrize(("fields", "param", "code"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_nobody_else_could_answer_is_refused(fields: dict[str, Any], param: str, code: ErrorCode) -> None:
    """With the field; what has no meaning elsewhere is told apart from what makes no sense."""
    error = refused(**fields)
    assert (error.param, error.code) == (param, code)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"messages": [*USER, {"role": "tool", "content": "x"}]}, "messages[1]"),
        ({"messages": [*USER, {"role": "assistant", "tool_calls": [CALL]}]}, "messages"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0]"),
        ({"tool_choice": "g", "tools": [{"type": "function", "function": FUNCTION}]}, "tool_choice"),
    ],
)
def test_what_makes_no_sense_together_has_its_place_too(fields: dict[str, Any], param: str) -> None:
    """It is found after reading; a vendor's own words are about names that the client has never sent."""
    with pytest.raises(ProviderError) as caught:
        read(**fields)
    assert openai_chat.render_error(caught.value)[2]["error"]["param"] == param
    caught.value.provider = "p"
    assert openai_chat.render_error(caught.value)[2]["error"]["param"] is None


# --- what is read


def test_messages_of_every_form() -> None:
    """Roles in any order, contents of any form, odd names, turns without content."""
    messages = [
        {"role": "user", "content": "a", "name": "Ann Ü. <1>"},
        {"role": "user", "content": ""},
        {"role": "system", "content": [{"type": "text", "text": "s"}]},
        {"role": "developer", "content": "d"},
        {"role": "assistant", "content": None, "refusal": "no"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "not this"}]},
        {"role": "assistant", "tool_calls": [CALL], "reasoning_content": "hm"},
        {
            "role": "tool",
            "tool_call_id": "c1",
            "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
        },
        {"role": "assistant", "content": "", "tool_calls": [], "audio": None, "function_call": None},
    ]
    assert read(messages=messages).messages == (
        Message("user", "a", name="Ann Ü. <1>"),
        Message("user", ""),
        Message("system", (TextPart("s"),)),
        Message("developer", "d"),
        Message("assistant", "no"),
        Message("assistant", (TextPart("not this"),)),
        Message("assistant", "", (ToolCall("c1", "look", {}, "{}"),), (ThinkingPart("hm"),)),
        Message("tool", (TextPart("one"), TextPart("two")), tool_call_id="c1"),
        Message("assistant", ""),
    )


def test_pictures_and_files() -> None:
    """By address, and as data."""
    content = [
        {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": DATA, "detail": None}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"}},
        {"type": "text", "text": "look", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert read(messages=[{"role": "user", "content": content}]).messages[0].content == (
        ImagePart(url="https://pictures.example/a.png", detail="high"),
        ImagePart(data=PNG, media_type="image/png"),
        FilePart(b"%PDF", "application/pdf", "a.pdf"),
        TextPart("look", cache="1h"),
    )


@pytest.mark.parametrize(
    ("arguments", "read_as", "raw"),
    [
        ("{}", {}, "{}"),
        ("", {}, ""),
        (None, {}, ""),
        ('{"a": 1}', {"a": 1}, '{"a": 1}'),
        ("{oops", None, "{oops"),
        ({"a": 1}, {"a": 1}, ""),
    ],
)
def test_arguments_as_clients_keep_them(arguments: object, read_as: object, raw: str) -> None:
    """Whatever a model once wrote comes back; some keep an object."""
    calls = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": arguments}}]
    messages = [
        *USER,
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
    ]
    assert read(messages=messages).messages[1].tool_calls == (ToolCall("c1", "look", read_as, raw),)  # type: ignore[arg-type]  # as given


def test_a_conversation_of_before_there_were_tools() -> None:
    """Calls of functions and their results belong together."""
    call = {"name": "look", "arguments": '{"a": 1}'}
    messages = [
        *USER,
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "look", "content": "one"},
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "look", "content": "two"},
    ]
    found = read(messages=messages, functions=[FUNCTION], function_call={"name": "look"})
    assert [call.name for message in found.messages for call in message.tool_calls] == ["look", "look"]
    first, second = (message.tool_calls[0].id for message in found.messages if message.tool_calls)
    assert first != second
    assert [message.tool_call_id for message in found.messages if message.role == "tool"] == [first, second]
    assert (found.tool_choice, found.parallel_tool_calls) == ("look", False)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, "json"),
        ({"type": "json_object", "schema": {"type": "object"}}, {"schema": {"type": "object"}}),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": None, "description": None}},
            {"name": "a", "schema": {}},
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "description": "b", "schema": {}, "strict": False}},
            {"name": "a", "description": "b", "schema": {}, "strict": False},
        ),
    ],
)
def test_every_form_of_a_format(wanted: object, found: object) -> None:
    """Text, JSON, JSON of a schema."""
    assert read(response_format=wanted).response_format == found


def test_some_of_the_tools_are_allowed() -> None:
    """Then the others are not offered."""
    tools = [{"type": "function", "function": {"name": name}} for name in ("a", "b", "c")]
    allowed = {"mode": "required", "tools": [tools[1], {"type": "function", "function": {"name": "z"}}]}
    found = read(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert ([tool.name for tool in found.tools], found.tool_choice) == (["b"], "required")
    wrong = refused(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": {"tools": [7]}})
    assert wrong.param == "tool_choice.allowed_tools.tools[0]"


def test_limits_and_stops() -> None:
    """The newer name of the limit wins; whole numbers may be written as floats; an empty stop stops nothing."""
    found = read(max_tokens=5, max_completion_tokens=7, seed=3.0, n=1.0)
    assert (found.max_tokens, found.seed) == (7, 3)
    assert [read(stop=stop).stop for stop in (None, "", [], "a", ["a", "", "b"])] == [(), (), (), ("a",), ("a", "b")]


def test_unknown_fields_are_no_mistake() -> None:
    """Of newer clients, of other servers, of OpenAI alone; not even as part of a message or a tool."""
    message = {**USER[0], "weight": 1, "annotations": [], "made_up": {}}
    tool = {"type": "function", "function": {**FUNCTION, "made_up": 1}, "made_up": []}
    beside = {
        "audio": None,
        "modalities": ["text"],
        "logit_bias": {"1": 2},
        "verbosity": "low",
        "base_url": "http://elsewhere.example",
        "made_up": {"a": [1]},
    }
    assert read(messages=[message], tools=[tool], **beside) == read(tools=[{"type": "function", "function": FUNCTION}])


def test_halves_of_characters_are_replaced() -> None:
    """They are no text that a vendor could be sent; msgspec alone would refuse the whole body."""
    body = decode_body(b'{"model": "m", "messages": [{"role": "user", "content": "a \\ud83d"}], "user": "\\udc00"}')
    found = openai_chat.read_request(body)
    assert found.messages == (Message("user", "a \N{REPLACEMENT CHARACTER}"),)
    assert found.user == "\N{REPLACEMENT CHARACTER}"
    assert decode_body(b'{"a": "\\ud83d\\ude00", "b": 123456789012345678901}')["a"] == "\N{GRINNING FACE}"


@pytest.mark.parametrize("raw", [b'{"temperature": NaN}', b'{"a": -Infinity}', b'{"a": "\x00"}', b'{"a": 1,}'])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    """Also what Python would read."""
    with pytest.raises(BadRequest, match="could not parse"):
        decode_body(raw)


def test_large_and_deep_bodies() -> None:
    """Two megabytes in a thousand turns; a schema a hundred levels deep."""
    turns = [{"role": ("user", "assistant")[place % 2], "content": "x" * 2000} for place in range(999)]
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "object", "properties": {"a": schema}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    raw = json.dumps({"model": "m", "messages": turns, "tools": tools}).encode()
    found = openai_chat.read_request(decode_body(raw))
    validate(found)
    assert len(found.messages) == 999
    assert found.tools[0].parameters == schema
