"""What our clients write the servers' side reads: the same request, in all four protocols."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from providers.anthropic.encode import encode as encode_anthropic
from providers.ollama.chat import encode as encode_ollama
from providers.openai.chat_encode import encode as encode_chat
from providers.openai.dialects import DIALECTS
from providers.openai.responses_encode import encode as encode_responses
from providers.types import (
    CompletionRequest,
    FilePart,
    ImagePart,
    Message,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCall,
    effort_of,
)
from providers.validation import validate
from providers.wire import anthropic_messages, ollama_chat, openai_chat, openai_responses

MODEL = "any-model"  # of no family whose rules would leave something out
PNG = b"\x89PNG\r\n\x1a\n"
OPENAI = DIALECTS["openai"]

# --- requests that any vendor could be asked

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).map(str.strip).filter(bool)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
VALUES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | WORDS | st.lists(WORDS, max_size=2)
ARGUMENTS = st.dictionaries(WORDS, VALUES, max_size=3)
SCHEMAS = st.dictionaries(NAMES, st.sampled_from([{"type": "string"}, {"type": "integer"}]), max_size=3).map(
    lambda properties: {"type": "object", "properties": properties}
)
TEXT_PARTS = WORDS.map(TextPart)
IMAGES = st.one_of(
    st.binary(max_size=8).map(lambda data: ImagePart(data=PNG + data, media_type="image/png")),
    NAMES.map(lambda name: ImagePart(url=f"https://pictures.example/{name}.png")),
)
FILES = st.builds(FilePart, st.binary(min_size=1, max_size=8), st.just("application/pdf"), NAMES)
USER = WORDS | st.lists(TEXT_PARTS | IMAGES | FILES, min_size=1, max_size=3).map(tuple)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """A system message or none, then turns; each call is answered directly after it."""
    messages = [Message("system", draw(WORDS))] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(1, 3))):
        messages.append(Message("user", draw(USER)))
        if draw(st.booleans()):
            continue
        names = draw(st.lists(NAMES, max_size=2))
        calls = tuple(ToolCall(f"call_{turn}_{place}", name, draw(ARGUMENTS)) for place, name in enumerate(names))
        said = draw(WORDS) if not calls or draw(st.booleans()) else ""
        messages.append(Message("assistant", said, calls))
        for call in calls:
            result = draw(st.just("") | WORDS | st.lists(TEXT_PARTS | IMAGES, min_size=1, max_size=2).map(tuple))
            messages.append(Message("tool", result, tool_call_id=call.id, is_error=draw(st.booleans())))
    messages.append(Message("user", draw(WORDS)))
    return tuple(messages)


@st.composite
def requests(draw: st.DrawFn) -> CompletionRequest:
    def maybe(values: st.SearchStrategy[Any]) -> Any:
        return draw(st.none() | values)

    names = draw(st.lists(NAMES, max_size=2, unique=True))
    tools = tuple(Tool(name, draw(st.just("") | WORDS), draw(SCHEMAS), maybe(st.booleans())) for name in names)
    schema = st.fixed_dictionaries({"name": NAMES, "schema": SCHEMAS})
    wanted = draw(st.none() | st.just("json") | schema)
    messages = draw(conversations())
    if wanted == "json":  # OpenAI refuses it where the conversation does not speak of JSON
        messages = (*messages[:-1], Message("user", "Answer in JSON."))
    return CompletionRequest(
        model=MODEL,
        messages=messages,
        tools=tools,
        tool_choice=maybe(st.sampled_from(["auto", "none", "required", *names])) if tools else None,
        parallel_tool_calls=maybe(st.booleans()) if tools else None,
        response_format=wanted,
        temperature=maybe(st.floats(0, 1)),
        top_p=maybe(st.floats(0, 1)),
        max_tokens=draw(st.integers(40_000, 60_000)),
        stop=tuple(draw(st.lists(WORDS, max_size=2))),
        seed=maybe(st.integers(0, 2**31)),
        presence_penalty=maybe(st.floats(-2, 2)),
        frequency_penalty=maybe(st.floats(-2, 2)),
        thinking=maybe(st.sampled_from(["off", "low", "medium", "high"])),
        user=maybe(NAMES),
        metadata=maybe(st.dictionaries(NAMES, WORDS, min_size=1, max_size=2)),
    )


# --- what each protocol has no words for


def said_by_chat(request: CompletionRequest) -> CompletionRequest:
    """No marks of failed tools, no pictures from tools."""
    return replace(request, messages=tuple(_text_result(message) for message in request.messages))


def _text_result(message: Message) -> Message:
    return replace(message, content=message.text, is_error=False) if message.role == "tool" else message


def said_by_responses(request: CompletionRequest) -> CompletionRequest:
    """No stop sequences, seeds, penalties; no marks of failed tools; `strict` is always told."""
    return replace(
        request,
        messages=tuple(replace(message, is_error=False) for message in request.messages),
        tools=tuple(replace(tool, strict=bool(tool.strict)) for tool in request.tools),
        stop=(),
        seed=None,
        presence_penalty=None,
        frequency_penalty=None,
    )


def said_by_anthropic(request: CompletionRequest) -> CompletionRequest:
    """No JSON without a schema, no seed, no penalties; thinking excludes sampling and forced tools."""
    wanted = request.response_format
    thinks = request.thinking not in (None, "off")
    forced = request.tool_choice not in (None, "auto", "none")
    choice = "auto" if thinks and forced else request.tool_choice
    single = request.parallel_tool_calls is False and choice != "none"
    return replace(
        request,
        response_format={"schema": wanted["schema"]} if isinstance(wanted, dict) else None,
        thinking=request.thinking if thinks else None,
        temperature=None if thinks else request.temperature,
        top_p=None if thinks else request.top_p,
        tool_choice="auto" if choice is None and single else choice,
        parallel_tool_calls=False if single else None,
        seed=None,
        presence_penalty=None,
        frequency_penalty=None,
        metadata=None,
    )


def said_by_ollama(request: CompletionRequest) -> CompletionRequest:
    """Pictures as data, after the text; no documents; tools are offered or not, and that is all."""
    wanted = request.response_format
    return replace(
        request,
        messages=tuple(_ollama_message(message) for message in request.messages),
        tools=() if request.tool_choice == "none" else tuple(replace(tool, strict=None) for tool in request.tools),
        tool_choice=None,
        parallel_tool_calls=None,
        response_format={"schema": wanted["schema"]} if isinstance(wanted, dict) else wanted,
        user=None,
        metadata=None,
    )


def _ollama_message(message: Message) -> Message:
    if isinstance(message.content, str):
        return replace(message, is_error=False)
    images = tuple(part for part in message.content if isinstance(part, ImagePart) and part.data)
    said = message.text
    return replace(message, content=(TextPart(said), *images) if said else images or "picture", is_error=False)


# --- comparing


def canonical(request: CompletionRequest) -> dict[str, Any]:
    """A request with one form for what can be written in several: strings and parts, a turn in one message or two."""
    turns: list[dict[str, Any]] = []
    for message in request.messages:
        role = "system" if message.role == "developer" else message.role
        turn = {
            "role": role,
            "parts": list(_parts(message)),
            "calls": [(call.id, call.name, call.arguments or {}) for call in message.tool_calls],
            "answers": message.tool_call_id,
            "is_error": message.is_error,
        }
        if turns and turns[-1]["role"] == role and role != "tool":
            turns[-1]["parts"] += turn["parts"]
            turns[-1]["calls"] += turn["calls"]
        else:
            turns.append(turn)
    for turn in turns:
        turn["parts"] = _joined(turn["parts"])
    fields = {name: getattr(request, name) for name in CompletionRequest.__struct_fields__ if name != "messages"}
    fields["thinking"] = None if request.thinking is None else effort_of(request.thinking)
    return {**fields, "turns": turns}


def _parts(message: Message) -> list[Any]:
    content = (TextPart(message.content),) if isinstance(message.content, str) else message.content
    return [
        (part.url, part.data, part.media_type) if isinstance(part, ImagePart) else part
        for part in content
        if part != TextPart("")
    ]


def _joined(parts: list[Any]) -> list[Any]:
    found: list[Any] = []
    for part in parts:
        if isinstance(part, TextPart) and found and isinstance(found[-1], TextPart):
            found[-1] = TextPart(found[-1].text + part.text)
        else:
            found.append(part)
    return found


class Way(NamedTuple):
    """There and back by one protocol."""

    said: Callable[[CompletionRequest], CompletionRequest]
    encode: Callable[[CompletionRequest, bool], dict[str, Any]]
    server: Any


WAYS = {
    "chat": Way(
        said_by_chat, lambda request, stream: encode_chat(request, OPENAI, stream=stream, provider="p"), openai_chat
    ),
    "responses": Way(
        said_by_responses,
        lambda request, stream: encode_responses(request, OPENAI, stream=stream, provider="p"),
        openai_responses,
    ),
    "anthropic": Way(
        said_by_anthropic,
        lambda request, stream: encode_anthropic(request, stream=stream, provider="p"),
        anthropic_messages,
    ),
    "ollama": Way(
        said_by_ollama,
        lambda request, stream: encode_ollama(request, stream=stream, provider="p", options={}),
        ollama_chat,
    ),
}


def there(way: Way, request: CompletionRequest, stream: bool = False) -> dict[str, Any]:
    """The body as it arrives."""
    body: dict[str, Any] = json.loads(msgspec.json.encode(way.encode(request, stream)))
    return body


@pytest.mark.parametrize("protocol", WAYS)
@given(request=requests(), stream=st.booleans())
def test_a_request_is_read_as_it_was_meant(protocol: str, request: CompletionRequest, stream: bool) -> None:
    """All messages with their parts, calls and results, tools, formats and parameters; nothing is added."""
    way = WAYS[protocol]
    wanted = way.said(request)
    body = there(way, wanted, stream)
    found = way.server.read_request(body)
    assert canonical(found) == canonical(wanted)
    assert way.server.wants_stream(body) is stream
    validate(found)


@pytest.mark.parametrize("protocol", WAYS)
def test_thinking_comes_back(protocol: str) -> None:
    """Thinking that goes back to its maker arrives, with what seals it."""
    sealed = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
    sealed["encrypted_content"] = "sealed"
    thought = {
        "chat": ThinkingPart("hm"),
        "responses": ThinkingPart("hm", opaque=sealed),
        "anthropic": ThinkingPart("hm", "signature"),
        "ollama": ThinkingPart("hm"),
    }[protocol]
    mine = replace(thought, origin=f"p/{MODEL}")
    messages = (Message.user("a"), Message("assistant", "b", thinking=(mine,)), Message.user("c"))
    request = CompletionRequest(model=MODEL, messages=messages, max_tokens=9)
    way = WAYS[protocol]
    if protocol == "chat":  # OpenAI itself takes none
        dialect = DIALECTS["deepseek"]
        way = way._replace(encode=lambda request, stream: encode_chat(request, dialect, stream=stream, provider="p"))
    assert way.server.read_request(there(way, request)).messages[1].thinking == (thought,)


def test_cache_marks_are_kept() -> None:
    """Anthropic's marks of what is to be cached, in the system's text and the user's."""
    part = (TextPart("long", cache=True), TextPart("short"))
    request = CompletionRequest(model=MODEL, messages=(Message.system(part), Message.user(part)), max_tokens=9)
    found = anthropic_messages.read_request(there(WAYS["anthropic"], request))
    assert [message.content for message in found.messages] == [part, part]


# --- from one protocol to another

PAIRS = [pytest.param(*pair, id="-".join(pair)) for pair in product(WAYS, repeat=2)]


def on(protocol: str, request: CompletionRequest) -> tuple[CompletionRequest, CompletionRequest]:
    """What the protocol can say of a request, and what is read of it there."""
    way = WAYS[protocol]
    said = way.said(request)
    wanted = said.response_format
    if protocol in ("chat", "responses") and isinstance(wanted, dict):  # which have a name for it
        said = replace(said, response_format={"name": "answer", **wanted})
    return said, way.server.read_request(there(way, said))


@pytest.mark.parametrize(("first", "second"), PAIRS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(request=requests())
def test_a_request_goes_on_in_another_protocol(first: str, second: str, request: CompletionRequest) -> None:
    """Texts, pictures, calls, results, tools, the format and all parameters that both have words for."""
    said, read = on(first, request)
    assert canonical(read) == canonical(said)
    said, read = on(second, read)
    assert canonical(read) == canonical(said)
    validate(read)
