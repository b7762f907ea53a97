"""What no vendor accepts is refused locally, with its place; what apps hold already is understood."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from providers.coerce import coerce_messages, coerce_response_format, coerce_tool_choice, coerce_tools
from providers.errors import ErrorCode, ProviderError
from providers.types import (
    CompletionRequest,
    FilePart,
    ImagePart,
    Message,
    TextPart,
    Tool,
    ToolCall,
)
from providers.validation import validate

CALL = ToolCall("call_1", "weather", {"city": "Oslo"})
TURN = (Message.user("Weather?"), Message.assistant("", [CALL]), CALL.result("rain").message())
WEATHER = Tool("weather", parameters={"type": "object", "properties": {}})


def request(**fields: Any) -> CompletionRequest:
    return CompletionRequest(**{"model": "m", "messages": (Message.user("hi"),), **fields})


def test_a_sound_request_passes() -> None:
    """Tools, results in any order, images, ranges at their ends: nothing is refused that a vendor takes."""
    other = ToolCall("call_2", "weather", {})
    messages = (
        Message.system("Be brief."),
        Message.user([TextPart("Look:"), ImagePart(data=b"x", media_type="image/png"), ImagePart(url="https://a/b")]),
        Message.assistant("", [CALL, other]),
        other.result("sun").message(),
        CALL.result("rain", is_error=True).message(),
        Message.user([FilePart(b"%PDF", "application/pdf")]),
    )
    validate(
        request(
            messages=messages,
            tools=(WEATHER,),
            tool_choice="weather",
            temperature=2,
            top_p=0.0,
            presence_penalty=-2,
            max_tokens=1,
            stop=("END",),
            thinking=2048,
            response_format={"name": "a", "schema": {}},
        )
    )


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"messages": ()}, "messages: the list is empty"),
        ({"model": ""}, "model: a name is missing"),
        ({"messages": (Message("robot", "hi"),)}, "messages[0].role"),  # type: ignore[arg-type]  # the fault itself
        ({"messages": TURN[:2]}, "call_1 are not answered"),
        (
            {"messages": (*TURN[:2], Message.user("never mind"))},
            "messages[2]: the tool calls call_1 have to be",
        ),
        ({"messages": (TURN[0], TURN[2])}, 'messages[1]: no tool call "call_1"'),
        ({"messages": (*TURN, TURN[2])}, 'messages[3]: the tool call "call_1" is answered twice'),
        ({"messages": (*TURN[:2], Message("tool", "rain"))}, "messages[2]: a tool message needs the tool_call_id"),
        ({"messages": (Message.assistant("", [CALL, CALL]),)}, 'tool_calls[1]: the id "call_1" is there twice'),
        ({"messages": (Message.assistant("", [ToolCall("", "f", {})]),)}, "its id is missing"),
        ({"messages": (Message.assistant("", [ToolCall("a", "", {})]),)}, "its name is missing"),
        ({"messages": (Message("user", "", (CALL,)),)}, "only an assistant message can have tool calls"),
        ({"messages": (Message.user([ImagePart()]),)}, "messages[0].content[0]: an image has either"),
        ({"messages": (Message.user([ImagePart(url="u", data=b"d")]),)}, "an image has either"),
        ({"messages": (Message.user([ImagePart(data=b"d")]),)}, "needs its media_type"),
        ({"tools": (WEATHER, WEATHER)}, 'tools[1]: the name "weather" is there twice'),
        ({"tools": (Tool(""),)}, "tools[0]: its name is missing"),
        ({"tools": (WEATHER,), "tool_choice": "wether"}, 'no tool is named "wether"'),
        ({"tool_choice": "required"}, '"required" needs tools'),
        ({"temperature": 2.1}, "temperature: a number from 0 to 2"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"frequency_penalty": 3}, "frequency_penalty"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"seed": "x"}, "seed"),
        ({"stop": ("",)}, "stop"),
        ({"thinking": "deep"}, "thinking"),
        ({"thinking": 0}, "thinking"),
        ({"response_format": "yaml"}, "response_format"),
        ({"response_format": {"type": "object"}}, "response_format"),
    ],
)
def test_what_no_vendor_accepts_is_refused(fields: dict[str, Any], complaint: str) -> None:
    """The code is invalid_request, and the message tells the place."""
    with pytest.raises(ProviderError) as caught:
        validate(request(**fields))
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert complaint in caught.value.message


def test_dicts_of_the_openai_shape_are_understood() -> None:
    """A conversation as most apps hold it becomes messages without a loss."""
    found = coerce_messages(
        [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look:"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,eHk="}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    {
                        "type": "file",
                        "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "2"},
            Message.user("and now?"),
        ]
    )
    assert found == (
        Message.system("Be brief."),
        Message.user(
            [
                TextPart("Look:"),
                ImagePart(data=b"xy", media_type="image/png"),
                ImagePart(url="https://example.com/a.png"),
                FilePart(b"%PDF", "application/pdf", "a.pdf"),
            ]
        ),
        Message.assistant("", [ToolCall("call_1", "f", {"a": 1}, '{"a": 1}')]),
        Message.tool("call_1", "2"),
        Message.user("and now?"),
    )
    validate(request(messages=found))


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        (3, "messages: a string or a list"),
        (["hi"], "messages[0]: a Message or a dict is expected, not a str"),
        ([{"content": "hi"}], 'messages[0]: "role" is missing'),
        ([{"role": "user", "content": 3}], "messages[0].content"),
        ([{"role": "user", "content": [{"type": "text"}]}], 'messages[0].content[0]: "text" is missing'),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], 'needs a "url"'),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]}],
            "data URL looks like",
        ),
        ([{"role": "assistant", "tool_calls": [{"id": "x"}]}], "messages[0].tool_calls[0]"),
    ],
)
def test_unreadable_messages_tell_their_place(messages: Any, complaint: str) -> None:
    """What is no conversation is refused before anything is sent."""
    with pytest.raises(ProviderError) as caught:
        coerce_messages(messages)
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert complaint in caught.value.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "image_url", "url", "tool_calls", "function", "name", "arguments"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_input_makes_another_error(junk: Any) -> None:
    """Whatever is handed in: messages, or a ProviderError."""
    for attempt in (junk, [junk], [{"role": "user", "content": junk}], [{"role": "assistant", "tool_calls": junk}]):
        with suppress(ProviderError):
            validate(request(messages=coerce_messages(attempt)))


def test_tools_choices_and_formats_of_other_apis_are_understood() -> None:
    """OpenAI's nested tool and Anthropic's flat one are the same tool; so are the ways to choose one."""
    schema = {"type": "object", "properties": {}}
    wanted = (Tool("f", "does", schema),)
    nested = {"type": "function", "function": {"name": "f", "description": "does", "parameters": schema}}
    assert coerce_tools([nested]) == wanted
    assert coerce_tools([{"name": "f", "description": "does", "input_schema": schema}]) == wanted
    assert coerce_tool_choice({"type": "function", "function": {"name": "f"}}) == "f"
    assert coerce_tool_choice({"type": "tool", "name": "f"}) == "f"
    assert coerce_tool_choice({"type": "any"}) == "required"
    with pytest.raises(ProviderError):
        coerce_tool_choice({"type": "strange"})
    assert coerce_response_format({"type": "json_object"}) == "json"
    assert coerce_response_format({"type": "text"}) is None
    form = {"name": "n", "schema": schema, "strict": True}
    assert coerce_response_format({"type": "json_schema", "json_schema": form}) == form
    assert coerce_response_format(form) == form
    with pytest.raises(ProviderError):
        coerce_response_format({"type": "grammar"})
    with pytest.raises(ProviderError) as caught:
        coerce_tools([{"type": "web_search"}])
    assert caught.value.code is ErrorCode.UNSUPPORTED


def test_a_pydantic_model_is_a_response_format() -> None:
    """The class is enough: its name and its JSON Schema are sent."""

    class City(BaseModel):
        name: str

    assert coerce_response_format(City) == {"name": "City", "schema": City.model_json_schema()}


def test_types_are_immutable() -> None:
    """A request cannot change under those who share it."""
    with pytest.raises(AttributeError):
        request().model = "other"  # type: ignore[misc]  # the fault itself
    assert msgspec.structs.replace(request(), model="other").model == "other"
