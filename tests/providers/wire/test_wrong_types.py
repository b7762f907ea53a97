"""Every field of a request, given every wrong type: it is read all the same, or refused by that field's name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.types import CompletionRequest
from providers.wire import anthropic_messages, ollama_chat, openai_chat, openai_responses
from providers.wire.reading import BadRequest, decode_body
from providers.wire.responses_tools import client_tools

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FUNCTION = {"type": "function", "name": "look", "description": "looks", "parameters": SCHEMA, "strict": True}
PNG = "data:image/png;base64,iVBORw0KGgo="
RESPONSES: dict[str, Any] = {
    "model": "m",
    "instructions": "be brief",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "a"}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": PNG, "detail": "auto"}]},
        {"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": "data:x/y;base64,eA=="}]},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "content": [{"type": "reasoning_text", "text": "hm"}],
            "encrypted_content": "sealed",
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}], "status": "x"},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "namespace": "n", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
        {"type": "local_shell_call", "id": "l", "call_id": "c3", "action": {"type": "exec", "command": ["ls"]}},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
        {"type": "local_shell_call_output", "id": "l", "output": "three"},
        {"type": "additional_tools", "tools": [{**FUNCTION, "name": "more"}]},
    ],
    "tools": [
        FUNCTION,
        {"type": "namespace", "name": "n", "tools": [FUNCTION]},
        {"type": "custom", "name": "patch", "description": "x", "format": {"type": "grammar", "definition": "x"}},
        {"type": "local_shell"},
        {"type": "web_search"},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "look"}]},
    "parallel_tool_calls": True,
    "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "max_output_tokens": 9,
    "temperature": 0.5,
    "top_p": 0.5,
    "metadata": {"a": "b"},
    "user": "u",
    "store": True,
    "truncation": "auto",
    "prompt_cache_key": "k",
    "max_tool_calls": 3,
    "stream": True,
}
OPTIONS = {
    "temperature": 0.5,
    "top_p": 0.5,
    "num_predict": 9,
    "stop": ["x"],
    "seed": 7,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
}
OLLAMA: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "see", "images": [PNG]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "hm",
            "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": {"a": "x"}}}],
        },
        {"role": "tool", "content": "seen", "tool_name": "look", "tool_call_id": "c1"},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "description": "looks", "parameters": SCHEMA}}],
    "format": SCHEMA,
    "think": "low",
    "options": OPTIONS,
    "stream": True,
    "keep_alive": "5m",
}
GENERATE: dict[str, Any] = {
    "model": "m",
    "prompt": "hi",
    "system": "be brief",
    "images": [PNG],
    "format": "json",
    "think": True,
    "options": OPTIONS,
    "raw": False,
}


def read_responses(body: dict[str, Any]) -> object:
    """All that a gateway asks of a body, and the answer that says it again."""
    found = openai_responses.read_request(body)
    openai_responses.wants_stream(body)
    writer = openai_responses.ResponsesStreamWriter(openai_responses.Head("a", "m", 1.0), asked=body)
    assert writer.start() + writer.end()
    return found


def read_ollama(body: dict[str, Any]) -> object:
    found = ollama_chat.read_request(body)
    ollama_chat.wants_stream(body)
    ollama_chat.render_load(ollama_chat.Head("a", "m", 1.0), asked=body)
    return found


WHOLE: dict[str, tuple[Callable[[dict[str, Any]], object], dict[str, Any]]] = {
    "responses": (read_responses, RESPONSES),
    "ollama": (read_ollama, OLLAMA),
    "generate": (ollama_chat.read_generate_request, GENERATE),
}
WRONG: tuple[Any, ...] = (None, True, False, 0, -7, 1.5, "x", "", [], [None], [7], ["x"], [[]], {}, {"type": 7}, [{}])


def places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a body."""
    if where:
        yield where
    if isinstance(value, dict) and where[-1:] not in (("properties",), ("metadata",)):
        for key, inner in value.items():
            yield from places(inner, (*where, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from places(inner, (*where, place))


def name_of(where: tuple[Any, ...]) -> str:
    """The way as errors write it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where).lstrip(".")


def with_value(body: dict[str, Any], where: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(body))
    holder: Any = changed
    for step in where[:-1]:
        holder = holder[step]
    holder[where[-1]] = value
    return changed


@pytest.mark.parametrize("protocol", WHOLE)
def test_a_sound_body_is_read(protocol: str) -> None:
    """Otherwise the next test would say nothing."""
    reader, body = WHOLE[protocol]
    reader(body)


def fault_of(reader: Callable[[dict[str, Any]], object], body: dict[str, Any]) -> BadRequest | None:
    try:
        reader(body)
    except BadRequest as error:
        return error
    return None


@pytest.mark.parametrize("protocol", WHOLE)
def test_what_is_wrong_is_named(protocol: str) -> None:
    """The field at fault is the one that was changed, what holds it, or something in it; nothing else is raised."""
    reader, body = WHOLE[protocol]
    refused = set()
    for where in places(body):
        name = name_of(where)
        for value in WRONG:
            fault = fault_of(reader, with_value(body, where, value))
            if fault is None:
                continue
            param = fault.param or ""
            assert param.startswith(name) or name.startswith(param), (name, value, param)
            assert fault.message.startswith(param), (param, fault.message)
            refused.add(name)
    assert len(refused) > len(body)


# Fields that are read: a wrong type of any of them is no request.
REFUSED: list[tuple[str, str, Any]] = [
    *(("responses", name, 7) for name in ("model", "instructions", "user", "truncation", "prompt_cache_key", "text")),
    *(("responses", name, "x") for name in ("temperature", "top_p", "max_output_tokens", "max_tool_calls", "store")),
    *(("responses", name, "x") for name in ("tools", "metadata", "reasoning", "parallel_tool_calls", "tool_choice")),
    ("responses", "input", 7),
    ("responses", "input[0].content", 7),
    ("responses", "input[0].content[0]", 7),
    ("responses", "input[3].summary", "x"),
    ("responses", "input[3].summary[0].text", 7),
    ("responses", "input[3].encrypted_content", 7),
    ("responses", "input[5].arguments", []),
    ("responses", "input[5].call_id", 7),
    ("responses", "input[5].namespace", 7),
    ("responses", "input[6].input", {}),
    ("responses", "input[7].action", "ls"),
    ("responses", "input[8].output", 7),
    ("responses", "input[11].tools[0].name", 7),
    ("responses", "tools[0].parameters", "x"),
    ("responses", "tools[0].type", 7),
    ("responses", "tools[1].tools[0].name", None),
    ("responses", "tools[2].format", "x"),
    ("responses", "tool_choice.mode", 7),
    ("responses", "tool_choice.tools", "x"),
    ("responses", "text.format", "x"),
    ("responses", "reasoning.effort", "x"),
    *(("ollama", f"options.{name}", "x") for name in OPTIONS if name != "stop"),
    ("ollama", "options.stop", 7),
    ("ollama", "options", []),
    ("ollama", "messages", "x"),
    ("ollama", "messages[1].content", 7),
    ("ollama", "messages[1].images", 7),
    ("ollama", "messages[2].thinking", 7),
    ("ollama", "messages[2].tool_calls", {}),
    ("ollama", "messages[2].tool_calls[0].function", "x"),
    ("ollama", "messages[2].tool_calls[0].function.name", None),
    ("ollama", "messages[2].tool_calls[0].function.arguments", "x"),
    ("ollama", "messages[3].tool_call_id", 7),
    ("ollama", "think", "x"),
    ("ollama", "format", 7),
    ("ollama", "stream", "x"),
    ("generate", "prompt", 7),
    ("generate", "system", 7),
]


@pytest.mark.parametrize(("protocol", "name", "value"), REFUSED, ids=str)
def test_a_wrong_type_is_refused(protocol: str, name: str, value: Any) -> None:
    """By the very name of the field."""
    reader, body = WHOLE[protocol]
    (where,) = (each for each in places(body) if name_of(each) == name)
    with pytest.raises(BadRequest) as caught:
        reader(with_value(body, where, value))
    assert caught.value.param == name


# --- whatever comes

TEXTS = st.text(max_size=8) | st.sampled_from(["\ud83d", "\udc00x", "message", "function", "user", "tool", "json"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
ANY = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
READERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "responses": read_responses,
    "responses' tools": client_tools,
    "ollama": read_ollama,
    "generate": ollama_chat.read_generate_request,
    "chat": openai_chat.read_request,
    "anthropic": anthropic_messages.read_request,
}


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_any_json_is_read_or_refused(name: str, data: st.DataObject) -> None:
    """Put into any place of a sound body, as bytes come: with halves of characters, and numbers of any size."""
    whole = WHOLE[name.partition("'")[0]][1] if name.partition("'")[0] in WHOLE else OLLAMA
    body = whole
    for where in data.draw(st.lists(st.sampled_from(list(places(whole))), max_size=2)):
        try:
            body = with_value(body, where, data.draw(ANY))
        except (TypeError, LookupError, AttributeError):
            continue  # the first change took away where the second was to be
    raw = json.dumps(body).encode()
    try:
        found = READERS[name](decode_body(raw))
    except BadRequest:
        return
    assert isinstance(found, CompletionRequest | dict)
