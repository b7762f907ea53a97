"""Chat completions: requests as they go out, answers and quirky streams as they come in."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ErrorCode, ProviderError
from providers.openai.chat_decode import ChatStreamDecoder, decode, encode
from providers.openai.dialects import DIALECTS, dialect_for
from providers.types import (
    CompletionRequest,
    ImagePart,
    Message,
    StreamChunk,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCall,
)


class Event(NamedTuple):
    data: bytes
    event: str | None = None


def body_of(dialect: str = "openai", *, stream: bool = False, **fields: Any) -> dict[str, Any]:
    fields = {"model": "gpt-4o", "messages": (Message.user("Hi"),), **fields}
    return encode(CompletionRequest(**fields), DIALECTS[dialect], stream=stream)


def stream(*payloads: Any, end: bool = True) -> tuple[list[StreamChunk], ChatStreamDecoder]:
    decoder = ChatStreamDecoder("p", "m", "req-1")
    chunks = [decoder.feed(Event(p if isinstance(p, bytes) else json.dumps(p).encode())) for p in payloads]
    if end:
        chunks.append(decoder.finish())
    return [chunk for chunk in chunks if chunk is not None], decoder


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"id": "c1", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def call(arguments: Any = None, **entry: Any) -> dict[str, Any]:
    name = entry.pop("name", None)
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**entry, "function": function}


WEATHER = Tool("weather", "Tells it", {"type": "object"})


def test_a_whole_conversation_is_encoded() -> None:
    """System, user with an image, assistant with a tool call, tool result: each in the protocol's form."""
    asked = ToolCall("call_1", "weather", {"city": "Oslo"}, '{"city": "Oslo"}')
    body = body_of(
        messages=(
            Message.system("Be short"),
            Message.user(
                [TextPart("See"), ImagePart(data=b"\x01", media_type="image/png"), ImagePart(url="https://x/y")]
            ),
            Message.assistant("", [asked]),
            asked.result("rain").message(),
        ),
        tools=(WEATHER,),
        tool_choice="weather",
        stop=("END",),
        max_tokens=5,
        response_format={"name": "n", "schema": {"type": "object"}, "strict": True},
    )
    assert body["messages"] == [
        {"role": "system", "content": "Be short"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "See"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQ=="}},
                {"type": "image_url", "image_url": {"url": "https://x/y"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert body["stop"] == ["END"]
    assert body["max_completion_tokens"] == 5
    assert body["response_format"]["json_schema"]["name"] == "n"
    assert "temperature" not in body


def test_dialects_differ_as_data_says() -> None:
    """Mistral's names and short ids, Groq without nulls, DeepSeek's reasoning sent back."""
    turn = Message.assistant("", [ToolCall("call_long_id", "f", {}, "{}")])
    asked: dict[str, Any] = {"tools": (WEATHER,), "tool_choice": "required", "seed": 1, "max_tokens": 2, "user": "u"}
    mistral = body_of("mistral", stream=True, messages=(turn, Message.tool("call_long_id", "x")), **asked)
    sent_id = mistral["messages"][0]["tool_calls"][0]["id"]
    assert (mistral["tool_choice"], mistral["random_seed"], mistral["max_tokens"]) == ("any", 1, 2)
    assert len(sent_id) == 9
    assert mistral["messages"][1]["tool_call_id"] == sent_id
    assert not {"user", "stream_options", "seed"} & mistral.keys()
    assert "content" not in body_of("groq", messages=(turn,))["messages"][0]
    assert body_of("deepseek", messages=(turn,))["messages"][0]["reasoning_content"] == " "
    assert body_of("generic", messages=(Message("developer", "x"),))["messages"][0]["role"] == "system"


def test_thinking_goes_back_only_to_its_maker() -> None:
    """Another provider or model never sees it."""
    turn = Message("assistant", "a", thinking=(ThinkingPart("hm", origin="ds/r1"),))
    request = CompletionRequest(model="r1", messages=(turn,))

    def sent(provider: str) -> dict[str, Any]:
        return encode(request, DIALECTS["deepseek"], stream=False, provider=provider)["messages"][0]

    assert sent("ds")["reasoning_content"] == "hm"
    assert "reasoning_content" not in sent("other")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://me.openai.azure.com/openai/v1", "azure"),
        ("https://api.mistral.ai/v1", "mistral"),
        ("http://localhost:8000/v1", "vllm"),
        ("https://notx.ai/v1", "generic"),
    ],
)
def test_the_host_tells_the_dialect(url: str, name: str) -> None:
    """By the end of the host's name at a dot, or a local server's port."""
    assert dialect_for(url).name == name
    with pytest.raises(ValueError, match="known: azure"):
        dialect_for(url, "nonsense")


def test_tools_on_models_that_reason() -> None:
    """`none` is sent where it is allowed; a Responses-only model fails before the call."""
    assert body_of(model="gpt-5.6-x", tools=(WEATHER,))["reasoning_effort"] == "none"
    assert "reasoning_effort" not in body_of(model="gpt-5.4", tools=(WEATHER,))
    assert body_of(model="gpt-5.4", thinking="low")["reasoning_effort"] == "low"
    for model, thinking in (("gpt-6-astra", None), ("gpt-5.6", "high")):
        with pytest.raises(ProviderError, match="tools") as caught:
            body_of(model=model, tools=(WEATHER,), thinking=thinking)
        assert caught.value.code is ErrorCode.UNSUPPORTED


def test_extra_body_wins() -> None:
    """What the caller adds is merged last."""
    assert body_of(temperature=1.0, extra_body={"temperature": 0.5, "x": 1})["temperature"] == 0.5


def test_a_plain_stream() -> None:
    """Text comes piece by piece, the role is held back, and the last chunk has reason and usage."""
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    chunks, decoder = stream(
        delta(role="assistant", content=""),
        delta(content="Hel"),
        delta(content="lo"),
        delta("stop"),
        {"choices": [], "usage": usage},
        b"[DONE]",
    )
    assert [chunk.text for chunk in chunks] == ["Hel", "lo", ""]
    assert (chunks[-1].done, chunks[-1].finish_reason) == (True, "stop")
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.cache_read_tokens == 4
    answer = decoder.response()
    assert (answer.text, answer.id, answer.request_id) == ("Hello", "c1", "req-1")


@pytest.mark.parametrize(
    "entries",
    [
        [call("{}", name="a"), call('{"x":1}', name="b")],  # no index, no id
        [call("{}", name="a", index=0, id="1"), call('{"x":1}', name="b", index=0, id="2")],  # all 0
        [call("{}", name="a", index=0), call('{"x":1}', name="b", index=0)],  # all 0, no id
        [call({}, name="a", index=0, id="1"), call({"x": 1}, name="b", index=1, id="null")],  # objects
        [call("", name="a", index=0, id="1"), call('{"x"', name="b", index=1, id="2"), call(":1}", index=1)],
        [call(name="a", index=3, id="1"), call('{"x":1}', name="b", index=7, id="2")],
    ],
)
def test_tool_calls_are_put_together(entries: list[dict[str, Any]]) -> None:
    """Whatever a server does with index and id: two calls, numbered 0 and 1, id and name once."""
    chunks, decoder = stream(*[delta(tool_calls=[entry]) for entry in entries], delta("stop"))
    answer = decoder.response()
    assert [(c.name, c.arguments) for c in answer.tool_calls] == [("a", {}), ("b", {"x": 1})]
    assert answer.finish_reason == "tool_calls"
    deltas = [part for chunk in chunks for part in chunk.tool_calls]
    assert [part.name for part in deltas if part.name] == ["a", "b"]
    assert [part.id for part in deltas if part.id] == [c.id for c in answer.tool_calls]
    assert {part.index for part in deltas} == {0, 1}
    assert all(c.id and c.id != "null" for c in answer.tool_calls)


def test_made_up_ids_are_stable() -> None:
    """The same answer gives the same id, in the usual form."""
    (first, second) = (stream(delta("stop", tool_calls=[call("{}", name="f")]))[1].response() for _ in range(2))
    assert first.tool_calls[0].id == second.tool_calls[0].id
    assert len(first.tool_calls[0].id) == len("call_") + 24


def test_usage_with_the_finish_chunk_and_thinking() -> None:
    """Usage may come with choices, thinking under two names or in content lists."""
    last = {**delta("stop", content="d"), "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    chunks, decoder = stream(
        delta(reasoning_content="a", reasoning="a"),
        delta(
            content=[{"type": "thinking", "thinking": [{"type": "text", "text": "b"}]}, {"type": "text", "text": "c"}]
        ),
        last,
    )
    answer = decoder.response()
    assert (answer.text, answer.thinking[0].text, answer.usage.output_tokens) == ("cd", "ab", 2)
    assert chunks[-1].usage == answer.usage


def test_xai_reasoning_is_part_of_the_output() -> None:
    """Where the total says that reasoning was counted beside the output, it is added."""
    details = {"completion_tokens_details": {"reasoning_tokens": 5}}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 8, **details}
    answer = decode({"choices": [{"message": {}}], "usage": usage}, provider="p", model="m", request_id=None)
    assert (answer.usage.output_tokens, answer.usage.reasoning_tokens) == (7, 5)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({**delta("error", content=""), "error": {"code": 502, "message": "x"}}, "server_error"),
        ({"error": {"message": "x", "type": "BadRequestError", "code": 400}}, "invalid_request"),
        ({"choices": [], "x_groq": {"error": "over capacity exceeded"}}, "overloaded"),
        ([{"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}], "overloaded"),
        (b"{broken", "protocol_error"),
        (b"3", "protocol_error"),
    ],
)
def test_an_error_in_the_stream_is_raised(payload: Any, code: str) -> None:
    """A chunk that carries an error is that error, at once."""
    with pytest.raises(ProviderError) as caught:
        stream(delta(content="a"), payload)
    assert caught.value.code == code


def test_an_error_event_is_raised() -> None:
    """llama.cpp's `error:` line arrives as an event of that name."""
    with pytest.raises(ProviderError, match="boom"):
        ChatStreamDecoder("p", "m", None).feed(Event(b'{"code":500,"message":"boom"}', "error"))


def test_how_a_stream_may_end() -> None:
    """`[DONE]` without a reason is an end; nothing at all is an interrupted stream."""
    assert stream(delta(content="a"), b"[DONE]")[0][-1].finish_reason == "stop"
    with pytest.raises(ProviderError) as caught:
        stream(delta(content="a"))
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED


def test_a_filtered_answer_without_a_message() -> None:
    """Azure leaves `message` out; the answer is empty and says why."""
    body = {"choices": [{"finish_reason": "content_filter"}]}
    answer = decode(body, provider="p", model="m", request_id=None)
    assert (answer.text, answer.finish_reason) == ("", "content_filter")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "{}", "null"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "message",
                    "content",
                    "tool_calls",
                    "function",
                    "usage",
                    "index",
                    "id",
                    "name",
                    "arguments",
                    "thinking",
                    "text",
                    "reasoning_details",
                    "prompt_tokens",
                    "completion_tokens",
                    "x_groq",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JSON)
def test_wrong_types_never_surprise(payload: Any) -> None:
    """Whatever a server sends: an answer or a ProviderError."""
    shapes = [payload, {"choices": [{"delta": payload, "message": payload}]}, {"choices": [payload], "usage": payload}]
    for shape in shapes:
        with suppress(ProviderError):
            decode(shape, provider="p", model="m", request_id=None)
        with suppress(ProviderError):
            stream(shape, end=False)[1].response()
