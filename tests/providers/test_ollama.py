"""Ollama's protocol: what is sent, and what is read of answers and streams."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ErrorCode, ProviderError
from providers.ollama.chat import ChatStreamDecoder, decode, encode
from providers.types import (
    CompletionRequest,
    FilePart,
    ImagePart,
    Message,
    StreamChunk,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCall,
    Usage,
)

CALL = ToolCall("call_1", "weather", {"city": "Oslo"})
WEATHER = Tool("weather", "tells it", {"type": "object", "properties": {}})


def request(*messages: Message, **fields: Any) -> CompletionRequest:
    return CompletionRequest(**{"model": "qwen3:8b", "messages": messages or (Message.user("hi"),), **fields})


def body(*messages: Message, options: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return encode(request(*messages, **fields), stream=True, provider="local", options=options or {})


def refused(*messages: Message, **fields: Any) -> str:
    with pytest.raises(ProviderError) as caught:
        body(*messages, **fields)
    assert caught.value.code is ErrorCode.UNSUPPORTED
    return caught.value.message


def test_the_least_request() -> None:
    """`stream` is always said, and `truncate: false`, lest the server drop old messages in silence."""
    assert body() == {
        "model": "qwen3:8b",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "truncate": False,
    }


def test_a_conversation_with_tools_images_and_thinking() -> None:
    """Results name their tool, images are bare base64, thinking goes back to the model that made it."""
    said = Message(
        "assistant",
        "",
        (CALL,),
        (ThinkingPart("hm", origin="local/qwen3:8b"), ThinkingPart("foreign", origin="other/m")),
    )
    sent = body(
        Message("developer", "Be brief."),
        Message.user([TextPart("Look: "), ImagePart(data=b"xy", media_type="image/png")]),
        said,
        CALL.result("rain").message(),
    )["messages"]
    assert sent == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Look: ", "images": ["eHk="]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "hm",
            "tool_calls": [
                {"id": "call_1", "function": {"index": 0, "name": "weather", "arguments": {"city": "Oslo"}}}
            ],
        },
        {"role": "tool", "content": "rain", "tool_name": "weather", "tool_call_id": "call_1"},
    ]


def test_parameters_become_options() -> None:
    """The provider's own options first, the request's over them."""
    sent = body(
        max_tokens=9,
        temperature=0.5,
        seed=1,
        stop=("END",),
        options={"num_ctx": 8192, "keep_alive": "5m", "options": {"top_k": 5, "temperature": 1.0}},
    )
    assert sent["options"] == {
        "top_k": 5,
        "temperature": 0.5,
        "num_predict": 9,
        "seed": 1,
        "stop": ["END"],
        "num_ctx": 8192,
    }
    assert sent["keep_alive"] == "5m"
    assert body(extra_body={"keep_alive": 0})["keep_alive"] == 0


def test_formats_tools_and_thinking() -> None:
    """JSON or a schema, tools in OpenAI's shape, thinking by level or off."""
    assert body(response_format="json")["format"] == "json"
    assert body(response_format={"name": "a", "schema": {"type": "object"}})["format"] == {"type": "object"}
    function = {"name": "weather", "description": "tells it", "parameters": {"type": "object", "properties": {}}}
    assert body(tools=(WEATHER,))["tools"] == [{"type": "function", "function": function}]
    assert "tools" not in body(tools=(WEATHER,), tool_choice="none")
    assert body(thinking="off")["think"] is False
    assert body(thinking="high")["think"] == "high"
    assert body(thinking=4000)["think"] == "medium"


def test_what_the_protocol_cannot_carry_is_told() -> None:
    """Forced tools, images by URL, documents, and gpt-oss without thinking."""
    assert "cannot force a tool" in refused(tools=(WEATHER,), tool_choice="required")
    assert "not by URL" in refused(Message.user([ImagePart(url="https://a/b.png")]))
    assert "no documents" in refused(Message.user([FilePart(b"x", "application/pdf")]))
    assert "gpt-oss" in refused(model="gpt-oss:20b", thinking="off")


END = {"model": "qwen3:8b-q4", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}


def line(**message: Any) -> dict[str, Any]:
    return {"model": "qwen3:8b-q4", "message": {"role": "assistant", "content": "", **message}, "done": False}


def stream(*lines: dict[str, Any], end: bool = True, **fields: Any) -> tuple[list[StreamChunk], ChatStreamDecoder]:
    decoder = ChatStreamDecoder("local", request(**fields), None)
    chunks = [chunk for each in lines if (chunk := decoder.feed(json.dumps(each).encode())) is not None]
    if end:
        chunks.append(decoder.finish())
    return chunks, decoder


def test_a_stream_is_its_answer_in_pieces() -> None:
    """Thinking, text, calls with and without an id, text in the last line, and the counts."""
    chunks, decoder = stream(
        line(thinking="hm"),
        line(content="It "),
        line(tool_calls=[{"id": "call_1", "function": {"index": 0, "name": "weather", "arguments": {"city": "Oslo"}}}]),
        line(tool_calls=[{"function": {"name": "clock"}}]),
        {**END, "message": {"role": "assistant", "content": "rains."}, "prompt_eval_count": 26, "eval_count": 9},
    )
    assert chunks[0] == StreamChunk(thinking="hm")
    assert chunks[-1] == StreamChunk(finish_reason="tool_calls", usage=Usage(26, 9), done=True)
    found = decoder.response()
    assert found.text == "It rains."
    assert [(call.name, call.arguments) for call in found.tool_calls] == [("weather", {"city": "Oslo"}), ("clock", {})]
    assert found.tool_calls[0].id == "call_1"
    assert found.tool_calls[1].id.startswith("call_")
    assert found.thinking == (ThinkingPart("hm", origin="local/qwen3:8b"),)
    assert (found.model, found.raw_finish_reason) == ("qwen3:8b-q4", "stop")


def test_absent_counts_are_unknown() -> None:
    """The server leaves a count out when it has none: that is not 0."""
    assert stream(line(content="x"), END)[1].response().usage == Usage()


def test_one_call_at_a_time_is_kept_by_us() -> None:
    """The protocol cannot ask for it."""
    calls = [{"function": {"name": name, "arguments": {}}} for name in ("a", "b")]
    kept = stream(line(tool_calls=calls), END, parallel_tool_calls=False)[1].response().tool_calls
    assert [call.name for call in kept] == ["a"]


def test_an_early_end_is_an_interruption() -> None:
    """Without `done: true` the answer is not whole."""
    for lines in ((), (line(content="x"),)):
        with pytest.raises(ProviderError) as caught:
            stream(*lines)
        assert caught.value.code is ErrorCode.STREAM_INTERRUPTED


def test_an_error_line_is_the_error_it_names() -> None:
    """It may come after content, with status 200."""
    with pytest.raises(ProviderError) as caught:
        stream(line(content="x"), {"error": "server busy, please try again"})
    assert caught.value.code is ErrorCode.OVERLOADED


def test_a_plain_answer_is_read_like_a_stream_of_one_line() -> None:
    """With its body kept, and a 200 of something else refused."""
    whole = {**END, "message": {"content": "Hi"}, "done_reason": "length"}
    found = decode(whole, request(), provider="l", request_id=None)
    assert (found.text, found.finish_reason) == ("Hi", "length")
    assert found.raw["message"] == {"content": "Hi"}
    for junk in ({}, [], "text", {"message": "text"}):
        with pytest.raises(ProviderError) as caught:
            decode(junk, request(), provider="l", request_id=None)
        assert caught.value.code is ErrorCode.PROTOCOL_ERROR


@given(
    st.binary(max_size=60)
    | st.builds(
        lambda x: json.dumps(x).encode(),
        st.dictionaries(
            st.sampled_from(["message", "done", "error", "model"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=3),
                lambda inner: (
                    st.lists(inner, max_size=2)
                    | st.dictionaries(
                        st.sampled_from(["content", "tool_calls", "function", "name", "arguments"]), inner
                    )
                ),
                max_leaves=8,
            ),
        ),
    )
)
def test_no_line_makes_another_error(junk: bytes) -> None:
    """Whatever is sent: chunks, or a ProviderError."""
    decoder = ChatStreamDecoder("local", request(), None)
    try:
        decoder.feed(junk)
        decoder.finish()
    except ProviderError as error:
        assert isinstance(error.code, ErrorCode)  # noqa: PT017 - either end is right
    decoder.response()
