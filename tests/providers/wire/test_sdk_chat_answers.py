"""Any answer goes through OpenAI's SDK as it was: plain, and streamed in any chunks, cut anywhere."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.accumulate import as_chunks
from providers.openai.chat_decode import ChatStreamDecoder
from providers.openai.chat_decode import decode as decode_chat
from providers.types import CompletionResponse, StreamChunk, ToolCall
from providers.wire import anthropic_messages, chat_tools, openai_chat, openai_completions
from providers.wire.writing import StreamWriter
from tests.support.any_answer import (
    FINISHES,
    HEAD,
    USER,
    answers,
    calls_of,
    chunks,
    events,
    openai_sdk,
    read_back,
    written,
)

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours to mend


def check_chat(reply: Any, answer: CompletionResponse, usage: bool = True) -> None:
    (choice,) = reply.choices
    message = choice.message
    assert (reply.id, reply.created, reply.model) == ("chatcmpl-0123abcd", 1_750_000_000, "m")
    assert (message.content or "") == answer.text
    assert getattr(message, "reasoning_content", "") == "".join(part.text for part in answer.thinking)
    found = [
        (call.id, call.function.name, json.loads(call.function.arguments or "{}")) for call in message.tool_calls or ()
    ]
    assert sorted(found, key=str) == calls_of(answer)
    assert choice.finish_reason == FINISHES[answer.finish_reason][0]
    counts = answer.usage
    if not usage or (counts.input_tokens is None and counts.output_tokens is None):
        assert reply.usage is None
        return
    made, given = counts.output_tokens or 0, counts.input_tokens or 0
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (given, made)
    assert reply.usage.total_tokens == given + made
    assert reply.usage.prompt_tokens_details.cached_tokens == counts.cache_read_tokens
    assert reply.usage.completion_tokens_details.reasoning_tokens == counts.reasoning_tokens


@given(answer=answers())
def test_chat_plain(answer: CompletionResponse) -> None:
    """Text, thinking, calls, finish reason and usage; no text beside calls is null."""
    data = msgspec.json.encode(openai_chat.render_response(answer, HEAD))
    reply = openai_sdk(data).chat.completions.create(model="m", messages=USER)
    if not answer.thinking:
        assert not hasattr(reply.choices[0].message, "reasoning_content")
        reply.choices[0].message.reasoning_content = ""  # type: ignore[attr-defined]  # a field of other servers
    elif not any(part.text for part in answer.thinking):
        reply.choices[0].message.reasoning_content = ""  # type: ignore[attr-defined]  # as above
    check_chat(reply, answer)
    if answer.tool_calls and not answer.text:
        assert reply.choices[0].message.content is None
    found = decode_chat(json.loads(data), provider="p", model="m", request_id=None)
    assert (found.text, calls_of(found)) == (answer.text, calls_of(answer))


@given(answer=answers(), seed=st.integers(0, 1000), usage=st.booleans())
def test_chat_streamed(answer: CompletionResponse, seed: int, usage: bool) -> None:
    """The same, put together by the SDK; the usage only where it was asked for."""
    rng = random.Random(seed)
    writer = openai_chat.ChatStreamWriter(HEAD, usage=usage)
    data = written(writer, chunks(answer, rng))
    with openai_sdk(data, writer.content_type, seed).chat.completions.stream(model="m", messages=USER) as stream:
        reply = stream.until_done().current_completion_snapshot  # the final one is refused where it was cut
    if not any(part.text for part in answer.thinking):
        reply.choices[0].message.reasoning_content = ""  # type: ignore[attr-defined]  # a field of other servers
    check_chat(reply, answer, usage)
    assert len(
        list(openai_sdk(data, writer.content_type).chat.completions.create(model="m", messages=USER, stream=True))
    )
    found = read_back(data, ChatStreamDecoder("p", "m", None))
    assert (found.text, sorted(calls_of(found), key=str)) == (answer.text, calls_of(answer))


@given(answer=answers(), seed=st.integers(0, 1000), usage=st.booleans())
def test_the_form_of_a_chat_stream(answer: CompletionResponse, seed: int, usage: bool) -> None:
    """The role first; ids and names once; calls counted from 0; the reason alone; usage without choices; the end."""
    *told, end = events(written(openai_chat.ChatStreamWriter(HEAD, usage=usage), chunks(answer, random.Random(seed))))
    assert end == "[DONE]"
    assert {(each["id"], each["created"], each["object"], each["model"]) for each in told} == {
        ("chatcmpl-0123abcd", 1_750_000_000, "chat.completion.chunk", "m")
    }
    counted = [each for each in told if not each["choices"]]
    known = answer.usage.input_tokens is not None or answer.usage.output_tokens is not None
    assert counted == (told[-1:] if usage and known else [])
    assert all(("usage" in each) is usage for each in told)
    choices = [each["choices"][0] for each in told if each["choices"]]
    assert choices[0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert choices[-1]["delta"] == {}
    reasons = [choice["finish_reason"] for choice in choices]
    assert reasons == [None] * (len(choices) - 1) + [FINISHES[answer.finish_reason][0]]
    assert sum("role" in choice["delta"] for choice in choices) == 1
    entries = [entry for choice in choices for entry in choice["delta"].get("tool_calls", ())]
    named = [(entry["index"], entry["id"], entry["function"]["name"]) for entry in entries if "id" in entry]
    assert [index for index, _, _ in named] == list(range(len(answer.tool_calls)))
    assert sorted(named, key=lambda entry: entry[1]) == sorted(
        ((index, call.id, call.name) for call in answer.tool_calls for index, ident, _ in named if ident == call.id),
        key=lambda entry: entry[1],
    )
    assert all(set(entry["function"]) == {"arguments"} for entry in entries if "id" not in entry)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_function_is_called_as_its_client_knows_it(stream: bool) -> None:
    """Who offers `functions` reads `function_call`."""
    body = {"model": "m", "messages": USER, "functions": [{"name": "look"}]}
    assert chat_tools.wants_function_call(body)
    assert not chat_tools.wants_function_call({"model": "m", "messages": USER, "functions": []})
    calls = tuple(ToolCall(f"c{place}", "look", {"at": place}, json.dumps({"at": place})) for place in range(2))
    answer = CompletionResponse(tool_calls=calls, finish_reason="tool_calls", model="m")
    if stream:
        writer = openai_chat.ChatStreamWriter(HEAD, function_call=True)
        data = written(writer, iter(as_chunks(answer)))
        sdk = openai_sdk(data, writer.content_type)
        deltas = [chunk.choices[0] for chunk in sdk.chat.completions.create(model="m", messages=USER, stream=True)]
        found = [choice.delta.function_call for choice in deltas if choice.delta.function_call]
        assert [call.name for call in found if call.name] == ["look"]
        assert json.loads("".join(call.arguments or "" for call in found)) == {"at": 0}
        assert not any(choice.delta.tool_calls for choice in deltas)
        assert deltas[-1].finish_reason == "function_call"
    else:
        data = msgspec.json.encode(openai_chat.render_response(answer, HEAD, function_call=True))
        (choice,) = openai_sdk(data).chat.completions.create(model="m", messages=USER).choices
        assert choice.message.function_call is not None
        assert choice.message.function_call.name == "look"
        assert (choice.message.content, choice.message.tool_calls) == (None, None)
        assert choice.finish_reason == "function_call"


# --- completions


@given(answer=answers(), seed=st.integers(0, 1000), usage=st.booleans())
def test_completions(answer: CompletionResponse, seed: int, usage: bool) -> None:
    """The older protocol: the text, why it ended, and the usage."""
    data = msgspec.json.encode(openai_completions.render_response(answer, HEAD))
    reply = openai_sdk(data).completions.create(model="m", prompt="hi")
    writer = openai_completions.CompletionStreamWriter(HEAD, usage=usage)
    data = written(writer, chunks(answer, random.Random(seed)))
    sdk = openai_sdk(data, writer.content_type, seed)
    told = list(sdk.completions.create(model="m", prompt="hi", stream=True))
    choices = [each.choices[0] for each in told if each.choices]
    finish = FINISHES[answer.finish_reason][0].replace("tool_calls", "stop")
    assert (reply.id, reply.object) == ("cmpl-0123abcd", "text_completion")
    assert {(each.id, each.object) for each in told} == {(reply.id, reply.object)}
    assert reply.choices[0].text == "".join(choice.text for choice in choices) == answer.text
    assert (reply.choices[0].finish_reason, choices[-1].finish_reason) == (finish, finish)
    assert [choice.finish_reason for choice in choices[:-1]] == [None] * (len(choices) - 1)
    assert [each.usage for each in told if each.usage] == ([reply.usage] if usage and reply.usage else [])
    assert data.endswith(b"data: [DONE]\n\n")


def test_a_call_whose_arguments_are_no_object_reaches_the_client() -> None:
    """In an object, so that the model can be told what it wrote."""
    broken = CompletionResponse(tool_calls=(ToolCall("c", "f", None, "{oops"),), finish_reason="tool_calls")
    (block,) = anthropic_messages.render_response(broken, HEAD)["content"]
    assert block["input"] == {"_raw": "{oops"}
    plain = openai_chat.render_response(broken, HEAD)
    assert plain["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{oops"


@pytest.mark.parametrize("writer", [openai_chat.ChatStreamWriter, anthropic_messages.MessagesStreamWriter])
def test_half_a_character_of_a_vendor_breaks_no_stream(writer: type[StreamWriter]) -> None:
    """Emoji come cut in two; half of one is no JSON."""
    made = writer(HEAD)
    data = made.start() + made.chunk(StreamChunk("so \ud83d")) + made.chunk(StreamChunk("!")) + made.end()
    assert "\N{REPLACEMENT CHARACTER}!" in data.decode()
