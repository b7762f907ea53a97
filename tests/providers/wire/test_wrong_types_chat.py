"""Every field of a chat and of a Messages request in every wrong type: refused by the field's own name."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from providers.validation import validate
from providers.wire import anthropic_messages, openai_chat
from providers.wire.reading import BadRequest

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
PDF = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF").decode()}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
FUNCTION = {"name": "look", "description": "looks", "parameters": {"type": "object"}, "strict": True}
USE = {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}}
TEXT = {"type": "text", "text": "b"}
FOUND = {"type": "search_result", "source": "https://a.example", "title": "A", "content": [TEXT]}

CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "be brief", "name": "boss"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
            ],
        },
        {"role": "assistant", "content": None, "refusal": None, "reasoning_content": "hm", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "seen"},
    ],
    "tools": [{"type": "function", "function": FUNCTION}],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "a", "description": "b", "schema": {"type": "object"}, "strict": True},
    },
    "temperature": 1,
    "top_p": 1,
    "max_tokens": 9,
    "max_completion_tokens": 9,
    "stop": "end",
    "seed": 1,
    "n": 1,
    "modalities": ["text"],
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "reasoning_effort": "low",
    "user": "u",
    "metadata": {"a": "b"},
    "stream": False,
    "stream_options": {"include_usage": True},
}
# A field, and the JSON types that it may have; what other types lead to is told with the same name.
CHAT_FIELDS = {
    "model": "str",
    "messages": "list",
    "messages[0]": "dict",
    "messages[0].role": "str",
    "messages[0].content": "str list",
    "messages[0].name": "str",
    "messages[1].content[0]": "dict str",
    "messages[1].content[0].type": "str",
    "messages[1].content[0].text": "str",
    "messages[1].content[1].image_url.url": "str",
    "messages[1].content[1].image_url.detail": "str",
    "messages[2].refusal": "str",
    "messages[2].reasoning_content": "str",
    "messages[2].tool_calls": "list",
    "messages[2].tool_calls[0]": "dict",
    "messages[2].tool_calls[0].id": "str",
    "messages[2].tool_calls[0].function": "dict",
    "messages[2].tool_calls[0].function.name": "str",
    "messages[2].tool_calls[0].function.arguments": "str dict",
    "messages[3].tool_call_id": "str",
    "tools": "list",
    "tools[0]": "dict",
    "tools[0].function": "dict",
    "tools[0].function.name": "str",
    "tools[0].function.description": "str",
    "tools[0].function.parameters": "dict",
    "tools[0].function.strict": "bool",
    "tool_choice": "str dict",
    "parallel_tool_calls": "bool",
    "response_format": "dict",
    "response_format.json_schema": "dict",
    "response_format.json_schema.name": "str",
    "response_format.json_schema.description": "str",
    "response_format.json_schema.schema": "dict",
    "response_format.json_schema.strict": "bool",
    "temperature": "number",
    "top_p": "number",
    "max_tokens": "number",
    "max_completion_tokens": "number",
    "stop": "str list",
    "seed": "number",
    "n": "number",
    "modalities": "str list",
    "presence_penalty": "number",
    "frequency_penalty": "number",
    "reasoning_effort": "str",
    "user": "str",
    "metadata": "dict",
    "stream": "bool",
    "stream_options": "dict",
    "stream_options.include_usage": "bool",
}

MESSAGES: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {"type": "document", "source": PDF, "title": "a"},
                {"type": "document", "source": {"type": "content", "content": [TEXT]}},
                {"type": "image", "source": {"type": "url", "url": "https://pictures.example/a.png"}},
                FOUND,
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "text", "text": "a"},
                USE,
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x", "is_error": True}]},
    ],
    "tools": [{"name": "look", "description": "looks", "input_schema": {"type": "object"}, "strict": True}],
    "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["end"],
    "temperature": 1,
    "top_p": 1,
    "stream": False,
}
MESSAGES_FIELDS = {
    "model": "str",
    "max_tokens": "number",
    "system": "str list",
    "system[0]": "dict",
    "system[0].text": "str",
    "system[0].cache_control": "dict",
    "messages": "list",
    "messages[0]": "dict",
    "messages[0].role": "str",
    "messages[0].content": "str list",
    "messages[0].content[0]": "dict",
    "messages[0].content[0].type": "str",
    "messages[0].content[0].source": "dict",
    "messages[0].content[0].source.data": "str",
    "messages[0].content[0].source.media_type": "str",
    "messages[0].content[1].title": "str",
    "messages[0].content[2].source.content": "str list",
    "messages[0].content[2].source.content[0].text": "str",
    "messages[0].content[3].source.url": "str",
    "messages[0].content[4].source": "str",
    "messages[0].content[4].title": "str",
    "messages[1].content[0].thinking": "str",
    "messages[1].content[0].signature": "str",
    "messages[1].content[1].data": "str",
    "messages[1].content[2].text": "str",
    "messages[1].content[3].id": "str",
    "messages[1].content[3].name": "str",
    "messages[1].content[3].input": "dict",
    "messages[2].content[0].tool_use_id": "str",
    "messages[2].content[0].content": "str list",
    "messages[2].content[0].is_error": "bool",
    "tools": "list",
    "tools[0]": "dict",
    "tools[0].name": "str",
    "tools[0].description": "str",
    "tools[0].input_schema": "dict",
    "tools[0].strict": "bool",
    "tool_choice": "dict",
    "tool_choice.disable_parallel_tool_use": "bool",
    "thinking": "dict",
    "thinking.type": "str",
    "thinking.budget_tokens": "number",
    "output_config": "dict",
    "output_config.effort": "str",
    "output_config.format": "dict",
    "output_config.format.type": "str",
    "output_config.format.schema": "dict",
    "metadata": "dict",
    "metadata.user_id": "str",
    "stop_sequences": "str list",
    "temperature": "number",
    "top_p": "number",
    "stream": "bool",
}

VALUES: dict[str, list[Any]] = {
    "str": ["x"],
    "list": [[7]],
    "dict": [{"a": 1}],
    "bool": [True, False],
    "number": [7, 1.5],
}
READERS: dict[str, tuple[Any, dict[str, Any], dict[str, str]]] = {
    "chat": (openai_chat, CHAT, CHAT_FIELDS),
    "anthropic": (anthropic_messages, MESSAGES, MESSAGES_FIELDS),
}


def read(protocol: str, body: dict[str, Any]) -> list[Any]:
    """All that is asked of a body."""
    server = READERS[protocol][0]
    found = [server.read_request(body), server.wants_stream(body)]
    return [*found, server.wants_usage(body)] if protocol == "chat" else found


def with_value(body: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The body, with this value at a place such as `messages[0].content`."""
    whole = copy.deepcopy(body)
    steps = [int(step) if step.isdigit() else step for step in path.replace("[", ".").replace("]", "").split(".")]
    inner: Any = whole
    for step in steps[:-1]:
        inner = inner[step]
    inner[steps[-1]] = value
    return whole


WRONG = [
    (protocol, path, value)
    for protocol, (_, _, fields) in READERS.items()
    for path, kinds in fields.items()
    for kind, values in VALUES.items()
    if kind not in kinds.split()
    for value in values
]


@pytest.mark.parametrize("protocol", READERS)
def test_the_whole_body_is_read(protocol: str) -> None:
    """Nothing of what is then made wrong is wrong by itself."""
    validate(read(protocol, READERS[protocol][1])[0])


@pytest.mark.parametrize(("protocol", "path", "value"), WRONG, ids=str)
def test_a_wrong_type_is_told_by_its_field(protocol: str, path: str, value: object) -> None:
    """Whatever stands in the place of what is expected; some clients read the place in the message alone."""
    server, body, _ = READERS[protocol]
    with pytest.raises(BadRequest) as caught:
        read(protocol, with_value(body, path, value))
    assert caught.value.param == path
    status, _, told = server.render_error(caught.value)
    assert (status, told["error"]["type"]) == (400, "invalid_request_error")
    assert path in told["error"]["message"]
    assert told["error"].get("param", path) == path


@pytest.mark.parametrize(
    ("protocol", "path"),
    [(protocol, path) for protocol, (_, body, _) in READERS.items() for path in body],
)
def test_null_is_the_same_as_nothing(protocol: str, path: str) -> None:
    """SDKs of some languages send every field that they know."""
    body = {key: value for key, value in READERS[protocol][1].items() if key != "tool_choice"}  # which needs the tools
    absent, null = {key: value for key, value in body.items() if key != path}, {**body, path: None}
    if path in ("model", "messages") or (protocol, path) == ("anthropic", "max_tokens"):
        for without in (absent, null):
            with pytest.raises(BadRequest, match="required") as caught:
                read(protocol, without)
            assert caught.value.param == path
    else:
        assert read(protocol, null) == read(protocol, absent)
