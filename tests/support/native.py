"""Vendors that are sent their clients' own bodies: what each protocol's client asks, and what its vendor answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from providers import CompletionRequest, CompletionResponse, ProviderSettings, StreamChunk, registry
from providers.base import Provider
from providers.types import Native, WireProtocol
from providers.wire import anthropic_messages, ollama_chat, openai_chat, openai_responses
from tests.support.raw_server import Handler, Server, serving

KEY = "sk-secret-0123456789"


def sse(*events: dict[str, Any] | str, named: bool = False) -> bytes:
    """Events as vendors write them; a string stands for itself."""
    return b"".join(_event(event, named) for event in events)


def _event(event: dict[str, Any] | str, named: bool) -> bytes:
    if isinstance(event, str):
        return f"data: {event}\n\n".encode()
    name = f"event: {event['type']}\n" if named else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


class Wire(NamedTuple):
    """One protocol: the kind of provider that speaks it, a body of a client, an answer, and a stream of the same."""

    protocol: WireProtocol
    kind: str
    options: dict[str, Any]
    read: Callable[[dict[str, Any]], CompletionRequest]
    body: dict[str, Any]
    answer: dict[str, Any]
    stream: bytes

    @property
    def content_type(self) -> str:
        return "application/x-ndjson" if self.kind == "ollama" else "text/event-stream"

    def request(self, *, model: str = "target", stream: bool = False, **fields: Any) -> CompletionRequest:
        """The request that a server makes of the body, to which `body` is added; `native` are further fields of it."""
        body = {**self.body, **fields.pop("body", {}), "stream": stream}
        if not stream:
            body.pop("stream_options", None)
        native = Native(self.protocol, body, **fields.pop("native", {}))
        values = self.read(body)
        return CompletionRequest(
            **{
                **{name: getattr(values, name) for name in values.__struct_fields__},
                "model": model,
                "native": native,
                **fields,
            }
        )


def _chat_chunk(**delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": None, "content_filter_offsets": {"check_offset": 7}}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice], "system_fingerprint": "fp_1"}


COUNTS = {"id": "chatcmpl-1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
CHAT_EVENTS: list[dict[str, Any] | str] = [
    _chat_chunk(role="assistant", content=""),
    _chat_chunk(content="Hé"),
    _chat_chunk(content="llo"),
    {**_chat_chunk(), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
]
CHAT = Wire(
    "openai.chat",
    "openai",
    {"dialect": "generic"},
    openai_chat.read_request,
    {
        "model": "client-model",
        "messages": [{"role": "user", "content": "Hi", "x_unknown": [1, None]}],
        "logit_bias": {"50256": -100},
        "beta_field": {"deep": [1.0, {"a": None}]},
        "tools": [
            {"type": "function", "function": {"name": "a b", "parameters": {"type": "object", "x-order": ["b"]}}}
        ],
        "stream_options": {"include_usage": True},
    },
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "vendor-model",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Héllo", "x": 1}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "x_beta": 4},
    },
    sse(*CHAT_EVENTS, COUNTS, "[DONE]"),
)

_ITEM = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
_SAID = [{"type": "output_text", "text": "Héllo", "annotations": [], "logprobs": []}]
_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "vendor-model",
    "output": [{"type": "web_search_call", "id": "ws_1"}, {**_ITEM, "content": _SAID}],
    "usage": {"input_tokens": 3, "output_tokens": 2},
    "x_beta": {"a": [1]},
}
RESPONSES = Wire(
    "openai.responses",
    "openai",
    {"api": "responses", "dialect": "generic"},
    openai_responses.read_request,
    {
        "model": "client-model",
        "input": [{"role": "user", "content": "Hi"}, {"type": "x_unknown", "payload": {"a": [1]}}],
        "tools": [{"type": "web_search"}, {"type": "custom", "name": "patch", "format": {"type": "grammar"}}],
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "client_metadata": {"k": "v"},
    },
    _RESPONSE,
    sse(
        {"type": "response.created", "response": {**_RESPONSE, "status": "in_progress", "output": []}},
        {"type": "response.in_progress", "response": {"id": "resp_1"}},
        {"type": "response.web_search_call.searching", "item_id": "ws_1", "output_index": 0},
        {"type": "response.output_item.added", "output_index": 1, "item": {**_ITEM, "content": []}},
        {"type": "response.output_text.delta", "output_index": 1, "item_id": "msg_1", "delta": "Hé"},
        {"type": "response.output_text.delta", "output_index": 1, "item_id": "msg_1", "delta": "llo"},
        {"type": "response.output_item.done", "output_index": 1, "item": {**_ITEM, "content": _SAID}},
        {"type": "response.completed", "response": _RESPONSE},
        named=True,
    ),
)

_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "vendor-model",
    "content": [{"type": "server_tool_use", "id": "srv_1", "input": {}}, {"type": "text", "text": "Héllo"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2},
    "container": {"id": "c"},
}
MESSAGES = Wire(
    "anthropic.messages",
    "anthropic",
    {},
    anthropic_messages.read_request,
    {
        "model": "client-model",
        "max_tokens": 64,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "citations": {"enabled": True}}]}],
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "tools": [
            {"type": "web_search_20260209", "name": "web_search", "max_uses": 3},
            {"name": "look", "input_schema": {"type": "object", "properties": {}}},
        ],
        "temperature": 0.3,
        "metadata": {"user_id": "u"},
    },
    _MESSAGE,
    sse(
        {"type": "message_start", "message": {**_MESSAGE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "id": "srv_1"}},
        {"type": "ping"},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hé"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {"a": 1}}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "llo"}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
        named=True,
    ),
)

_LINES: list[dict[str, Any]] = [
    {"model": "vendor-model", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": "Hé"}},
    {"model": "vendor-model", "message": {"role": "assistant", "content": "llo"}, "logprobs": [{"token": "llo"}]},
    {"model": "vendor-model", "message": {"content": ""}, "done": True, "done_reason": "stop", "eval_count": 2},
]
OLLAMA = Wire(
    "ollama.chat",
    "ollama",
    {},
    ollama_chat.read_request,
    {
        "model": "client-model",
        "messages": [{"role": "user", "content": "Hi"}],
        "options": {"mirostat": 2, "num_ctx": 2048},
        "keep_alive": "7m",
        "logprobs": True,
        "tools": [],
    },
    {**_LINES[2], "message": {"role": "assistant", "content": "Héllo"}, "logprobs": [{"token": "llo"}]},
    b"".join(json.dumps(line).encode() + b"\n" for line in _LINES),
)

WIRES = {wire.protocol: wire for wire in (CHAT, RESPONSES, MESSAGES, OLLAMA)}


def http(body: bytes, content_type: str = "application/json", status: int = 200) -> bytes:
    """A whole HTTP answer."""
    head = f"HTTP/1.1 {status} OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Vendor:
    """A provider and the server that it talks to."""

    def __init__(self, provider: Provider, server: Server) -> None:
        self.provider = provider
        self._server = server

    @property
    def heads(self) -> list[str]:
        """What came before each body, in lower case."""
        return [request.partition(b"\r\n\r\n")[0].decode().lower() for request in self._server.requests]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in self._server.requests]

    async def chunks(self, request: CompletionRequest) -> tuple[list[StreamChunk], CompletionResponse]:
        async with self.provider.stream(request) as stream:
            chunks = [chunk async for chunk in stream]
        return chunks, stream.response


@asynccontextmanager
async def vendor(wire: Wire, *answers: bytes | Handler, step: int = 0, **options: Any) -> AsyncIterator[Vendor]:
    """A vendor that gives these answers, whole HTTP answers, the last for ever; `step` bytes at a time."""
    left = list(answers)

    async def handle(reader: Any, writer: Any) -> None:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if not isinstance(answer, bytes):
            await answer(reader, writer)
            return
        for start in range(0, len(answer), step or len(answer)):
            writer.write(answer[start : start + (step or len(answer))])
            await writer.drain()

    async with serving(handle) as server:
        settings = ProviderSettings(
            name="p",
            kind=wire.kind,
            base_url=server.url.removesuffix("/v1") if wire.kind != "openai" else server.url,
            api_key=KEY,
            options={**wire.options, "max_retries": 0, **options},
        )
        provider = registry.create(settings)
        try:
            yield Vendor(provider, server)
        finally:
            await provider.aclose()
