"""What answers hold beside text, thinking and calls: sources, images, audio, logprobs, uses of a vendor's own tools."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from providers.accumulate import Accumulator, as_chunks
from providers.anthropic import decode as anthropic
from providers.anthropic.encode import encode as to_claude
from providers.ollama import chat as ollama
from providers.openai import chat_decode as chat
from providers.openai import responses_decode as responses
from providers.openai.chat_encode import encode as to_chat
from providers.openai.dialects import DIALECTS
from providers.openai.responses_encode import encode as to_responses
from providers.transport.lines import SSEEvent
from providers.types import (
    AudioPart,
    CompletionRequest,
    CompletionResponse,
    ImagePart,
    Message,
    ServerToolPart,
    TextPart,
    ThinkingPart,
    TokenLogprob,
    ToolCall,
)
from router.cache.codec import Entry
from router.cache.codec import decode as read_entry
from router.cache.codec import encode as write_entry

PNG = b"\x89PNG\r\n"
B64 = base64.b64encode(PNG).decode()
LIKELY = [{"token": "Hi", "logprob": -0.5, "bytes": [72], "top_logprobs": [{"token": "Ho", "logprob": -1}]}]
CITED = {
    "type": "url_citation",
    "url_citation": {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2},
}
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "a"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "u"}]}
PLACE = {"type": "web_search_result_location", "url": "u", "title": "T", "cited_text": "c", "encrypted_index": "e"}


def events(*payloads: dict[str, Any]) -> list[SSEEvent]:
    return [SSEEvent(one.get("type"), json.dumps(one).encode()) for one in payloads]


def read(decoder: Any, fed: list[Any]) -> tuple[CompletionResponse, CompletionResponse]:
    """The answer of a stream, and what its chunks add up to."""
    gathered = Accumulator("p", "m")
    for event in fed:
        if (chunk := decoder.feed(event)) is not None:
            gathered.add(chunk)
    gathered.add(decoder.finish())
    return decoder.response(), gathered.response()


def chat_answer(**message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi", **message}, "finish_reason": "stop"}
    return {
        "id": "c",
        "object": "chat.completion",
        "model": "m",
        "choices": [choice],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }


def test_chat_answers_tell_sources_images_audio_and_likelihoods() -> None:
    body = chat_answer(
        annotations=[CITED, {"type": "file", "file": {}}, None, {"type": "url_citation"}],
        images=[{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{B64}"}}, {"image_url": None}],
        audio={"id": "audio_1", "data": B64, "transcript": "Hi", "expires_at": 1},
    )
    body["choices"][0]["logprobs"] = {"content": LIKELY}
    reply = chat.decode(body, provider="p", model="m", request_id=None)
    assert [(one.url, one.title, one.start, one.end) for one in reply.citations] == [("https://a.example", "A", 0, 2)]
    assert reply.logprobs == (TokenLogprob("Hi", -0.5, (("Ho", -1.0),)),)
    text, image, audio = reply.parts
    assert text == TextPart("Hi", citations=reply.citations)
    assert image == ImagePart(data=PNG, media_type="image/png")
    assert audio == AudioPart(PNG, None, "Hi", "audio_1", "p")
    assert read_entry(write_entry(Entry(1.0, reply))).response == reply  # and the cache keeps it
    told = Accumulator("p", "m")
    for chunk in as_chunks(reply):
        told.add(chunk)
    assert told.response().parts == reply.parts


@pytest.mark.parametrize(
    "odd",
    [
        {"annotations": "x"},
        {"annotations": [{"type": "url_citation", "url_citation": None}, 3]},
        {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}]},
        {"audio": {"id": "", "data": "", "transcript": ""}},
        {"audio": []},
        {"executed_tools": [None]},
    ],
)
def test_odd_shapes_are_left_out(odd: dict[str, Any]) -> None:
    body = chat_answer(**odd)
    body["choices"][0]["logprobs"] = {"content": None, "tokens": None}
    reply = chat.decode(body, provider="p", model="m", request_id=None)
    assert (reply.text, reply.citations, reply.others, reply.logprobs) == ("Hi", (), (), None)


def test_audio_comes_in_pieces_and_a_cut_stream_keeps_what_came() -> None:
    def delta(**fields: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}

    pieces = [
        delta(audio={"id": "a1", "transcript": "Hel"}),
        delta(audio={"data": B64}),
        delta(audio={"data": B64, "transcript": "lo"}),
    ]
    decoder = chat.ChatStreamDecoder("p", "m", None)
    for event in events(*pieces):
        decoder.feed(event)
    whole = (AudioPart(PNG * 2, None, "Hello", "a1", "p"),)
    assert decoder.response().parts == whole
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"cost": 0.25}}
    reply, added = read(chat.ChatStreamDecoder("p", "m", None), events(*pieces, end))
    assert reply.parts == added.parts == whole
    assert reply.cost == 0.25
    body = to_chat(asked(reply.message), DIALECTS["openai"], stream=False, provider="p")
    assert body["messages"][1]["audio"] == {"id": "a1"}
    body = to_chat(asked(reply.message), DIALECTS["openai"], stream=False, provider="other")
    assert body["messages"][1]["content"] == "Hello"


def asked(message: Message, model: str = "m") -> CompletionRequest:
    return CompletionRequest(model=model, messages=(Message.user("q"), message, Message.user("r")))


CONTENT: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "t", "signature": "s"},
    SEARCH,
    FOUND,
    {"type": "thinking", "thinking": "u", "signature": "v"},
    {"type": "text", "text": "It is "},
    {"type": "text", "text": "so", "citations": [PLACE]},
    {"type": "text", "text": "."},
    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
]


def test_claudes_answers_keep_their_order_and_go_back_as_they_came() -> None:
    body = {
        "type": "message",
        "content": CONTENT,
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    plain = anthropic.decode(body, provider="claude", model="claude-opus-5", request_id=None)
    kinds = [type(part) for part in plain.parts]
    assert kinds == [ThinkingPart, ServerToolPart, ServerToolPart, ThinkingPart, TextPart, ToolCall]
    assert [(one.url, one.start, one.end) for one in plain.citations] == [("u", 6, 8)]
    result = Message.tool("t1", "done")
    request = CompletionRequest(model="claude-opus-5", messages=(Message.user("q"), plain.message, result))
    sent = to_claude(request, stream=False, provider="claude")["messages"][1]["content"]
    assert sent == CONTENT
    elsewhere = to_claude(request, stream=False, provider="other")["messages"][1]["content"]
    assert elsewhere == [{"type": "text", "text": "It is so."}, CONTENT[-1]]
    chat_body = to_chat(request, DIALECTS["openai"], stream=False, provider="openai")
    assert chat_body["messages"][1]["content"] == "It is so."


def test_claudes_streams_tell_the_same() -> None:
    fed: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "i", "model": "claude-opus-5"}}]
    for index, block in enumerate(CONTENT):
        start = {key: value for key, value in block.items() if key != "citations"}
        deltas: list[dict[str, Any]] = []
        if block["type"] in ("server_tool_use", "tool_use"):
            start["input"] = {}
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"], separators=(",", ":"))}]
        deltas += [{"type": "citations_delta", "citation": one} for one in block.get("citations", ())]
        fed.append({"type": "content_block_start", "index": index, "content_block": start})
        fed += [{"type": "content_block_delta", "index": index, "delta": one} for one in deltas]
        fed.append({"type": "content_block_stop", "index": index})
    fed += [{"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}}, {"type": "message_stop"}]
    body = {"type": "message", "content": CONTENT, "stop_reason": "tool_use"}
    plain = anthropic.decode(body, provider="claude", model="claude-opus-5", request_id=None)
    reply, added = read(anthropic.MessagesStreamDecoder("claude", "claude-opus-5", None), events(*fed))
    assert reply.parts == plain.parts
    assert [part.data for part in added.parts if isinstance(part, ServerToolPart)] == [SEARCH, FOUND]
    assert added.citations == plain.citations


ITEMS: list[dict[str, Any]] = [
    {"type": "reasoning", "id": "r1", "encrypted_content": "x", "summary": []},
    {"type": "web_search_call", "id": "w1", "status": "completed", "action": {"type": "search", "query": "a"}},
    {
        "type": "message",
        "id": "m1",
        "content": [
            {
                "type": "output_text",
                "text": "so",
                "annotations": [{"type": "url_citation", "url": "u", "title": "T", "start_index": 0, "end_index": 2}],
                "logprobs": LIKELY,
            }
        ],
    },
    {"type": "image_generation_call", "id": "i1", "status": "completed", "result": B64, "output_format": "png"},
]


def test_responses_tell_tools_sources_and_images_plain_and_streamed() -> None:
    body = {"id": "r", "object": "response", "status": "completed", "model": "gpt-6", "output": ITEMS}
    plain = responses.decode(body, provider="openai", model="gpt-6", request_id=None)
    assert [type(part) for part in plain.parts] == [ThinkingPart, ServerToolPart, TextPart, ImagePart]
    assert plain.logprobs is not None
    assert plain.citations[0].url == "u"
    fed = [{"type": "response.output_item.done", "output_index": n, "item": item} for n, item in enumerate(ITEMS)]
    fed.append({"type": "response.completed", "response": body})
    reply, added = read(responses.ResponsesStreamDecoder("openai", "gpt-6", None), events(*fed))
    assert reply.parts == plain.parts
    assert added.citations == plain.citations
    sent = to_responses(asked(plain.message, "gpt-6"), DIALECTS["openai"], stream=False, provider="openai")["input"]
    assert [item.get("type", item.get("role")) for item in sent] == [
        *("user", "reasoning", "web_search_call", "assistant", "image_generation_call", "user")
    ]


def test_ollama_tells_likelihoods() -> None:
    request = CompletionRequest(model="m", messages=(Message.user("q"),), logprobs=True)
    body = {"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": True, "logprobs": LIKELY}
    reply = ollama.decode(body, request, provider="o", request_id=None)
    assert reply.logprobs == (TokenLogprob("Hi", -0.5, (("Ho", -1.0),)),)
    assert ollama.encode(request, stream=False, provider="o", options={})["logprobs"] is True


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.5}, 0.5),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.25}}, 0.25),
        ({"cost": {"total_cost": 0.125}}, 0.125),
        ({"cost_in_usd_ticks": 5_000_000_000}, 0.5),
        ({"estimated_cost": 0.5}, 0.5),
        ({"cost": "free"}, None),
        ({"cost": -1}, None),
    ],
)
def test_a_vendors_own_cost_is_taken(usage: dict[str, Any], cost: float | None) -> None:
    body = chat_answer()
    body["usage"].update(usage)
    assert chat.decode(body, provider="p", model="m", request_id=None).cost == cost
